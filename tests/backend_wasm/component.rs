//! Components: what differs from modules, and that the rest doesn't. The conformance suite has more of the latter.

use crate::components::componentize;
use crate::support::*;
use crate::time::polls_stdin_beside_a_clock;
use crate::world::opens;
use kiln::ErrorKind;
use kiln::backend::Exit;
use kiln::backend::wasm::Wasm;
use kiln::function::{Dir, MIB};

fn of(module: impl AsRef<str>) -> Vec<u8> {
    componentize(module.as_ref().as_bytes())
}

/// A command without an adapter: `run` has this body, and may call `$exit` with a code.
fn native(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (import "wasi:cli/exit@0.2.12" (instance $exit
            (export "exit-with-code" (func (param "status-code" u8)))))
          (core func $lowered (canon lower (func $exit "exit-with-code")))
          (core module $m
            (import "host" "exit" (func $exit (param i32)))
            (func $main (export "run") (result i32) {body}))
          (core instance $i (instantiate $m (with "host" (instance (export "exit" (func $lowered))))))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $command)))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn an_echo_gives_back_any_size_and_any_byte_and_comes_to_rest() {
    let wasm = backend();
    let mut live = live(&wasm, streaming(of(echo()))).await;
    assert_eq!(live.logs.tail(), ["ready"]);
    for size in [0, 1, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, 8 << 20] {
        let request = pattern(size);
        assert!(live.call(request.clone()).await == request, "{size} bytes differ");
        assert!(live.sandbox.stdio().stray().is_none());
    }
    live.write("head ");
    live.write("body");
    assert_eq!(live.piece().await.unwrap(), "head body");
    live.rest().await;
    assert_eq!(wasm.figures().live, 1);
    live.sandbox.stdio().close();
    assert_eq!(live.finish().await, (vec![], Exit::Code(0)));
    assert_eq!(wasm.figures().live, 0);
}

#[tokio::test]
async fn ends_are_told_as_a_modules_are() {
    let wasm = backend();
    let ends = [
        ("(i32.const 0)", Exit::Code(0)),
        ("(i32.const 1)", Exit::Code(1)),
        ("(call $exit (i32.const 0)) (i32.const 1)", Exit::Code(0)),
        ("(call $exit (i32.const 7)) (i32.const 0)", Exit::Code(7)),
        ("(call $exit (i32.const 255)) (i32.const 0)", Exit::Code(255)),
        ("unreachable", Exit::Trap("wasm `unreachable` instruction executed in main".into())),
    ];
    for (body, expected) in ends {
        assert_eq!(run(&wasm, oneshot(native(body)), b"").await.1, expected, "{body}");
    }
    let failed = ErrorKind::FunctionFailed;
    refused(&wasm, streaming(native("(call $exit (i32.const 3)) (i32.const 0)")), failed, &["code 3"]).await;
    refused(&wasm, streaming(native("unreachable")), failed, &["trapped", "first request"]).await;
    refused(&wasm, streaming(native("(i32.const 0)")), failed, &["code 0", "loop"]).await;
}

#[tokio::test]
async fn memory_is_limited_and_held_as_a_modules_is() {
    let wasm = backend();
    let hog = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";
    for death in ["unreachable", "(call $exit (i32.const 1))"] {
        let guest = oneshot(of(start_with(&format!("{hog} {death}")))).memory(8 * MIB);
        assert_eq!(run(&wasm, guest, b"").await.1, Exit::OutOfMemory, "{death}");
    }
    let grows = start_with(
        r#"(loop $l
          (drop (call $read (i32.const 0) (i32.const 100) (i32.const 1)))
          (drop (memory.grow (i32.const 16)))
          (call $write (i32.const 1) (i32.const 100) (i32.const 1))
          (br $l))"#,
    );
    let mut live = live(&wasm, streaming(of(grows)).memory(4 * MIB)).await;
    let at_first = live.sandbox.held();
    live.call("x").await;
    assert_eq!(live.sandbox.held(), at_first + MIB);
    drop(live);
    refused(&wasm, oneshot(of(echo())).memory(65_536), ErrorKind::InvalidInput, &["65536"]).await;
}

#[tokio::test]
async fn it_is_told_its_environment_and_opens_its_directories() {
    let wasm = backend();
    let tells = module(
        r#"(func (export "_start")
          (if (call $env_sizes (i32.const 0) (i32.const 4)) (then unreachable))
          (if (call $env (i32.const 1024) (i32.const 4096)) (then unreachable))
          (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 4)))
          (if (call $args_sizes (i32.const 0) (i32.const 4)) (then unreachable))
          (if (call $args (i32.const 1024) (i32.const 4096)) (then unreachable))
          (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 4))))"#,
    );
    let mut function = oneshot(of(tells)).env("WHO", "function").env("OWN", "a=b");
    function.args = vec!["one".into(), "two words".into()];
    let mut live = live(&wasm, function).await;
    live.sandbox.launch(vec![("OF_REQUEST".into(), "1".into())]).await.unwrap();
    let (out, exit) = live.finish().await;
    assert_eq!(exit, Exit::Code(0));
    let told = String::from_utf8(out).unwrap();
    assert_eq!(told, "OF_REQUEST=1\0OF_START=start\0OWN=a=b\0WHO=start\0guest\0one\0two words\0");

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), "what the host wrote").unwrap();
    let mut function = oneshot(of(opens("in", 0, 2)));
    function.dirs.push(Dir { host: dir.path().into(), guest: "/data".into(), writable: false });
    let (out, exit, _) = run(&wasm, function.clone(), b"").await;
    assert_eq!((out.as_slice(), exit), (&b"what the host wrote"[..], Exit::Code(0)));
    function.code.wasm = oneshot(of(opens("new", 1, 64))).code.wasm;
    let (_, exit, _) = run(&wasm, function, b"").await;
    assert!(exit == Exit::Code(1) && !dir.path().join("new").exists(), "{exit:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn one_that_polls_stdin_beside_a_clock_is_at_rest() {
    let mut live = live(&backend(), streaming(of(polls_stdin_beside_a_clock()))).await;
    for _ in 0..3 {
        assert_eq!(live.call("x").await, b"2");
    }
}

#[tokio::test]
async fn what_cannot_be_given_is_named() {
    let wasm = backend();
    let invalid = ErrorKind::InvalidInput;
    let asks = r#"(component
      (import "wasi:cli/stdin@0.2.0" (instance))
      (import "wasi:blobstore/types@0.2.0" (instance))
      (import "wasi:keyvalue/store@0.2.0-draft" (instance))
      (import "wasi:clocks/wall-clock@0.4.0" (instance))
      (import "plain" (func)))"#;
    let named = [
        "`wasi:blobstore/types@0.2.0`",
        "`wasi:keyvalue/store@0.2.0-draft`",
        "`wasi:clocks/wall-clock@0.4.0`",
        "`plain`",
    ];
    refused(&wasm, oneshot(asks), invalid, &named).await;
    let error = prepare(&wasm, oneshot(asks)).await.err().unwrap();
    assert!(!error.to_string().contains("wasi:cli/stdin"), "{error}");
    let unfit = r#"(component (import "wasi:cli/exit@0.2.0" (instance (export "leave" (func)))))"#;
    refused(&wasm, oneshot(unfit), invalid, &["no `wasi:cli/run`"]).await;
    let serves = r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#;
    refused(&wasm, oneshot(serves), invalid, &["`wasi:http/incoming-handler"]).await;
    let unlike = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    refused(&wasm, oneshot(unlike), invalid, &["`wasi:cli/run` doesn't fit"]).await;
}

#[tokio::test]
async fn it_is_compiled_once_for_all_processes() {
    let dir = tempfile::tempdir().unwrap();
    let figures = async || {
        let wasm = with(|config| config.cache_dir = Some(dir.path().join("kiln")));
        assert_eq!(live(&wasm, streaming(of(echo()))).await.call("x").await, b"x");
        (wasm.figures().compiled, wasm.figures().loaded)
    };
    assert_eq!(figures().await, (1, 0));
    assert_eq!(figures().await, (0, 1));
}

/// A command of so many core instances, each with a memory and as many tables as asked for.
fn of_many(memories: usize, tables: usize) -> Vec<u8> {
    let memories = "(core instance (instantiate $memory))".repeat(memories);
    let tables = "(core instance (instantiate $table))".repeat(tables);
    let text = format!(
        r#"(component (core module $memory (memory 1)) (core module $table (table 8 funcref)) {memories} {tables}
          (core module $m (func (export "run") (result i32) (i32.const 0))) (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $command)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A command that consists of two components: one asks the other for a text, which goes from memory to memory.
fn of_two() -> Vec<u8> {
    let text = r#"(component
      (component $one
        (core module $m (memory (export "memory") 1) (data (i32.const 64) "a text")
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "tell") (result i32)
            (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 6)) (i32.const 16)))
        (core instance $i (instantiate $m))
        (func (export "tell") (result string)
          (canon lift (core func $i "tell") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
      (component $other
        (import "tell" (func $tell (result string)))
        (core module $memory (memory (export "memory") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
        (core instance $memory (instantiate $memory))
        (core func $lowered (canon lower (func $tell) (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        (core module $m (import "host" "tell" (func $tell (param i32))) (import "memory" "memory" (memory 1))
          (func (export "run") (result i32) (call $tell (i32.const 8))
            (i32.ne (i32.load8_u (i32.load (i32.const 8))) (i32.const 97))))
        (core instance $i (instantiate $m (with "memory" (instance $memory))
          (with "host" (instance (export "tell" (func $lowered))))))
        (func (export "run") (result (result)) (canon lift (core func $i "run"))))
      (instance $one (instantiate $one))
      (instance $other (instantiate $other (with "tell" (func $one "tell"))))
      (instance $command (export "run" (func $other "run")))
      (export "wasi:cli/run@0.2.0" (instance $command)))"#;
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn one_that_is_composed_of_others_runs() {
    let (_, exit, _) = run(&backend(), oneshot(of_two()), b"").await;
    assert_eq!(exit, Exit::Code(0));
}

#[tokio::test]
async fn one_takes_as_many_slots_as_it_has_memories_or_groups_of_tables() {
    async fn fit(wasm: &Wasm, component: Vec<u8>) -> usize {
        let made = prepare(wasm, oneshot(component)).await.unwrap();
        let mut all = Vec::new();
        loop {
            match made.start().await {
                Ok(live) => all.push(live),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    assert!(error.to_string().contains("`max_instances` is 6"), "{error}");
                    return all.len();
                }
            }
        }
    }
    let wasm = with(|config| config.max_instances = Some(6));
    for (memories, tables, expected) in [(0, 0, 6), (1, 4, 6), (2, 0, 3), (1, 5, 3), (3, 12, 2), (6, 24, 1)] {
        assert_eq!(fit(&wasm, of_many(memories, tables)).await, expected, "{memories} and {tables}");
        assert_eq!(wasm.figures().live, 0);
    }
    // All memories share the limit: a third one of 64 KiB doesn't fit in two.
    let small = oneshot(of_many(3, 0)).memory(130_000);
    refused(&wasm, small, ErrorKind::OutOfMemory, &[]).await;
}
