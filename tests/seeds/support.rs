//! A host over the backend in memory, and what is asked of it.

use kiln::backend::fake::{self, Handle};
use kiln::function::MIB;
use kiln::host::HostBuilder;
use kiln::invocation::Outcome;
use kiln::pool::Figures;
use kiln::{BackendKind, Error, ErrorKind, Format, Function, Host, Invocation};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Only a hang is caught by it.
pub const HANG: Duration = Duration::from_secs(30);

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A host over a fake of a kind, and the fake's handle.
pub struct Bed {
    pub host: Host,
    pub fake: Handle,
    pub kind: BackendKind,
}

pub fn bed(kind: BackendKind, set: impl FnOnce(HostBuilder) -> HostBuilder) -> Bed {
    let (backend, fake) = fake::backend(kind);
    let host = set(Host::builder().memory(512 * MIB)).backend(backend).build().unwrap();
    Bed { host, fake, kind }
}

pub fn containers() -> Bed {
    bed(BackendKind::Docker, |host| host)
}

pub fn modules() -> Bed {
    bed(BackendKind::Wasm, |host| host)
}

impl Bed {
    pub fn function(&self, name: &str, guest: &str) -> Function {
        match self.kind {
            BackendKind::Wasm => Function::wasm_bytes(name, guest.to_owned()),
            BackendKind::Docker => Function::image(name, guest),
        }
        .format(Format::Frame)
        .memory(32 * MIB)
        .timeout(HANG)
    }

    pub fn echo(&self, name: &str) -> Function {
        self.function(name, "echo")
    }

    /// The echo, of which at most one sandbox lives.
    pub fn single(&self, name: &str) -> Function {
        let mut function = self.echo(name);
        function.limits.max_sandboxes = 1;
        function
    }

    pub async fn deploy(&self, function: Function) {
        self.host.deploy(function).await.unwrap();
    }

    pub async fn call(&self, name: &str, path: &str) -> Outcome {
        call(&self.host, name, path).await
    }

    /// The same on a task of its own.
    pub fn spawn(&self, name: &'static str, path: &'static str) -> JoinHandle<Outcome> {
        let host = self.host.clone();
        tokio::spawn(async move { call(&host, name, path).await })
    }

    pub async fn until(&self, what: &str, reached: impl Fn(&Figures) -> bool) {
        let waited = async {
            while !reached(&self.host.figures()) {
                tokio::time::sleep(ms(1)).await;
            }
        };
        let in_time = tokio::time::timeout(HANG, waited).await;
        assert!(in_time.is_ok(), "never: {what}; {:?}; {:?}", self.host.figures(), self.fake.counts());
    }

    pub async fn counted(&self, what: &str, reached: impl FnMut(&fake::Counts) -> bool) -> fake::Counts {
        match tokio::time::timeout(HANG, self.fake.until(reached)).await {
            Ok(counts) => counts,
            Err(_) => panic!("never: {what}; {:?}; {:?}", self.host.figures(), self.fake.counts()),
        }
    }

    /// Drains. Nothing is left in the books or at the backend, and every sandbox was removed properly.
    pub async fn end(self) {
        soon(self.host.drain()).await;
        let figures = self.host.figures();
        assert_eq!((figures.charged, figures.active, figures.waiting, figures.removing), (0, 0, 0, 0));
        let counts = self.fake.counts();
        assert_eq!(
            (counts.starting, counts.living, counts.memory, counts.dropped),
            (0, 0, 0, 0),
            "{counts:?}"
        );
        assert_eq!(self.host.credits(), figures.ended, "a credit for each job that ended (D1)");
    }
}

pub async fn call(host: &Host, name: &str, path: &str) -> Outcome {
    let mut invocation = Invocation::new("body");
    invocation.path = path.into();
    host.invoke(name, invocation).await
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

pub fn text(outcome: Outcome) -> String {
    let reply = outcome.result.unwrap_or_else(|error| panic!("{}: {error}", error.kind()));
    String::from_utf8(reply.body.into()).unwrap()
}

pub fn error(outcome: Outcome) -> Error {
    outcome.result.expect_err("it should have failed")
}

pub fn error_kind(outcome: &Outcome) -> Option<ErrorKind> {
    outcome.result.as_ref().err().map(Error::kind)
}
