//! Why a container ended, in the words that every backend uses.
//!
//! The engine reports one number, as a shell does: 128 + n where signal n ended the process. A program that exits
//! with such a code by itself looks the same; Kiln reads 129 to 159 as signals, since programs seldom choose them.
//!
//! Out of memory is what the engine calls so, and what must have been: process 1 of a container can't be killed from
//! within, so where it ended by SIGKILL and the engine knows of nobody who sent that, the kernel did. (One of eight
//! times, an engine 20.10 on cgroup v1 misses the kernel's message.)

use super::connect::{Engine, Fault};
use crate::backend::Exit;
use bollard::errors::Error as Failure;
use bollard::models::{ContainerState, ContainerStateStatusEnum as Status};
use bollard::query_parameters::{EventsOptionsBuilder, WaitContainerOptionsBuilder};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// How the kernel ends a process that is out of memory.
const SIGKILL: i32 = 9;
/// How much later than an exit the engine may know who caused it.
const CAUSE: Duration = Duration::from_millis(50);

/// Waits until a container has ended, and says why.
pub(super) async fn wait(engine: &Engine, id: &str) -> Exit {
    loop {
        match look(engine, id).await {
            Ok(Some(exit)) => return exit,
            Ok(None) => {}
            Err(fault) => return lost(engine, fault),
        }
        // Looked at again at least so often: an engine that hangs is found out by that.
        if !matches!(timeout(engine.quick, stopped(engine, id)).await, Ok(true)) {
            tokio::time::sleep(CAUSE).await;
        }
    }
}

/// Why a container ended; `None` while it runs.
async fn look(engine: &Engine, id: &str) -> Result<Option<Exit>, Fault> {
    let answer = engine.call(engine.quick, async |client| client.inspect_container(id, None).await).await?;
    let exit = reason(&answer.state.unwrap_or_default());
    if exit == Some(Exit::Signal(SIGKILL)) && was_killed(engine, id).await == Some(false) {
        return Ok(Some(Exit::OutOfMemory));
    }
    Ok(exit)
}

/// Whether the engine remembers that somebody had it kill a container; `None` if it doesn't say.
async fn was_killed(engine: &Engine, id: &str) -> Option<bool> {
    tokio::time::sleep(CAUSE).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let filters = HashMap::from([("container", vec![id]), ("event", vec!["kill"])]);
    let options = EventsOptionsBuilder::default()
        .since("1")
        .until(&format!("{}.{:09}", now.as_secs(), now.subsec_nanos()))
        .filters(&filters)
        .build();
    let client = engine.client().ok()?;
    let mut events = client.events(Some(options));
    match timeout(engine.quick, events.next()).await {
        Ok(Some(Ok(_))) => Some(true),
        Ok(None) => Some(false),
        Ok(Some(Err(_))) | Err(_) => None,
    }
}

/// Why a container has ended, for whoever removes it: `Killed` if it runs until then.
pub(super) async fn so_far(engine: &Engine, id: &str) -> Exit {
    match look(engine, id).await {
        Ok(exit) => exit.unwrap_or(Exit::Killed),
        Err(fault) => lost(engine, fault),
    }
}

/// Completes when a container has ended by itself, or can't be told to live any more.
pub(super) async fn ended(engine: &Engine, id: &str) {
    while !stopped(engine, id).await && matches!(look(engine, id).await, Ok(None)) {
        tokio::time::sleep(CAUSE).await;
    }
}

/// Completes when a container has ended; true if the engine said so, false if the engine went away.
async fn stopped(engine: &Engine, id: &str) -> bool {
    let Ok(client) = engine.client() else { return false };
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let mut answers = std::pin::pin!(client.wait_container(id, Some(options)));
    match answers.next().await {
        // bollard makes an error of every code but 0.
        Some(Ok(_) | Err(Failure::DockerContainerWaitError { .. })) => true,
        Some(Err(Failure::DockerResponseServerError { status_code: 404, .. })) => true,
        Some(Err(_)) | None => false,
    }
}

fn reason(state: &ContainerState) -> Option<Exit> {
    if state.running == Some(true) {
        return None;
    }
    let Some(Ok(code)) = state.exit_code.map(i32::try_from) else {
        return Some(Exit::Lost("the docker engine doesn't say how its container ended".into()));
    };
    Some(match (state.status, code) {
        (Some(Status::CREATED), _) => Exit::Lost("its container never ran".into()),
        (_, 0) => Exit::Code(0),
        // Also where a shell outlived the hog that was killed, and failed because of that.
        _ if state.oom_killed == Some(true) => Exit::OutOfMemory,
        (_, 129..=159) => Exit::Signal(code - 128),
        _ => Exit::Code(code),
    })
}

fn lost(engine: &Engine, fault: Fault) -> Exit {
    Exit::Lost(match fault {
        Fault::Said(404, _) => "somebody else removed its container".into(),
        fault => format!("the docker engine at {} went away ({fault})", engine.host()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit_code: i64, oom_killed: bool) -> Option<Exit> {
        reason(&ContainerState {
            status: Some(Status::EXITED),
            running: Some(false),
            exit_code: Some(exit_code),
            oom_killed: Some(oom_killed),
            ..Default::default()
        })
    }

    #[test]
    fn an_engines_numbers_become_reasons() {
        assert_eq!(ended(0, false), Some(Exit::Code(0)));
        assert_eq!(ended(3, false), Some(Exit::Code(3)));
        assert_eq!(ended(128, false), Some(Exit::Code(128)));
        assert_eq!(ended(137, false), Some(Exit::Signal(9)));
        assert_eq!(ended(139, false), Some(Exit::Signal(11)));
        assert_eq!(ended(255, false), Some(Exit::Code(255)));
        assert_eq!(ended(137, true), Some(Exit::OutOfMemory));
        assert_eq!(ended(1, true), Some(Exit::OutOfMemory));
        // A child was killed and the function coped with it.
        assert_eq!(ended(0, true), Some(Exit::Code(0)));
    }

    #[test]
    fn what_runs_has_no_reason_yet() {
        let running = ContainerState { running: Some(true), exit_code: Some(0), ..Default::default() };
        assert_eq!(reason(&running), None);
    }
}
