//! `frame`, byte for byte.

use super::*;
use crate::error::ErrorKind;

fn id() -> u64 {
    call().id.low()
}

fn read(reply: impl AsRef<[u8]>) -> Verdict {
    exchange(Format::Frame, &call(), reply)
}

fn ready() -> Vec<u8> {
    framed(1, 0, "", b"")
}

#[test]
fn a_request_is_written_as_the_design_gives_it() {
    let headers =
        pairs(&[("content-type", "text/plain"), ("x-a", "1"), ("X-A", "2"), ("fn-call-id", "forged")]);
    let written = Session::new(Format::Frame).encode(&Call { headers: (&headers).into(), ..call() }).unwrap();
    let meta = r#"{"deadline_ms":1769791959786,"method":"POST","path":"/?x=1","content_type":"text/plain","headers":{"X-A":["1","2"]}}"#;
    assert_eq!(wire(&written), framed(2, id(), meta, b"world"));
    assert_eq!(written.body.as_ptr(), call().body.as_ptr());
    let written = Session::new(Format::Frame).encode(&call()).unwrap();
    let meta = r#"{"deadline_ms":1769791959786,"method":"POST","path":"/?x=1"}"#;
    assert_eq!(wire(&written), framed(2, id(), meta, b"world"));
}

#[test]
fn a_reply_is_read_as_the_design_gives_it() {
    assert_eq!(read(framed(3, id(), "", b"")), answered(200, &[], ""));
    assert_eq!(read(framed(3, id(), "", b"\0\xff\n")), answered(200, &[], &b"\0\xff\n"[..]));
    assert_eq!(read(framed(3, id(), "{}", b"b")), answered(200, &[], "b"));
    let meta = r#"{"status":404,"content_type":"t/x","headers":{"X":["y","z"],"P":"p"},"more":1}"#;
    let headers = [("Content-Type", "t/x"), ("X", "y"), ("X", "z"), ("P", "p")];
    assert_eq!(read(framed(3, id(), meta, b"none")), answered(404, &headers, "none"));
}

#[test]
fn a_whole_reply_in_one_piece_is_not_copied() {
    for meta in ["", "{\"status\":201}"] {
        let reply = Bytes::from(framed(3, id(), meta, &vec![7; 8 << 20]));
        let mut session = Session::new(Format::Frame);
        session.encode(&call()).unwrap();
        match feed(&mut session, [reply.clone()]) {
            Verdict::Answer(Ok(got), false) => {
                assert_eq!((got.body.len(), got.body.as_ptr()), (8 << 20, reply[16 + meta.len()..].as_ptr()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn more_says_how_much_is_missing() {
    let reply = Bytes::from(framed(3, id(), "{}", &[7; 98]));
    let mut session = Session::new(Format::Frame);
    session.encode(&call()).unwrap();
    assert!(matches!(session.feed(reply.slice(..5)), Ok(Progress::More(11))));
    assert!(matches!(session.feed(reply.slice(5..16)), Ok(Progress::More(100))));
    assert!(matches!(session.feed(reply.slice(16..46)), Ok(Progress::More(70))));
    assert!(matches!(session.feed(reply.slice(46..)), Ok(Progress::Done { .. })));
}

#[test]
fn an_error_frame_is_the_functions_own_error_and_the_sandbox_is_kept() {
    let mut session = Session::new(Format::Frame);
    session.encode(&call()).unwrap();
    match session.feed(framed(4, id(), "", "no such thing: caf\u{e9}".as_bytes()).into()) {
        Ok(Progress::Done { answer: Err(error), stray: false }) => {
            assert_eq!(
                (error.kind(), error.message()),
                (ErrorKind::FunctionFailed, "no such thing: caf\u{e9}")
            );
        }
        other => panic!("{other:?}"),
    }
    session.encode(&call()).unwrap();
    assert_eq!(feed(&mut session, [framed(3, id(), "", b"b").into()]), answered(200, &[], "b"));
    let error = |body: &[u8]| match read(framed(4, id(), "{\"any\":1}", body)) {
        Verdict::Answer(Err(why), false) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(b""), "the function answered with an error and no message");
    assert_eq!(error(b"a\xff"), "a\u{fffd}");
    assert!(error(&[b'a'; 9999]).ends_with("a… (9999 bytes in all)"));
}

#[test]
fn one_ready_frame_may_come_before_the_first_reply_however_it_is_cut() {
    let all = [ready(), framed(3, id(), "", b"b")].concat();
    for cut in 0..=all.len() {
        for idle in 0..=cut.min(16) {
            let mut session = Session::new(Format::Frame);
            session.idle(Bytes::copy_from_slice(&all[..idle])).unwrap();
            session.encode(&call()).unwrap();
            let pieces = [&all[idle..cut], &all[cut..]].map(Bytes::copy_from_slice);
            assert_eq!(feed(&mut session, pieces), answered(200, &[], "b"), "{idle} {cut}");
        }
    }
    let mut session = Session::new(Format::Frame);
    for byte in ready() {
        session.idle(vec![byte].into()).unwrap();
    }
    session.encode(&call()).unwrap();
    assert_broken(&feed(&mut session, [ready().into()]), "came twice or after a reply");
    let mut session = Session::new(Format::Frame);
    assert!(session.idle([ready(), ready()].concat().into()).is_err());
    let mut session = Session::new(Format::Frame);
    session.encode(&call()).unwrap();
    feed(&mut session, [framed(3, id(), "", b"b").into()]);
    assert!(session.idle(ready().into()).is_err());
}

#[test]
fn e1_what_is_wrong_is_said_at_once() {
    let mut flags = framed(3, id(), "", b"");
    flags[5] = 0x80;
    let mut meta = framed(3, id(), "", b"abc");
    meta[6] = 4;
    let hello = "begins \"hello world\\n\" (stdout belongs to frames: print to stderr)";
    for (reply, what) in [
        (b"hello world\n".to_vec(), hello),
        (framed(3, id() ^ 1, "", b""), "a reply to call "),
        (framed(4, id() ^ 1, "", b""), "a reply to call "),
        (framed(2, id(), "", b""), "kind 2, not 1 (ready), 3 (response) or 4 (error)"),
        (framed(9, id(), "", b""), "kind 9, not"),
        (framed(1, 0, "", b"x"), "a `ready` frame (kind 1) announces 1 bytes, not 0"),
        (flags, "flags 0x80, not 0"),
        (meta, "4 bytes of metadata in 3 bytes"),
        (framed(3, id(), "[", b""), "metadata isn't as it should be"),
        (framed(3, id(), "{\"status\":\"x\"}", b""), "it begins \"{\\\"status\\\""),
    ] {
        assert_broken(&read(&reply), what);
    }
    // The first four bytes are enough.
    assert_broken(&read(b"hell"), "a frame announces 1819043176 bytes");
    // And the fifth.
    assert_broken(&read(&framed(2, id(), "", b"")[..5]), "kind 2");
}

#[test]
fn what_is_too_much_is_refused_with_its_figure_before_it_comes() {
    let small = Call { max_reply: 10, ..call() };
    let read = |reply: &[u8]| exchange(Format::Frame, &small, reply);
    assert_eq!(
        read(&framed(3, id(), "{\"more\":\"long\"}", b"0123456789")),
        answered(200, &[], "0123456789")
    );
    assert_broken(
        &read(&framed(3, id(), "", b"0123456789a")[..8]),
        "a body of 11 bytes, but `max_reply` is 10 bytes",
    );
    assert_broken(&read(&u32::MAX.to_le_bytes()), "announces 4294967295 bytes, but `max_reply` is 10 bytes");
}

#[test]
fn a_request_that_does_not_fit_is_refused_and_the_session_goes_on() {
    let headers = pairs(&[("X", &"y".repeat(66_000))]);
    let mut session = Session::new(Format::Frame);
    let error = session.encode(&Call { headers: (&headers).into(), ..call() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("carries at most 65535"), "{error}");
    let written = session.encode(&call()).unwrap();
    assert!(written.head.starts_with(&65u32.to_le_bytes()), "{written:?}");
}

#[test]
fn e2_a_late_reply_is_never_the_next_callers() {
    // The host gave up on a call; whatever it does, the answer to it is no answer to the next.
    let late = framed(3, 41, "", b"secret");
    assert_broken(&read(&late), "a reply to call 41 came where one to call");
    let mut session = Session::new(Format::Frame);
    assert!(session.idle(late.into()).is_err());
    assert_eq!(session.encode(&call()).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn an_end_in_the_middle_says_how_far_it_came() {
    let reply = framed(3, id(), "{}", b"hello");
    for (len, what) in [
        (0, "0 of 16 bytes of its header"),
        (9, "9 of 16 bytes of its header"),
        (20, "4 of 7 bytes of its payload"),
    ] {
        let mut session = Session::new(Format::Frame);
        session.encode(&call()).unwrap();
        session.feed(Bytes::copy_from_slice(&reply[..len])).unwrap();
        let Broken(why) = session.end().unwrap_err();
        assert_eq!(why, format!("`frame` reply: stdout ended before its reply was whole: {what}"));
    }
}

#[test]
fn a_small_request_is_written_into_the_last_ones_buffer() {
    let mut session = Session::new(Format::Frame);
    let mut places = std::collections::HashSet::new();
    for _ in 0..100 {
        places.insert(session.encode(&call()).unwrap().head.as_ptr());
        feed(&mut session, [framed(3, id(), "", b"").into()]);
    }
    assert!(places.len() < 20, "{} buffers for 100 requests", places.len());
}
