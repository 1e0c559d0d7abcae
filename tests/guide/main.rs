//! `docs/bring-your-function.md`, as it is written: each of its manifests is served, with a fixture in place of the reader's own file
//! or image, and each request that is shown gets the reply that is shown.
#![cfg(all(feature = "cli", feature = "wasm", feature = "docker", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/components.rs"]
mod components;
mod curl;
#[path = "../common/docker.rs"]
mod docker;
mod document;
#[path = "../common/serve.rs"]
mod serve;

use answer::Answer;
use docker::{docker_or_skip, skip};
use document::{Block, sections};
use serve::Serve;
use std::path::{Path, PathBuf};

/// A test for each section, by its title.
macro_rules! guide {
    ($($name:ident: $title:literal;)+) => {
        $(#[tokio::test]
        async fn $name() {
            works(stringify!($name), $title).await;
        })+

        #[test]
        fn no_section_is_left_out() {
            let titles: Vec<_> = sections().into_iter().map(|section| section.title).collect();
            assert_eq!(titles, [$($title),+]);
        }
    };
}

guide! {
    rust_or_c: "Rust or C, to wasm";
    kept_warm: "The same, kept warm";
    a_component: "A component of `wasi:cli/command`";
    a_handler: "A component of `wasi:http`";
    javascript: "JavaScript";
    python: "Python";
    openwhisk: "An OpenWhisk action";
    fn_with_its_fdk: "A function of Fn's";
    a_server: "A server in an image";
    a_hot_function: "A hot function of IronFunctions or Fn";
    a_command: "Any command in an image";
}

/// What is served in place of the reader's images.
const IMAGE: &str = "kiln-fixture-echo:1";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

async fn works(name: &str, title: &str) {
    let section = sections().into_iter().find(|section| section.title == title).expect("it is in the guide");
    let folder = tempfile::tempdir().unwrap();
    let mut serve = None;
    let mut asked = 0;
    for block in section.blocks {
        match block {
            Block::File { name, text } => std::fs::write(folder.path().join(name), text).unwrap(),
            Block::Manifest(text) => {
                let Some(text) = in_place(name, &text, folder.path()).await else { return };
                // What was served before is over: each manifest is whole.
                drop(serve.take());
                let file = folder.path().join("kiln.toml");
                std::fs::write(&file, text).unwrap();
                serve = Some(Serve::new(&file, &[]));
            }
            Block::Request { curl, reply } => {
                let url = &serve.as_ref().expect("a manifest comes before a request").url;
                let answer = Answer::to(curl::request(&curl, url), false).await;
                assert_eq!(answer.text().trim_end(), reply, "curl {curl}");
                asked += 1;
            }
        }
    }
    assert!(asked > 0, "{title} shows no request");
    assert_eq!(serve.expect("it has a manifest").terminate(), Some(0));
}

/// The manifest with fixtures in place of what is the reader's own; `None` where they can't be had, after saying so.
async fn in_place(test: &str, manifest: &str, folder: &Path) -> Option<String> {
    let mut lines = vec!["[host]".to_owned(), format!("id = \"guide-{test}-{}\"", std::process::id())];
    for line in manifest.lines() {
        let value = || line.split('"').nth(1).unwrap();
        if line.starts_with("wasm = ") {
            let there = root(value());
            let file = if there.is_file() { there } else { module(value(), folder) };
            lines.push(format!("wasm = {file:?}"));
        } else if line.starts_with("image = ") {
            let image = if value().starts_with("kiln-") { value() } else { IMAGE };
            has(test, image).await?;
            lines.push(format!("image = \"{image}\""));
        } else {
            lines.push(line.to_owned());
        }
    }
    Some(lines.join("\n"))
}

/// The fixture as the module, or the component, that the guide names.
fn module(name: &str, folder: &Path) -> PathBuf {
    let of = |fixture: &str| std::fs::read(root(fixture)).unwrap();
    let echo = of("fixtures/echo/echo.wasm");
    let file = folder.join(Path::new(name).file_name().unwrap());
    let code = match name {
        _ if name.ends_with("_http.wasm") => of("fixtures/proxy/proxy.wasm"),
        _ if name.ends_with("_service.wasm") => of("fixtures/service/service.wasm"),
        _ if name.contains("wasip2") => components::componentize(&echo),
        _ => echo,
    };
    std::fs::write(&file, code).unwrap();
    file
}

/// Whether an image is there; says that the test is skipped where not, and fails where it is required.
async fn has(test: &str, image: &str) -> Option<()> {
    let engine = docker_or_skip(test).await?;
    let Err(why) = engine.client.inspect_image(image).await else { return Some(()) };
    let why = format!(
        "{test}: the engine has no image {image} ({why}); run scripts/test-services, scripts/test-runtimes"
    );
    let required = if image.contains("runtime") { "KILN_REQUIRE_RUNTIMES" } else { "KILN_REQUIRE_DOCKER" };
    assert!(std::env::var(required).as_deref() != Ok("1"), "{why}");
    skip(&why);
    None
}
