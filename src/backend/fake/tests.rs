//! The fake backend through the contract, with requests and replies written out byte for byte.

use super::*;
use crate::backend::{Exit, Logs, Sandbox};
use crate::function::Format;
use crate::invocation::InvocationId;
use std::future::poll_fn;
use std::time::Duration;

fn function(kind: BackendKind, guest: &'static str, format: Format) -> Function {
    match kind {
        BackendKind::Wasm => Function::wasm_bytes(guest, guest),
        BackendKind::Docker => Function::image(guest, guest),
    }
    .format(format)
}

fn spec(function: &Arc<Function>, code: &[u8]) -> StartSpec {
    StartSpec {
        revision: function.revision(code),
        number: 1,
        env: vec![("FN_FORMAT".into(), function.format.as_str().into())],
        logs: Arc::new(Logs::new(function.clone(), 1)),
    }
}

async fn start(backend: &Fake, function: Function) -> Result<Box<dyn Sandbox>> {
    let function = Arc::new(function);
    let program = backend.prepare(function.clone()).await?;
    Ok(program.start(spec(&function, program.code())).await?.sandbox)
}

async fn piece(sandbox: &mut Box<dyn Sandbox>) -> Option<Bytes> {
    poll_fn(|cx| sandbox.stdio().poll_read(cx)).await.unwrap()
}

/// Reads until so many bytes are there or stdout ends.
async fn read(sandbox: &mut Box<dyn Sandbox>, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match piece(sandbox).await {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => break,
        }
    }
    bytes
}

async fn rest(sandbox: &mut Box<dyn Sandbox>) {
    poll_fn(|cx| sandbox.stdio().poll_rest(cx)).await;
}

/// Whether a future waits on.
async fn hangs(future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

const HTTP: &str =
    "POST /r/echo/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nFn_call_id: 7\r\n\r\nhi";

#[tokio::test]
async fn http_is_read_and_written_as_described_however_it_is_cut() {
    let (backend, _) = backend(BackendKind::Wasm);
    let mut sandbox = start(&backend, function(BackendKind::Wasm, "echo", Format::Http)).await.unwrap();
    for (count, cut) in (1..).zip(0..=HTTP.len()) {
        let (head, tail) = HTTP.split_at(cut);
        sandbox.stdio().write(head.into());
        if cut < HTTP.len() {
            assert!(hangs(piece(&mut sandbox)).await, "answered after {cut} bytes");
        }
        sandbox.stdio().write(tail.into());
        let count = format!("{count}");
        let reply = format!("HTTP/1.1 200 Kiln\r\nContent-Length: {}\r\n\r\n{count}", count.len());
        assert_eq!(read(&mut sandbox, reply.len()).await, reply.as_bytes());
    }
}

#[tokio::test]
async fn json_is_one_line_each_way() {
    let (backend, _) = backend(BackendKind::Wasm);
    let mut sandbox = start(&backend, function(BackendKind::Wasm, "echo", Format::Json)).await.unwrap();
    let request = r#"{"call_id":"7","body":"a\"\né","protocol":{"type":"http","method":"POST","request_url":"http://localhost/r/echo/status/204","headers":{}}}"#;
    sandbox.stdio().write(format!("{request}\n").into());
    let reply = piece(&mut sandbox).await.unwrap();
    assert!(reply.ends_with(b"}\n"));
    let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply["body"], "a\"\né");
    assert_eq!(reply["protocol"]["status_code"], 204);
    assert_eq!(reply["protocol"]["headers"]["X-Echo"][0], "yes");
}

fn frame(id: u64, meta: &str, body: &[u8]) -> Vec<u8> {
    let mut frame = ((meta.len() + body.len()) as u32).to_le_bytes().to_vec();
    frame.extend([2, 0]);
    frame.extend((meta.len() as u16).to_le_bytes());
    frame.extend(id.to_le_bytes());
    frame.extend(meta.as_bytes());
    frame.extend(body);
    frame
}

#[tokio::test]
async fn frame_says_ready_once_and_carries_the_call_id() {
    let (backend, _) = backend(BackendKind::Wasm);
    let mut sandbox = start(&backend, function(BackendKind::Wasm, "echo", Format::Frame)).await.unwrap();
    assert_eq!(sandbox.stdio().stray().unwrap(), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
    for id in [0, 7, u64::MAX] {
        sandbox.stdio().write(frame(id, "", &[0, 255, 10]).into());
        let reply = read(&mut sandbox, 16).await;
        assert_eq!((reply[4], reply[5]), (3, 0));
        assert_eq!(reply[8..16], id.to_le_bytes());
        assert_eq!(reply[reply.len() - 3..], [0, 255, 10]);
        rest(&mut sandbox).await;
        assert_eq!(sandbox.stdio().stray(), None);
    }
}

#[tokio::test]
async fn default_is_one_process_for_one_body() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let mut sandbox = start(&backend, function(BackendKind::Wasm, "echo", Format::Default)).await.unwrap();
    sandbox.launch(vec![("FN_PATH".into(), "/".into())]).await.unwrap();
    sandbox.stdio().write("hello".into());
    assert!(hangs(piece(&mut sandbox)).await, "it answered before its stdin ended");
    sandbox.stdio().close();
    assert_eq!(read(&mut sandbox, 5).await, b"hello");
    assert_eq!(piece(&mut sandbox).await, None);
    assert_eq!(sandbox.exit().await, Exit::Code(0));
    assert!(sandbox.launch(Vec::new()).await.is_err());
    assert_eq!(sandbox.remove().await, Exit::Code(0));
    let counts = handle.counts();
    assert_eq!((counts.launches, counts.removed, counts.living, counts.memory), (1, 1, 0, 0));
}

#[tokio::test]
async fn eight_mebibytes_pass_through_a_pipe_of_64_kibibytes() {
    let (backend, _) = backend(BackendKind::Docker);
    let mut sandbox = start(&backend, function(BackendKind::Docker, "echo", Format::Http)).await.unwrap();
    let body: Vec<u8> = (0..8_u32 << 20).map(|byte| (byte % 251) as u8).collect();
    sandbox.stdio().write(format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).into());
    sandbox.stdio().write(body.clone().into());
    let head = format!("HTTP/1.1 200 Kiln\r\nContent-Length: {}\r\n\r\n", body.len());
    let reply = read(&mut sandbox, head.len() + body.len()).await;
    assert!(reply == [head.as_bytes(), &body].concat());
}

#[tokio::test]
async fn it_ends_as_it_is_told() {
    let cases = [
        (BackendKind::Wasm, "/exit/3", Exit::Code(3)),
        (BackendKind::Docker, "/exit/0", Exit::Code(0)),
        (BackendKind::Wasm, "/trap", Exit::Trap("unreachable".into())),
        (BackendKind::Docker, "/trap", Exit::Signal(6)),
        (BackendKind::Docker, "/signal/9", Exit::Signal(9)),
        (BackendKind::Wasm, "/hog", Exit::OutOfMemory),
        (BackendKind::Docker, "/hog", Exit::OutOfMemory),
    ];
    for (kind, path, exit) in cases {
        let (backend, handle) = backend(kind);
        let mut sandbox = start(&backend, function(kind, "faulty", Format::Http)).await.unwrap();
        sandbox.stdio().write(format!("POST {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n").into());
        assert_eq!(piece(&mut sandbox).await, None, "{path}");
        assert_eq!(sandbox.exit().await, exit, "{path}");
        assert!(sandbox.is_dead());
        assert_eq!(sandbox.remove().await, exit, "{path}");
        assert_eq!(handle.counts().removed, 1);
    }
}

#[tokio::test]
async fn a_flood_waits_to_be_read_and_stops_with_its_sandbox() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let mut sandbox = start(&backend, function(BackendKind::Wasm, "faulty", Format::Http)).await.unwrap();
    sandbox.stdio().write("POST /flood HTTP/1.1\r\nContent-Length: 0\r\n\r\n".into());
    assert_eq!(read(&mut sandbox, 1 << 20).await.len(), 1 << 20);
    rest(&mut sandbox).await;
    assert!(sandbox.stdio().stray().is_some());
    assert_eq!(sandbox.remove().await, Exit::Killed);
    assert_eq!(handle.counts().living, 0);
}

#[tokio::test]
async fn a_failed_initialisation_is_the_modules_start_and_the_containers_first_read() {
    for (init, exit) in [("exit", Exit::Code(3)), ("hog", Exit::OutOfMemory)] {
        let (wasm, handle) = backend(BackendKind::Wasm);
        let function_ = function(BackendKind::Wasm, "faulty", Format::Json)
            .env("KILN_INIT", init)
            .env("KILN_INIT_LOG", "why");
        let error = start(&wasm, function_).await.err().unwrap();
        assert_eq!(error.kind(), exit.clone().into_error().kind());
        assert_eq!(error.logs(), ["why"]);
        let counts = handle.counts();
        assert_eq!((counts.failed, counts.living, counts.dropped, counts.memory), (1, 0, 0, 0));

        let (docker, _) = backend(BackendKind::Docker);
        let function_ = function(BackendKind::Docker, "faulty", Format::Json).env("KILN_INIT", init);
        let mut sandbox = start(&docker, function_).await.unwrap();
        assert_eq!(piece(&mut sandbox).await, None);
        assert_eq!(sandbox.exit().await, exit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_keeps_to_its_time_limit() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let mut looping = function(BackendKind::Wasm, "faulty", Format::Json).env("KILN_INIT", "loop");
    looping.limits.start_timeout = Duration::from_millis(100);
    let error = start(&backend, looping).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.message().contains("100ms"), "{error}");
    assert_eq!((handle.counts().failed, handle.counts().memory), (1, 0));
}

#[tokio::test]
async fn held_starts_go_on_one_by_one_and_a_dropped_one_leaves_nothing() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let echo = || function(BackendKind::Wasm, "echo", Format::Json).memory(MIB);
    handle.hold_starts();
    let mut first = Box::pin(start(&backend, echo()));
    let mut second = Box::pin(start(&backend, echo()));
    assert!(hangs(&mut first).await && hangs(&mut second).await);
    assert_eq!((handle.counts().starting, handle.counts().memory), (2, 2 * MIB));
    drop(second);
    assert_eq!((handle.counts().starting, handle.counts().memory), (1, MIB));
    handle.let_starts_through(1);
    let sandbox = first.await.unwrap();
    assert_eq!((handle.counts().starting, handle.counts().living), (0, 1));
    assert!(hangs(start(&backend, echo())).await, "only one was let through");
    drop(sandbox);
    assert_eq!((handle.counts().dropped, handle.counts().memory), (1, 0));
    handle.let_starts_go();
    start(&backend, echo()).await.unwrap();
}

#[tokio::test]
async fn starts_fail_as_often_as_they_are_told_to() {
    let (backend, handle) = backend(BackendKind::Docker);
    let echo = || function(BackendKind::Docker, "echo", Format::Json);
    handle.fail_starts(2, Error::unavailable("no daemon"));
    for _ in 0..2 {
        let error = start(&backend, echo()).await.err().unwrap();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "no daemon"));
    }
    start(&backend, echo()).await.unwrap();
    handle.down(Error::unavailable("gone"));
    assert!(backend.check().await.is_err() && start(&backend, echo()).await.is_err());
    handle.up();
    assert!(backend.check().await.is_ok() && start(&backend, echo()).await.is_ok());
}

#[tokio::test]
async fn an_idle_one_that_dies_is_told_unless_silently() {
    let (backend, handle) = backend(BackendKind::Docker);
    let echo = || function(BackendKind::Docker, "echo", Format::Json);
    let mut told = start(&backend, echo()).await.unwrap();
    let ended = told.ended().unwrap();
    assert_eq!(handle.kill_idle(Exit::Signal(9)), 1);
    ended.await;
    assert!(told.is_dead());

    let mut silent = start(&backend, echo()).await.unwrap();
    let mut ended = silent.ended().unwrap();
    assert_eq!(handle.kill_idle_silently(Exit::Lost("gone".into())), 1, "the dead one is not killed twice");
    assert!(hangs(&mut ended).await);
    assert!(silent.is_dead());
    let error = poll_fn(|cx| silent.stdio().poll_read(cx)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_reader_is_woken_when_its_sandbox_is_killed() {
    let (backend, handle) = backend(BackendKind::Docker);
    let mut sandbox = start(&backend, function(BackendKind::Docker, "faulty", Format::Http)).await.unwrap();
    sandbox.stdio().write("POST /silence HTTP/1.1\r\nContent-Length: 0\r\n\r\n".into());
    assert!(hangs(piece(&mut sandbox)).await);
    let reader = tokio::spawn(async move { (piece(&mut sandbox).await, sandbox.exit().await) });
    tokio::task::yield_now().await;
    assert_eq!(handle.kill_idle(Exit::Signal(9)), 0, "it is busy");
    assert_eq!(handle.kill_all(Exit::Signal(9)), 1);
    assert_eq!(reader.await.unwrap(), (None, Exit::Signal(9)));
}

#[tokio::test]
async fn a_frozen_one_does_nothing_until_it_is_resumed() {
    let (backend, handle) = backend(BackendKind::Docker);
    let mut sandbox = start(&backend, function(BackendKind::Docker, "echo", Format::Http)).await.unwrap();
    handle.fail_pauses(1, Error::internal("no"));
    assert!(sandbox.pause().await.is_err());
    sandbox.pause().await.unwrap();
    sandbox.stdio().write(HTTP.into());
    assert!(hangs(piece(&mut sandbox)).await);
    handle.fail_resumes(1, Error::internal("no"));
    assert!(sandbox.resume().await.is_err());
    sandbox.resume().await.unwrap();
    assert!(read(&mut sandbox, 1).await.starts_with(b"HTTP/1.1 200"));
    assert_eq!((handle.counts().pauses, handle.counts().resumes), (1, 1));
}

#[tokio::test]
async fn a_held_removal_keeps_its_memory() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let sandbox =
        start(&backend, function(BackendKind::Wasm, "echo", Format::Json).memory(MIB)).await.unwrap();
    handle.hold_removals();
    let removal = tokio::spawn(sandbox.remove());
    let counts = handle.until(|counts| counts.removing == 1).await;
    assert_eq!((counts.living, counts.removed, counts.memory), (1, 0, MIB));
    handle.let_removals_through(1);
    assert_eq!(removal.await.unwrap(), Exit::Killed);
    let counts = handle.counts();
    assert_eq!((counts.living, counts.removing, counts.removed, counts.memory), (0, 0, 1, 0));
    assert_eq!((counts.peak_memory, counts.peak_sandboxes, counts.dropped), (MIB, 1, 0));
}

#[tokio::test]
async fn what_it_holds_is_what_it_took() {
    let (backend, handle) = backend(BackendKind::Wasm);
    let mut sandbox =
        start(&backend, function(BackendKind::Wasm, "echo", Format::Http).memory(8 * MIB)).await.unwrap();
    assert_eq!(sandbox.held(), OVERHEAD);
    sandbox.stdio().write("POST /memory/3 HTTP/1.1\r\nContent-Length: 0\r\n\r\n".into());
    read(&mut sandbox, 1).await;
    assert_eq!(sandbox.held(), OVERHEAD + 3 * MIB);
    handle.resting_memory(Some(64 * MIB));
    assert_eq!(sandbox.held(), 8 * MIB, "never more than its limit");
}

#[tokio::test]
async fn stderr_goes_to_the_log_and_not_to_stdout() {
    let (backend, _) = backend(BackendKind::Wasm);
    let function = Arc::new(function(BackendKind::Wasm, "echo", Format::Http));
    let program = backend.prepare(function.clone()).await.unwrap();
    let spec = spec(&function, program.code());
    let logs = spec.logs.clone();
    let mut sandbox = program.start(spec).await.unwrap().sandbox;
    logs.serve(InvocationId::new(), None);
    sandbox.stdio().write("POST /log/hello HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".into());
    let reply = "HTTP/1.1 200 Kiln\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(read(&mut sandbox, reply.len()).await, reply.as_bytes());
    assert_eq!(logs.tail(), ["hello"]);
}

#[tokio::test]
async fn an_unknown_guest_is_refused() {
    let (backend, _) = backend(BackendKind::Docker);
    let refused = |function| async { backend.prepare(Arc::new(function)).await.err().unwrap() };
    let error = refused(Function::image("x", "busybox")).await;
    assert!(error.message().contains("\"busybox\""), "{error}");
    let error = refused(Function::wasm_bytes("x", "echo")).await;
    assert!(error.message().contains("no code for backend docker"), "{error}");
}
