//! What holds for every format: cuts don't matter, hostile bytes do no harm, a poisoned session stays so.

use super::*;
use crate::error::ErrorKind;
use proptest::prelude::*;

fn id() -> u64 {
    call().id.low()
}

/// Replies of every shape, each with whether it is followed by bytes that don't belong there.
fn replies() -> Vec<(Format, Vec<u8>, bool)> {
    let http = [
        ("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 11\r\n\r\nhello world", ""),
        ("\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\nX: y\nContent-Length: 2\n\nok", "\n"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
            "\r\n",
        ),
        ("HTTP/1.1 204 No\r\n\r\n", " "),
    ];
    let json = [
        (
            r#"{"body":"caf\u00e9 \"}{\\ 🦀","content_type":"a/b","protocol":{"status_code":404,"headers":{"X":["y"]}}}"#,
            "\n",
        ),
        (r#"  {}"#, " \t"),
    ];
    let frame = [
        framed(3, id(), "", b"hello"),
        framed(3, id(), r#"{"status":404,"headers":{"X":"y"}}"#, b"hello"),
        framed(4, id(), "", b"failed"),
        [framed(1, 0, "", b""), framed(3, id(), "", b"")].concat(),
    ];
    let mut all = Vec::new();
    for (format, texts) in [(Format::Http, &http[..]), (Format::Json, &json[..])] {
        for (text, white) in texts {
            all.push((format, format!("{text}{white}").into_bytes(), false));
            all.push((format, format!("{text}{white}}}").into_bytes(), true));
        }
    }
    for reply in [
        wasi_http::reply(200, &[], &[]),
        wasi_http::reply(404, &[("x", "y")], &[b"hello", b"", b" world"]),
        wasi_http::failed("why"),
    ] {
        all.push((Format::WasiHttp, [&reply[..], b"\n"].concat(), true));
        all.push((Format::WasiHttp, reply, false));
    }
    for reply in frame {
        all.push((Format::Frame, [&reply[..], b"\n"].concat(), true));
        all.push((Format::Frame, reply, false));
    }
    all
}

fn cut(reply: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|at| at % (reply.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut pieces, mut from) = (Vec::new(), 0);
    for to in cuts.into_iter().chain([reply.len()]) {
        pieces.push(Bytes::copy_from_slice(&reply[from..to]));
        from = to;
    }
    pieces
}

fn begun(format: Format) -> Session {
    let mut session = Session::new(format);
    session.encode(&call()).unwrap();
    session
}

#[test]
fn a_reply_cut_anywhere_reads_the_same() {
    for (format, reply, stray) in replies() {
        let whole = exchange(format, &call(), &reply);
        assert!(matches!(whole, Verdict::Answer(_, is_stray) if is_stray == stray), "{whole:?}");
        for at in 0..=reply.len() {
            assert_eq!(feed(&mut begun(format), cut(&reply, &[at])), whole, "{format} at {at}");
        }
        let single = reply.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
        assert_eq!(feed(&mut begun(format), single), whole, "{format} byte by byte");
    }
}

#[test]
fn a_one_shot_reply_cut_anywhere_reads_the_same() {
    let reply: Vec<u8> = (0..=255).collect();
    for at in 0..=reply.len() {
        let mut session = begun(Format::Default);
        assert_eq!(feed(&mut session, cut(&reply, &[at])), Verdict::Waiting);
        assert_eq!(session.end(), Ok(Reply::ok(reply.clone())));
    }
}

#[test]
fn a_one_shot_reply_that_is_too_long_is_refused_with_its_figure() {
    let mut session = Session::new(Format::Default);
    session.encode(&Call { max_reply: 4, ..call() }).unwrap();
    session.feed("abcd".into()).unwrap();
    assert_broken(&feed(&mut session, ["e".into()]), "longer than `max_reply`, 4 bytes");
}

#[test]
fn e2_a_breach_poisons_for_good() {
    for format in Format::STDIO.into_iter().chain([Format::Openwhisk]) {
        let mut session = Session::new(format);
        assert!(session.idle("x\0x\u{1}".into()).is_err(), "{format}");
        assert_eq!(session.encode(&call()).unwrap_err().kind(), ErrorKind::Internal, "{format}");
        assert!(session.feed("{}".into()).is_err(), "{format}");
        assert!(session.idle("\n".into()).is_err(), "{format}");
        let Broken(why) = session.end().unwrap_err();
        assert!(why.contains("the stream is poisoned: "), "{format}: {why}");
    }
}

#[test]
fn e2_a_stray_byte_lets_this_caller_succeed_and_no_next() {
    for (format, reply, stray) in replies() {
        let mut session = begun(format);
        let verdict = feed(&mut session, [reply.into()]);
        assert!(matches!(verdict, Verdict::Answer(..)), "{verdict:?}");
        match session.encode(&call()) {
            Ok(_) => assert!(!stray, "{format}"),
            Err(error) => assert!(stray && error.kind() == ErrorKind::Internal, "{format}: {error}"),
        }
    }
}

#[test]
fn e2_idle_bytes_are_never_the_reply_to_a_request_written_since() {
    for (format, reply, _) in replies() {
        let mut session = begun(format);
        assert!(session.idle(reply.into()).is_err(), "{format}");
    }
    for format in [Format::Http, Format::Json] {
        let mut session = begun(format);
        let start = if format == Format::Http { "HTTP" } else { "{" };
        session.feed(start.into()).unwrap();
        // White space in the middle of a reply is part of it.
        assert!(session.idle(" ".into()).is_err(), "{format}");
    }
}

#[test]
fn a_request_waits_for_the_last_ones_reply() {
    for format in Format::STDIO {
        let error = begun(format).encode(&call()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{format}");
    }
}

#[test]
fn an_end_at_rest_is_no_reply() {
    for format in Format::ALL {
        assert!(Session::new(format).end().is_err(), "{format}");
    }
}

#[test]
fn big_bodies_come_through_in_small_pieces_and_leave_no_buffer() {
    let body = vec![b'x'; 8 << 20];
    let text = std::str::from_utf8(&body).unwrap();
    for (format, reply) in [
        (
            Format::Http,
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", body.len()).into_bytes(),
        ),
        (
            Format::Http,
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800000\r\n{text}\r\n0\r\n\r\n")
                .into_bytes(),
        ),
        (Format::Json, format!("{{\"body\":\"{text}\"}}").into_bytes()),
        (Format::Frame, framed(3, id(), "", &body)),
    ] {
        let mut session = begun(format);
        match feed(&mut session, reply.chunks(60_000).map(Bytes::copy_from_slice)) {
            Verdict::Answer(Ok(got), false) => assert!(got.body == body, "{format}"),
            other => panic!("{format}: {other:?}"),
        }
        session.encode(&Call { body: &body.clone().into(), ..call() }).unwrap();
        assert!(session.scratch.capacity() <= crate::format::KEPT, "{format}");
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

proptest! {
    #[test]
    fn a_reply_cut_at_random_reads_the_same(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let all = replies();
        let (format, reply, _) = which.get(&all);
        let whole = exchange(*format, &call(), reply);
        prop_assert_eq!(feed(&mut begun(*format), cut(reply, &cuts)), whole);
    }

    #[test]
    fn hostile_bytes_never_panic_nor_take_more_than_the_limit(
        format in any_format(),
        start in prop::sample::select(vec![&b""[..], b"{\"a\":", b"HTTP/1.1 200 OK\r\n", b"\x05\0\0\0\x03\0\0\0"]),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        let mut session = Session::new(format);
        // The one format that reads what it is given to write.
        let body = if format == Format::Openwhisk { Bytes::from_static(b"{}") } else { call().body.clone() };
        session.encode(&Call { max_reply: 1000, body: &body, ..call() }).unwrap();
        let all = std::iter::once(Bytes::from_static(start)).chain(pieces.into_iter().map(Bytes::from));
        if let Verdict::Answer(Ok(reply), _) = feed(&mut session, all) {
            prop_assert!(reply.body.len() <= 1000);
        }
        let _ = session.end();
    }

    #[test]
    fn a_mutated_reply_never_panics_and_is_judged_the_same_however_it_is_cut(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let all = replies();
        let (format, reply, _) = which.get(&all);
        let mut reply = reply.clone();
        for (at, byte, how) in edits {
            let at = at.index(reply.len());
            match how {
                0 => reply[at] = byte,
                1 => reply.insert(at, byte),
                _ if reply.len() > 1 => { reply.remove(at); }
                _ => {}
            }
        }
        let whole = exchange(*format, &call(), &reply);
        let pieces = feed(&mut begun(*format), cut(&reply, &cuts));
        match (&whole, &pieces) {
            // How much of the bytes is quoted depends on how much of them was there.
            (Verdict::Broken(_), Verdict::Broken(_)) => {}
            _ => prop_assert_eq!(&whole, &pieces),
        }
    }

    #[test]
    fn whatever_a_caller_sends_is_read_back_or_refused(
        name in "[ -~]{0,12}",
        value in "\\PC{0,20}",
        path in "/[ -~é]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let headers = vec![(name.clone(), value.clone())];
        let body = Bytes::from(body);
        let request = Call { headers: (&headers).into(), path: &path, url: "".into(), body: &body, ..call() };
        if let Ok(written) = Session::new(Format::Http).encode(&request) {
            let mut slots = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Request::new(&mut slots);
            prop_assert_eq!(parsed.parse(&written.head), Ok(httparse::Status::Complete(written.head.len())));
            for ours in ["Task-Id", "Fn_call_id", "Content-Length", "Host"] {
                prop_assert_eq!(parsed.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(ours)).count(), 1);
            }
        }
        if let Ok(written) = Session::new(Format::Json).encode(&request) {
            let read: serde_json::Value = serde_json::from_slice(&written.head).unwrap();
            prop_assert_eq!(read["body"].as_str().map(str::as_bytes), Some(&body[..]));
        }
        if let Ok(written) = Session::new(Format::Frame).encode(&request) {
            let meta: serde_json::Value = serde_json::from_slice(&written.head[16..]).unwrap();
            prop_assert_eq!(&meta["method"], "POST");
        }
    }
}
