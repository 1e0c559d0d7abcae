//! `kiln deploy`, `invoke`, `get`, `activations`, `logs`, `delete`: against a server, and without one.

use crate::serve::{Home, KEY, root};
use serde_json::{Value, json};
use std::process::Command;

pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout.trim()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).unwrap()
    }
}

/// Runs `kiln` with a way to reach the API behind its arguments.
pub fn kiln(way: &[String], args: &[&str]) -> Said {
    let ran = Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(args)
        .args(way)
        .env_remove("KILN_URL")
        .env_remove("KILN_AUTH")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    Said {
        code: ran.status.code().unwrap(),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    }
}

/// What holds of both ways.
fn a_life(home: &Home, way: &[String]) {
    let echo = root("fixtures/echo/echo.wasm").display().to_string();
    let declare = ["deploy", &echo, "-p", "own", "1", "--memory", "128MiB", "--timeout", "5s", "--web"];
    let deployed = kiln(way, &declare);
    assert!(deployed.ok().is_empty() && deployed.stderr.contains("guest/echo 0.0.1"), "{}", deployed.stderr);
    assert!(kiln(way, &declare).stderr.contains("guest/echo 0.0.2"));
    let shown = kiln(way, &["get", "echo"]).json();
    assert_eq!((&shown["limits"]["memory"], &shown["limits"]["timeout"]), (&json!(128), &json!(5000)));
    assert_eq!(shown["parameters"], json!([{"key": "own", "value": 1}]));

    let called = kiln(way, &["invoke", "echo", "-p", "a", "1", "-p", "b", "x y"]).json();
    assert_eq!(called, json!({"own": 1, "a": 1, "b": "x y"}));
    let called = kiln(way, &["invoke", "echo", "--blocking", "-d", "{\"c\": [2]}"]).json();
    assert_eq!(called["response"]["result"], json!({"own": 1, "c": [2]}));
    let failed = kiln(way, &["invoke", "echo", "-p", "error", "no"]);
    assert_eq!((failed.code, failed.stdout.trim()), (1, "{\n  \"error\": \"no\"\n}"));
    let id = kiln(way, &["invoke", "echo", "--async"]).ok().to_owned();
    assert_eq!(id.len(), 32);

    let listed = kiln(way, &["activations", "--name", "echo", "--since", "1h", "-o", "json"]).json();
    assert!(listed.as_array().unwrap().len() >= 3, "{listed}");
    let table = kiln(way, &["activations", "--limit", "1"]);
    assert_eq!(table.ok().lines().count(), 2, "{}", table.stdout);
    let first = called["activationId"].as_str().unwrap();
    assert_eq!(kiln(way, &["logs", first]).ok(), "");

    if home.js.is_some() {
        let source = home
            .write("hello.js", "function main({ name }) { console.log('to', name); return { hello: name } }");
        let source = source.display().to_string();
        kiln(way, &["deploy", &source, "-n", "greet"]).ok();
        assert_eq!(kiln(way, &["invoke", "greet", "-p", "name", "Ada"]).json(), json!({"hello": "Ada"}));
        let listed = kiln(way, &["activations", "-n", "greet", "-o", "json"]).json();
        let id = listed[0]["activationId"].as_str().unwrap();
        assert!(kiln(way, &["logs", id]).ok().ends_with(" stdout: to Ada"));
    }

    kiln(way, &["delete", "echo"]).ok();
    assert_eq!(kiln(way, &["get", "echo"]).code, 3);
    assert_eq!(kiln(way, &["invoke", "echo", "--result"]).code, 3);
    assert_eq!(kiln(way, &["deploy", "/nothing.wasm"]).code, 2);
}

#[test]
fn a_servers_actions_have_a_life() {
    let home = Home::new();
    let serve = home.serve();
    let way = ["--url", &serve.url, "--auth", KEY].map(str::to_owned);
    a_life(&home, &way);
    let wrong =
        kiln(&["--url", &serve.url, "--auth", "some:body-elses"].map(str::to_owned), &["activations"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[test]
fn so_have_those_of_a_state_folder_without_a_server() {
    let home = Home::new();
    let at = |name: &str| home.path(name).display().to_string();
    let way = ["--local".to_owned(), "--state".into(), at("state"), "--file".into(), at("kiln.toml")];
    a_life(&home, &way);
    let used = home.serve();
    let busy = kiln(&way, &["activations"]);
    assert_eq!(busy.code, 5, "{}", busy.stderr);
    assert!(busy.stderr.contains("--state"), "{}", busy.stderr);
    drop(used);
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let way = ["--url", "http://127.0.0.1:9", "--auth", KEY].map(str::to_owned);
    assert_eq!(kiln(&way, &["activations"]).code, 5);
}
