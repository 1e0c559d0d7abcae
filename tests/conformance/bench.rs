//! What every case works with: a host over one backend, the two guests in one format, and a look at what is left.

use crate::subject::{Open, Subject};
use bytes::Bytes;
use kiln::function::MIB;
use kiln::host::HostBuilder;
use kiln::invocation::Outcome;
use kiln::pool::Figures;
use kiln::{BackendKind, Error, Format, Function, Host, Invocation, Reply};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// Far beyond what anything here takes: only a hang is caught by it.
pub const HANG: Duration = Duration::from_secs(180);

/// The budget unless a case says otherwise, in bytes.
const BUDGET: u64 = 512 * MIB;

/// One case's surroundings.
pub struct Bench {
    name: &'static str,
    /// The runtime that source functions name.
    pub language: String,
    pub host: Host,
    pub format: Format,
    pub subject: Box<dyn Subject>,
}

/// Runs one case in one format on one subject.
pub fn run(name: &'static str, open: &Open, format: &str, case: impl AsyncFnOnce(&mut Bench)) {
    let format = Format::ALL.into_iter().find(|each| ident(*each) == format).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // Without what it needs, the subject says by the test's name that it is skipped.
        let Some(subject) = open(name).await else { return };
        let host = host(&*subject, |host| host);
        let mut bench = Bench { name, language: String::new(), host, format, subject };
        tokio::time::timeout(HANG, async {
            case(&mut bench).await;
            bench.finish().await;
        })
        .await
        .unwrap_or_else(|_| panic!("{name} hangs; {:?}", bench.host.figures()));
    });
}

/// A format's name in the tables.
fn ident(format: Format) -> String {
    format.as_str().replace('-', "_")
}

/// A row of a table is whole: each of its formats is either run or excused with a reason.
pub fn names_every_format(formats: &[Format], named: &[&str], excuse: &str) {
    for format in formats {
        let times = named.iter().filter(|name| **name == ident(*format)).count();
        assert_eq!(times, 1, "`{format}` has to be named once");
    }
    assert_eq!(named.len(), formats.len(), "a row names what is none of its table's formats: {named:?}");
    assert!(excuse.is_empty() || excuse.len() > 8, "an excuse is a reason: {excuse:?}");
}

fn host(subject: &dyn Subject, set: impl FnOnce(HostBuilder) -> HostBuilder) -> Host {
    set(Host::builder().memory(BUDGET).max_wait(HANG).snapshots(false))
        .backend(subject.backend())
        .build()
        .unwrap()
}

impl Bench {
    /// Another host over the same backend, in place of the first.
    pub async fn rebuild(&mut self, set: impl FnOnce(HostBuilder) -> HostBuilder) {
        self.host.drain().await;
        self.host = host(&*self.subject, set);
    }

    /// Says that this case is skipped. Past the test harness, which shows nothing of tests that pass.
    pub fn skip(&self, why: &str) {
        let _ = std::io::stderr().write_all(format!("skipped: {}: {why}\n", self.name).as_bytes());
    }

    pub fn kind(&self) -> BackendKind {
        self.subject.backend().kind()
    }

    /// Whether containers are really started, so that many are dear.
    pub fn is_slow(&self) -> bool {
        self.subject.is_slow()
    }

    /// The well-behaved guest as function `name`.
    pub fn echo(&self, name: &str) -> Function {
        self.function(name, "echo")
    }

    /// The guest that goes wrong.
    pub fn faulty(&self, name: &str) -> Function {
        self.function(name, "faulty")
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        let mut function =
            self.subject.function(name, guest).format(self.format).memory(32 * MIB).timeout(HANG);
        // Where each request has an instance of its own unless it says otherwise.
        function.limits.max_uses = (self.format == Format::WasiHttp).then_some(u32::MAX);
        function
    }

    /// How an exit with this code is told.
    pub fn exit_code(&self, code: i32) -> String {
        format!("code {}", if self.subject.tells_exit_codes() { code } else { code.min(1) })
    }

    pub async fn deploy(&self, function: Function) {
        self.host.deploy(function).await.unwrap();
    }

    pub async fn invoke(&self, name: &str, path: &str, body: impl Into<Bytes>) -> Outcome {
        ask(&self.host, self.format, name, request(self.format, path, body)).await
    }

    /// The reply, which has to come.
    pub async fn reply(&self, name: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        reply(self.invoke(name, path, body).await)
    }

    /// The reply's body as text.
    pub async fn text(&self, name: &str, path: &str, body: impl Into<Bytes>) -> String {
        String::from_utf8(self.reply(name, path, body).await.body.into()).unwrap()
    }

    /// The error, which has to come.
    pub async fn error(&self, name: &str, path: &str, body: impl Into<Bytes>) -> Error {
        let outcome = self.invoke(name, path, body).await;
        match outcome.result {
            Err(error) => error,
            Ok(reply) => panic!("{path} should have failed, and answered {reply:?}"),
        }
    }

    /// Waits until the pool's figures are as they have to become.
    pub async fn until(&self, what: &str, reached: impl Fn(&Figures) -> bool) {
        let waited = async {
            while !reached(&self.host.figures()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(HANG / 3, waited).await.is_err() {
            panic!("never reached: {what}; {:?}", self.host.figures());
        }
    }

    /// Drains the host. Nothing may be left of it.
    async fn finish(&self) {
        self.host.drain().await;
        let figures = self.host.figures();
        let left = Figures {
            budget: figures.budget,
            waited: figures.waited,
            ended: figures.ended,
            evicted: figures.evicted,
            ..Figures::default()
        };
        assert_eq!(figures, left, "a drained host has nothing");
        self.subject.nothing_left().await;
    }
}

/// A request with the path that tells the guests what to do.
pub fn request(format: Format, path: &str, body: impl Into<Bytes>) -> Invocation {
    let body = body.into();
    let mut invocation = match (format, std::str::from_utf8(&body)) {
        // An action is told no path: it is one of its arguments, and so is the body.
        (Format::Openwhisk, Ok(body)) => Invocation::new(json!({ "path": path, "body": body }).to_string()),
        _ => Invocation::new(body),
    };
    invocation.path = match (format, path) {
        // Components have a fixture of their own, with other words for the same.
        (Format::WasiHttp, "/" | "/ok") => "/echo".into(),
        (Format::WasiHttp, "/hog") => "/grow".into(),
        _ => path.into(),
    };
    if format == Format::HttpStream {
        // What has no URL is none of Fn's HTTP triggers: such a function isn't told a path.
        invocation.url = format!("http://localhost/r/function{path}");
    }
    invocation
}

/// How a request ended, with what the guest replied to it.
pub async fn ask(host: &Host, format: Format, name: &str, invocation: Invocation) -> Outcome {
    let counts = invocation.path == "/count";
    let mut outcome = host.invoke(name, invocation).await;
    match (format, &mut outcome.result) {
        (Format::Openwhisk, Ok(reply)) => {
            // Its result has the body, or the function's own error.
            let result: Value = serde_json::from_slice(&reply.body).unwrap();
            if let Some(body) = result["body"].as_str() {
                reply.body = body.to_owned().into();
            }
        }
        (Format::WasiHttp, Ok(reply)) if counts => reply.body.truncate(reply.body.trim_ascii_end().len()),
        _ => {}
    }
    outcome
}

/// The reply, which has to be there.
pub fn reply(outcome: Outcome) -> Reply {
    match outcome.result {
        Ok(reply) => reply,
        Err(error) => panic!("{}: {error}; its last lines: {:?}", error.kind(), error.logs()),
    }
}
