//! `http`, byte for byte.

use super::*;
use crate::error::ErrorKind;

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn read(reply: impl AsRef<[u8]>) -> Verdict {
    exchange(Format::Http, &call(), reply)
}

fn written(call: &Call<'_>) -> String {
    String::from_utf8(wire(&Session::new(Format::Http).encode(call).unwrap())).unwrap()
}

#[test]
fn a_request_is_written_as_the_seeds_give_it() {
    let headers = pairs(&[
        ("x-trace", "1"),
        ("content-type", "text/plain"),
        ("host", "forged.example"),
        ("content-length", "99"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("fn_call_id", "forged"),
        ("X-Trace", "2"),
    ]);
    let id = call().id;
    assert_eq!(
        written(&Call { headers: (&headers).into(), ..call() }),
        format!(
            "POST /r/echo?x=1 HTTP/1.1\r\n\
             Host: localhost\r\n\
             Content-Length: 5\r\n\
             Content-Type: text/plain\r\n\
             X-Trace: 1\r\n\
             X-Trace: 2\r\n\
             Task-Id: {id}\r\n\
             Method: POST\r\n\
             Route: /echo\r\n\
             Request_url: http://localhost/r/echo?x=1\r\n\
             Fn_call_id: {id}\r\n\
             Fn_deadline: 2026-01-30T16:52:39.786Z\r\n\
             Fn_method: POST\r\n\
             Fn_request_url: http://localhost/r/echo?x=1\r\n\
             \r\n\
             world"
        )
    );
}

#[test]
fn a_request_without_url_headers_or_body_is_whole() {
    let empty = Bytes::new();
    let text = written(&Call { url: "".into(), path: "/a?b", body: &empty, method: "GET", ..call() });
    assert!(
        text.starts_with("GET /r/echo/a?b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTask-Id: "),
        "{text}"
    );
    assert!(text.ends_with("Fn_request_url: http://localhost/r/echo/a?b\r\n\r\n"), "{text}");
}

#[test]
fn a_body_is_not_copied() {
    let body = Bytes::from(vec![0xff; 8 << 20]);
    let written = Session::new(Format::Http).encode(&Call { body: &body, ..call() }).unwrap();
    assert_eq!(written.body.as_ptr(), body.as_ptr());
    let mut reply = Vec::from("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
    let head = reply.len();
    reply.extend_from_slice(&body);
    let reply = Bytes::from(reply);
    let mut session = Session::new(Format::Http);
    session.encode(&call()).unwrap();
    match feed(&mut session, [reply.clone()]) {
        Verdict::Answer(Ok(got), false) => assert_eq!(got.body.as_ptr(), reply[head..].as_ptr()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_that_would_smuggle_are_refused_and_the_session_goes_on() {
    let mut session = Session::new(Format::Http);
    for (name, value) in [("X", "a\r\nFn_call_id: forged"), ("X\r\nTask-Id", "a"), ("X", "\0")] {
        let headers = pairs(&[(name, value)]);
        let error = session.encode(&Call { headers: (&headers).into(), ..call() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    session.encode(&call()).unwrap();
}

#[test]
fn e11_the_functions_status_and_headers_reach_the_caller() {
    let reply = "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
                 Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 5\r\nX-Name: caf\u{e9}\r\n\r\nhello";
    let headers =
        [("Content-Type", "text/plain"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X-Name", "caf\u{e9}")];
    assert_eq!(read(reply), answered(418, &headers, "hello"));
}

#[test]
fn a_header_that_is_not_utf_8_is_latin_1() {
    let reply = b"HTTP/1.0 200 OK\r\nX: caf\xe9\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(read(reply), answered(200, &[("X", "caf\u{e9}")], ""));
}

#[test]
fn chunks_become_one_body() {
    let reply =
        format!("{OK}Transfer-Encoding: CHUNKED\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n\n");
    assert_eq!(read(reply), answered(200, &[], "hello world"));
    assert_eq!(read(format!("{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")), answered(200, &[], ""));
}

#[test]
fn statuses_without_a_body_end_with_their_head() {
    assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), answered(204, &[], ""));
    assert_eq!(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), answered(304, &[], ""));
    let head = Call { method: "HEAD", ..call() };
    assert_eq!(
        exchange(Format::Http, &head, format!("{OK}Content-Length: 99\r\n\r\n")),
        answered(200, &[], "")
    );
    assert_eq!(exchange(Format::Http, &head, format!("{OK}\r\n")), answered(200, &[], ""));
}

#[test]
fn interim_replies_are_read_over() {
    let reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n!";
    assert_eq!(read(reply), answered(201, &[], "!"));
    assert_broken(&read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "status 101");
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000);
    assert_broken(&read(&endless), "longer than 65536 bytes");
}

#[test]
fn a_stray_newline_between_exchanges_is_white_space_and_nothing_else_is() {
    let reply = format!("{OK}Content-Length: 2\r\n\r\nok");
    let mut session = Session::new(Format::Http);
    for _ in 0..3 {
        session.encode(&call()).unwrap();
        assert_eq!(feed(&mut session, [format!("\n{reply}\r\n").into()]), answered(200, &[], "ok"));
        session.idle(Bytes::from_static(b" \r\n\t")).unwrap();
    }
    assert_eq!(
        read(format!("{reply}\r\nx")),
        Verdict::Answer(Ok(Reply { status: 200, headers: vec![], body: "ok".into() }), true)
    );
}

#[test]
fn e1_what_is_wrong_is_said_at_once() {
    for (reply, what) in [
        ("hello", "it isn't HTTP/1.1: it begins \"hello\""),
        ("HTTP/2 200\r\n", "it isn't HTTP/1.1"),
        ("HTTP/1.1 2x0 OK\r\n", "its head isn't HTTP: invalid response status"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n", "its head isn't HTTP: invalid header name"),
        ("HTTP/1.1 200 OK\r\n\r\n", "neither Content-Length nor Transfer-Encoding"),
        ("HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "status 099"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "both Content-Length and",
        ),
        (
            "HTTP/1.1 204 None\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "both Content-Length and",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "two different Content-Lengths",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "its Content-Length is \"+5\""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "its Content-Length is \"5, 5\""),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "its Content-Length is \"\""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "not a number"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "only `chunked`"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "only `chunked`",
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello", "'h' came where a chunk's size"),
    ] {
        assert_broken(&read(reply), what);
        assert_broken(&read(reply), "`http` reply: ");
    }
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(read(twice), answered(200, &[], "ok"));
}

#[test]
fn what_is_too_much_is_refused_with_its_figure() {
    let small = Call { max_reply: 10, ..call() };
    let read_small = |reply: &str| exchange(Format::Http, &small, format!("{OK}{reply}"));
    assert_broken(
        &read_small("Content-Length: 11\r\n\r\n"),
        "announces 11 bytes, but `max_reply` is 10 bytes",
    );
    assert_broken(
        &read_small("Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n"),
        "longer than `max_reply`, 10 bytes",
    );
    assert_eq!(read_small("Content-Length: 10\r\n\r\n0123456789"), answered(200, &[], "0123456789"));
    assert_broken(&read(format!("{OK}{}", "X: y\r\n".repeat(129))), "more than 128 headers");
    let long = format!("{OK}X: {}", "y".repeat(70_000));
    assert_broken(&read(&long), "longer than 65536 bytes");
    let mut session = Session::new(Format::Http);
    session.encode(&call()).unwrap();
    let drops = long.as_bytes().chunks(999).map(Bytes::copy_from_slice);
    assert_broken(&feed(&mut session, drops), "longer than 65536 bytes");
}

#[test]
fn a_long_head_reads_the_same_byte_by_byte() {
    let value = "v".repeat(90);
    let headers: Vec<_> = (0..100).map(|n| (format!("X-{n}"), value.clone())).collect();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let reply = format!("{OK}{lines}Content-Length: 2\r\n\r\nok\n");
    assert!(reply.len() > 9_000);
    let whole = Verdict::Answer(Ok(Reply { status: 200, headers, body: "ok".into() }), false);
    assert_eq!(read(&reply), whole);
    let mut session = Session::new(Format::Http);
    session.encode(&call()).unwrap();
    let drops = reply.bytes().map(|byte| Bytes::copy_from_slice(&[byte]));
    assert_eq!(feed(&mut session, drops), whole);
}

#[test]
fn an_end_in_the_middle_says_how_far_it_came() {
    for (reply, what) in [
        ("", "after 0 bytes of its head"),
        ("HTTP/1.1 20", "after 11 bytes of its head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "3 of 5 bytes"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            "after 2 bytes, without the last chunk",
        ),
    ] {
        let mut session = Session::new(Format::Http);
        session.encode(&call()).unwrap();
        session.feed(Bytes::from_static(reply.as_bytes())).unwrap();
        let Broken(why) = session.end().unwrap_err();
        assert!(why.ends_with(&format!("stdout ended before its reply was whole: {what}")), "{why}");
    }
}
