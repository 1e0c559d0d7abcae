//! `/readyz`: whether requests should be sent here.

use super::reply::{self, Answer};
use crate::error::Error;
use crate::function::BackendKind;
use crate::host::Host;
use http::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the backends may take to say how they are: a probe that gets no answer is no use to anyone.
const CHECK: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq, Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    /// `"ok"`, or why it can't start sandboxes now.
    backends: BTreeMap<&'static str, String>,
}

pub(super) async fn ready(host: &Host, draining: bool) -> Answer {
    let checks = tokio::time::timeout(CHECK, host.check()).await;
    let readiness = match checks {
        Ok(checks) => readiness(&checks, draining),
        Err(_) => {
            Readiness { ready: false, draining, backends: BTreeMap::from([("all", "no answer".into())]) }
        }
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply::json(status, &readiness)
}

/// One backend that works is enough: without a daemon the wasm functions go on, and theirs is most of the traffic.
fn readiness(checks: &[(BackendKind, Result<(), Error>)], draining: bool) -> Readiness {
    let some_work = checks.is_empty() || checks.iter().any(|(_, check)| check.is_ok());
    let backends = checks
        .iter()
        .map(|(backend, check)| {
            (backend.as_str(), check.as_ref().err().map_or("ok".into(), Error::to_string))
        })
        .collect();
    Readiness { ready: some_work && !draining, draining, backends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_backend_that_works_is_enough_and_draining_is_not_ready() {
        let works = (BackendKind::Wasm, Ok(()));
        let away = (BackendKind::Docker, Err(Error::unavailable("no daemon")));
        let both = readiness(&[works, away.clone()], false);
        assert!(both.ready);
        assert_eq!(both.backends, BTreeMap::from([("wasm", "ok".into()), ("docker", "no daemon".into())]));
        assert!(!readiness(&[away], false).ready);
        assert!(!readiness(&[(BackendKind::Wasm, Ok(()))], true).ready);
        assert!(readiness(&[], false).ready);
    }
}
