//! Bodies that go through in parts are those that would have gone through whole.

use super::*;
use crate::format::can_begin;

const ABOVE: usize = 8;

/// A request of which `rest` is still to come.
fn begun(session: &mut Session, body: &'static [u8], rest: Rest) -> Vec<u8> {
    let body = Bytes::from_static(body);
    wire(&session.encode(&Call { body: &body, rest, parts_above: ABOVE, ..call() }).unwrap())
}

/// A reply cut in pieces of `step` bytes: how it begins, and all of its body. `None` where it came whole.
fn in_parts(session: &mut Session, reply: &[u8], step: usize) -> (Option<(Reply, Option<u64>)>, Vec<u8>) {
    let (mut first, mut body) = (None, Vec::new());
    for piece in reply.chunks(step) {
        match session.feed(Bytes::copy_from_slice(piece)).unwrap() {
            Progress::More(count) => assert!(count > 0),
            Progress::Begun { reply, length } => {
                assert!(first.is_none(), "it begins twice");
                body.extend_from_slice(&reply.body);
                first = Some((Reply { body: Bytes::new(), ..reply }, length));
            }
            Progress::Part(part) => {
                assert!(first.is_some() && !part.is_empty());
                body.extend_from_slice(&part);
            }
            Progress::Done { answer, stray } => {
                assert!(!stray);
                body.extend_from_slice(&answer.unwrap().body);
            }
        }
    }
    (first, body)
}

fn reply_of(format: Format) -> Vec<u8> {
    let body = b"more than eight bytes, however they are cut";
    match format {
        Format::Default => body.to_vec(),
        Format::Frame => framed(3, call().id.low(), r#"{"status":201,"headers":{"X":["y"]}}"#, body),
        _ => format!(
            "HTTP/1.1 201 Made\r\nX: y\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            body.escape_ascii()
        )
        .into_bytes(),
    }
}

#[test]
fn a_long_reply_in_parts_is_the_same_however_it_is_cut() {
    for format in [Format::Default, Format::Http, Format::Frame] {
        let whole = reply_of(format);
        for step in 1..=whole.len() {
            let mut session = Session::new(format);
            begun(&mut session, b"x", Rest::Nothing);
            let (first, mut body) = in_parts(&mut session, &whole, step);
            if format == Format::Default {
                body.extend_from_slice(&session.end().unwrap().body);
            }
            assert_eq!(body, b"more than eight bytes, however they are cut", "{format} in steps of {step}");
            let Some((first, length)) = first else {
                assert!(
                    step > whole.len() / 3 || format == Format::Default,
                    "{format}: steps of {step} came whole"
                );
                continue;
            };
            if format == Format::Default {
                assert_eq!((first, length), (Reply::ok(""), None));
            } else {
                let headers = pairs(&[("X", "y")]);
                assert_eq!((first, length), (Reply { status: 201, headers, body: Bytes::new() }, Some(43)));
                // The sandbox is as good as before.
                session.encode(&call()).unwrap();
            }
        }
    }
}

#[test]
fn a_long_chunked_reply_in_parts_is_the_same_however_it_is_cut() {
    let reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nghijk\r\n3\r\nlmn\r\n0\r\n\r\n";
    for step in 1..=reply.len() {
        let mut session = Session::new(Format::Http);
        begun(&mut session, b"x", Rest::Nothing);
        let (first, body) = in_parts(&mut session, reply, step);
        assert_eq!(body, b"abcdefghijklmn", "steps of {step}");
        assert!(first.is_none_or(|(_, length)| length.is_none()));
        session.encode(&call()).unwrap();
    }
}

#[test]
fn a_short_reply_is_whole() {
    for format in [Format::Http, Format::Frame] {
        let mut session = Session::new(format);
        begun(&mut session, b"x", Rest::Nothing);
        let reply = match format {
            Format::Frame => framed(3, call().id.low(), "", b"12345678"),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678".to_vec(),
        };
        assert_eq!(in_parts(&mut session, &reply, 5), (None, b"12345678".to_vec()));
    }
}

#[test]
fn the_limit_holds_for_all_parts_together() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n9\r\n".as_slice();
    for (format, first, then) in [
        (Format::Default, b"0123456789".as_slice(), b"01".as_slice()),
        (Format::Http, chunked, b"12".as_slice()),
    ] {
        let mut session = Session::new(format);
        session.encode(&Call { max_reply: 11, parts_above: ABOVE, ..call() }).unwrap();
        let answers: Vec<_> =
            [first, then].map(|piece| session.feed(Bytes::from_static(piece))).into_iter().collect();
        let broken = answers.into_iter().find_map(Result::err).unwrap();
        assert!(broken.0.contains("longer than `max_reply`, 11 bytes"), "{format}: {broken}");
    }
}

#[test]
fn a_frame_whose_metadata_cannot_be_passed_on_is_the_functions_error_and_keeps_the_sandbox() {
    let mut session = Session::new(Format::Frame);
    begun(&mut session, b"x", Rest::Nothing);
    let reply = framed(3, call().id.low(), r#"{"status":42}"#, b"more than eight bytes");
    let mut last = None;
    for piece in reply.chunks(7) {
        last = Some(session.feed(Bytes::copy_from_slice(piece)).unwrap());
    }
    assert!(matches!(last, Some(Progress::Done { answer: Err(_), stray: false })), "{last:?}");
    session.encode(&call()).unwrap();
}

#[test]
fn a_request_is_written_as_it_comes() {
    let mut session = Session::new(Format::Http);
    let head = begun(&mut session, b"abc", Rest::Bytes(4));
    assert!(String::from_utf8(head).unwrap().contains("Content-Length: 7\r\n"));
    assert_eq!((wire(&session.part("defg".into())), wire(&session.last())), (b"defg".to_vec(), vec![]));

    let mut session = Session::new(Format::Frame);
    let head = begun(&mut session, b"abc", Rest::Bytes(4));
    let meta = usize::from(u16::from_le_bytes([head[6], head[7]]));
    assert_eq!(u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize, meta + 7);
    assert_eq!((wire(&session.part("defg".into())), wire(&session.last())), (b"defg".to_vec(), vec![]));

    let mut session = Session::new(Format::Default);
    let body = Bytes::from_static(b"abc");
    let written = session.encode(&Call { body: &body, rest: Rest::Unknown, ..call() }).unwrap();
    assert!(!written.close);
    assert_eq!(wire(&session.part("defg".into())), b"defg");
    assert!(session.last().close);
    assert!(!session.last().close, "it ends once");
}

#[test]
fn what_cannot_begin_before_its_body_is_refused() {
    for (format, rest) in [
        (Format::Json, Rest::Bytes(1)),
        (Format::Json, Rest::Unknown),
        (Format::Frame, Rest::Unknown),
        (Format::Http, Rest::Unknown),
    ] {
        assert!(!can_begin(format, rest));
        let mut session = Session::new(format);
        assert!(session.encode(&Call { rest, ..call() }).is_err());
        assert!(can_begin(format, Rest::Nothing) && session.encode(&call()).is_ok());
    }
}

/// SEEDS.md E2: the guest would read the next request as the rest of this one.
#[test]
fn e2_a_reply_before_the_request_was_written_whole_costs_the_sandbox() {
    for format in [Format::Http, Format::Frame] {
        let mut session = Session::new(format);
        begun(&mut session, b"abc", Rest::Bytes(4));
        let reply = match format {
            Format::Frame => framed(3, call().id.low(), "", b"ok"),
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        };
        let answer = session.feed(reply.into()).unwrap();
        assert!(matches!(answer, Progress::Done { answer: Ok(_), stray: true }), "{format}: {answer:?}");
        assert!(session.encode(&call()).is_err());
    }
}

/// A backend may hold back what it is told to expect, and the rest may be long in coming.
#[test]
fn no_more_is_asked_for_than_the_next_part_takes() {
    let more = |session: &mut Session, piece: &[u8]| match session.feed(Bytes::copy_from_slice(piece)) {
        Ok(Progress::More(count)) => count,
        other => panic!("{other:?}"),
    };
    for (meta, asked) in [("", 1), (r#"{"status":201}"#, 14)] {
        let mut session = Session::new(Format::Frame);
        begun(&mut session, b"x", Rest::Nothing);
        let whole = framed(3, call().id.low(), meta, &[b'y'; 1000]);
        assert_eq!(more(&mut session, &whole[..16]), asked);
    }
    let mut session = Session::new(Format::Http);
    begun(&mut session, b"x", Rest::Nothing);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n";
    assert_eq!(more(&mut session, head), ABOVE + 1, "then it is known to be long");
    assert_eq!(more(&mut session, b"yyyy"), ABOVE - 3);
    let first = session.feed(Bytes::from_static(b"yyyyy")).unwrap();
    assert!(matches!(&first, Progress::Begun { reply, .. } if reply.body == "yyyyyyyyy"), "{first:?}");
    let part = session.feed(Bytes::from(vec![b'y'; 991])).unwrap();
    assert!(matches!(&part, Progress::Part(part) if part.len() == 991), "{part:?}");
    assert_eq!(more(&mut session, b"\r\n3e8\r\n"), 1);
}
