//! Engines that misbehave: a real one behind a socket that can be cut and frozen, and one that says what it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// An engine's socket with a hand on it.
pub(crate) struct Proxy {
    socket: PathBuf,
    state: watch::Sender<State>,
    _dir: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    Passing,
    Frozen,
    Cut,
}

impl Proxy {
    pub(crate) fn new() -> Self {
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
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let real = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
        let mut far = UnixStream::connect(real).await.unwrap();
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

    pub(crate) async fn set(&self, state: State) {
        self.state.send_replace(state);
        while Path::new(&self.socket).exists() == (state == State::Cut) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its address, when it listens.
    pub(crate) async fn host(&self) -> String {
        self.set(State::Passing).await;
        format!("unix://{}", self.socket.display())
    }
}

/// What a scripted engine does with a request.
pub(crate) enum Answer {
    Says(u16, String),
    /// Opens a container's stdio, on which nothing ever comes.
    Upgrade,
    Hang,
}

impl Answer {
    pub(crate) fn says(status: u16, body: &str) -> Self {
        Self::Says(status, body.into())
    }
}

type Script = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// An engine that answers each request as a function of it and of how many of its method and first path segment came before.
pub(crate) struct Scripted {
    socket: PathBuf,
    log: Arc<Mutex<Log>>,
    _dir: tempfile::TempDir,
}

#[derive(Default)]
struct Log {
    requests: Vec<String>,
    open: Vec<String>,
    most_open: Vec<(String, usize)>,
}

impl Scripted {
    pub(crate) fn new(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let log = Arc::<Mutex<Log>>::default();
        let listener = UnixListener::bind(&socket).unwrap();
        let (answer, shared): (Arc<Script>, _) = (Arc::new(answer), log.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer.clone(), shared.clone()));
            }
        });
        Self { socket, log, _dir: dir }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The requests that contain a text, in order of arrival.
    pub(crate) fn requests(&self, text: &str) -> Vec<String> {
        self.log.lock().unwrap().requests.iter().filter(|request| request.contains(text)).cloned().collect()
    }

    /// How many requests that contain a text were ever open at once.
    pub(crate) fn most_open(&self, text: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.most_open
            .iter()
            .filter(|(request, _)| request.contains(text))
            .map(|(_, open)| *open)
            .max()
            .unwrap_or(0)
    }
}

/// Method and first path segment: requests that do the same kind of thing.
fn kind(request: &str) -> String {
    request.split('/').take(2).collect::<Vec<_>>().join("/")
}

async fn serve(stream: UnixStream, answer: Arc<Script>, log: Arc<Mutex<Log>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await.ok()?;
    let request = request.rsplit_once(' ')?.0.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    let nth = {
        let mut log = log.lock().unwrap();
        let nth = log.requests.iter().filter(|earlier| kind(earlier) == kind(&request)).count();
        log.requests.push(request.clone());
        log.open.push(request.clone());
        let open = log.open.iter().filter(|other| kind(other) == kind(&request)).count();
        log.most_open.push((request.clone(), open));
        nth
    };
    let text = match answer(&request, nth) {
        Answer::Says(status, body) => {
            format!(
                "HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        Answer::Upgrade => "HTTP/1.1 101 So\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".into(),
        Answer::Hang => String::new(),
    };
    let hangs = text.is_empty() || text.contains("Upgrade");
    stream.write_all(text.as_bytes()).await.ok()?;
    if hangs {
        // Until the other side gives up.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    log.lock().unwrap().open.retain(|other| *other != request);
    Some(())
}
