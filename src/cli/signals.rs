//! Ctrl-C, SIGTERM, SIGHUP.

use anyhow::Context;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks a process to end. Caught from when this is made: none ends it by itself any more.
pub(super) struct Ending {
    #[cfg(unix)]
    signals: [Signal; 2],
}

impl Ending {
    pub(super) fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            let catch = |kind| signal(kind).context("can't catch signals");
            Ok(Self { signals: [catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP: read the configuration again. Never comes where there is no such signal.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: Signal,
}

impl Hangup {
    pub(super) fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            Ok(Self { signal: signal(SignalKind::hangup()).context("can't catch signals")? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        self.signal.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}
