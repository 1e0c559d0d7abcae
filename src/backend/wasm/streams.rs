//! The standard streams as wasmtime-wasi sees them: all that a component has, and what a module waits on in `poll_oneoff`.
//!
//! They lie over the same buffers as a module's own calls, and keep the same promise: a guest that waits for its caller
//! says so in [`Shared`] and is not run before it has what it waits for.

use super::shared::{Shared, WATERMARK};
use crate::backend::Logs;
use async_trait::async_trait;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a guest may write at once: they are lifted out of its memory into one piece of the host's.
const PERMIT: usize = 1 << 20;

/// Stdin.
#[derive(Clone)]
pub(super) struct Stdin(pub(super) Arc<Shared>);

/// Stdout.
pub(super) struct Stdout(pub(super) Arc<Shared>);

/// Stderr: the function's log. It takes everything at once, and drops what is beyond the function's limit itself.
#[derive(Clone)]
pub(super) struct Stderr(pub(super) Arc<Logs>);

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        poll_fn(|_| self.0.poll_readable()).await;
        self.0.io().resume();
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut io = self.0.io();
        if size > 0 && io.ended() {
            return Err(StreamError::Closed);
        }
        Ok(io.take_piece(size))
    }

    /// As a module's `fd_read`: parked until there are bytes.
    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        poll_fn(|_| self.0.poll_read()).await;
        self.0.io().resume();
        self.read(size)
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.0.poll_readable().is_pending() {
            return Poll::Pending;
        }
        let taken = self.0.io().take(to.initialize_unfilled());
        to.advance(taken);
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Stdout {
    /// Not `poll_room`: beside this the guest may wait for anything else, and has to be run when that comes.
    async fn ready(&mut self) {
        poll_fn(|_| if self.0.io().room() > 0 { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[async_trait]
impl OutputStream for Stdout {
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(self.0.io().room().min(PERMIT))
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut io = self.0.io();
        // Two handles may each have been told of the same room, so one piece beyond it is taken.
        if bytes.len() > io.room().max(WATERMARK) || io.room() == 0 && !bytes.is_empty() {
            return Err(StreamError::trap("more was written to stdout than `check-write` allows"));
        }
        io.out.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // What is in the buffer is the caller's already.
        Ok(())
    }

    /// As a module's `fd_write`: takes all of it, waiting for its reader where there is no room.
    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            poll_fn(|_| self.0.poll_room()).await;
            let mut io = self.0.io();
            let count = bytes.len().min(io.room());
            io.out.extend_from_slice(&bytes.split_to(count));
        }
        Ok(())
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Stderr {
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write(bytes)
    }
}
