//! The formats as a host uses them: through [`Session`] alone.

mod any;
mod frame;
mod http;
mod http_stream;
mod init;
mod json;
mod openwhisk;
mod parts;
mod server;
mod wasi_http;

use super::{Broken, Call, Encoded, Progress, Rest, Session};
use crate::function::{Format, MIB};
use crate::invocation::{Headers, InvocationId, Reply};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

/// The request of `SEEDS.md`, "The formats on the wire", without headers.
pub(super) fn call() -> Call<'static> {
    static ID: OnceLock<InvocationId> = OnceLock::new();
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    static BODY: Bytes = Bytes::from_static(b"world");
    Call {
        id: *ID.get_or_init(InvocationId::new),
        namespace: "default",
        env: &NONE,
        function: "echo",
        memory: 128 * MIB,
        max_reply: 16 * MIB,
        deadline: UNIX_EPOCH + Duration::from_millis(1_769_791_959_786),
        method: "POST",
        path: "/?x=1",
        url: "http://localhost/r/echo?x=1".into(),
        headers: Headers::default(),
        peer: None,
        body: &BODY,
        rest: Rest::Nothing,
        caller: None,
        parts_above: usize::MAX,
    }
}

/// Headers.
pub(super) fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A frame.
fn framed(kind: u8, id: u64, meta: &str, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(meta.len() + body.len()).unwrap();
    let mut frame = len.to_le_bytes().to_vec();
    frame.extend([kind, 0]);
    frame.extend(u16::try_from(meta.len()).unwrap().to_le_bytes());
    frame.extend(id.to_le_bytes());
    frame.extend(meta.as_bytes());
    frame.extend(body);
    frame
}

/// What one exchange came to.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// A reply or the function's error, and whether the sandbox is poisoned.
    Answer(Result<Reply, String>, bool),
    Broken(String),
    /// The reply isn't whole.
    Waiting,
}

/// Feeds a reply in pieces as a host does: what comes after it is idle.
fn feed(session: &mut Session, pieces: impl IntoIterator<Item = Bytes>) -> Verdict {
    let mut verdict = Verdict::Waiting;
    for piece in pieces {
        if let Verdict::Answer(_, stray) = &mut verdict {
            if !*stray {
                *stray = session.idle(piece).is_err();
            }
            continue;
        }
        match session.feed(piece) {
            Ok(Progress::More(count)) => assert!(count > 0),
            Ok(Progress::Done { answer, stray }) => {
                verdict = Verdict::Answer(answer.map_err(|error| error.to_string()), stray);
            }
            Ok(progress) => panic!("a reply that must be whole is given in parts: {progress:?}"),
            Err(Broken(why)) => return Verdict::Broken(why),
        }
    }
    verdict
}

/// One exchange of a new sandbox with a reply in one piece.
fn exchange(format: Format, call: &Call<'_>, reply: impl AsRef<[u8]>) -> Verdict {
    let mut session = Session::new(format);
    session.encode(call).unwrap();
    feed(&mut session, [Bytes::copy_from_slice(reply.as_ref())])
}

/// A sound reply.
fn answered(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Verdict {
    Verdict::Answer(Ok(Reply { status, headers: pairs(headers), body: body.into() }), false)
}

/// Asserts that a reply is a breach, and that its text says `what`.
#[track_caller]
fn assert_broken(verdict: &Verdict, what: &str) {
    match verdict {
        Verdict::Broken(why) => assert!(why.contains(what), "{why:?} doesn't say {what:?}"),
        other => panic!("{other:?} instead of a breach that says {what:?}"),
    }
}

/// A written request, or a part of it, as stdin gets it.
fn wire(written: &Encoded) -> Vec<u8> {
    [&written.head[..], &written.body[..]].concat()
}
