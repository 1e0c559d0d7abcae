//! How often a warm call allocates. Counts, unlike times, are the same on every machine: one more on the way from the
//! socket to the guest and back is seen here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(unsafe_code, reason = "an allocator that counts is an allocator")]
#![cfg(all(feature = "server", feature = "wasm"))]

use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::server::Server;
use kiln::{Format, Function, Host, Invocation};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Calls that are counted together. A guest that yields to others once in a while allocates for it, too.
const CALLS: u64 = 200;

thread_local! {
    /// Whether this thread's allocations count.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}
static COUNT: AtomicU64 = AtomicU64::new(0);
/// One test at a time: all count into one number.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

fn count() {
    if COUNTS.get() {
        COUNT.fetch_add(1, SeqCst);
    }
}

// SAFETY: it is the system's allocator, which all calls are passed on to as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn check(name: &str, counted: u64, at_most: u64) {
    println!("{name}: {:.1} allocations a call", counted as f64 / CALLS as f64);
    assert!(counted > 0, "{name}: nothing is counted");
    assert!(
        counted <= at_most * CALLS,
        "{name}: {counted} allocations in {CALLS} calls, at most {at_most} each"
    );
}

/// A runtime on this thread, a host with the echo module in two formats, and whatever is done with it.
fn with_host<T>(use_it: impl AsyncFnOnce(Host) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let budget = 64 << 20;
        let wasm = Wasm::new(WasmConfig { cache_dir: None, budget, ..WasmConfig::default() }).unwrap();
        let host = Host::builder().memory(budget).backend(Arc::new(wasm)).build().unwrap();
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/echo/echo.wasm");
        for format in [Format::Frame, Format::Http] {
            host.deploy(Function::wasm(format.as_str(), &module).format(format)).await.unwrap();
        }
        COUNTS.set(true);
        use_it(host).await
    })
}

#[test]
fn of_an_embedder() {
    let _alone = ALONE.lock();
    // Two for each call that the guest makes, which wasmtime boxes: it reads once and writes once. Two are the
    // invocation's own strings. `http` adds the reply's headers.
    for (name, at_most) in [("frame", 7), ("http", 10)] {
        with_host(async |host| {
            let calls = async |times| {
                for _ in 0..times {
                    let outcome = host.invoke(name, Invocation::new(&b"hello, world"[..])).await;
                    assert_eq!(outcome.result.unwrap().body, "hello, world");
                }
            };
            calls(CALLS).await;
            let before = COUNT.load(SeqCst);
            calls(CALLS).await;
            check(name, COUNT.load(SeqCst) - before, at_most);
        });
    }
}

/// Asks for the same some times over one connection.
fn ask(caller: &mut TcpStream, name: &str, times: u64) {
    let request = format!(
        "POST /r/{name} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\
         Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world"
    );
    let mut reply = [0; 4096];
    for _ in 0..times {
        caller.write_all(request.as_bytes()).unwrap();
        let mut have = 0;
        while !reply[..have].ends_with(b"\r\n\r\nhello, world") {
            let more = caller.read(&mut reply[have..]).unwrap();
            assert!(more > 0, "it ends with {}", reply[..have].escape_ascii());
            have += more;
        }
        assert!(reply.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", reply[..have].escape_ascii());
    }
}

/// Over HTTP/1.1, kept alive, with the headers that curl sends: the guest's four, hyper's three, the reply's headers.
#[test]
fn of_a_caller_over_http() {
    let _alone = ALONE.lock();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        with_host(async |host| {
            let server = Server::bind("127.0.0.1:0".parse().unwrap(), host).await.unwrap();
            tell.send(server.local_addr()).unwrap();
            server.run(async { drop(ended.await) }).await;
        });
    });
    let address = told.recv().unwrap();
    for (name, at_most) in [("frame", 16), ("http", 17)] {
        let mut caller = TcpStream::connect(address).unwrap();
        caller.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        ask(&mut caller, name, CALLS);
        let before = COUNT.load(SeqCst);
        ask(&mut caller, name, CALLS);
        check(name, COUNT.load(SeqCst) - before, at_most);
    }
    end.send(()).unwrap();
    server.join().unwrap();
}
