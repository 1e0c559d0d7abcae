//! Why a container ended, in the words that every backend uses.
//!
//! The engine reports one number, as a shell does: 128 + n where signal n ended the process. A program that exits
//! with such a code by itself looks the same; Kiln reads 129 to 159 as signals, since programs seldom choose them.

use super::connect::{Engine, Fault};
use crate::backend::Exit;
use bollard::errors::Error as Failure;
use bollard::models::{ContainerState, ContainerStateStatusEnum as Status};
use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures_util::StreamExt;
use std::time::Duration;

/// What a process ends with that SIGKILL ended, which is how the kernel ends one that is out of memory.
const KILLED: i64 = 128 + 9;
/// How much later than the exit itself its cause may be known: the kernel reports the two apart.
const CAUSE: Duration = Duration::from_millis(100);

/// Waits until a container has ended, and says why.
pub(super) async fn wait(engine: &Engine, id: &str) -> Exit {
    loop {
        match look(engine, id).await {
            Ok(Some(exit)) => return exit,
            Ok(None) => {}
            Err(fault) => return lost(engine, fault),
        }
        // Looked at again at least so often: an engine that hangs is found out by that.
        if !matches!(tokio::time::timeout(engine.quick, stopped(engine, id)).await, Ok(true)) {
            tokio::time::sleep(CAUSE).await;
        }
    }
}

/// Why a container ended; `None` while it runs.
pub(super) async fn look(engine: &Engine, id: &str) -> Result<Option<Exit>, Fault> {
    let state = inspect(engine, id).await?;
    let exit = reason(&state);
    if exit.is_some() && state.exit_code == Some(KILLED) && state.oom_killed != Some(true) {
        tokio::time::sleep(CAUSE).await;
        return Ok(reason(&inspect(engine, id).await?));
    }
    Ok(exit)
}

/// Completes when a container has ended; true if the engine said so, false if the engine went away.
pub(super) async fn stopped(engine: &Engine, id: &str) -> bool {
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

async fn inspect(engine: &Engine, id: &str) -> Result<ContainerState, Fault> {
    let answer = engine.call(engine.quick, async |client| client.inspect_container(id, None).await).await?;
    Ok(answer.state.unwrap_or_default())
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
