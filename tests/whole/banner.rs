//! What a function writes before its first request is no reply to it (`SEEDS.md E2`).

use crate::serve::Serve;

/// Prints a line as it starts, and answers properly afterwards.
const BANNER: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 100) "{\"level\":\"info\"}\n")
  (data (i32.const 200) "{\"body\":\"the real reply\"}\n")
  (func $say (param $from i32) (param $bytes i32)
    (i32.store (i32.const 0) (local.get $from)) (i32.store (i32.const 4) (local.get $bytes))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start")
    (call $say (i32.const 100) (i32.const 17))
    (loop $again
      (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 60000))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (call $say (i32.const 200) (i32.const 26))
      (br $again))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn e2_what_is_written_before_the_first_request_is_no_reply() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("banner.wat");
    std::fs::write(&module, BANNER).unwrap();
    for prewarm in [0, 1] {
        let serve = Serve::new(&format!(
            "[function.banner]\nwasm = {module:?}\nformat = \"json\"\nprewarm = {prewarm}\n"
        ));
        for _ in 0..3 {
            let answer = serve.http.post("/r/banner", "x").await;
            assert_eq!(answer.status, 502, "{}", answer.text());
            assert!(answer.text().contains("before its first request"), "{}", answer.text());
        }
    }
}
