//! What a guest reaches beyond its requests: directories and its standard streams.

use crate::support::*;
use kiln::backend::Exit;
use kiln::function::Dir;

/// Opens `name` in its one directory with these flags, exits with the error; copies what it can read to stdout.
pub(crate) fn opens(name: &str, oflags: u32, rights: u64) -> String {
    module(&format!(
        r#"(data (i32.const 32) "{name}")
        (func (export "_start") (local $errno i32) (local $n i32)
          (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const {})
            (i32.const {oflags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 16)))
          (if (local.get $errno) (then (call $exit (local.get $errno))))
          (if (i32.eqz (i32.const {oflags})) (then
            (loop $l
              (local.set $n (call $read (i32.load (i32.const 16)) (i32.const 65536) (i32.const 4)))
              (call $write (i32.const 1) (i32.const 65536) (local.get $n))
              (br_if $l (local.get $n)))))
          (if (i32.const {oflags}) (then (call $write (i32.load (i32.const 16)) (i32.const 32) (i32.const 3))))
          (if (call $fd_close (i32.load (i32.const 16))) (then unreachable)))"#,
        name.len()
    ))
}

#[tokio::test]
async fn a_directory_is_read_only_unless_said_and_ends_at_its_root() {
    const READ: u64 = 2;
    const WRITE: u64 = 64;
    let wasm = backend();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("shared");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("in"), "what the host wrote").unwrap();
    std::fs::write(root.path().join("secret"), "secret").unwrap();
    let of = |text: String, writable| {
        let mut function = oneshot(text);
        function.dirs.push(Dir { host: dir.clone(), guest: "/data".into(), writable });
        function
    };
    let (out, exit, _) = run(&wasm, of(opens("in", 0, READ), false), b"").await;
    assert_eq!((out.as_slice(), exit), (&b"what the host wrote"[..], Exit::Code(0)));
    let (out, exit, _) = run(&wasm, of(opens("../secret", 0, READ), true), b"").await;
    assert!(out.is_empty() && matches!(exit, Exit::Code(1..)), "{exit:?}");
    let (_, exit, _) = run(&wasm, of(opens("new", 1, WRITE), false), b"").await;
    assert!(matches!(exit, Exit::Code(1..)) && !dir.join("new").exists(), "{exit:?}");
    let (_, exit, _) = run(&wasm, of(opens("new", 1, WRITE), true), b"").await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(std::fs::read(dir.join("new")).unwrap(), b"new");
    // Without a directory there is nothing to open.
    let (_, exit, _) = run(&wasm, oneshot(opens("in", 0, READ)), b"").await;
    assert_eq!(exit, Exit::Code(8));
}

#[tokio::test]
async fn the_standard_streams_are_what_they_are() {
    const CODE_OF: [(&str, i32); 7] = [
        // Closed, it is nobody's.
        (
            "(drop (call $fd_close (i32.const 1))) (call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
            8,
        ),
        ("(call $exit (call $fd_renumber (i32.const 2) (i32.const 1)))", 58),
        ("(call $exit (call $fd_read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))", 8),
        ("(call $exit (call $fd_write (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 8)))", 8),
        // Addresses outside of memory.
        ("(call $exit (call $fd_write (i32.const 1) (i32.const -4) (i32.const 1) (i32.const 8)))", 21),
        ("(call $exit (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1)))", 21),
        (
            "(i32.store (i32.const 0) (i32.const 131000)) (i32.store (i32.const 4) (i32.const 4096)) (call $exit (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))",
            21,
        ),
    ];
    let wasm = backend();
    for (body, code) in CODE_OF {
        assert_eq!(run(&wasm, oneshot(start_with(body)), b"").await.1, Exit::Code(code), "{body}");
    }
}

#[tokio::test]
async fn a_guest_cannot_use_up_the_hosts_file_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), "").unwrap();
    // Opens until that fails, but at most 300 times.
    let guest = module(
        r#"(data (i32.const 32) "in")
        (func (export "_start") (local $n i32)
          (loop $l
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (if (i32.gt_u (local.get $n) (i32.const 300)) (then (call $exit (i32.const 1))))
            (br_if $l (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 2)
              (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))))))"#,
    );
    let mut function = oneshot(guest);
    function.dirs.push(Dir { host: dir.path().into(), guest: "/".into(), writable: false });
    let (_, exit, _) = run(&backend(), function, b"").await;
    assert!(
        matches!(&exit, Exit::Trap(why) if why.starts_with("too many files and other handles open")),
        "{exit:?}"
    );
}
