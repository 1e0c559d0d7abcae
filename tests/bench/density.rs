//! `kiln bench density`.

use crate::engine::engine_or_skip;
use crate::kiln::Folder;
use crate::{FIXTURES, guests, json};
use serde_json::Value;

fn counts(case: &Value) -> Vec<u64> {
    case["points"].as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).collect()
}

#[test]
fn modules_take_memory_and_maps() {
    let folder = Folder::new();
    let args = ["bench", "density", "-f", FIXTURES, "echo", "--backend", "wasm", "--count", "64"];
    let found = json(&folder.kiln(&[&args[..], &["-o", "json"]].concat(), ""));
    let case = &found["results"]["cases"][0];
    assert_eq!(counts(case), [0, 8, 16, 24, 32, 40, 48, 56, 64]);
    // A parked instance of it has touched some pages of its own, and has maps of its own.
    let each = &case["per_sandbox"];
    assert!(each["resident"].as_f64().unwrap() > 4096.0 && each["maps"].as_f64().unwrap() > 0.5, "{each}");
    assert_eq!(each["containers"], Value::Null);

    let said = folder.kiln(&args, "");
    assert!(said.out.starts_with("FUNCTION  BACKEND  SANDBOXES"), "{}", said.out);
    let said = folder.kiln(&[&args[..], &["-o", "csv"]].concat(), "");
    assert_eq!(said.out.lines().count(), 10, "{}", said.out);
}

#[tokio::test]
async fn containers_are_counted_by_their_engine() {
    let Some(_engine) = engine_or_skip("containers_are_counted_by_their_engine").await else { return };
    let args =
        ["bench", "density", "-f", FIXTURES, "echo", "--backend", "docker", "--count", "2", "-o", "json"];
    let found = json(&Folder::new().kiln(&args, ""));
    let case = &found["results"]["cases"][0];
    assert_eq!(counts(case), [0, 1, 2], "{case}");
    let containers: Vec<_> = case["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["containers"].as_u64().unwrap())
        .collect();
    assert!(containers[0] == 0 && containers[0] < containers[1] && containers[1] < containers[2], "{case}");
}

#[test]
fn what_is_never_idle_has_no_density() {
    let folder = Folder::new();
    folder.write("echo.wat", &guests::echo());
    let host = "[host]\ndocker_host = \"unix:///nowhere/docker.sock\"\n";
    folder.write("kiln.toml", &format!("{host}[function.echo]\nwasm = \"echo.wat\"\nimage = \"a:1\"\n"));
    let said = folder.kiln(&["bench", "density", "echo", "--count", "4"], "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("echo on docker: ") && said.err.contains("/nowhere/docker.sock"),
        "{}",
        said.err
    );
    assert!(said.out.contains("echo      wasm"), "{}", said.out);
    assert_eq!(folder.kiln(&["bench", "density", "nope"], "").code, Some(3));
    let said = folder.kiln(&["bench", "density", "echo", "--backend", "wasm", "--count", "1000000"], "");
    assert_eq!(said.code, Some(5), "{}", said.err);
    assert!(said.err.contains("can't live at once here"), "{}", said.err);
}
