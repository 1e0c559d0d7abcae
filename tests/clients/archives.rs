//! ZIP archives as actions: their files find each other, on either backend.

use crate::cli::kiln;
use crate::serve::{Home, KEY, python};
use rawzip::ZipArchiveWriter;
use serde_json::json;
use std::io::Write;

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut writer = ZipArchiveWriter::new(&mut archive);
    for (name, text) in files {
        let (mut entry, config) = writer.new_file(*name).start().unwrap();
        let mut file = config.wrap(&mut entry);
        file.write_all(text.as_bytes()).unwrap();
        let (_, sum) = file.finish().unwrap();
        entry.finish(sum).unwrap();
    }
    writer.finish().unwrap();
    archive
}

#[test]
fn a_node_package_finds_its_own_files() {
    let home = Home::new();
    let files = [
        ("package.json", r#"{"name": "x", "main": "lib/index"}"#),
        (
            "lib/index.js",
            "const greet = require('./greet'), { who } = require('../data.json'), n = require('counter');\n\
             exports.main = ({ name = who }) => ({ greeting: greet(name), calls: n.next(), dir: __dirname })",
        ),
        ("lib/greet/index.js", "module.exports = name => `hello ${name}`"),
        ("data.json", r#"{"who": "you"}"#),
        ("node_modules/counter/package.json", r#"{"main": "./main.js"}"#),
        ("node_modules/counter/main.js", "let calls = 0; exports.next = () => ++calls"),
    ];
    std::fs::write(home.path("hello.zip"), zip(&files)).unwrap();
    let esm = zip(&[("package.json", r#"{"type": "module"}"#), ("index.js", "export const main = 1")]);
    std::fs::write(home.path("esm.zip"), esm).unwrap();
    let broken = zip(&[("index.js", "require('./nothing'); exports.main = () => ({})")]);
    std::fs::write(home.path("broken.zip"), broken).unwrap();
    let serve = home.serve();
    let way = ["--url", &serve.url, "--auth", KEY].map(str::to_owned);
    let deploy = |name: &str| {
        let file = home.path(&format!("{name}.zip")).display().to_string();
        kiln(&way, &["deploy", &file, "--kind", "nodejs:default"])
    };
    deploy("hello").ok();
    for (call, name) in [(1, "you"), (2, "Ada")] {
        let args = ["invoke", "hello", "-p", "name", name];
        let args = if call == 1 { &args[..2] } else { &args[..] };
        let greeting = format!("hello {name}");
        assert_eq!(kiln(&way, args).json(), json!({"greeting": greeting, "calls": call, "dir": "/lib"}));
    }
    let shown = kiln(&way, &["get", "hello"]).json();
    assert_eq!(shown["exec"]["binary"], true, "{shown}");
    let refused = deploy("esm");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("ES modules"), "{}", refused.stderr);
    deploy("broken").ok();
    let failed = kiln(&way, &["invoke", "broken"]);
    assert!(failed.stderr.contains("Cannot find module './nothing'"), "{}{}", failed.stdout, failed.stderr);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
}

#[test]
fn a_python_program_imports_its_own_files() {
    let Some(python) = python() else { return };
    let home = Home::with(&python);
    let files = [
        (
            "__main__.py",
            "from words.greet import greet\nimport data\n\ndef main(params):\n    \
                         return greet(params.get('name', data.WHO))\n",
        ),
        ("words/__init__.py", "HELLO = 'hello é'\n"),
        (
            "words/greet.py",
            "from . import HELLO\n\ndef greet(name):\n    if name == 'nobody':\n        \
                            raise ValueError('who?')\n    return {'greeting': f'{HELLO} {name}'}\n",
        ),
        ("data.py", "WHO = 'you'\n"),
    ];
    std::fs::write(home.path("hello.zip"), zip(&files)).unwrap();
    let serve = home.serve();
    let way = ["--url", &serve.url, "--auth", KEY].map(str::to_owned);
    let file = home.path("hello.zip").display().to_string();
    kiln(&way, &["deploy", &file, "--kind", "python:3"]).ok();
    assert_eq!(kiln(&way, &["invoke", "hello"]).json(), json!({"greeting": "hello é you"}));
    let failed = kiln(&way, &["invoke", "hello", "-p", "name", "nobody"]);
    assert!(failed.stdout.contains("who?"), "{}{}", failed.stdout, failed.stderr);
}
