//! `kiln bench compare`.

use crate::guests;
use crate::kiln::Folder;

/// A folder with the results of a short run, and of the same run with every time doubled.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    folder.write("kiln.toml", "[function.echo]\nwasm = \"echo.wat\"\n");
    let said = folder.kiln(&["bench", "start", "-n", "8", "-o", "json"], "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    folder.write("a.json", &said.out);
    let mut twice: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    for case in twice["results"]["cases"].as_array_mut().unwrap() {
        for run in case["runs"].as_array_mut().unwrap() {
            // Far beyond any spread of so few runs on a busy machine.
            run["total"] = (run["total"].as_u64().unwrap() * 1000).into();
        }
    }
    folder.write("b.json", &twice.to_string());
    folder
}

#[test]
fn what_differs_is_told_and_what_does_not_is_not() {
    let folder = folder();
    let said = folder.kiln(&["bench", "compare", "a.json", "b.json"], "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let verdict = |line: &&str| line.starts_with("echo wasm c") && line.ends_with("slower");
    assert_eq!(said.out.lines().filter(verdict).count(), 2, "{}", said.out);
    let said = folder.kiln(&["bench", "compare", "b.json", "a.json"], "");
    assert!(said.out.lines().nth(1).unwrap().ends_with("faster"), "{}", said.out);
    let said = folder.kiln(&["bench", "compare", "a.json", "a.json"], "");
    assert!(said.out.lines().skip(1).all(|line| line.ends_with("no difference seen")), "{}", said.out);

    let said = folder.kiln(&["bench", "compare", "a.json", "b.json", "-o", "json"], "");
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let case = &found["cases"][0];
    assert_eq!((&case["case"], &case["verdict"]), (&"echo wasm cold".into(), &"slower".into()), "{case}");
    let figure = |name: &str| case[name].as_f64().unwrap();
    assert!(figure("low") <= figure("ratio") && figure("ratio") <= figure("high"), "{case}");
    assert_eq!(found["confidence"], 0.95);
}

#[test]
fn what_is_no_result_is_refused() {
    let folder = folder();
    folder.write("other.json", "{\"a\": 1}");
    folder.write("text", "nothing");
    folder.write("newer.json", "{\"schema\": \"kiln-bench\", \"version\": 99}");
    let said = folder.kiln(&["bench", "load", "echo", "--rate", "50", "-t", "100ms", "-o", "json"], "");
    folder.write("load.json", &said.out);
    for (after, part) in [
        ("missing.json", "can't read missing.json"),
        ("other.json", "other.json is not a bench result"),
        ("text", "text is not JSON"),
        ("newer.json", "newer.json is a bench result of version 99"),
        ("load.json", "the first result is of `kiln bench start` and the second of `kiln bench load`"),
    ] {
        let said = folder.kiln(&["bench", "compare", "a.json", after], "");
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{after}: {}", said.err);
        assert!(said.err.contains(part), "{after}: {}", said.err);
    }
    let said = folder.kiln(&["bench", "compare", "a.json", "b.json", "-o", "csv"], "");
    assert_eq!(said.code, Some(2), "{}", said.err);
}
