//! Instances whose memory begins with an interpreter's heap: each finds all of it as it was made, in whatever slot it lies.

use crate::support::*;
use kiln::backend::Exit;
use kiln::backend::wasm::{Wasm, WasmConfig};

/// Bytes of its heap: enough to be taken for one.
const HEAP: usize = 3 << 20;
/// Bytes between the places that it looks at and writes to: far apart, and many.
const APART: usize = 40_000;

/// A module that answers with the sum of what it finds and then writes over it, on and beyond its heap.
fn heap() -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 64)
          (data (i32.const 65536) "{}")
          (func (export "_start") (local $at i32) (local $sum i32)
            (local.set $at (i32.const 65536))
            (loop $again
              (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
              (i32.store8 (local.get $at) (i32.const 200))
              (local.set $at (i32.add (local.get $at) (i32.const {APART})))
              (br_if $again (i32.lt_u (local.get $at) (i32.const 4128768))))
            (i32.store (i32.const 16) (local.get $sum))
            (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 4))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
        "a".repeat(HEAP)
    );
    wat::parse_str(text).unwrap()
}

/// What a heap that nobody has touched sums up to.
fn untouched() -> Vec<u8> {
    let places = (65_536..4_128_768).step_by(APART).filter(|at| *at < 65_536 + HEAP);
    (places.count() as u32 * u32::from(b'a')).to_le_bytes().to_vec()
}

fn kept(dir: &std::path::Path, budget: u64) -> Wasm {
    let config = WasmConfig {
        cache_dir: Some(dir.join("cache")),
        budget,
        max_instances: Some(64),
        ..WasmConfig::default()
    };
    Wasm::new(config).unwrap()
}

#[tokio::test]
async fn each_instance_finds_the_heap_as_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    // With room for four of them on their own engine, then for none, and with no cache to take the code from twice.
    let uncached = with(|config| config.max_instances = Some(64));
    for wasm in [kept(dir.path(), 512 << 20), kept(dir.path(), 64 << 20), uncached] {
        let made = prepare(&wasm, oneshot(heap())).await.unwrap();
        for _ in 0..3 {
            let mut live = Vec::new();
            for _ in 0..12 {
                live.push(made.start().await.unwrap());
            }
            assert_eq!(wasm.figures().live, 12, "each counts once, whatever engine it is on");
            for mut one in live {
                one.sandbox.launch(Vec::new()).await.unwrap();
                assert_eq!(one.finish().await, (untouched(), Exit::Code(0)));
            }
            assert_eq!(wasm.figures().live, 0);
        }
    }
}

#[tokio::test]
async fn what_was_seen_of_a_file_is_known_to_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("heap.wasm");
    std::fs::write(&file, heap()).unwrap();
    // Only what hasn't just been written is remembered.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().append(true).open(&file).unwrap().set_modified(old).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for compiled in [1, 0] {
        let wasm = kept(dir.path(), 512 << 20);
        let made = prepare(&wasm, kiln::Function::wasm("heap", &file)).await.unwrap();
        let mut live = made.start().await.unwrap();
        live.sandbox.launch(Vec::new()).await.unwrap();
        assert_eq!(live.finish().await, (untouched(), Exit::Code(0)));
        // Once for the engine of all, once for the engine of heaps.
        let loaded = 2 - compiled;
        assert_eq!((wasm.figures().compiled, wasm.figures().loaded), (compiled, loaded));
    }
}
