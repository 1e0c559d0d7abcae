//! npm's `openwhisk`, unmodified, against `kiln serve`.
//!
//! Installed once into a cache folder by `scripts/test-npm-client`. Where that can't be, the test says so and passes, unless
//! `KILN_REQUIRE_NPM=1`.

use crate::serve::{Home, KEY, python, root};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

const IMAGE: &str = "kiln-fixture-echo:1";

/// The folder that the client is installed in; none where it can't be.
fn client() -> Option<String> {
    let required = std::env::var("KILN_REQUIRE_NPM").is_ok_and(|value| value == "1");
    let installed = Command::new(root("scripts/test-npm-client")).stderr(Stdio::inherit()).output().unwrap();
    if installed.status.success() {
        return Some(String::from_utf8(installed.stdout).unwrap().trim().to_owned());
    }
    assert!(!required, "KILN_REQUIRE_NPM=1, but npm's openwhisk can't be installed");
    eprintln!("skipped: npm's openwhisk (it can't be installed here)");
    None
}

/// Whether the engine has the fixture's image.
fn has_image() -> bool {
    let required = std::env::var("KILN_REQUIRE_DOCKER").is_ok_and(|value| value == "1");
    let found = cfg!(feature = "docker")
        && Command::new("docker")
            .args(["image", "inspect", IMAGE])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    assert!(found || !required, "KILN_REQUIRE_DOCKER=1, but there is no image {IMAGE}");
    found
}

/// What is declared of each kind; each answers with its parameters.
fn actions(home: &Home, has_python: bool) -> Value {
    let mut actions = vec![json!({"label": "wasm", "kind": "wasm", "file": root("fixtures/echo/echo.wasm")})];
    match home.js {
        Some(_) => actions.push(json!({
            "label": "js", "action": "function main(params) { console.log('called'); return params }", "logs": "called",
        })),
        None => eprintln!("skipped: js actions (no runtimes/js/js.wasm)"),
    }
    if has_python {
        actions.push(json!({
            "label": "python", "kind": "python:3", "action": "def main(params):\n    print('called')\n    return params\n",
            "logs": "called",
        }));
    }
    match has_image() {
        true => actions.push(json!({
            "label": "image", "exec": {"kind": "blackbox", "image": IMAGE}, "annotations": {"format": "frame"},
        })),
        false => eprintln!("skipped: image actions (no {IMAGE})"),
    }
    Value::Array(actions)
}

#[test]
fn npms_client_works_unmodified() {
    let Some(client) = client() else { return };
    let python = python();
    let home = Home::with(python.as_deref().unwrap_or_default());
    let serve = home.serve();
    let ran = Command::new("node")
        .arg(root("tests/clients/npm/check.js"))
        .env("NODE_PATH", &client)
        .env("__OW_API_HOST", &serve.url)
        .env("__OW_API_KEY", KEY)
        .env("KILN_TEST_ACTIONS", actions(&home, python.is_some()).to_string())
        .env_remove("__OW_NAMESPACE")
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env_remove("HTTP_PROXY")
        .env_remove("HTTPS_PROXY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.trim_end().ends_with("all of it works"), "{said}");
}
