//! The guide as the tests read it: sections, and in each the blocks that are set off by four spaces.
//!
//! A block that begins with `[` is a manifest. One that begins with `$ curl` is a request and, below it, its reply; either may
//! follow another block after an empty line. One after a line that ends with a file's name and a colon is that file. Any
//! other is for people.

use std::path::Path;

/// A part of the guide: what it is about, and its blocks in order.
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

pub enum Block {
    Manifest(String),
    File { name: String, text: String },
    Request { curl: String, reply: String },
}

/// The guide's sections that have a manifest.
pub fn sections() -> Vec<Section> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bring-your-function.md");
    let text = std::fs::read_to_string(file).unwrap();
    let all = text.split("\n## ").skip(1).map(section);
    all.filter(|section| section.blocks.iter().any(|block| matches!(block, Block::Manifest(_)))).collect()
}

fn section(text: &str) -> Section {
    let (title, text) = text.split_once('\n').unwrap();
    let (mut blocks, mut before, mut lines) = (Vec::new(), "", text.lines().peekable());
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("    ") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let mut block = vec![first];
        while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with("    ")) {
            let line = line.get(4..).unwrap_or_default();
            if block.last() == Some(&"") && line.starts_with(['[', '$']) {
                blocks.extend(read(before, &block));
                (before, block) = ("", Vec::new());
            }
            block.push(line);
        }
        blocks.extend(read(before, &block));
    }
    Section { title: title.to_owned(), blocks }
}

fn read(before: &str, block: &[&str]) -> Option<Block> {
    let text = block.join("\n");
    let block = text.trim_end();
    if block.starts_with('[') {
        return Some(Block::Manifest(format!("{block}\n")));
    }
    if let Some(request) = block.strip_prefix("$ curl ") {
        let (curl, reply) = request.split_once('\n').expect("a request's reply is below it");
        return Some(Block::Request { curl: curl.to_owned(), reply: reply.to_owned() });
    }
    let name = before.strip_suffix("`:")?.rsplit('`').next()?;
    Some(Block::File { name: name.to_owned(), text: format!("{block}\n") })
}
