//! `json`, byte for byte.

use super::*;
use crate::error::ErrorKind;

fn read(reply: impl AsRef<[u8]>) -> Verdict {
    exchange(Format::Json, &call(), reply)
}

#[test]
fn a_request_is_written_as_the_seeds_give_it() {
    let headers = pairs(&[("content-type", "application/json")]);
    let body = Bytes::from_static(b"{\"a\":\"b\"}\n");
    let written = Session::new(Format::Json)
        .encode(&Call { headers: (&headers).into(), body: &body, ..call() })
        .unwrap();
    let id = call().id;
    assert_eq!(
        String::from_utf8(wire(&written)).unwrap(),
        format!(
            r#"{{"call_id":"{id}","deadline":"2026-01-30T16:52:39.786Z","body":"{{\"a\":\"b\"}}\n","content_type":"application/json","protocol":{{"type":"http","method":"POST","request_url":"http://localhost/r/echo?x=1","headers":{{"Content-Type":["application/json"]}}}}}}"#
        ) + "\n"
    );
}

#[test]
fn headers_are_grouped_and_escaped_and_the_line_is_one() {
    let headers = pairs(&[
        ("x-a", "1"),
        ("X-B", "quote \" back \\ caf\u{e9}"),
        ("X-A", "2"),
        ("Fn_deadline", "forged"),
        ("Connection", "close"),
    ]);
    let body = Bytes::from("line\nline \u{1f980} \u{0}");
    let call = Call { headers: (&headers).into(), body: &body, url: "http://h/\"\\".into(), ..call() };
    let text = wire(&Session::new(Format::Json).encode(&call).unwrap());
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(text.ends_with(b"}\n"));
    let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(read["body"], "line\nline \u{1f980} \u{0}");
    assert_eq!(read["content_type"], "");
    assert_eq!(
        read["protocol"]["headers"],
        serde_json::json!({"X-A": ["1", "2"], "X-B": ["quote \" back \\ caf\u{e9}"]})
    );
    assert_eq!(read["protocol"]["request_url"], "http://h/%22%5C");
}

#[test]
fn a_body_that_is_not_text_is_refused_and_the_session_goes_on() {
    let body = Bytes::from_static(b"ab\xff");
    let mut session = Session::new(Format::Json);
    let error = session.encode(&Call { body: &body, ..call() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        error.message(),
        "the body isn't UTF-8 (at byte 2): format `json` carries text, `frame` and `http` carry bytes"
    );
    session.encode(&call()).unwrap();
    assert_eq!(feed(&mut session, ["{}".into()]), answered(200, &[], ""));
}

#[test]
fn e11_the_functions_status_and_headers_reach_the_caller() {
    let reply = r#"{"body":"b","content_type":"t/x","protocol":{"status_code":201,"headers":{"X":["y","z"],"P":"plain","Connection":["close"],"Content-Length":["9"]}}}"#;
    let headers = [("Content-Type", "t/x"), ("X", "y"), ("X", "z"), ("P", "plain")];
    assert_eq!(read(reply), answered(201, &headers, "b"));
}

#[test]
fn every_field_may_be_missing_or_null_and_more_may_come() {
    for reply in [
        "{}",
        r#" {"other":[{"deep":"}"}]} "#,
        r#"{"body":null,"content_type":null,"protocol":null}"#,
        r#"{"protocol":{}}"#,
        "\r\n{\"protocol\":{\"status_code\":0,\"headers\":null}}\n\n",
    ] {
        assert_eq!(read(reply), answered(200, &[], ""), "{reply}");
    }
}

#[test]
fn escapes_and_unicode_are_read() {
    assert_eq!(
        read(r#"{"body":"a\n\"}\\ \u00e9 \ud83e\udd80 é 🦀"}"#),
        answered(200, &[], "a\n\"}\\ \u{e9} \u{1f980} \u{e9} \u{1f980}")
    );
}

#[test]
fn a_plain_body_is_not_copied() {
    let reply = Bytes::from_static(b"{\"body\":\"plain\"}");
    let mut session = Session::new(Format::Json);
    session.encode(&call()).unwrap();
    match feed(&mut session, [reply.clone()]) {
        Verdict::Answer(Ok(got), false) => assert_eq!(got.body.as_ptr(), reply[9..].as_ptr()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn e1_what_is_wrong_is_said_at_once() {
    for (reply, what) in [
        ("hello", "it isn't a JSON object: it begins \"hello\""),
        ("[1]", "it isn't a JSON object"),
        ("null", "it isn't a JSON object"),
        ("{hello", "invalid JSON at byte 2: 'h' outside a string"),
        ("{\"a\": ]", "invalid JSON at byte 7"),
        ("{\"a\" 1}", "expected `:` at line 1 column 6"),
        ("{\"body\":1}", "expected a string at line 1 column 9"),
        ("{\"protocol\":{\"status_code\":70000}}", "line 1 column 32"),
        ("{\"body\":\"\\ud800\"}", "line 1 column"),
        ("{\"body\":\"\u{7f}\\q\"}", "invalid escape at line 1 column"),
    ] {
        assert_broken(&read(reply), what);
        assert_broken(&read(reply), "`json` reply: ");
    }
    assert_broken(&read(b"{\"body\":\"\xff\"}"), "line 1 column");
}

#[test]
fn what_is_too_much_is_refused_with_its_figure() {
    let small = Call { max_reply: 10, ..call() };
    let body = |len: usize| format!("{{\"body\":\"{}\"}}", "x".repeat(len));
    assert_eq!(exchange(Format::Json, &small, body(10)), answered(200, &[], "xxxxxxxxxx"));
    assert_broken(&exchange(Format::Json, &small, body(11)), "longer than `max_reply`, 10 bytes");
    let endless = format!("{{\"body\":\"{}", "x".repeat(66_000));
    let mut session = Session::new(Format::Json);
    session.encode(&small).unwrap();
    let pieces = endless.as_bytes().chunks(1000).map(Bytes::copy_from_slice);
    assert_broken(&feed(&mut session, pieces), "longer than `max_reply`, 10 bytes");
}

#[test]
fn white_space_between_exchanges_is_fine_and_nothing_else_is() {
    let mut session = Session::new(Format::Json);
    for n in 0..3 {
        session.encode(&call()).unwrap();
        let reply = format!("\n{{\"body\":\"{n}\"}}\n");
        assert_eq!(feed(&mut session, [reply.into()]), answered(200, &[], n.to_string()));
        session.idle(Bytes::from_static(b" \r\n\t")).unwrap();
    }
    assert_eq!(read("{\"body\":\"b\"}\n{"), Verdict::Answer(Ok(Reply::ok("b")), true));
}

#[test]
fn an_end_in_the_middle_says_how_far_it_came() {
    let mut session = Session::new(Format::Json);
    session.encode(&call()).unwrap();
    session.feed(Bytes::from_static(b"{\"body\"")).unwrap();
    assert_eq!(
        session.end(),
        Err(Broken("`json` reply: stdout ended before its object was whole: after 7 bytes".into()))
    );
}

#[test]
fn eight_mebibytes_pass_both_ways() {
    let body = Bytes::from("caf\u{e9} \"\n".repeat(1 << 20));
    let mut session = Session::new(Format::Json);
    let written = session.encode(&Call { body: &body, ..call() }).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&written.head).unwrap();
    assert_eq!(read["body"].as_str().map(str::as_bytes), Some(&body[..]));
    // The reply has the same fields in the same place.
    let pieces = written.head.chunks(65_536).map(Bytes::copy_from_slice);
    match feed(&mut session, pieces) {
        Verdict::Answer(Ok(got), false) => assert!(got.body == body),
        other => panic!("{other:?}"),
    }
}
