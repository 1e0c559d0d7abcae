//! A program's stdin and stdout over pipes of the host's own: nothing is between the two but the kernel.
//!
//! Both directions move in one poll, as over [`attach`](super::attach): a program that answers while it still reads
//! can't lock up with a caller who writes more than the pipes hold.

use super::line::Line;
use super::queue::Queue;
use crate::backend::Stdio;
use crate::error::{Error, Result};
use bytes::{Bytes, BytesMut};
use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::unix::pipe::{Receiver, Sender};

/// What a pipe holds to begin with, and what one is made to hold that longer bodies go through, in bytes. Grown only then,
/// since the kernel bounds what one user's pipes hold together.
const PIPE: (usize, usize) = (64 << 10, 1 << 20);
/// Room that is made for replies of which nothing is known, and what of it has to be left for the next one, in bytes.
const ROOM: (usize, usize) = (16 << 10, 4 << 10);
/// The longest piece of stdout that nobody asked for, in bytes: there should be none.
const STRAY: usize = 512;
/// The longest piece of stdout, in bytes.
const LARGE: usize = 8 << 20;
/// Pieces of stdin that one call hands to the kernel.
const AT_ONCE: usize = 8;

/// The host's ends of a program's stdin and stdout. Without them until it runs.
pub(super) struct Pipes {
    line: Arc<Line>,
    command: Vec<String>,
    /// Whether its stdout is log, as its stderr.
    all_log: bool,
    /// Whether the line is somebody else's by now.
    forgotten: bool,
    stdin: Stdin,
    stdout: Option<Receiver>,
    buffer: BytesMut,
    /// What is expected, while a reply is read.
    expected: usize,
    /// Bytes of the reply so far, and of the one before: a function's replies are much alike.
    taken: usize,
    before: usize,
    grown: bool,
    ended: bool,
}

/// Why a program doesn't run.
#[derive(Debug)]
pub(super) enum NotRun {
    /// The host can't make pipes.
    Pipes(io::Error),
    /// The container can't run it: why.
    Program(String),
    /// The container is gone.
    Gone,
}

/// Pipes that were just made: the host's ends and the program's.
struct Made {
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
    programs: [OwnedFd; 3],
}

#[derive(Default)]
struct Stdin {
    pipe: Option<Sender>,
    queue: Queue,
    closing: bool,
    grown: bool,
}

/// Makes a program's three pipes.
fn make() -> io::Result<Made> {
    let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // Whatever user it runs as, it may open `/dev/stdin` and the like, which lead here.
        fchmod(&read, Mode::from_raw_mode(0o666))?;
        Ok((read, write))
    };
    let ((stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr)) = (pipe()?, pipe()?, pipe()?);
    Ok(Made {
        stdin: Sender::from_owned_fd(to_stdin)?,
        stdout: Receiver::from_owned_fd(from_stdout)?,
        stderr: Receiver::from_owned_fd(from_stderr)?,
        programs: [stdin, stdout, stderr],
    })
}

impl Pipes {
    pub(super) fn new(line: Arc<Line>, command: Vec<String>) -> Self {
        Self {
            line,
            command,
            all_log: false,
            forgotten: false,
            stdin: Stdin::default(),
            stdout: None,
            buffer: BytesMut::new(),
            expected: 0,
            taken: 0,
            before: 0,
            grown: false,
            ended: false,
        }
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The program's stdout will be log, as its stderr.
    pub(super) fn all_log(&mut self) {
        self.all_log = true;
    }

    /// Goes without hanging up.
    pub(super) fn forget(mut self) {
        self.forgotten = true;
    }

    /// Has the program run with more environment. Returns when it does.
    pub(super) async fn run(&mut self, env: &[(String, String)]) -> Result<(), NotRun> {
        let Made { stdin, stdout, stderr, programs } = make().map_err(NotRun::Pipes)?;
        let (log, stdout) = if self.all_log { (Some(stdout), None) } else { (None, Some(stdout)) };
        match self.line.run(env, programs, stderr, log).await {
            // One that is gone can't be told: how it went is heard below.
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Err(NotRun::Pipes(error));
            }
            _ => {}
        }
        match self.line.started().await {
            Ok(()) => {}
            Err(Some(errno)) => return Err(NotRun::Program(self.not_run(errno))),
            Err(None) => return Err(NotRun::Gone),
        }
        (self.stdin.pipe, self.stdout) = (Some(stdin), stdout);
        Ok(())
    }

    fn not_run(&self, errno: i32) -> String {
        let error = io::Error::from_raw_os_error(errno);
        let why = match error.kind() {
            ErrorKind::NotFound => "the image has no such program, or not what that needs to run".into(),
            ErrorKind::PermissionDenied => "the container's user may not run it".into(),
            ErrorKind::ArgumentListTooLong => {
                "its arguments and environment are longer than the kernel takes".into()
            }
            _ => error.to_string(),
        };
        format!("the container can't run `{}`: {why}", self.command.join(" "))
    }

    /// Whether the program or its stdout has ended, as far as that can be told without waiting.
    pub(super) fn has_ended(&self) -> bool {
        self.ended || self.line.end_so_far().is_some()
    }

    /// What stdout holds now. The kernel itself is asked: the runtime may not have had the time to hear of it.
    fn take_now(&mut self) -> Option<Bytes> {
        let stdout = self.stdout.as_ref()?;
        self.expected = 0;
        if !self.ended && self.buffer.is_empty() {
            let mut piece = [0; STRAY];
            match rustix::io::read(stdout, &mut piece) {
                Ok(count @ 1..) => self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(0) | Err(_) => self.ended = true,
            }
        }
        (!self.buffer.is_empty()).then(|| self.buffer.split().freeze())
    }

    /// As much of what is expected as is there, in one piece.
    fn poll_stdout(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let Some(stdout) = &mut self.stdout else {
            return Poll::Ready(Err(Error::internal("a container's stdio is used before it is launched")));
        };
        let wanted = self.expected.clamp(1, LARGE);
        while !self.ended && self.buffer.len() < wanted {
            let missing = if self.expected > 0 { wanted - self.buffer.len() } else { self.before };
            if self.buffer.capacity() - self.buffer.len() < missing.max(ROOM.1) {
                // More than is expected, so that a read that brings no more than that is known to have emptied the pipe.
                self.buffer.reserve(missing.saturating_add(ROOM.1).max(ROOM.0));
            }
            match pin!(stdout.read_buf(&mut self.buffer)).poll(cx) {
                Poll::Ready(Ok(1..)) => {}
                // A pipe that can't be read is as good as ended; how its program ended is told apart from it.
                Poll::Ready(Ok(0) | Err(_)) => self.ended = true,
                Poll::Pending => break,
            }
        }
        let is_whole = self.ended || self.buffer.len() >= wanted;
        match (is_whole, self.buffer.is_empty()) {
            (false, _) => Poll::Pending,
            (true, true) => Poll::Ready(Ok(None)),
            (true, false) => {
                let piece = self.buffer.split().freeze();
                self.taken = self.taken.saturating_add(piece.len());
                self.expected = 0;
                Poll::Ready(Ok(Some(piece)))
            }
        }
    }
}

impl Stdin {
    /// Moves what can be moved now; the context is woken when more can.
    fn pump(&mut self, cx: &mut Context<'_>) {
        while let Some(pipe) = &mut self.pipe {
            if self.queue.bytes() == 0 {
                if self.closing {
                    self.pipe = None;
                }
                return;
            }
            if !self.grown && self.queue.bytes() > PIPE.0 {
                self.grown = true;
                grow(pipe);
            }
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            for (slice, piece) in slices.iter_mut().zip(self.queue.pieces()) {
                *slice = IoSlice::new(piece);
            }
            match Pin::new(pipe).poll_write_vectored(cx, &slices) {
                Poll::Ready(Ok(written)) if written > 0 => self.queue.advance(written),
                // Nobody reads it: the reply or the exit tells why.
                Poll::Ready(_) => self.pipe = None,
                Poll::Pending => return,
            }
        }
        self.queue.clear();
    }
}

impl Drop for Pipes {
    /// Whoever waits beside it for its end has the line, too.
    fn drop(&mut self) {
        if !self.forgotten {
            self.line.hang_up();
        }
    }
}

impl Stdio for Pipes {
    fn write(&mut self, bytes: Bytes) {
        self.stdin.queue.push(bytes);
    }

    fn close(&mut self) {
        self.stdin.closing = true;
    }

    fn queued(&self) -> usize {
        self.stdin.queue.bytes()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if self.stdout.is_some() {
            self.stdin.pump(cx);
        }
        let piece = self.poll_stdout(cx);
        // After stdout: what was written before a reply is then among what is taken here.
        self.line.poll_log(cx);
        Poll::Ready(ready!(piece))
    }

    fn expect(&mut self, bytes: usize) {
        self.expected = bytes;
        if bytes > PIPE.0 && !self.grown {
            self.grown = true;
            if let Some(stdout) = &self.stdout {
                grow(stdout);
            }
        }
    }

    /// Whether a process waits for stdin can't be seen from outside.
    fn poll_rest(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.before = std::mem::take(&mut self.taken).min(LARGE);
        self.expected = 0;
        if self.buffer.capacity() > PIPE.0 {
            // An idle sandbox keeps no room for a long reply.
            self.buffer = BytesMut::from(&*self.buffer);
        }
        Poll::Ready(())
    }

    fn stray(&mut self) -> Option<Bytes> {
        self.take_now()
    }
}

/// Lets a pipe hold more, where the kernel lets this user have that; it works without.
fn grow(pipe: &impl std::os::fd::AsFd) {
    let _ = fcntl_setpipe_size(pipe, PIPE.1);
}
