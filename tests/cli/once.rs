//! Commands without a server: `run`, `doctor`, `completions`, and what is said to wrong usage.

use crate::guests;
use crate::kiln::Folder;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("fail.wat", &guests::fail(3));
    folder.write("endless.wat", &guests::endless());
    folder.write("tea.wat", &guests::teapot());
    folder.write("kiln.toml", "[function.shout]\nwasm = \"echo.wat\"\ntimeout = \"10s\"\n");
    folder
}

#[test]
fn run_puts_stdin_through_a_module() {
    let said = folder().kiln(&["run", "echo.wat"], "hello");
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "hello", ""));
}

#[test]
fn run_takes_a_function_of_a_manifest() {
    let folder = folder();
    let said = folder.kiln(&["run", "shout", "-f", "kiln.toml"], "hello");
    assert_eq!((said.code, said.out.as_str()), (Some(0), "hello"), "{}", said.err);
    let said = folder.kiln(&["run", "nope", "-f", "kiln.toml"], "");
    assert_eq!(said.code, Some(3));
    assert_eq!(said.err, "kiln: kiln.toml has no function `nope`: it has `shout`\n");
}

/// What the function says on stderr is there as it said it, and its failure is an exit code.
#[test]
fn a_failure_is_an_exit_code() {
    let said = folder().kiln(&["run", "fail.wat"], "");
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(lines[0], "oh no", "{lines:?}");
    assert!(lines[1].starts_with("kiln: ") && lines[1].contains("code 3"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_status_that_says_failure_is_one() {
    let said = folder().kiln(&["run", "tea.wat", "--format", "http"], "");
    assert_eq!((said.code, said.out.as_str()), (Some(1), "short"), "{}", said.err);
    assert!(said.err.contains("status 418"), "{}", said.err);
}

#[test]
fn a_timeout_has_its_own_exit_code() {
    let said = folder().kiln(&["run", "endless.wat", "--timeout", "100ms"], "");
    assert_eq!(said.code, Some(4), "{}", said.err);
}

#[test]
fn run_ends_at_a_signal() {
    let folder = folder();
    let started = folder.start(&["run", "endless.wat", "--timeout", "1h", "--log", "debug"]);
    // Where it stands doesn't matter: before it catches signals, while it compiles, while it runs.
    std::thread::sleep(std::time::Duration::from_secs(1));
    // Not INT: a shell that starts the tests in the background lets them ignore it until it is caught.
    started.signal("TERM");
    let said = started.end();
    assert!(matches!(said.code, Some(130) | None), "{said:?}");
}

#[test]
fn wrong_usage_is_named() {
    let folder = folder();
    for (args, part) in [
        (&["run", "nope.wat"][..], "there is no file \"nope.wat\""),
        (&["run", "echo.wat", "--memory", "64"], "without a unit: give one, as \"64MiB\""),
        (&["run", "echo.wat", "--format", "jsn"], "give default, http, json or frame"),
        (&["run", "echo.wat", "--dir", "here"], "`--dir` is \"here\", which is no directory"),
        (&["serve", "nope.toml"], "can't read the manifest nope.toml"),
        (&["invoke", "echo", "--url", "localhost"], "give one such as http://127.0.0.1:8080"),
        (&["list", "--log", "a=b=c"], "the log filter can't be read"),
    ] {
        let said = folder.kiln(args, "");
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}: {}", said.err);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
}

#[test]
fn every_mistake_of_a_manifest_is_shown() {
    let folder = Folder::new();
    folder.write("kiln.toml", "[host]\nmemory = \"64\"\n[function.a]\nimage = \"a:1\"\ntimout = \"5s\"\n");
    let said = folder.kiln(&["serve"], "");
    assert_eq!(said.code, Some(2));
    assert_eq!(
        said.err,
        "kiln:\nkiln.toml:2:10: `memory` is \"64\", without a unit: give one, as \"64MiB\"\n\
         kiln.toml:5:1: unknown key `timout` in [function.a]: did you mean `timeout`?\n"
    );
}

#[test]
fn a_module_that_is_none_stops_serve_before_it_begins() {
    let folder = Folder::new();
    folder.write("bad.wat", "(module");
    folder.write("kiln.toml", "[function.bad]\nwasm = \"bad.wat\"\n");
    let said = folder.kiln(&["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("bad") && !said.err.contains("listening"), "{}", said.err);
}

#[test]
fn doctor_says_what_runs_here() {
    let folder = Folder::new();
    let said = folder.kiln(&["doctor", "-o", "json"], "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let checks: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let wasm = checks.as_array().unwrap().iter().find(|check| check["check"] == "wasm").unwrap();
    assert_eq!(wasm["state"], "ok", "{wasm}");
    let cache = checks.as_array().unwrap().iter().find(|check| check["check"] == "module cache").unwrap();
    assert_eq!(cache["state"], "ok", "{cache}");
    assert!(folder.kiln(&["doctor"], "").out.contains("memory budget"));
}

#[test]
fn completions_are_written() {
    let said = Folder::new().kiln(&["completions", "bash"], "");
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("_kiln()"));
}

#[test]
fn without_a_server_that_is_said() {
    // Port 1 is nobody's.
    let said = Folder::new().kiln(&["list", "--url", "http://127.0.0.1:1"], "");
    assert_eq!((said.code, said.out.as_str()), (Some(5), ""));
    assert!(
        said.err.contains("no server answers at http://127.0.0.1:1") && said.err.contains("kiln serve"),
        "{}",
        said.err
    );
}

/// A function from source needs no server either, and JavaScript no runtime in the manifest.
#[cfg(feature = "js")]
#[test]
fn a_source_runs_with_the_runtime_that_is_built_in() {
    let folder = Folder::new();
    folder.write("hello.js", "const main = ({ name }) => ({ greeting: `hello ${name}` })");
    // Shared by the tests of runtimes, since an interpreter takes long to compile.
    let host = format!("[host]\ncache_dir = {:?}\n", concat!(env!("CARGO_TARGET_TMPDIR"), "/runtimes-wasm"));
    folder.write("kiln.toml", &format!("{host}[function.hello]\nsource = \"hello.js\"\n"));
    let said = folder.kiln(&["run", "-f", "kiln.toml", "hello"], r#"{"name":"Ada"}"#);
    assert_eq!((said.code, said.out.as_str()), (Some(0), r#"{"greeting":"hello Ada"}"#), "{}", said.err);
}
