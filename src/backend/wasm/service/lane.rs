//! One way into an instance: what goes over it is `http/`'s framing, one request at a time.

use super::crew::Crew;
use crate::backend::wasm::shared::Shared;
use crate::backend::{BoxFuture, Exit, Phases, Sandbox, Stdio};
use crate::error::{Error, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A way in.
pub(super) struct Lane {
    pub(super) crew: Arc<Crew>,
    shared: Arc<Shared>,
    /// Bytes of stdout that are buffered at most, whatever is said to come.
    most: usize,
}

impl Lane {
    /// The sandbox's own.
    pub(super) fn own(crew: Arc<Crew>, most: usize) -> Self {
        Self { shared: Arc::clone(&crew.own), crew, most }
    }

    /// One more.
    pub(super) fn beside(&self) -> Self {
        let shared = Arc::new(Shared::apart());
        self.crew.admit(Arc::clone(&shared));
        Self { crew: Arc::clone(&self.crew), shared, most: self.most }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.crew.dismiss(&self.shared);
    }
}

impl Stdio for Lane {
    fn write(&mut self, bytes: Bytes) {
        self.shared.io().push(bytes);
    }

    fn close(&mut self) {
        self.shared.io().close();
    }

    fn queued(&self) -> usize {
        self.shared.io().queued()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut io = self.shared.io();
        if let Some(piece) = io.piece() {
            return Poll::Ready(Ok(Some(piece)));
        }
        if io.broken().is_some() || self.crew.has_ended() {
            return Poll::Ready(Ok(None));
        }
        io.bells.await_output(cx);
        Poll::Pending
    }

    fn expect(&mut self, bytes: usize) {
        self.shared.io().expect(bytes.min(self.most));
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut io = self.shared.io();
        let rests = io.parked() && self.crew.is_done();
        if rests || io.room() == 0 || io.broken().is_some() || self.crew.has_ended() {
            io.rest();
            return Poll::Ready(());
        }
        io.bells.await_output(cx);
        Poll::Pending
    }

    fn stray(&mut self) -> Option<Bytes> {
        self.shared.io().piece()
    }
}

#[async_trait]
impl Sandbox for Lane {
    fn stdio(&mut self) -> &mut dyn Stdio {
        self
    }

    async fn launch(&mut self, _: Vec<(String, String)>) -> Result<Phases> {
        Err(Error::internal("a component that serves requests is never launched"))
    }

    async fn pause(&mut self) -> Result<()> {
        self.crew.pause();
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        self.crew.resume();
        Ok(())
    }

    async fn exit(&mut self) -> Exit {
        let broken = self.shared.io().broken().map(|why| Exit::Trap(why.to_owned()));
        match broken {
            Some(exit) => exit,
            None => self.crew.ended().await,
        }
    }

    fn held(&self) -> u64 {
        self.crew.held()
    }

    fn is_dead(&mut self) -> bool {
        self.shared.io().broken().is_some() || self.crew.has_ended()
    }

    fn ended(&self) -> Option<BoxFuture> {
        let ended = self.crew.ended();
        Some(Box::pin(async move {
            ended.await;
        }))
    }

    async fn remove(self: Box<Self>) -> Exit {
        let exit = self.crew.exit();
        drop(self);
        exit.unwrap_or(Exit::Killed)
    }
}
