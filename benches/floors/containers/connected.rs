//! A container by hand whose program has one end of a raw Unix socket as its stdin and stdout.
//!
//! kiln-init is what carries it there: process 1 of the container connects to a socket that is shared with it, takes
//! descriptors and runs the image's command on them (`src/backend/docker/init/wire.rs`). From then on nothing is
//! between the two ends but the kernel, and the round trip is tokio's `UnixStream` by hand.

use super::frames::Frames;
use super::{Engine, HANG, Missing, options};
use crate::Result;
use crate::bare;
use crate::ours::is_echo;
use bollard::Docker;
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};
use bytes::Bytes;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::{self, File, Permissions};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The package's build makes it, for its library and its benches alike; empty where it can't.
const KILN_INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kiln-init"));
/// The message that runs the program, with no more environment than the container has, and its answer.
const RUN: [u8; 5] = [1, 0, 0, 0, 1];
const STARTED: [u8; 5] = [1, 0, 0, 0, 2];
/// Bytes that one read takes at most.
const ROOM: usize = 16 << 10;

pub(super) struct Container {
    id: String,
    stdio: UnixStream,
    /// kiln-init ends the container when this is closed.
    _line: UnixStream,
    have: Frames,
}

impl Container {
    /// Returns when its program is ready. [`Missing`] where it can't be reached in this way.
    pub(super) async fn start(client: &Docker, command: &[String]) -> Result<Self> {
        if KILN_INIT.is_empty() {
            return Err(Missing("kiln-init can't be built here".into()).into());
        }
        let dir = tempfile::tempdir()?;
        let (init, socket) = (dir.path().join("init"), dir.path().join("socket"));
        fs::write(&init, KILN_INIT)?;
        let listener = UnixListener::bind(&socket)?;
        // Its user is another one.
        for (path, mode) in [(dir.path(), 0o755), (&init, 0o755), (&socket, 0o666)] {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        let body = options::connected(dir.path(), command);
        let unshared = |why: &dyn std::fmt::Display| Missing(format!("the engine can't share files: {why}"));
        let created = client.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(|why| unshared(&why))?.id;
        let reached = async {
            client.start_container(&id, None::<StartContainerOptions>).await.map_err(|why| unshared(&why))?;
            let accepted = tokio::time::timeout(HANG, listener.accept()).await;
            let (line, _) = accepted.map_err(|_| unshared(&"its container doesn't connect"))??;
            run(line).await
        };
        match reached.await {
            Ok((line, stdio)) => {
                let mut container = Self { id, stdio, _line: line, have: Frames::default() };
                // Its `ready` frame.
                container.frame().await?;
                Ok(container)
            }
            Err(why) => {
                Engine::remove(client, &id).await?;
                Err(why)
            }
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The next frame of its stdout.
    async fn frame(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.have.take() {
                return Ok(frame);
            }
            self.have.0.reserve(ROOM);
            if self.stdio.read_buf(&mut self.have.0).await? == 0 {
                return Err("the container's stdout has ended".into());
            }
        }
    }

    pub(super) async fn call(&mut self, body: &Bytes, request: &Bytes) -> Result<()> {
        self.stdio.write_all(request).await?;
        is_echo(body, bare::reply_body(&self.frame().await?)?)
    }

    pub(super) async fn remove(self, client: &Docker) -> Result<()> {
        Engine::remove(client, &self.id).await
    }
}

/// Has kiln-init run its command on one end of a new socket; the line to it and the other end.
async fn run(mut line: UnixStream) -> Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let silent = File::options().write(true).open("/dev/null")?;
    line.writable().await?;
    let sent = line.try_io(tokio::io::Interest::WRITABLE, || {
        give(&line, [theirs.as_fd(), theirs.as_fd(), silent.as_fd()])
    })?;
    if sent != RUN.len() {
        return Err(format!("kiln-init was sent {sent} bytes of its message").into());
    }
    let mut answer = [0; STARTED.len()];
    line.read_exact(&mut answer).await?;
    if answer != STARTED {
        return Err(format!("kiln-init answered {answer:?}").into());
    }
    Ok((line, UnixStream::from_std(ours)?))
}

/// Sends the message with stdin, stdout and stderr beside it.
fn give(line: &UnixStream, stdio: [BorrowedFd<'_>; 3]) -> std::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&stdio)) {
        return Err(std::io::Error::other("too many descriptors"));
    }
    Ok(sendmsg(line, &[IoSlice::new(&RUN)], &mut rights, SendFlags::NOSIGNAL)?)
}
