//! One request and its reply over a sandbox's stdio: where a format's bytes meet a backend's.

use super::flow::{self, Came, Flow};
use crate::backend::{Exit, Sandbox};
use crate::error::{Error, Result};
use crate::format::{Broken, Encoded, Progress, Session};
use crate::function::Format;
use crate::invocation::Reply;
use bytes::Bytes;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long a sandbox whose stdout has ended may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Pieces of white space that an idle sandbox may write. Some functions do so after a reply; one that never ends it
/// would keep its caller's thread.
const STRAYS: usize = 64;

/// What came of it.
pub(super) struct Verdict {
    /// The reply, or why there is none.
    pub(super) answer: Result<Reply>,
    /// Whether its stream is in order so far: to be used again, it has to come to [`rest`].
    pub(super) clean: bool,
}

impl Verdict {
    pub(super) fn poisoned(answer: Result<Reply>) -> Self {
        Self { answer, clean: false }
    }
}

/// Whether nothing came from an idle sandbox that breaks its stream, and it still lives.
pub(super) fn is_fit(sandbox: &mut dyn Sandbox, session: &mut Session) -> bool {
    if let Err(broken) = take_stray(sandbox, session) {
        tracing::warn!(%broken, "a sandbox wrote while no request was under way: it is removed");
        return false;
    }
    // Asked last: where a backend looks at stdout, it may have found its end there.
    !sandbox.is_dead()
}

/// Takes what a sandbox wrote while no request was under way: it must never be read as a reply (`SEEDS.md E2`).
pub(super) fn take_stray(sandbox: &mut dyn Sandbox, session: &mut Session) -> Result<(), Broken> {
    for _ in 0..STRAYS {
        if session.renews() {
            sandbox.stdio().renew();
        }
        let Some(bytes) = sandbox.stdio().stray() else { return Ok(()) };
        session.idle(bytes)?;
    }
    Err(Broken("it doesn't stop writing".into()))
}

/// How far a reply has come.
pub(super) enum Step {
    /// It has begun, and is too long to be held.
    Begun { reply: Reply, length: Option<u64> },
    /// More of one that has begun.
    Part(Bytes),
    /// All of it, or the last of one that has begun.
    Ended(Verdict),
    /// The flow's own time limit is over.
    TimedOut,
}

impl From<Verdict> for Step {
    fn from(verdict: Verdict) -> Self {
        Self::Ended(verdict)
    }
}

/// Queues a request for a sandbox's stdin.
pub(super) fn send(sandbox: &mut dyn Sandbox, request: Encoded) {
    flow::write(sandbox.stdio(), request);
}

/// Waits until the guest says that it has initialised. Its reply, if that or the end comes instead.
pub(super) async fn ready(
    sandbox: &mut dyn Sandbox,
    session: &mut Session,
    format: Format,
    flow: &mut Flow,
) -> Option<Step> {
    let read = poll_fn(|cx| poll_read(sandbox, session, flow, |session| !session.awaits_ready(), cx)).await;
    Some(last(read?, sandbox, session, format, flow).await)
}

/// Reads the reply to a request that was sent, or its next part. Not cancel-safe: whoever drops it must treat the
/// sandbox as poisoned.
pub(super) async fn reply(
    sandbox: &mut dyn Sandbox,
    session: &mut Session,
    format: Format,
    flow: &mut Flow,
) -> Step {
    match poll_fn(|cx| poll_read(sandbox, session, flow, |_| false, cx)).await {
        Some(Read::Step(step)) => step,
        Some(read) => last(read, sandbox, session, format, flow).await,
        None => Verdict::poisoned(Err(Error::internal("a reply was not read to its end"))).into(),
    }
}

/// What reading has led to.
enum Read {
    Step(Step),
    /// Stdout has ended.
    Ended,
    /// The transport failed.
    Lost(Error),
}

/// Reads pieces of the reply until they lead somewhere, or until `enough` has been read.
fn poll_read(
    sandbox: &mut dyn Sandbox,
    session: &mut Session,
    flow: &mut Flow,
    enough: impl Fn(&Session) -> bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Read>> {
    while !enough(session) {
        // A guest that always has more is never waited for, and its time limit wouldn't be looked at.
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        let piece = match ready!(flow.poll(sandbox, session, cx)) {
            Came::Piece(Some(piece)) => piece,
            Came::Piece(None) => return Poll::Ready(Some(Read::Ended)),
            Came::Lost(error) => return Poll::Ready(Some(Read::Lost(error))),
            Came::Refused(error) => {
                return Poll::Ready(Some(Read::Step(Verdict::poisoned(Err(error)).into())));
            }
            Came::TimedOut => return Poll::Ready(Some(Read::Step(Step::TimedOut))),
        };
        turn.made_progress();
        let step = match session.feed(piece) {
            Ok(Progress::More(bytes)) => {
                sandbox.stdio().expect(bytes.min(flow.held()));
                continue;
            }
            Ok(Progress::Begun { reply, length }) => Step::Begun { reply, length },
            Ok(Progress::Part(part)) => Step::Part(part),
            Ok(Progress::Done { answer, stray }) => Verdict { answer, clean: !stray }.into(),
            Err(broken) => {
                let broken = Error::failed(format!("the function broke its format: {broken}"));
                Verdict { answer: Err(broken), clean: session.is_sound() }.into()
            }
        };
        return Poll::Ready(Some(Read::Step(step)));
    }
    Poll::Ready(None)
}

/// What it comes to, with the sandbox's last words where it has ended.
async fn last(
    read: Read,
    sandbox: &mut dyn Sandbox,
    session: &mut Session,
    format: Format,
    flow: &mut Flow,
) -> Step {
    match read {
        Read::Step(step) => step,
        Read::Ended => {
            let ended = Box::pin(flow.within(ended(sandbox, session, format))).await;
            ended.map_or(Step::TimedOut, Step::Ended)
        }
        Read::Lost(error) if format.is_served() => {
            let broke = Some(error);
            let ended = Box::pin(flow.within(hung_up(sandbox, session, format, broke))).await;
            ended.map_or(Step::TimedOut, Step::Ended)
        }
        Read::Lost(error) => {
            let why = Box::pin(flow.within(why(sandbox, error))).await;
            why.map_or(Step::TimedOut, |why| Verdict::poisoned(Err(why)).into())
        }
    }
}

/// Lets the sandbox come to rest after a reply, and says whether it did so in order. That is no longer the request's time.
pub(super) async fn rest(sandbox: &mut dyn Sandbox, session: &mut Session) -> bool {
    // Its caller has the reply already: a sandbox that goes on working doesn't hold it up, it is replaced.
    let grace = session.grace();
    if session.renews() {
        sandbox.stdio().renew();
    }
    let at_rest = poll_fn(|cx| sandbox.stdio().poll_rest(cx));
    let mut at_rest = std::pin::pin!(at_rest);
    let first = poll_fn(|cx| Poll::Ready(at_rest.as_mut().poll(cx))).await;
    let came = first.is_ready() || Box::pin(tokio::time::timeout(grace, at_rest)).await.is_ok();
    came && is_fit(sandbox, session)
}

/// Stdout has ended: the whole of a one-shot function's reply if it succeeded, a failure otherwise.
async fn ended(sandbox: &mut dyn Sandbox, session: &mut Session, format: Format) -> Verdict {
    if format.is_served() {
        return hung_up(sandbox, session, format, None).await;
    }
    let exit = last_words(sandbox).await;
    let answer = match (exit, format.is_streaming()) {
        (Exit::Code(0), false) => session.end().map_err(|broken| Error::failed(broken.to_string())),
        (exit @ Exit::Code(0), true) => Err(match session.end() {
            Err(broken) => exit.into_error().context(broken),
            Ok(_) => exit.into_error(),
        }),
        (exit, _) => Err(exit.into_error()),
    };
    Verdict::poisoned(answer)
}

/// A server has closed its connection, or it broke. The first may be how its reply ends, unless the server ends with it: half
/// of a reply is never taken for all of it. Where it isn't, the server may live on, so its end is waited for only as long as one takes.
async fn hung_up(
    sandbox: &mut dyn Sandbox,
    session: &mut Session,
    format: Format,
    broke: Option<Error>,
) -> Verdict {
    const ENDING: Duration = Duration::from_secs(1);
    /// A dying program's connections end a moment before it is known to be dead.
    const DYING: Duration = Duration::from_millis(20);
    let (why, wait) = match (session.end(), broke) {
        (Ok(reply), None) => match tokio::time::timeout(DYING, sandbox.exit()).await {
            Err(_) => return Verdict { answer: Ok(reply), clean: session.is_sound() },
            Ok(_) => ("it ended before its reply was known to be whole".to_owned(), ENDING),
        },
        (Ok(_), Some(error)) => (error.message().to_owned(), DYING),
        (Err(Broken(why)), _) => (why, ENDING),
    };
    let error = match tokio::time::timeout(wait, sandbox.exit()).await {
        Ok(exit @ Exit::OutOfMemory) if format == Format::Openwhisk => {
            exit.into_error().context("The action exhausted its memory and was aborted.")
        }
        Ok(exit) => exit.into_error().context(why),
        Err(_) => return Verdict { answer: Err(Error::failed(why)), clean: session.is_sound() },
    };
    Verdict::poisoned(Err(error))
}

/// The transport failed: what the sandbox died of, if it did, says more than the transport's error.
async fn why(sandbox: &mut dyn Sandbox, error: Error) -> Error {
    match last_words(sandbox).await {
        Exit::Lost(_) | Exit::Killed => error,
        exit => exit.into_error(),
    }
}

async fn last_words(sandbox: &mut dyn Sandbox) -> Exit {
    match tokio::time::timeout(LAST_WORDS, sandbox.exit()).await {
        Ok(exit) => exit,
        Err(_) => Exit::Lost(format!("its stdout ended, but it did not within {LAST_WORDS:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::within::{GivenUp, after, within};
    use super::*;
    use crate::backend::{Phases, Stdio};
    use crate::format::{Call, Rest};
    use crate::invocation::Headers;
    use std::time::SystemTime;

    /// Writes the same for ever, faster than anybody reads it, and never rests.
    struct Busy(&'static [u8]);

    #[async_trait::async_trait]
    impl Sandbox for Busy {
        fn stdio(&mut self) -> &mut dyn Stdio {
            self
        }
        async fn launch(&mut self, _: Vec<(String, String)>) -> Result<Phases> {
            Ok(Phases::default())
        }
        async fn pause(&mut self) -> Result<()> {
            Ok(())
        }
        async fn resume(&mut self) -> Result<()> {
            Ok(())
        }
        async fn exit(&mut self) -> Exit {
            std::future::pending().await
        }
        fn held(&self) -> u64 {
            0
        }
        fn is_dead(&mut self) -> bool {
            false
        }
        async fn remove(self: Box<Self>) -> Exit {
            Exit::Killed
        }
    }

    impl Stdio for Busy {
        fn write(&mut self, _: Bytes) {}
        fn close(&mut self) {}
        fn poll_read(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
            Poll::Ready(Ok(Some(Bytes::from_static(self.0))))
        }
        fn poll_rest(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
        fn stray(&mut self) -> Option<Bytes> {
            Some(Bytes::from_static(self.0))
        }
    }

    #[test]
    fn e2_white_space_without_end_is_not_at_rest() {
        for format in [Format::Http, Format::Json] {
            assert!(!is_fit(&mut Busy(b"\n"), &mut Session::new(format)), "{format}");
        }
    }

    /// What comes of a request within a short time limit.
    async fn asked(busy: &mut Busy, format: Format) -> Result<Verdict, GivenUp> {
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let (mut session, body) = (Session::new(format), Bytes::new());
        let env = Default::default();
        let call = Call {
            id: crate::invocation::InvocationId::new(),
            namespace: "default",
            env: &env,
            function: "busy",
            memory: 1 << 20,
            max_reply: 1 << 20,
            deadline: SystemTime::now(),
            method: "POST",
            path: "/",
            url: "".into(),
            headers: Headers::default(),
            peer: None,
            body: &body,
            rest: Rest::Nothing,
            caller: None,
            parts_above: usize::MAX,
        };
        send(busy, session.encode(&call).unwrap());
        let mut flow = Flow::default();
        let asked = std::pin::pin!(reply(busy, &mut session, format, &mut flow));
        match within(|| after(Duration::from_millis(20)), &stopping, asked).await? {
            Step::Ended(verdict) => Ok(verdict),
            _ => panic!("it has neither parts nor a limit of its own"),
        }
    }

    #[tokio::test]
    async fn white_space_without_end_is_no_reply_and_its_time_limit_holds() {
        for format in [Format::Http, Format::Json] {
            let verdict = asked(&mut Busy(b"\n"), format).await;
            assert_eq!(verdict.err(), Some(GivenUp::TimedOut), "{format}");
        }
    }

    #[tokio::test]
    async fn a_reply_in_time_is_given_whatever_its_sandbox_does_then() {
        let mut busy = Busy(br#"{"body":"done"}"#);
        let verdict = asked(&mut busy, Format::Json).await.unwrap();
        assert_eq!(verdict.answer.unwrap().body, "done");
        assert!(!rest(&mut busy, &mut Session::new(Format::Json)).await);
    }
}
