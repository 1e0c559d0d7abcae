//! `serve`, and the commands that talk to it.

use crate::guests;
use crate::kiln::Folder;
use std::io::Write;
use std::net::TcpStream;

const MANIFEST: &str = "[host]\nmemory = \"256MiB\"\n[function.echo]\nwasm = \"echo.wat\"\n[function.fail]\nwasm = \"fail.wat\"\n\
    [function.endless]\nwasm = \"endless.wat\"\ntimeout = \"1h\"\n[function.tea]\nwasm = \"tea.wat\"\nformat = \"http\"\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("fail.wat", &guests::fail(3));
    folder.write("endless.wat", &guests::endless());
    folder.write("tea.wat", &guests::teapot());
    folder.write("kiln.toml", MANIFEST);
    folder
}

#[test]
fn a_server_is_asked_and_ended() {
    let folder = folder();
    let (server, url) = folder.serve(&[]);
    let ask = |args: &[&str], stdin: &str| folder.kiln(&[args, &["--url", &url]].concat(), stdin);

    // A body from stdin, from the line, from a file.
    let said = ask(&["invoke", "echo"], "hello");
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "hello", ""));
    assert_eq!(ask(&["invoke", "echo", "-d", "line"], "").out, "line");
    folder.write("body", "file");
    assert_eq!(ask(&["invoke", "echo", "-d", "@body"], "").out, "file");
    assert_eq!(ask(&["invoke", "echo", "-d", "-"], "dash").out, "dash");

    let said = ask(&["invoke", "tea", "-X", "GET", "-i", "-H", "X-A: b", "-p", "/a?b=c"], "");
    assert_eq!((said.code, said.out.as_str()), (Some(1), "short"), "{}", said.err);
    assert!(said.err.contains("x-function: yes") && said.err.contains("status 418"), "{}", said.err);

    let said = ask(&["invoke", "fail"], "");
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("oh no") && said.err.contains("code 3"), "{}", said.err);
    assert_eq!(ask(&["invoke", "nope"], "").code, Some(3));

    let said = ask(&["list"], "");
    let names: Vec<_> = said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["NAME", "echo", "endless", "fail", "tea"], "{}", said.err);
    let said = ask(&["pool", "-o", "json"], "");
    let pool: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(pool["budget"], 256 << 20);

    server.signal("TERM");
    let said = server.end();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
}

#[test]
fn the_command_line_wins_over_the_manifest() {
    let folder = folder();
    let (server, url) = folder.serve(&["--memory", "128MiB", "kiln.toml"]);
    let said = folder.kiln(&["pool", "-o", "json", "--url", &url], "");
    let pool: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(pool["budget"], 128 << 20);
    server.signal("INT");
    assert_eq!(server.end().code, Some(0));
}

/// SEEDS.md I8: the first signal waits for what runs, the second doesn't.
#[test]
fn i8_a_second_signal_stops_at_once() {
    let folder = folder();
    let (mut server, url) = folder.serve(&[]);
    let mut caller = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    caller.write_all(b"POST /r/endless HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
    let runs = || {
        let pool = folder.kiln(&["pool", "-o", "json", "--url", &url], "").out;
        serde_json::from_str::<serde_json::Value>(&pool).unwrap()["active"]["count"] == 1
    };
    while !runs() {}
    server.signal("TERM");
    server.line_with("draining");
    server.signal("TERM");
    assert_eq!(server.end().code, Some(130));
}

/// What functions say is in the server's log, tagged with whose it is.
#[test]
fn what_functions_say_is_logged() {
    let folder = folder();
    let filter = "warn,kiln::function=info,kiln::invocation=debug";
    let (mut server, url) = folder.serve(&["--log-format", "json", "--log", filter]);
    assert_eq!(folder.kiln(&["invoke", "fail", "--url", &url], "").code, Some(1));
    // SEEDS.md I6: tagged with the function, its backend, format and memory, and the request.
    let said: serde_json::Value = serde_json::from_str(&server.line_with("oh no")).unwrap();
    assert_eq!((&said["target"], &said["function"]), (&"kiln::function".into(), &"fail".into()), "{said}");
    assert_eq!((&said["backend"], &said["format"]), (&"wasm".into(), &"default".into()), "{said}");
    assert!(said["memory"].as_u64().is_some_and(|bytes| bytes > 0), "{said}");
    // SEEDS.md W9: how it was started is in the log line, too.
    let ended: serde_json::Value = serde_json::from_str(&server.line_with("kiln::invocation")).unwrap();
    assert_eq!((&ended["start"], &ended["error"]), (&"cold".into(), &"FunctionFailed".into()), "{ended}");
    assert_eq!(said["invocation"], ended["invocation"], "the line is the request's");
    server.signal("TERM");
    assert_eq!(server.end().code, Some(0));
}
