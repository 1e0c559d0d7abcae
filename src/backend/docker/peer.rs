//! A connection to a server in a container, of either kind.

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketType, recv, sockopt};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The host's end of it.
#[derive(Debug)]
pub(super) enum Peer {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What there is of a connection that nobody reads just now.
pub(super) enum Idle {
    Nothing,
    Bytes(usize),
    Ended,
}

impl Peer {
    /// What a container has sent as one, if it is one: whoever is at the other end may send anything.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&fd)? != SocketType::STREAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if sockopt::socket_domain(&fd)? == AddressFamily::UNIX {
            let stream = std::os::unix::net::UnixStream::from(fd);
            stream.set_nonblocking(true)?;
            return Ok(Self::Unix(UnixStream::from_std(stream)?));
        }
        let stream = std::net::TcpStream::from(fd);
        stream.set_nonblocking(true)?;
        // Each request is one write, and waits for its answer. What isn't TCP has no such delay.
        let _ = stream.set_nodelay(true);
        Ok(Self::Tcp(TcpStream::from_std(stream)?))
    }

    /// Looks at it without waiting. The kernel itself is asked: the runtime may not have had the time to hear of an end from it.
    pub(super) fn idle(&self, piece: &mut [u8]) -> Idle {
        let received = match self {
            Self::Tcp(stream) => recv(stream, piece, RecvFlags::DONTWAIT),
            Self::Unix(stream) => recv(stream, piece, RecvFlags::DONTWAIT),
        };
        match received.map(|(count, _)| count) {
            Ok(count @ 1..) => Idle::Bytes(count),
            Err(Errno::AGAIN | Errno::INTR) => Idle::Nothing,
            Ok(0) | Err(_) => Idle::Ended,
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, to),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, to),
        }
    }
}
