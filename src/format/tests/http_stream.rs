//! `http-stream`: what an FDK is told, and what its answers mean.

use super::*;
use crate::error::{Error, ErrorKind};

fn asked(url: &'static str) -> (Session, String) {
    let headers = pairs(&[
        ("content-type", "a/b"),
        ("x-name", "you"),
        ("X-Name", "me"),
        ("Host", "forged"),
        ("Fn-Call-Id", "forged"),
        ("Connection", "x-hop"),
        ("X-Hop", "1"),
    ]);
    let mut session = Session::new(Format::HttpStream);
    let request = Call { headers: (&headers).into(), url: url.into(), method: "HEAD", ..call() };
    let written = session.encode(&request).unwrap();
    (session, String::from_utf8(wire(&written)).unwrap())
}

const URL: &str = "http://app.example/r/echo/a?b=c";

/// What comes of an answer, and whether the sandbox and its connection are kept.
fn told(url: &'static str, answer: &str) -> (Result<Reply, Error>, bool, bool) {
    let (mut session, _) = asked(url);
    match session.feed(Bytes::copy_from_slice(answer.as_bytes())).unwrap() {
        Progress::Done { answer, stray } => {
            assert_eq!(session.is_sound(), !stray);
            (answer, !stray, !session.renews())
        }
        other => panic!("{other:?}"),
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_call_is_written_as_fn_writes_it() {
    let id = call().id;
    let common = format!(
        "POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nFn-Call-Id: {id}\r\nFn-Deadline: 2026-01-30T16:52:39.786Z\r\n"
    );
    assert_eq!(asked("").1, format!("{common}Content-Type: a/b\r\nX-Name: you\r\nX-Name: me\r\n\r\nworld"));
    assert_eq!(
        asked(URL).1,
        format!(
            "{common}Fn-Intent: httprequest\r\nFn-Http-Method: HEAD\r\nFn-Http-Request-Url: {URL}\r\n\
             Content-Type: a/b\r\nFn-Http-H-X-Name: you\r\nFn-Http-H-X-Name: me\r\n\r\nworld"
        )
    );
}

#[test]
fn the_status_of_the_answer_says_how_it_went() {
    let (reply, kept, open) = told(URL, &answer(200, "", "ok"));
    assert_eq!((reply.unwrap(), kept, open), (Reply::ok("ok"), true, true));
    for (status, kind, words, keeps) in [
        (502, ErrorKind::FunctionFailed, "function failed: it threw", true),
        (504, ErrorKind::TimedOut, "time was up: it threw", true),
        (500, ErrorKind::FunctionFailed, "invalid function response", false),
        (404, ErrorKind::FunctionFailed, "invalid function response", false),
        (201, ErrorKind::FunctionFailed, "invalid function response", false),
    ] {
        let (reply, kept, _) = told("", &answer(status, "", "it threw"));
        let error = reply.unwrap_err();
        assert_eq!((error.kind(), kept), (kind, keeps), "{status}: {error}");
        assert!(error.message().contains(words), "{status}: {error}");
    }
}

#[test]
fn a_triggers_reply_is_what_the_fdk_says_of_it() {
    let headers = "Content-Type: a/b\r\nFn-Http-Status: 418\r\nfn-http-h-x-mine: yes\r\nFn-Http-H-X-Mine: no\r\n\
                   Fn-Http-H-Connection: close\r\nFn-Http-H-: nameless\r\nFn-Fdk-Version: 1\r\nX-Other: 1\r\n";
    let reply = told(URL, &answer(200, headers, "tea")).0.unwrap();
    assert_eq!(reply.status, 418);
    assert_eq!(reply.headers, pairs(&[("Content-Type", "a/b"), ("x-mine", "yes"), ("X-Mine", "no")]));
    let reply = told("", &answer(200, headers, "tea")).0.unwrap();
    assert_eq!((reply.status, reply.headers.len()), (200, 8), "{:?}", reply.headers);
    for (said, status) in
        [("0", Some(200)), ("soon", Some(200)), ("-1", Some(200)), ("100", None), ("70000", None)]
    {
        let (reply, kept, _) = told(URL, &answer(200, &format!("Fn-Http-Status: {said}\r\n"), ""));
        assert_eq!(reply.ok().map(|reply| reply.status), status, "{said}");
        assert!(kept, "{said}");
    }
}

#[test]
fn an_error_of_its_connection_costs_the_sandbox() {
    let (mut session, _) = asked("");
    assert!(session.feed("nonsense".into()).is_err() && !session.is_sound());
    let (mut session, _) = asked("");
    session.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok".into()).unwrap();
    assert!(session.end().is_err() && !session.is_sound());
    // A connection that ends between two calls doesn't, nor does an answer that ends with one.
    let (_, kept, open) = told("", &answer(200, "Connection: close\r\n", "ok"));
    assert!(kept && !open);
    let (mut session, _) = asked("");
    session.feed("HTTP/1.1 200 OK\r\n\r\nok".into()).unwrap();
    assert_eq!(session.end(), Ok(Reply::ok("ok")));
    assert!(session.is_sound() && session.renews());
}

#[test]
fn a_long_reply_comes_in_parts_and_a_long_failure_is_not_read() {
    let mut session = Session::new(Format::HttpStream);
    let request = Call { parts_above: 8, url: URL.into(), ..call() };
    session.encode(&request).unwrap();
    let long = answer(200, "Fn-Http-Status: 201\r\n", "more than eight bytes");
    let begun = session.feed(Bytes::copy_from_slice(&long.as_bytes()[..long.len() - 4])).unwrap();
    assert!(matches!(&begun, Progress::Begun { reply, .. } if reply.status == 201), "{begun:?}");
    for (status, kept) in [(502, true), (500, false)] {
        let mut session = Session::new(Format::HttpStream);
        session.encode(&request).unwrap();
        let failed = Bytes::from(answer(status, "", "more than eight bytes"));
        let end = failed.len() - 4;
        let progress = session.feed(failed.slice(..end)).unwrap();
        assert!(matches!(&progress, Progress::Done { answer: Err(_), .. }), "{progress:?}");
        assert_eq!((session.is_sound(), session.renews()), (kept, true), "{status}");
    }
}
