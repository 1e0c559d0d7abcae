//! The line to one container's kiln-init: tells it what to run, hears how that ends, and takes the program's log.
//!
//! Two listen: whoever has the sandbox, and whoever waits beside it for its end ([`Line::over`]). What either hears
//! both know, and both take the log, so that a program which writes much of it goes on whether or not a request is under way.

use super::peer::Peer;
use super::wire::{self, Ended, Listener, Said};
use crate::backend::Logs;
use crate::invocation::Stream;
use parking_lot::Mutex;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Mutex as Turns, watch};

/// Bytes of a log that are taken at once.
const PIECE: usize = 8 << 10;
/// Pieces that one turn takes at most, so that a flood holds up nobody else.
const TURNS: usize = 32;

/// The connection, and what came over it.
pub(super) struct Line {
    stream: UnixStream,
    unread: Mutex<Unread>,
    news: watch::Sender<News>,
    logs: Arc<Logs>,
    log: OnceLock<[Option<Pipe>; 2]>,
    /// One connection is asked for at a time.
    connecting: Turns<()>,
}

/// One of the streams that are its log.
struct Pipe {
    from: Receiver,
    stream: Stream,
    ended: AtomicBool,
}

/// What has come and isn't known yet.
#[derive(Debug, Default)]
struct Unread {
    bytes: Vec<u8>,
    /// The last descriptor that came.
    beside: Option<OwnedFd>,
    /// Whether a connection has been asked for, and what came of it: the descriptor, or why there is none.
    asked: bool,
    answer: Option<Result<OwnedFd, i32>>,
}

/// What has been heard.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    started: Option<Result<(), i32>>,
    end: Option<End>,
}

/// How a container ended, as far as its line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Told(Ended),
    /// kiln-init went without a word: it was killed.
    Untold,
}

impl Line {
    pub(super) fn new(stream: UnixStream, logs: Arc<Logs>) -> Self {
        let (unread, news, log) = (Mutex::default(), watch::Sender::default(), OnceLock::new());
        Self { stream, unread, news, logs, log, connecting: Turns::default() }
    }

    /// Has the program run with more environment, on these ends of pipes; its log comes out of `stderr`, and of `stdout` where
    /// that is given.
    pub(super) async fn run(
        &self,
        env: &[(String, String)],
        ends: [OwnedFd; 3],
        stderr: Receiver,
        stdout: Option<Receiver>,
    ) -> io::Result<()> {
        let pipe = |from, stream| Pipe { from, stream, ended: AtomicBool::new(false) };
        let log = [stdout.map(|from| pipe(from, Stream::Stdout)), Some(pipe(stderr, Stream::Stderr))];
        if self.log.set(log).is_err() {
            return Err(io::Error::other("it runs already"));
        }
        let message = wire::run(env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.say(&message, &ends).await
    }

    /// Asks for a connection to a server in the container: `Err(Some(errno))` if there is none to be had,
    /// `Err(None)` if nothing more will be heard.
    pub(super) async fn connect(&self, to: &Listener) -> Result<Peer, Option<i32>> {
        let _turn = self.connecting.lock().await;
        // Whoever asked before may have gone away without its answer.
        self.answered().await?;
        self.ask(&wire::connect(to)).await.map_err(|_| None)?;
        self.answered().await?;
        let fd = self.unread.lock().answer.take().ok_or(None)?.map_err(Some)?;
        Peer::new(fd).map_err(|_| None)
    }

    /// Sends a question. What is cut off here was either not begun, or is asked and will be answered.
    async fn ask(&self, message: &[u8]) -> io::Result<()> {
        loop {
            self.stream.writable().await?;
            let mut unread = self.unread.lock();
            match self.stream.try_io(Interest::WRITABLE, || send(&self.stream, message, &[])) {
                Ok(count) if count == message.len() => {
                    (unread.asked, unread.answer) = (true, None);
                    return Ok(());
                }
                // A few bytes to a stream that has room for some: the kernel takes all of them or none.
                Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until nothing is asked that isn't answered. `Err(None)` if nothing more will be heard.
    async fn answered(&self) -> Result<(), Option<i32>> {
        let answered = |news: &News| match (self.unread.lock().asked, news.end) {
            (false, _) => Some(Ok(())),
            (true, Some(_)) => Some(Err(None)),
            (true, None) => None,
        };
        self.until(answered).await
    }

    /// Sends a message, and descriptors with its first byte.
    async fn say(&self, message: &[u8], ends: &[OwnedFd]) -> io::Result<()> {
        let mut sent = 0;
        while let Some(rest) = message.get(sent..).filter(|rest| !rest.is_empty()) {
            self.stream.writable().await?;
            let beside: Vec<_> = if sent == 0 { ends.iter().map(AsFd::as_fd).collect() } else { vec![] };
            match self.stream.try_io(Interest::WRITABLE, || send(&self.stream, rest, &beside)) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the program runs: `Err(Some(errno))` if it can't, `Err(None)` if nothing more will be heard.
    pub(super) async fn started(&self) -> Result<(), Option<i32>> {
        let started = |news: &News| match (news.started, news.end) {
            (Some(started), _) => Some(started.map_err(Some)),
            (None, Some(_)) => Some(Err(None)),
            (None, None) => None,
        };
        self.until(started).await
    }

    /// Waits until it has ended.
    pub(super) async fn end(&self) -> End {
        let end = self.until(|news| news.end).await;
        self.last_words();
        end
    }

    /// How it has ended, if it has, without waiting.
    pub(super) fn end_so_far(&self) -> Option<End> {
        // The kernel itself is asked: the runtime may not have had the time to hear of an end from it.
        self.listen(|piece, beside| receive(&self.stream, piece, beside));
        self.news.borrow().end
    }

    /// Completes when it has ended. For whoever waits beside the sandbox's use.
    pub(super) async fn over(self: Arc<Self>) {
        self.until(|news| news.end).await;
    }

    /// Hangs up, which ends the container.
    pub(super) fn hang_up(&self) {
        // One that has hung up itself doesn't mind.
        let _ = rustix::net::shutdown(&self.stream, Shutdown::Both);
    }

    /// Takes what there is of the log; the context is woken when there is more.
    pub(super) fn poll_log(&self, cx: &mut Context<'_>) {
        for pipe in self.pipes() {
            while pipe.goes_on() && pipe.from.poll_read_ready(cx).is_ready() {
                if self.take_log(pipe) {
                    // There may be more, but others have their turn first.
                    cx.waker().wake_by_ref();
                    break;
                }
            }
        }
    }

    fn pipes(&self) -> impl Iterator<Item = &Pipe> {
        self.log.get().into_iter().flatten().flatten()
    }

    async fn until<T>(&self, found: impl Fn(&News) -> Option<T>) -> T {
        let mut changes = self.news.subscribe();
        loop {
            self.listen(|piece, beside| {
                self.stream.try_io(Interest::READABLE, || receive(&self.stream, piece, beside))
            });
            let news = *changes.borrow_and_update();
            if let Some(found) = found(&news) {
                return found;
            }
            let mut pipes = self.pipes();
            let (one, other) = (pipes.next(), pipes.next());
            tokio::select! {
                // It can't fail: the sender is this line's own.
                _ = changes.changed() => {}
                readable = self.stream.readable() => if readable.is_err() {
                    self.news.send_modify(|news| news.end = Some(End::Untold));
                },
                pipe = Pipe::readable(one) => if self.take_log(pipe) {
                    tokio::task::yield_now().await;
                },
                pipe = Pipe::readable(other) => if self.take_log(pipe) {
                    tokio::task::yield_now().await;
                },
            }
        }
    }

    /// Hears what has come, by a read that doesn't wait.
    fn listen(&self, read: impl Fn(&mut [u8], &mut Option<OwnedFd>) -> io::Result<usize>) {
        let mut piece = [0; 64];
        let mut unread = self.unread.lock();
        while self.news.borrow().end.is_none() {
            let said = match Said::parse(&unread.bytes) {
                Ok(Some((said, length))) => {
                    unread.bytes.drain(..length);
                    Some(said)
                }
                Ok(None) => match read(&mut piece, &mut unread.beside) {
                    Ok(count @ 1..) => {
                        unread.bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                        continue;
                    }
                    Ok(0) => None,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => None,
                },
                // Nothing can be made of what follows nonsense.
                Err(_) => None,
            };
            if let Some(said @ (Said::Connected | Said::Refused(_))) = said
                && std::mem::take(&mut unread.asked)
            {
                let beside = unread.beside.take();
                unread.answer = match (said, beside) {
                    (Said::Refused(errno), _) => Some(Err(errno)),
                    (_, beside) => beside.map(Ok),
                };
                // Whoever waits for it looks again.
                self.news.send_modify(|_| ());
                continue;
            }
            // Each thing is said once: whatever has the line's other end, it can't keep its host listening.
            self.news.send_modify(|news| match (said, news.started) {
                (Some(Said::Started), None) => news.started = Some(Ok(())),
                (Some(Said::Failed(errno)), None) => news.started = Some(Err(errno)),
                (Some(Said::Ended(ended)), _) => news.end = Some(End::Told(ended)),
                _ => news.end = Some(End::Untold),
            });
        }
    }

    /// Takes some of a stream; true if there may be more.
    fn take_log(&self, pipe: &Pipe) -> bool {
        // Held meanwhile, so that two don't change its order.
        let _turn = self.unread.lock();
        let mut piece = [0; PIECE];
        for _ in 0..TURNS {
            match pipe.from.try_read(&mut piece) {
                Ok(count @ 1..) => self.logs.write_on(pipe.stream, piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Ok(0) | Err(_) => {
                    pipe.ended.store(true, Ordering::Relaxed);
                    return false;
                }
            }
        }
        true
    }

    /// Takes what is left of the log, whether or not it is known to be there: the program has ended.
    fn last_words(&self) {
        let _turn = self.unread.lock();
        let mut piece = [0; PIECE];
        for pipe in self.pipes() {
            for _ in 0..TURNS {
                match rustix::io::read(&pipe.from, &mut piece) {
                    Ok(count @ 1..) => {
                        self.logs.write_on(pipe.stream, piece.get(..count).unwrap_or_default());
                    }
                    Ok(0) | Err(_) => break,
                }
            }
        }
    }
}

impl Pipe {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    /// The same when it can be read, or has ended; never where there is none.
    async fn readable(pipe: Option<&Self>) -> &Self {
        match pipe.filter(|pipe| pipe.goes_on()) {
            Some(pipe) => {
                if pipe.from.readable().await.is_err() {
                    pipe.ended.store(true, Ordering::Relaxed);
                }
                pipe
            }
            None => std::future::pending().await,
        }
    }
}

/// Reads without waiting, and keeps the last descriptor that came.
fn receive(from: &UnixStream, piece: &mut [u8], kept: &mut Option<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let read = recvmsg(from, &mut [IoSliceMut::new(piece)], &mut beside, flags)?.bytes;
    let came = beside.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.last(),
        _ => None,
    });
    if let Some(last) = came.last() {
        *kept = Some(last);
    }
    Ok(read)
}

fn send(to: &UnixStream, bytes: &[u8], beside: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !beside.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(beside)) {
        return Err(io::Error::other("too many descriptors"));
    }
    Ok(sendmsg(to, &[IoSlice::new(bytes)], &mut rights, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::Function;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn line() -> (Line, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Line::new(near, Arc::new(Logs::new(Arc::new(Function::image("f", "i")), 1 << 20))), far)
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
    }

    /// A guest that got hold of kiln-init could say what it likes, for ever.
    #[tokio::test]
    async fn who_repeats_itself_is_not_listened_to() {
        for said in [Said::Started, Said::Failed(2)] {
            let (line, mut far) = line();
            let flood = tokio::spawn(async move { while far.write_all(&said.message()).await.is_ok() {} });
            assert_eq!(soon(line.end()).await, End::Untold);
            assert_eq!(soon(line.started()).await.is_ok(), said == Said::Started);
            assert_eq!(line.end_so_far(), Some(End::Untold));
            drop(line);
            soon(flood).await.unwrap();
        }
    }

    /// What kiln-init would do with one call for a connection.
    async fn answer(far: &mut UnixStream, said: Said, beside: &[BorrowedFd<'_>]) {
        let mut asked = [0; 7];
        far.read_exact(&mut asked).await.unwrap();
        assert_eq!(wire::read_connect(&mut &asked[..]).unwrap(), Some(Listener::Port(8080)));
        send(far, &said.message(), beside).unwrap();
    }

    #[tokio::test]
    async fn a_connection_comes_with_the_word_of_it_and_only_if_it_is_one() {
        let (line, mut far) = line();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (pipe, _) = rustix::pipe::pipe().unwrap();
        let port = Listener::Port(8080);
        let refused = answer(&mut far, Said::Refused(111), &[]);
        assert_eq!(
            soon(async { tokio::join!(line.connect(&port), refused).0 }).await.unwrap_err(),
            Some(111)
        );
        let connected = [stream.as_fd()];
        let connected = answer(&mut far, Said::Connected, &connected);
        match soon(async { tokio::join!(line.connect(&port), connected).0 }).await.unwrap() {
            Peer::Tcp(came) => assert_eq!(came.peer_addr().unwrap(), listener.local_addr().unwrap()),
            Peer::Unix(_) => panic!("it is TCP"),
        }
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let connected = [near.as_fd()];
        let connected = answer(&mut far, Said::Connected, &connected);
        let came = soon(async { tokio::join!(line.connect(&port), connected).0 }).await.unwrap();
        assert!(matches!(came, Peer::Unix(_)), "{came:?}");
        let odd = [pipe.as_fd()];
        let odd = answer(&mut far, Said::Connected, &odd);
        assert_eq!(soon(async { tokio::join!(line.connect(&port), odd).0 }).await.unwrap_err(), None);
        assert_eq!(line.end_so_far(), None);
        // Nobody has asked for this one.
        send(&far, &Said::Connected.message(), &[stream.as_fd()]).unwrap();
        assert_eq!(soon(line.end()).await, End::Untold);
    }

    #[tokio::test]
    async fn nonsense_and_silence_are_an_end() {
        let (line, mut far) = line();
        far.write_all(&[255; 64]).await.unwrap();
        assert_eq!(soon(line.end()).await, End::Untold);
        let (line, far) = self::line();
        drop(far);
        assert_eq!(soon(line.started()).await, Err(None));
    }
}
