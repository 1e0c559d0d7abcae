//! The Docker backend against a real engine, through the contract that every backend keeps.

#![cfg(feature = "docker")]

#[path = "common/docker.rs"]
mod docker;

use bytes::Bytes;
use docker::{BUSYBOX, Engine, docker_or_skip};
use kiln::backend::docker::{Docker, DockerConfig};
use kiln::backend::{Backend, Exit, Logs, Program, Sandbox, StartSpec};
use kiln::function::{Dir, MIB, PullPolicy};
use kiln::{Error, ErrorKind, Format, Function};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Far beyond what anything here takes: only a hang is caught by it.
const HANG: Duration = Duration::from_secs(120);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

/// A streaming function that runs a shell script, or the image's `cat`.
fn streaming(script: &str) -> Function {
    let mut function = Function::image("f", BUSYBOX).format(Format::Json).memory(32 * MIB);
    if !script.is_empty() {
        function.args = ["sh", "-c", script].map(String::from).to_vec();
    }
    function
}

fn oneshot(script: &str) -> Function {
    streaming(script).format(Format::Default)
}

fn config(engine: &Engine) -> DockerConfig {
    let mut config = DockerConfig::new(&engine.host_id);
    // The machine may be busy with other tests.
    config.call_timeout = Duration::from_secs(60);
    config.slow_call_timeout = Duration::from_secs(60);
    config
}

fn backend(engine: &Engine) -> Docker {
    Docker::new(config(engine))
}

struct Ready {
    program: Arc<dyn Program>,
    logs: Arc<Logs>,
    revision: kiln::function::Revision,
}

impl Ready {
    async fn new(backend: &Docker, function: Function) -> Self {
        Self::try_new(backend, function).await.expect("the function is sound")
    }

    async fn try_new(backend: &Docker, function: Function) -> Result<Self, Error> {
        let function = Arc::new(function);
        let program = backend.prepare(function.clone()).await?;
        let logs = Arc::new(Logs::new(function.clone(), program.memory()));
        let revision = function.revision(program.code());
        Ok(Self { program, logs, revision })
    }

    fn spec(&self) -> StartSpec {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        StartSpec { revision: self.revision, number, env: vec![], logs: self.logs.clone() }
    }

    async fn try_start(&self) -> Result<Box<dyn Sandbox>, Error> {
        soon(self.program.start(self.spec())).await.map(|started| started.sandbox)
    }

    async fn start(&self) -> Box<dyn Sandbox> {
        self.try_start().await.expect("it starts")
    }

    /// Runs a one-shot function to its end.
    async fn run(&self, body: &[u8], env: &[(&str, &str)]) -> (Vec<u8>, Exit) {
        let mut sandbox = self.start().await;
        let env = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        soon(sandbox.launch(env)).await.expect("it launches");
        sandbox.stdio().write(Bytes::copy_from_slice(body));
        sandbox.stdio().close();
        let stdout = rest(&mut *sandbox).await;
        let exit = soon(sandbox.exit()).await;
        assert_eq!(soon(sandbox.remove()).await, exit, "removal keeps the reason");
        (stdout, exit)
    }
}

async fn read(sandbox: &mut dyn Sandbox) -> Result<Option<Bytes>, Error> {
    soon(poll_fn(|cx| sandbox.stdio().poll_read(cx))).await
}

/// Exactly so many bytes of stdout.
async fn take(sandbox: &mut dyn Sandbox, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend_from_slice(&read(sandbox).await.expect("stdout is read").expect("stdout goes on"));
    }
    all
}

/// Stdout up to its end.
async fn rest(sandbox: &mut dyn Sandbox) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = read(sandbox).await.expect("stdout is read") {
        assert!(!piece.is_empty(), "a piece is never empty");
        all.extend_from_slice(&piece);
    }
    all
}

async fn echo(sandbox: &mut dyn Sandbox, text: &'static [u8]) {
    sandbox.stdio().write(Bytes::from_static(text));
    assert_eq!(take(sandbox, text.len()).await, text);
}

/// A streaming function's stdout and end.
async fn ending(backend: &Docker, function: Function) -> (Vec<u8>, Exit, Vec<String>) {
    let ready = Ready::new(backend, function).await;
    let mut sandbox = ready.start().await;
    let stdout = rest(&mut *sandbox).await;
    let exit = soon(sandbox.exit()).await;
    assert!(sandbox.is_dead());
    soon(sandbox.remove()).await;
    (stdout, exit, ready.logs.tail())
}

fn noise(length: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn what_goes_in_comes_out_from_nothing_to_8_mib() {
    let Some(engine) = docker_or_skip("echo").await else { return };
    let backend = backend(&engine);
    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    for length in [1, 2, 255, 4096, 65_537, 1 << 20, 8 << 20] {
        let sent = noise(length);
        sandbox.stdio().write(sent.clone());
        assert!(take(&mut *sandbox, length).await == sent, "{length} bytes came back changed");
        assert_eq!(sandbox.stdio().stray(), None);
    }
    assert!(!sandbox.is_dead());
    sandbox.stdio().write(Bytes::new());
    sandbox.stdio().close();
    assert_eq!(rest(&mut *sandbox).await, b"");
    assert_eq!(soon(sandbox.exit()).await, Exit::Code(0));
    assert_eq!(soon(sandbox.remove()).await, Exit::Code(0));
    assert!(engine.containers(&engine.host_id).await.is_empty(), "remove returns when the container is gone");
}

#[tokio::test]
async fn a_oneshot_sees_its_own_environment_and_the_end_of_its_stdin() {
    let Some(engine) = docker_or_skip("oneshot").await else { return };
    let backend = backend(&engine);
    let function = oneshot("echo $MINE $BOTH $YOURS; wc -c").env("MINE", "1").env("BOTH", "1");
    let ready = Ready::new(&backend, function).await;
    assert!(!ready.program.prewarms_oneshot());
    let (stdout, exit) = ready.run(b"12345", &[("BOTH", "2"), ("YOURS", "3")]).await;
    assert_eq!((String::from_utf8_lossy(&stdout).as_ref(), exit), ("1 2 3\n5\n", Exit::Code(0)));
    // SEEDS.md E3: nothing of the first request is there for the second.
    let (stdout, exit) = ready.run(b"", &[]).await;
    assert_eq!((String::from_utf8_lossy(&stdout).as_ref(), exit), ("1 1\n0\n", Exit::Code(0)));
    let big = noise(3 << 20);
    let (stdout, _) = Ready::new(&backend, oneshot("cat")).await.run(&big, &[]).await;
    assert!(stdout == big, "3 MiB came back changed");
    engine.none_left().await;
}

/// SEEDS.md I6: stdout is the reply and nothing else, stderr is the log.
#[tokio::test]
async fn i6_stderr_is_apart_from_stdout() {
    let Some(engine) = docker_or_skip("stderr").await else { return };
    let script = "echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2; exit 3";
    let (stdout, exit, logs) = ending(&backend(&engine), streaming(script)).await;
    assert_eq!(stdout, b"out 1\nout 2\n");
    assert_eq!(exit, Exit::Code(3));
    assert_eq!(logs, ["err 1", "err 2"]);
}

/// SEEDS.md I7: why it died, whatever ended it.
#[tokio::test]
async fn i7_the_reason_of_an_end_is_told() {
    let Some(engine) = docker_or_skip("reasons").await else { return };
    let backend = backend(&engine);
    let mut crash = streaming("");
    crash.args = vec!["crash".into()];
    assert_eq!(ending(&backend, crash).await.1, Exit::Signal(4));
    let child = "sh -c 'kill -TERM $$'; exit $?";
    assert_eq!(ending(&backend, streaming(child)).await.1, Exit::Signal(15));
    assert_eq!(ending(&backend, streaming("exit 77")).await.1, Exit::Code(77));

    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    let ended = sandbox.ended().expect("an idle container can end by itself");
    let id = engine.containers(&engine.host_id).await.pop().expect("it runs");
    engine.client.kill_container(&id, None).await.expect("it is killed");
    soon(ended).await;
    assert_eq!(rest(&mut *sandbox).await, b"");
    assert_eq!(soon(sandbox.exit()).await, Exit::Signal(9));
    assert!(sandbox.is_dead());
    assert_eq!(soon(sandbox.remove()).await, Exit::Signal(9));
    assert_eq!(Exit::Signal(9).into_error().kind(), ErrorKind::FunctionFailed);
}

#[tokio::test]
async fn a_memory_hog_is_out_of_memory_and_not_a_signal() {
    let Some(engine) = docker_or_skip("hog").await else { return };
    let hog = streaming("exec tail -c 200000000 /dev/zero").memory(24 * MIB);
    let (_, exit, _) = ending(&backend(&engine), hog).await;
    assert_eq!(exit, Exit::OutOfMemory);
    assert_eq!(exit.into_error().kind(), ErrorKind::OutOfMemory);
    // A hog that a shell started: the shell outlives it.
    let hog = streaming("tail -c 200000000 /dev/zero; exit 1").memory(24 * MIB);
    assert_eq!(ending(&backend(&engine), hog).await.1, Exit::OutOfMemory);
}

#[tokio::test]
async fn a_flood_that_nobody_reads_does_not_lock_up_writes_and_is_removed() {
    let Some(engine) = docker_or_skip("flood").await else { return };
    let ready = Ready::new(&backend(&engine), streaming("cat /dev/zero | tr '\\0' x")).await;
    let mut sandbox = ready.start().await;
    sandbox.stdio().write(noise(4 << 20));
    assert!(take(&mut *sandbox, 1 << 20).await.iter().all(|&byte| byte == b'x'));
    let more = async {
        while sandbox.stdio().stray().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(more).await;
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed);
    engine.none_left().await;
}

#[tokio::test]
async fn a_function_has_no_more_rights_than_it_needs() {
    let Some(engine) = docker_or_skip("rights").await else { return };
    let backend = backend(&engine);
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "given").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.path(), open).unwrap();
    let script = "id -u; id -g
        touch /new 2>/dev/null || echo root is read-only
        touch /tmp/new && echo tmp is writable
        ls /sys/class/net
        grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
        cat /data/given; echo; touch /data/new 2>/dev/null || echo data is read-only";
    let mut function = oneshot(script);
    function.dirs = vec![Dir { host: host.path().into(), guest: "/data".into(), writable: false }];
    let (stdout, _) = Ready::new(&backend, function.clone()).await.run(b"", &[]).await;
    assert_eq!(
        String::from_utf8_lossy(&stdout),
        "65534\n65534\nroot is read-only\ntmp is writable\nlo\n\
         CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\ngiven\ndata is read-only\n"
    );
    function.dirs[0].writable = true;
    function.user = Some("1234:99".into());
    function.args[2] = "id -u; id -g; touch /data/new && echo data is writable".into();
    let (stdout, _) = Ready::new(&backend, function).await.run(b"", &[]).await;
    assert_eq!(String::from_utf8_lossy(&stdout), "1234\n99\ndata is writable\n");
    assert!(host.path().join("new").exists());
}

#[tokio::test]
async fn a_start_that_is_dropped_anywhere_leaves_nothing_behind() {
    let Some(engine) = docker_or_skip("dropped").await else { return };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    for after in [0, 1, 3, 6, 10, 20, 40, 80, 160] {
        let start = ready.program.start(ready.spec());
        let dropped = tokio::time::timeout(Duration::from_millis(after), start).await;
        drop(dropped);
    }
    // A creation that nobody waits for is still under way for a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    engine.none_left().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_says_so_and_leaves_nothing_behind() {
    let Some(engine) = docker_or_skip("slow-start").await else { return };
    let mut function = streaming("");
    function.limits.start_timeout = Duration::from_millis(60);
    let ready = Ready::new(&backend(&engine), function).await;
    let Err(error) = ready.try_start().await else { panic!("no engine starts a container in 60 ms") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.message().contains("start_timeout"), "{error}");
    assert!(engine.containers(&engine.host_id).await.is_empty(), "an error says that nothing is left");
}

/// SEEDS.md W20: paused when idle, resumed for the next request.
#[tokio::test]
async fn w20_a_paused_container_answers_after_it_is_resumed() {
    let Some(engine) = docker_or_skip("pause").await else { return };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    assert!(ready.program.pauses());
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"before").await;
    soon(sandbox.pause()).await.expect("it is paused");
    assert!(!sandbox.is_dead());
    soon(sandbox.resume()).await.expect("it is resumed");
    echo(&mut *sandbox, b"after").await;
    // What can't be resumed is an error, so that its job can go elsewhere.
    assert!(soon(sandbox.resume()).await.is_err());
    soon(sandbox.pause()).await.expect("it is paused");
    assert_eq!(soon(sandbox.remove()).await, Exit::Killed, "a paused one can be removed");
    engine.none_left().await;
}

#[tokio::test]
async fn a_sandbox_that_is_only_dropped_is_removed() {
    let Some(engine) = docker_or_skip("forgotten").await else { return };
    let sandbox = Ready::new(&backend(&engine), streaming("")).await.start().await;
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    drop(sandbox);
    engine.none_left().await;
}

#[tokio::test]
async fn clean_up_takes_an_earlier_lifes_containers_and_nobody_elses() {
    let Some(engine) = docker_or_skip("clean-up").await else { return };
    let Some(other) = docker_or_skip("clean-up-other").await else { return };
    let foreign = Ready::new(&backend(&other), streaming("")).await.start().await;
    // An earlier life that ended without a chance to remove anything.
    for _ in 0..2 {
        std::mem::forget(Ready::new(&backend(&engine), streaming("")).await.start().await);
    }
    let now = backend(&engine);
    let mut own = Ready::new(&now, streaming("")).await.start().await;
    assert_eq!(soon(now.clean_up()).await.expect("it cleans up"), 2);
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1, "this life's own stays");
    echo(&mut *own, b"alive").await;
    assert_eq!(other.containers(&other.host_id).await.len(), 1, "another host's stays");
    assert_eq!(soon(now.clean_up()).await.expect("it cleans up"), 0);
    soon(own.remove()).await;
    soon(foreign.remove()).await;
}

#[tokio::test]
async fn what_can_not_start_is_told_in_the_engines_words() {
    let Some(engine) = docker_or_skip("bad").await else { return };
    let backend = backend(&engine);
    let mut nowhere = Function::image("f", "kiln-test-no-such-image:1").format(Format::Json);
    nowhere.code.image.as_mut().unwrap().pull = PullPolicy::Never;
    let mut program = streaming("");
    program.args = vec!["/no/such/program".into()];
    let mut user = streaming("");
    user.user = Some("nobody-here".into());
    for (function, words) in
        [(nowhere, "kiln-test-no-such-image:1"), (program, "/no/such/program"), (user, "nobody-here")]
    {
        let Err(error) = Ready::new(&backend, function).await.try_start().await else {
            panic!("{words} can't start")
        };
        assert_eq!(error.kind(), ErrorKind::FunctionFailed, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    assert!(engine.containers(&engine.host_id).await.is_empty(), "an error says that nothing is left");
}

#[tokio::test]
async fn a_registry_that_can_not_be_asked_is_unavailable() {
    let Some(engine) = docker_or_skip("registry").await else { return };
    // Nothing listens on port 1. Two at once are one pull.
    let function = Function::image("f", "127.0.0.1:1/kiln-test/none:1").format(Format::Json);
    let ready = Ready::new(&backend(&engine), function).await;
    let (one, two) = tokio::join!(ready.try_start(), ready.try_start());
    for result in [one, two] {
        let Err(error) = result else { panic!("there is no such registry") };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("127.0.0.1:1/kiln-test/none:1"), "{error}");
    }
}

#[tokio::test]
async fn what_can_be_checked_without_an_engine_is() {
    let mut config = DockerConfig::new("kiln-test");
    config.host = Some("unix:///nowhere/docker.sock".into());
    let backend = Docker::new(config);
    for (function, words) in [
        (Function::image("f", "../containers/json"), "reference"),
        (Function::image("f", "echo:1").memory(MIB), "6MiB"),
        (Function::wasm("f", "f.wasm"), "image"),
    ] {
        let Err(error) = Ready::try_new(&backend, function).await else { panic!("{words} is refused") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(words), "{error}");
    }
    let ready = Ready::new(&backend, Function::image("f", "echo:1")).await;
    assert_eq!(ready.program.memory(), 128 * MIB);
    assert_eq!(ready.program.code(), b"echo:1");
}

#[tokio::test]
async fn an_absent_engine_is_unavailable_at_once() {
    for host in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "ftp://x"] {
        let mut config = DockerConfig::new("kiln-test-absent");
        config.host = Some(host.into());
        let backend = Docker::new(config);
        let ready = Ready::new(&backend, Function::image("f", "echo:1").format(Format::Json)).await;
        let start = ready.try_start().await.map(|_| ()).unwrap_err();
        for error in
            [start, soon(backend.check()).await.unwrap_err(), soon(backend.clean_up()).await.unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.message().contains(host), "{error}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_hangs_is_unavailable_within_its_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    // It accepts, by its backlog, and never says a word.
    let _listener = UnixListener::bind(&socket).unwrap();
    let mut config = DockerConfig::new("kiln-test-hangs");
    config.host = Some(format!("unix://{}", socket.display()));
    config.call_timeout = Duration::from_millis(100);
    config.slow_call_timeout = Duration::from_millis(100);
    let backend = Docker::new(config);
    let ready = Ready::new(&backend, Function::image("f", "echo:1").format(Format::Json)).await;
    let start = ready.try_start().await.map(|_| ()).unwrap_err();
    for error in [start, soon(backend.check()).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("within 100ms"), "{error}");
    }
}

/// An engine's socket with a hand on it.
struct Proxy {
    socket: PathBuf,
    state: watch::Sender<State>,
    _dir: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Passing,
    Frozen,
    Cut,
}

impl Proxy {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let (state, watched) = watch::channel(State::Passing);
        tokio::spawn(Self::listen(socket.clone(), watched));
        Self { socket, state, _dir: dir }
    }

    async fn listen(socket: PathBuf, mut state: watch::Receiver<State>) {
        loop {
            if state.wait_for(|state| *state != State::Cut).await.is_err() {
                return;
            }
            let listener = UnixListener::bind(&socket).unwrap();
            while *state.borrow_and_update() != State::Cut {
                tokio::select! {
                    accepted = listener.accept() => drop(tokio::spawn(Self::carry(accepted.unwrap().0, state.clone()))),
                    _ = state.changed() => {}
                }
            }
            std::fs::remove_file(&socket).unwrap();
        }
    }

    async fn carry(mut near: UnixStream, mut state: watch::Receiver<State>) {
        let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
        let mut copy = std::pin::pin!(copy_bidirectional(&mut near, &mut far));
        loop {
            let now = *state.borrow_and_update();
            tokio::select! {
                _ = &mut copy, if now == State::Passing => return,
                changed = state.changed(), if now != State::Cut => if changed.is_err() { return },
                else => return,
            }
        }
    }

    async fn set(&self, state: State) {
        self.state.send_replace(state);
        while Path::new(&self.socket).exists() == (state == State::Cut) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn backend(&self, engine: &Engine) -> Docker {
        self.set(State::Passing).await;
        let mut config = config(engine);
        config.host = Some(format!("unix://{}", self.socket.display()));
        Docker::new(config)
    }
}

#[tokio::test]
async fn an_engine_that_dies_in_a_call_loses_it_and_serves_again_when_it_is_back() {
    let Some(engine) = docker_or_skip("dies").await else { return };
    let proxy = Proxy::new();
    let backend = proxy.backend(&engine).await;
    let ready = Ready::new(&backend, streaming("")).await;
    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"before").await;

    sandbox.stdio().write(Bytes::from_static(b"during"));
    proxy.set(State::Cut).await;
    while let Ok(Some(_)) = read(&mut *sandbox).await {}
    assert!(sandbox.is_dead());
    let exit = soon(sandbox.exit()).await;
    assert!(matches!(&exit, Exit::Lost(why) if why.contains("docker engine")), "{exit:?}");
    assert_eq!(exit.into_error().kind(), ErrorKind::Unavailable);
    assert_eq!(ready.try_start().await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);

    // SEEDS.md D7: its memory is given back when the engine has confirmed the removal, and not before.
    let mut removal = tokio::spawn(sandbox.remove());
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut removal).await.is_err());
    assert_eq!(engine.containers(&engine.host_id).await.len(), 1);
    proxy.set(State::Passing).await;
    soon(removal).await.unwrap();
    assert!(engine.containers(&engine.host_id).await.is_empty());

    let mut sandbox = ready.start().await;
    echo(&mut *sandbox, b"again").await;
    soon(sandbox.remove()).await;
}

#[tokio::test]
async fn an_engine_that_freezes_in_a_start_times_out_and_nothing_is_left_when_it_thaws() {
    let Some(engine) = docker_or_skip("freezes").await else { return };
    let proxy = Proxy::new();
    proxy.set(State::Passing).await;
    let mut config = config(&engine);
    config.host = Some(format!("unix://{}", proxy.socket.display()));
    config.slow_call_timeout = Duration::from_millis(200);
    let backend = Docker::new(config);
    let mut function = streaming("");
    function.limits.start_timeout = Duration::from_millis(500);
    let ready = Ready::new(&backend, function).await;
    for after in [5, 30, 60] {
        let start = ready.try_start();
        let freeze = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            proxy.set(State::Frozen).await;
        };
        let (started, ()) = tokio::join!(start, freeze);
        match started {
            Ok(sandbox) => drop(sandbox),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Unavailable), "{error}");
            }
        }
        proxy.set(State::Passing).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    engine.none_left().await;
}
