//! `server`: what goes to a server and what comes of its answers, on a connection that is worth no more than itself.

use super::*;
use crate::error::ErrorKind;
use crate::format::can_begin;
use crate::invocation::Address;
use proptest::prelude::*;

fn text(written: &Encoded) -> String {
    String::from_utf8(wire(written)).unwrap()
}

fn asked() -> Session {
    let mut session = Session::new(Format::Server);
    session.encode(&call()).unwrap();
    session
}

#[test]
fn a_request_is_written_as_a_proxy_writes_it() {
    let headers = pairs(&[
        ("Accept", "a/b"),
        ("x-mine", "1"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Host", "forged"),
        ("Content-Length", "99"),
        ("Kiln-Invocation-Id", "forged"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Method", "kept"),
    ]);
    let request = Call {
        headers: (&headers).into(),
        peer: Some("::ffff:127.0.0.1".parse().unwrap()),
        url: Address::Parts { authority: "app.example:81", path: "/r/echo/a?b=c" },
        path: "/a?b=c",
        ..call()
    };
    let written = Session::new(Format::Server).encode(&request).unwrap();
    let expected = format!(
        "POST /a?b=c HTTP/1.1\r\nHost: app.example:81\r\nContent-Length: 5\r\nX-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n\
         X-Forwarded-Host: app.example:81\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Prefix: /r/echo\r\n\
         Kiln-Invocation-Id: {}\r\nKiln-Deadline: 2026-01-30T16:52:39.786Z\r\nAccept: a/b\r\nx-mine: 1\r\nMethod: kept\r\n\r\nworld",
        call().id
    );
    assert_eq!(text(&written), expected);
    assert!(!written.close && written.env.is_empty());
}

#[test]
fn a_length_is_said_where_there_is_a_body_or_could_be() {
    let nothing = Bytes::new();
    for (method, body, says) in [
        ("GET", &nothing, false),
        ("HEAD", &nothing, false),
        ("DELETE", &nothing, false),
        ("POST", &nothing, true),
        ("PUT", &nothing, true),
        ("GET", call().body, true),
    ] {
        let request = Call { method, body, url: "".into(), ..call() };
        let written = text(&Session::new(Format::Server).encode(&request).unwrap());
        assert_eq!(written.contains("\r\nContent-Length: "), says, "{written}");
        assert!(written.contains("\r\nHost: localhost\r\n"), "{written}");
    }
    let tunnel = Session::new(Format::Server).encode(&Call { method: "CONNECT", ..call() });
    assert_eq!(tunnel.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_body_of_unknown_length_goes_in_chunks() {
    for (first, parts, expected) in [
        ("", &["abc", "0123456789abcdef0"][..], "3\r\nabc\r\n11\r\n0123456789abcdef0\r\n0\r\n\r\n"),
        ("xy", &["z"], "2\r\nxy\r\n1\r\nz\r\n0\r\n\r\n"),
        ("xy", &[], "2\r\nxy\r\n0\r\n\r\n"),
        ("", &[], "0\r\n\r\n"),
    ] {
        for format in [Format::Server, Format::HttpStream] {
            assert!(can_begin(format, Rest::Unknown));
            let (mut session, body) = (Session::new(format), Bytes::from(first));
            let mut all =
                text(&session.encode(&Call { body: &body, rest: Rest::Unknown, ..call() }).unwrap());
            for part in parts {
                all += &text(&session.part(Bytes::from(*part)));
            }
            all += &text(&session.last());
            let (head, body) = all.split_once("\r\n\r\n").unwrap();
            assert!(
                head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"),
                "{head}"
            );
            assert_eq!(body, expected, "{format}");
        }
    }
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection() {
    let answer = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nmore than eight bytes";
    for at in 0..answer.len() {
        let mut session = asked();
        for piece in [&answer[..at], &answer[at..]] {
            assert!(matches!(session.feed(Bytes::copy_from_slice(piece)), Ok(Progress::More(_))));
        }
        let reply = session.end().unwrap();
        assert_eq!((reply.body, reply.headers), (Bytes::from("more than eight bytes"), pairs(&[("X", "y")])));
        assert!(session.renews() && !session.renews() && session.is_sound());
        session.encode(&call()).unwrap();
    }
}

#[test]
fn the_last_answer_of_a_connection_is_known_as_that() {
    for (head, last) in [
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: x-a\r\nConnection: x-b , close\r\n", true),
        ("HTTP/1.0 200 OK\r\n", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", false),
    ] {
        let mut session = asked();
        let answer = format!("{head}Content-Length: 2\r\n\r\nok");
        assert_eq!(feed(&mut session, [answer.into()]), answered(200, &[], "ok"), "{head}");
        assert_eq!(session.renews(), last, "{head}");
    }
}

#[test]
fn what_goes_wrong_costs_the_connection_and_no_more() {
    const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    // More than was asked for.
    let mut session = asked();
    assert_eq!(feed(&mut session, [format!("{WHOLE}{WHOLE}").into()]), answered(200, &[], "ok"));
    assert!(session.renews() && session.is_sound());
    // What nobody asked for.
    session.idle("HTTP/1.1 408 Request Timeout\r\n\r\n".into()).unwrap();
    assert!(session.renews() && session.is_sound());
    // Nonsense, and the end in the middle.
    session.encode(&call()).unwrap();
    assert_broken(&feed(&mut session, ["nonsense".into()]), "its reply: it isn't HTTP/1.1");
    assert!(session.renews() && session.is_sound());
    session.encode(&call()).unwrap();
    session.feed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok".into()).unwrap();
    let Broken(why) = session.end().unwrap_err();
    assert!(why.contains("its connection ended before its reply was whole: 2 of 3 bytes"), "{why}");
    assert!(session.renews() && session.is_sound());
    // An answer before the request was written whole.
    let body = Bytes::new();
    session.encode(&Call { body: &body, rest: Rest::Unknown, ..call() }).unwrap();
    assert_eq!(feed(&mut session, [WHOLE.into()]), answered(200, &[], "ok"));
    assert!(session.renews() && session.is_sound());
    assert_eq!(session.part("late".into()), Encoded::default());
    session.encode(&call()).unwrap();
}

#[test]
fn an_answer_beyond_the_limit_is_refused_however_it_ends() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\n123456",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n",
    ] {
        let mut session = Session::new(Format::Server);
        session.encode(&Call { max_reply: 5, ..call() }).unwrap();
        assert_broken(&feed(&mut session, [answer.into()]), "max_reply");
    }
}

proptest! {
    #[test]
    fn an_answer_cut_at_random_reads_the_same(
        head in prop::sample::select(vec!["HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.0 404 No\r\n"]),
        body in "[ -~]{0,40}",
        framing in 0..3u8,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let answer = match framing {
            0 => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
            1 if head.contains("1.0") => format!("{head}\r\n{body}"),
            1 if body.is_empty() => format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            1 => format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            _ => format!("{head}\r\n{body}"),
        };
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(answer.len() + 1)).chain([0, answer.len()]).collect();
        at.sort_unstable();
        let mut session = asked();
        let pieces = at.windows(2).map(|at| Bytes::copy_from_slice(&answer.as_bytes()[at[0]..at[1]]));
        let got = match feed(&mut session, pieces.filter(|piece| !piece.is_empty())) {
            Verdict::Waiting => session.end().map_err(|why| why.to_string()),
            Verdict::Answer(answer, false) => answer,
            other => Err(format!("{other:?}")),
        };
        prop_assert_eq!(got.map(|reply| reply.body), Ok(Bytes::from(body)));
    }
}
