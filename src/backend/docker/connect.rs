//! The way to the engine: found lazily, asked with a time limit, never remembered as dead.
//!
//! Each call opens its own connection, so a daemon that comes back is used by the next call and nothing has to be
//! reset. Calls carry no API version: bollard sends unversioned URLs, which the engine takes as its own newest,
//! and Kiln asks for nothing that an engine since 18.09 doesn't know. Naming a version instead would shut out the
//! engines that have dropped it.

use super::DockerConfig;
use crate::error::Error;
use bollard::errors::Error as Failure;
use parking_lot::Mutex;
use std::time::Duration;

/// Where the engine is unless `DOCKER_HOST` or the configuration says otherwise.
const SOCKET: &str = "unix:///var/run/docker.sock";
/// bollard's own limit, in seconds: beyond every limit of ours, which give better errors.
const BEYOND: u64 = 24 * 60 * 60;

/// The docker engine that containers are asked of.
pub(super) struct Engine {
    host: String,
    client: Mutex<Option<bollard::Docker>>,
    /// The longest that a call may take that the engine answers from memory.
    pub(super) quick: Duration,
    /// The longest that a call may take that makes or destroys something.
    pub(super) slow: Duration,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing came back, or nothing that an engine says.
    Away(String),
    /// The engine refused: its HTTP status and its words.
    Said(u16, String),
}

impl Engine {
    pub(super) fn new(config: &DockerConfig) -> Self {
        let named = config.host.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
        Self {
            host: named.filter(|host| !host.is_empty()).unwrap_or_else(|| SOCKET.into()),
            client: Mutex::default(),
            quick: config.call_timeout,
            slow: config.slow_call_timeout,
        }
    }

    /// Asks the engine one thing.
    pub(super) async fn call<T, F>(
        &self,
        limit: Duration,
        ask: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        match tokio::time::timeout(limit, ask(self.client()?)).await {
            Ok(answer) => answer.map_err(Fault::from),
            Err(_) => {
                Err(Fault::Away(format!("it gave no answer within {}", humantime::format_duration(limit))))
            }
        }
    }

    /// A client. It holds no connection, so one that was made while the engine ran serves after its restart, too.
    pub(super) fn client(&self) -> Result<bollard::Docker, Fault> {
        let mut kept = self.client.lock();
        if let Some(client) = kept.as_ref() {
            return Ok(client.clone());
        }
        let version = bollard::API_DEFAULT_VERSION;
        let client = match self.host.split_once("://") {
            Some(("unix", path)) => bollard::Docker::connect_with_unix(path, BEYOND, version)?,
            Some(("tcp" | "http", _)) => bollard::Docker::connect_with_http(&self.host, BEYOND, version)?,
            None if self.host.starts_with('/') => {
                bollard::Docker::connect_with_unix(&self.host, BEYOND, version)?
            }
            _ => return Err(Fault::Away("give an address that begins with unix:// or tcp://".into())),
        };
        *kept = Some(client.clone());
        Ok(client)
    }

    /// `Unavailable`: what was asked of the engine, where it should be and what to look at.
    pub(super) fn unavailable(&self, what: &str, why: &str) -> Error {
        Error::unavailable(format!(
            "can't {what}: the docker engine at {} doesn't answer ({why}): is it running there, and may this user reach it",
            self.host
        ))
    }

    /// A call's failure where whatever the engine says means that it can't work now.
    pub(super) fn refused(&self, what: &str, fault: Fault) -> Error {
        match fault {
            Fault::Away(why) => self.unavailable(what, &why),
            Fault::Said(_, words) => {
                Error::unavailable(format!("can't {what}: the docker engine at {} says: {words}", self.host))
            }
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is reached as one of the same machine is, and so may see the same files.
    pub(super) fn is_near(&self) -> bool {
        self.host.starts_with("unix://") || self.host.starts_with('/')
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::DockerResponseServerError { status_code, message } => {
                Self::Said(status_code, message.trim().into())
            }
            Failure::DockerStreamError { error } => Self::Said(500, error),
            Failure::SocketNotFoundError(path) => Self::Away(format!("there is no socket {path}")),
            other => Self::Away(root(&other)),
        }
    }
}

/// The innermost cause: "connection refused" rather than "error in the client".
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away(words) | Self::Said(_, words) => f.write_str(words),
        }
    }
}
