//! `wasi-http`: what is written and read on the private stream.

use super::*;
use crate::exchange::{Fields, HEADER, Header, Kind, put_field, put_header, put_part};
use bytes::{Buf, BufMut, BytesMut};

/// A reply of so many pieces, the last one included.
pub(super) fn reply(status: u16, headers: &[(&str, &str)], pieces: &[&[u8]]) -> Vec<u8> {
    let mut to = BytesMut::new();
    put_part(&mut to, Kind::Head, |to| {
        to.put_u16_le(status);
        for (name, value) in headers {
            put_field(to, name.as_bytes());
            put_field(to, value.as_bytes());
        }
    });
    for piece in pieces {
        put_header(&mut to, Kind::Piece, piece.len());
        to.put_slice(piece);
    }
    put_header(&mut to, Kind::Last, 0);
    to.to_vec()
}

pub(super) fn failed(why: &str) -> Vec<u8> {
    let mut to = BytesMut::new();
    put_part(&mut to, Kind::Failed, |to| to.put_slice(why.as_bytes()));
    to.to_vec()
}

/// The parts of what was written: kinds and payloads.
fn parts(mut bytes: Bytes) -> Vec<(Kind, Bytes)> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let mut header = [0; HEADER];
        bytes.copy_to_slice(&mut header);
        let part = Header::read(header).unwrap();
        parts.push((part.kind, bytes.split_to(part.len)));
    }
    parts
}

#[test]
fn a_request_is_told_as_it_came_but_for_what_concerns_one_hop() {
    let headers = pairs(&[
        ("X-A", "1"),
        ("Connection", "x-hop"),
        ("x-hop", "1"),
        ("Content-Length", "99"),
        ("Fn-Call-Id", "theirs"),
    ]);
    let call = Call { headers: (&headers).into(), url: "https://example.org:1/r/echo?x=1".into(), ..call() };
    let written = Session::new(Format::WasiHttp).encode(&call).unwrap();
    let parts = parts(wire(&written).into());
    let [(Kind::Head, head), (Kind::Last, body)] = parts.as_slice() else { panic!("{parts:?}") };
    let fields: Vec<_> = Fields(head.clone()).collect();
    let expected: [&str; 10] = [
        "POST",
        "https",
        "example.org:1",
        "/?x=1",
        "X-A",
        "1",
        "Fn-Call-Id",
        "theirs",
        "content-length",
        "5",
    ];
    assert_eq!(fields, expected);
    assert_eq!(body, "world");
}

#[test]
fn a_body_that_comes_is_told_piece_by_piece() {
    let mut session = Session::new(Format::WasiHttp);
    let first = session.encode(&Call { rest: Rest::Unknown, ..call() }).unwrap();
    let all = [wire(&first), wire(&session.part("more".into())), wire(&session.last())].concat();
    let parts: Vec<_> = parts(all.into()).split_off(1);
    assert_eq!(
        parts,
        [(Kind::Piece, "world".into()), (Kind::Piece, "more".into()), (Kind::Last, Bytes::new())]
    );
}

#[test]
fn what_is_there_when_the_guest_waits_is_given_at_once() {
    let mut session = Session::new(Format::WasiHttp);
    session.encode(&Call { parts_above: 1000, ..call() }).unwrap();
    let all = reply(201, &[("x", "y"), ("content-length", "6")], &[b"abc", b"def"]);
    let head = all.len() - 3 - 3 - 3 * HEADER;
    let mut step = |from: usize, to: usize| session.feed(Bytes::copy_from_slice(&all[from..to])).unwrap();
    match step(0, head + HEADER + 2) {
        Progress::Begun { reply, length: Some(6) } => {
            assert_eq!(
                (reply.status, &reply.headers[..], &reply.body[..]),
                (201, &pairs(&[("x", "y")])[..], &b"ab"[..])
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(step(head + HEADER + 2, head + HEADER + 3), Progress::Part(part) if part == "c"));
    assert!(matches!(step(head + HEADER + 3, head + HEADER + 5), Progress::More(1..)));
    match step(head + HEADER + 5, all.len()) {
        Progress::Done { answer: Ok(reply), stray: false } => assert_eq!(reply.body, "def"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_that_has_no_reply_is_a_failure_and_its_stream_is_sound() {
    let verdict = exchange(Format::WasiHttp, &call(), failed("no reply"));
    assert_eq!(verdict, Verdict::Answer(Err("no reply".into()), false));
}

#[test]
fn breaches_are_named() {
    let long = reply(200, &[], &[b"abcde"]);
    let call = Call { max_reply: 4, ..call() };
    assert_broken(&exchange(Format::WasiHttp, &call, long), "longer than `max_reply`, 4 bytes");
    assert_broken(&exchange(Format::WasiHttp, &call, [0, 0, 0, 0, 7]), "no known kind");
    assert_broken(&exchange(Format::WasiHttp, &call, [1, 0, 0, 0, 2]), "before its head");
    assert_broken(&exchange(Format::WasiHttp, &call, [0xff, 0xff, 0xff, 0, 1]), "its head is longer");
    let twice = [&reply(200, &[], &[])[..HEADER + 2], &reply(200, &[], &[])].concat();
    assert_broken(&exchange(Format::WasiHttp, &call, twice), "two heads");
    let mut session = Session::new(Format::WasiHttp);
    session.encode(&call).unwrap();
    session.feed(Bytes::from(reply(200, &[], &[b"ab"])[..12].to_vec())).unwrap();
    assert!(session.end().unwrap_err().0.contains("in the middle of its body"));
}
