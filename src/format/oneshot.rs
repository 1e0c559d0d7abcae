//! `default`: one process for each request. The body is its stdin, the whole of its stdout is the reply, and the
//! request's metadata is the environment of that one process, so nobody else ever sees it (`SEEDS.md I1`, `E3`).
//!
//! | variable | holds |
//! | --- | --- |
//! | `FN_FORMAT` | `default` |
//! | `FN_METHOD` | the HTTP method |
//! | `FN_PATH` | the function's route, `/<function>`, as Fn has it and as `http` says in `Route` |
//! | `FN_REQUEST_URL` | the whole URL |
//! | `FN_CALL_ID` | the invocation's id |
//! | `FN_DEADLINE` | RFC 3339, with milliseconds |
//! | `FN_MEMORY` | the memory limit in MiB, rounded down, at least 1 |
//! | `FN_HEADER_<NAME>` | the caller's header, its name in upper case with `_` for all but letters and digits; several values are joined by `, ` |

use super::gather::Gather;
use super::text::{Ascii, Url, excerpt, rfc3339};
use super::{Broken, Call, Encoded, Progress, Rest, Wire, headers};
use crate::error::{Error, Result};
use crate::function::MIB;
use crate::invocation::Reply;
use bytes::{Bytes, BytesMut};

/// The reader's side.
#[derive(Debug, Default)]
pub(super) struct OneShot {
    used: bool,
    limit: u64,
    parts_above: usize,
    body: Gather,
    /// Bytes that were given in parts.
    passed: u64,
}

impl Wire for OneShot {
    fn write(&mut self, call: &Call<'_>, _scratch: &mut BytesMut) -> Result<Encoded> {
        if self.used {
            return Err(Error::internal("a one-shot sandbox was given a second request"));
        }
        self.used = true;
        (self.limit, self.parts_above) = (call.max_reply, call.parts_above);
        let close = call.rest == Rest::Nothing;
        Ok(Encoded { body: call.body.clone(), close, env: environment(call), ..Encoded::default() })
    }

    fn last(&mut self) -> Encoded {
        Encoded { close: true, ..Encoded::default() }
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        Err(Broken(format!(
            "`default` reply: {} bytes on stdout while no request was under way: {}",
            bytes.len(),
            excerpt(&bytes)
        )))
    }

    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        if self.passed + (self.body.len() + piece.len()) as u64 > self.limit {
            self.body.take();
            return Err(Broken(format!(
                "`default` reply: it is longer than `max_reply`, {} bytes",
                self.limit
            )));
        }
        self.body.push(piece, 0);
        let begun = self.passed > 0;
        if !begun && self.body.len() <= self.parts_above {
            return Ok(Progress::More(1));
        }
        self.passed += self.body.len() as u64;
        let part = self.body.take();
        Ok(if begun {
            Progress::Part(part)
        } else {
            Progress::Begun { reply: Reply::ok(part), length: None }
        })
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        Ok(Reply::ok(self.body.take()))
    }
}

fn environment(call: &Call<'_>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = vec![
        ("FN_FORMAT".into(), "default".into()),
        ("FN_METHOD".into(), call.method.into()),
        ("FN_PATH".into(), format!("/{}", Ascii(call.function))),
        ("FN_REQUEST_URL".into(), Url(call).to_string()),
        ("FN_CALL_ID".into(), call.id.to_string()),
        ("FN_DEADLINE".into(), rfc3339(call.deadline).to_string()),
        ("FN_MEMORY".into(), (call.memory / MIB).max(1).to_string()),
    ];
    for (name, value) in headers::carried(call.headers) {
        // The prefix keeps a caller from naming any other variable.
        let upper =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        let name: String = "FN_HEADER_".chars().chain(upper).collect();
        match env.iter_mut().find(|(key, _)| *key == name) {
            Some((_, joined)) => {
                joined.push_str(", ");
                joined.push_str(value);
            }
            None => env.push((name, value.to_owned())),
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, pairs};
    use super::super::{Call, Progress, Session};
    use crate::function::Format;
    use bytes::Bytes;

    #[test]
    fn the_environment_is_the_requests_and_stdin_its_body() {
        let headers = pairs(&[
            ("content-type", "text/plain"),
            ("X-Multi", "a"),
            ("x_multi", "b"),
            ("x.odd~name", "caf\u{e9}"),
            ("Connection", "close"),
            ("Fn-Call-Id", "forged"),
        ]);
        let written =
            Session::new(Format::Default).encode(&Call { headers: (&headers).into(), ..call() }).unwrap();
        assert_eq!((&written.head[..], &written.body[..], written.close), (&b""[..], &b"world"[..], true));
        let id = call().id.to_string();
        assert_eq!(
            written.env,
            pairs(&[
                ("FN_FORMAT", "default"),
                ("FN_METHOD", "POST"),
                ("FN_PATH", "/echo"),
                ("FN_REQUEST_URL", "http://localhost/r/echo?x=1"),
                ("FN_CALL_ID", &id),
                ("FN_DEADLINE", "2026-01-30T16:52:39.786Z"),
                ("FN_MEMORY", "128"),
                ("FN_HEADER_CONTENT_TYPE", "text/plain"),
                ("FN_HEADER_X_MULTI", "a, b"),
                ("FN_HEADER_X_ODD_NAME", "caf\u{e9}"),
            ])
        );
    }

    #[test]
    fn e3_one_callers_headers_are_no_other_callers_environment() {
        let secret = pairs(&[("Authorization", "Bearer a")]);
        let first =
            Session::new(Format::Default).encode(&Call { headers: (&secret).into(), ..call() }).unwrap();
        let second = Session::new(Format::Default).encode(&call()).unwrap();
        assert!(first.env.contains(&("FN_HEADER_AUTHORIZATION".into(), "Bearer a".into())));
        assert!(!second.env.iter().any(|(_, value)| value.contains("Bearer")), "{second:?}");
        // Nor does one sandbox ever serve two.
        let mut session = Session::new(Format::Default);
        session.encode(&Call { headers: (&secret).into(), ..call() }).unwrap();
        session.end().unwrap();
        assert!(session.encode(&call()).is_err());
    }

    #[test]
    fn e3_streaming_formats_have_no_environment_of_a_request() {
        let secret = pairs(&[("Authorization", "Bearer a")]);
        for format in [Format::Http, Format::Json, Format::Frame] {
            let written = Session::new(format).encode(&Call { headers: (&secret).into(), ..call() }).unwrap();
            assert_eq!((written.env, written.close), (vec![], false), "{format}");
        }
    }

    #[test]
    fn a_reply_in_one_piece_is_not_copied() {
        let mut session = Session::new(Format::Default);
        session.encode(&call()).unwrap();
        let piece = Bytes::from(vec![0xff; 1000]);
        assert!(matches!(session.feed(piece.clone()), Ok(Progress::More(1))));
        let reply = session.end().unwrap();
        assert_eq!((reply.status, reply.headers, reply.body.as_ptr()), (200, vec![], piece.as_ptr()));
    }

    #[test]
    fn silence_is_an_empty_reply() {
        let mut session = Session::new(Format::Default);
        session.encode(&call()).unwrap();
        assert_eq!(session.end().unwrap().body, "");
    }
}
