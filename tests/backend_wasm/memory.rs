//! The memory limit: refused grows, what a sandbox holds, limits that can't be.

use crate::support::*;
use kiln::ErrorKind;
use kiln::backend::Exit;
use kiln::function::MIB;

const HOG: &str = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";

#[tokio::test]
async fn a_guest_that_dies_of_a_refused_grow_ran_out_of_memory() {
    let wasm = backend();
    for death in ["unreachable", "(call $exit (i32.const 1))"] {
        let guest = oneshot(start_with(&format!("{HOG} {death}"))).memory(8 * MIB);
        assert_eq!(run(&wasm, guest, b"").await.1, Exit::OutOfMemory, "{death}");
    }
    let survives = oneshot(start_with(HOG)).memory(8 * MIB);
    assert_eq!(run(&wasm, survives, b"").await.1, Exit::Code(0));
    // The module's own maximum is a limit, too.
    let own = r#"(module (memory (export "memory") 1 2) (func (export "_start")
        (drop (memory.grow (i32.const 2))) unreachable))"#;
    assert_eq!(run(&wasm, oneshot(own), b"").await.1, Exit::OutOfMemory);
    let table = r#"(module (memory (export "memory") 1) (table $t 1 funcref) (func (export "_start")
        (drop (table.grow $t (ref.null func) (i32.const 99999))) unreachable))"#;
    assert_eq!(run(&wasm, oneshot(table).memory(MIB / 2), b"").await.1, Exit::OutOfMemory);
}

#[tokio::test]
async fn what_was_refused_in_one_request_is_not_blamed_in_the_next() {
    let guest = start_with(&format!(
        r#"(drop (call $read (i32.const 0) (i32.const 100) (i32.const 100))) {HOG}
        (call $write (i32.const 1) (i32.const 100) (i32.const 1))
        (drop (call $read (i32.const 0) (i32.const 100) (i32.const 100))) unreachable"#
    ));
    let mut live = live(&backend(), streaming(guest).memory(8 * MIB)).await;
    assert_eq!(live.call("x").await, b"x");
    live.write("y");
    assert!(matches!(live.finish().await.1, Exit::Trap(_)));
}

#[tokio::test]
async fn a_resting_sandbox_holds_what_its_memory_is() {
    let grows = start_with(
        r#"(loop $l
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (drop (memory.grow (i32.const 16)))
          (call $write (i32.const 1) (i32.const 100) (i32.const 1))
          (br $l))"#,
    );
    let made = prepare(&backend(), streaming(grows).memory(4 * MIB)).await.unwrap();
    assert_eq!(made.program.memory(), 4 * MIB);
    let mut live = made.start().await.unwrap();
    let at_first = live.sandbox.held();
    assert_eq!(at_first, (2 + 1) * (64 << 10));
    live.call("x").await;
    assert_eq!(live.sandbox.held(), at_first + MIB);
    for _ in 0..5 {
        live.call("x").await;
    }
    assert_eq!(live.sandbox.held(), at_first + 3 * MIB);
    // Without a declared limit it is the module's own minimum and 16 MiB.
    let made = prepare(&backend(), oneshot(echo())).await.unwrap();
    assert_eq!(made.program.memory(), 2 * (64 << 10) + 16 * MIB);
}

#[tokio::test]
async fn memory_limits_that_cannot_be_name_both_figures() {
    let wasm = with(|config| config.max_memory = 32 * MIB);
    let invalid = ErrorKind::InvalidInput;
    refused(&wasm, oneshot(echo()).memory(65_536), invalid, &["65536", "131072"]).await;
    refused(&wasm, oneshot(echo()).memory(64 * MIB), invalid, &["67108864", "33554432"]).await;
    let large = r#"(module (memory (export "memory") 1024) (func (export "_start")))"#;
    refused(&wasm, oneshot(large), invalid, &["more than this host gives", "67108864"]).await;
}
