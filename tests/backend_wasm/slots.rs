//! How many instances live at once.

use crate::support::*;
use kiln::ErrorKind;
use kiln::backend::Exit;
use kiln::backend::wasm::{Wasm, WasmConfig};

#[tokio::test]
async fn too_many_instances_are_refused_until_one_is_gone() {
    let wasm = with(|config| config.max_instances = Some(2));
    assert!(wasm.figures().pooled);
    let made = prepare(&wasm, streaming(echo())).await.unwrap();
    let (first, second) = (made.start().await.unwrap(), made.start().await.unwrap());
    let error = made.start().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("all 2 wasm instances are in use: `max_instances` is 2"), "{error}");
    drop(first);
    assert_eq!(made.start().await.unwrap().call("x").await, b"x");
    drop(second);
    assert_eq!(wasm.figures().live, 0);
}

#[tokio::test]
async fn d7_a_hundred_starts_and_removals_leave_nothing() {
    let wasm = with(|config| config.max_instances = Some(1));
    let made = prepare(&wasm, streaming(echo())).await.unwrap();
    for _ in 0..100 {
        let mut live = made.start().await.unwrap();
        assert_eq!(live.call("x").await, b"x");
        assert_eq!(live.sandbox.remove().await, Exit::Killed);
    }
}

/// How this binary asks itself to run one test with little address space.
#[cfg(target_os = "linux")]
const SHORT: &str = "slots::runs_where_no_slots_can_be_reserved";

#[tokio::test]
#[ignore = "run by the test below, in a process with little address space"]
#[cfg(target_os = "linux")]
async fn runs_where_no_slots_can_be_reserved() {
    let wasm = Wasm::new(WasmConfig { cache_dir: None, ..WasmConfig::default() }).unwrap();
    assert!(!wasm.figures().pooled);
    let mut live = live(&wasm, streaming(echo())).await;
    assert_eq!(live.call(pattern(1 << 20)).await, pattern(1 << 20));
    let component = crate::components::componentize(echo().as_bytes());
    assert_eq!(crate::support::live(&wasm, streaming(component)).await.call("x").await, b"x");
    println!("it answered");
}

#[test]
#[cfg(target_os = "linux")]
fn without_addresses_for_slots_instances_are_allocated_one_by_one() {
    let command = format!("ulimit -v 3000000; exec \"$0\" --ignored --exact --nocapture {SHORT}");
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .arg(std::env::current_exe().unwrap())
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("it answered"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
