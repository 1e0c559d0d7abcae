//! A server that says itself when it is ready: it is asked for its `ready_path` until it answers with 2xx.
//!
//! That is part of its start, within the same `start_timeout`: nobody gets a sandbox that listens and can't serve yet.

use super::exchange::{self, Step, Verdict};
use super::flow::Flow;
use super::registry::Revised;
use crate::backend::{Sandbox, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Call, Rest, Session};
use crate::invocation::{Headers, InvocationId};
use bytes::Bytes;
use std::time::{Duration, Instant, SystemTime};

/// How long a server that isn't ready is left alone before it is asked again.
const AGAIN: Duration = Duration::from_millis(10);

/// Waits until a sandbox that has started is ready. After an error it is gone.
pub(super) async fn ready(started: Started, revised: &Revised) -> Result<Started> {
    let Some(path) = &revised.function.ready_path else { return Ok(started) };
    let Started { mut sandbox, mut phases } = started;
    let limit = revised.function.limits.start_timeout;
    let (began, mut last) = (Instant::now(), Error::failed("it didn't answer"));
    let asking = async {
        loop {
            match ask(sandbox.as_mut(), revised, path).await {
                Ok(()) => return Ok(()),
                Err(why) if sandbox.is_dead() => return Err(why),
                Err(why) => last = why,
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    let error = match tokio::time::timeout(limit.saturating_sub(phases.total()), asking).await {
        Ok(Ok(())) => {
            phases.init += began.elapsed();
            return Ok(Started { sandbox, phases });
        }
        Ok(Err(why)) => why,
        Err(_) => {
            let limit = humantime::format_duration(limit);
            let message = format!("it wasn't ready within {limit} ({last}): raise `start_timeout`");
            Error::new(ErrorKind::TimedOut, message)
        }
    };
    sandbox.remove().await;
    Err(error.context(format_args!("its `ready_path` {path}")))
}

/// Asks once.
async fn ask(sandbox: &mut dyn Sandbox, revised: &Revised, path: &str) -> Result<()> {
    let (function, body) = (&revised.function, Bytes::new());
    let mut session = Session::new(function.format);
    let call = Call {
        id: InvocationId::new(),
        namespace: &function.namespace,
        function: &function.name,
        memory: revised.memory,
        max_reply: function.limits.max_reply,
        deadline: SystemTime::now() + function.limits.timeout,
        method: "GET",
        path,
        url: "".into(),
        headers: Headers::default(),
        peer: None,
        caller: None,
        env: &function.env,
        body: &body,
        rest: Rest::Nothing,
        parts_above: usize::MAX,
    };
    exchange::send(sandbox, session.encode(&call)?);
    let step = exchange::reply(sandbox, &mut session, function.format, &mut Flow::default()).await;
    exchange::rest(sandbox, &mut session).await;
    match step {
        Step::Ended(Verdict { answer, .. }) => match answer?.status {
            200..=299 => Ok(()),
            status => Err(Error::failed(format!("it answered with status {status}"))),
        },
        _ => Err(Error::internal("a reply came in parts that had to be whole")),
    }
}
