//! A runtime's sandbox is given its function's source: `frame`, byte for byte, and what any answer to it does.

use super::*;
use crate::error::ErrorKind;
use crate::format::Init;
use proptest::prelude::*;

const ID: u64 = u64::MAX;

fn hello() -> Init {
    Init {
        namespace: "_".into(),
        name: "hello".into(),
        main: "main".into(),
        file: "hello.js".into(),
        code: "function main() {}".into(),
        binary: false,
        env: [("A".to_owned(), "1".to_owned())].into(),
    }
}

/// A session that has written its init.
fn begun() -> Session {
    let mut session = Session::new(Format::Frame);
    session.initialise(&hello(), None).unwrap();
    session
}

/// What comes of an answer in one piece.
fn read(answer: impl AsRef<[u8]>) -> Verdict {
    feed(&mut begun(), [Bytes::copy_from_slice(answer.as_ref())])
}

fn booted() -> Vec<u8> {
    framed(1, 0, "", b"")
}

fn loaded() -> Vec<u8> {
    framed(1, ID, "", b"")
}

#[test]
fn an_archive_is_refused_by_a_format_of_sources() {
    let archive = Init { binary: true, ..hello() };
    let error = Session::new(Format::Frame).initialise(&archive, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn it_is_written_as_the_format_gives_it() {
    let init = hello();
    let written = Session::new(Format::Frame).initialise(&init, None).unwrap();
    let meta = r#"{"env":{"A":"1"},"file":"hello.js","main":"main","name":"hello","namespace":"_"}"#;
    assert_eq!(wire(&written), framed(5, ID, meta, b"function main() {}"));
    assert_eq!(written.body.as_ptr(), init.code.as_ptr(), "the source isn't copied");
}

#[test]
fn w22_its_answer_is_ready_or_the_functions_error() {
    let done = answered(200, &[], "");
    assert_eq!(read(loaded()), done);
    // A container's first word may come only now.
    assert_eq!(read([booted(), loaded()].concat()), done);
    let error = || Verdict::Answer(Err("hello.js:1: SyntaxError".into()), false);
    assert_eq!(read(framed(4, ID, "", b"hello.js:1: SyntaxError")), error());
    assert_eq!(read([booted(), framed(4, ID, "", b"hello.js:1: SyntaxError")].concat()), error());
    assert_eq!(read(booted()), Verdict::Waiting);
}

#[test]
fn any_other_answer_is_a_breach() {
    for (answer, what) in [
        (framed(3, ID, "", b"{}"), "a response (kind 3) came while the function's code was to be loaded"),
        (framed(4, 0, "", b"x"), "a reply to call 0 came where one to call 18446744073709551615"),
        (framed(1, ID, "", b"x"), "announces 1 bytes, not 0"),
        ([booted(), booted()].concat(), "came twice"),
        ([booted(), framed(1, 7, "", b"")].concat(), "came twice"),
        (framed(4, ID, "", &[b'x'; 2 << 20]), "`max_reply` is 1048576 bytes"),
        (b"hello\n".to_vec(), "stdout belongs to frames"),
    ] {
        assert_broken(&read(answer), what);
    }
    let mut early = Session::new(Format::Frame);
    early.initialise(&hello(), None).unwrap();
    assert!(early.idle(loaded().into()).is_err(), "what lay there before can't be its answer");
}

#[test]
fn requests_follow_and_say_their_id() {
    let mut session = begun();
    assert_eq!(feed(&mut session, [loaded().into()]), answered(200, &[], ""));
    assert!(!session.awaits_ready());
    let written = session.encode(&call()).unwrap();
    let id = call().id;
    let meta = format!(r#"{{"deadline_ms":1769791959786,"method":"POST","path":"/?x=1","id":"{id}"}}"#);
    assert_eq!(wire(&written), framed(2, id.low(), &meta, b"world"));
    assert_eq!(feed(&mut session, [framed(3, id.low(), "", b"{}").into()]), answered(200, &[], "{}"));
    assert!(session.idle(loaded().into()).is_err(), "it is loaded once");
}

#[test]
fn a_runtime_that_was_loaded_before_it_started_is_told_ids_too() {
    let mut session = Session::loaded(Format::Frame);
    assert!(session.awaits_ready());
    let written = session.encode(&call()).unwrap();
    let id = format!(r#","id":"{}"}}"#, call().id);
    assert!(String::from_utf8_lossy(&written.head).ends_with(&id));
    let reply = [booted(), framed(3, call().id.low(), "", b"{}")].concat();
    assert_eq!(feed(&mut session, [reply.into()]), answered(200, &[], "{}"));
}

#[test]
fn nothing_is_asked_before_it_is_answered() {
    let mut session = begun();
    assert_eq!(session.encode(&call()).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(session.initialise(&hello(), None).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(feed(&mut session, [loaded().into()]), answered(200, &[], ""));
    session.encode(&call()).unwrap();
}

#[test]
fn what_can_not_be_carried_is_refused_and_changes_nothing() {
    let mut session = Session::new(Format::Frame);
    let mut large = hello();
    large.env.insert("BIG".into(), "x".repeat(70_000));
    let error = session.initialise(&large, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("at most 65535"), "{error}");
    session.initialise(&hello(), None).unwrap();
    for format in Format::ALL.into_iter().filter(|format| !format.carries_source()) {
        assert_eq!(Session::new(format).initialise(&hello(), None).unwrap_err().kind(), ErrorKind::Internal);
    }
}

/// Answers of every shape.
fn answers() -> Vec<Vec<u8>> {
    let failed = framed(4, ID, "{}", b"hello.js:1: no main");
    vec![loaded(), failed.clone(), [booted(), loaded()].concat(), [booted(), failed].concat()]
}

#[test]
fn an_answer_cut_anywhere_reads_the_same() {
    for answer in answers() {
        let whole = read(&answer);
        assert!(matches!(whole, Verdict::Answer(_, false)), "{whole:?}");
        for at in 0..=answer.len() {
            let (a, b) = answer.split_at(at);
            let pieces = [a, b].map(Bytes::copy_from_slice);
            assert_eq!(feed(&mut begun(), pieces), whole, "at {at}");
        }
        let single = answer.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
        assert_eq!(feed(&mut begun(), single), whole);
    }
}

proptest! {
    #[test]
    fn a_mutated_answer_never_panics_and_never_loads_by_chance(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut answer = which.get(&answers()).clone();
        for (at, byte, how) in edits {
            let at = at.index(answer.len());
            match how {
                0 => answer[at] = byte,
                1 => answer.insert(at, byte),
                _ if answer.len() > 1 => { answer.remove(at); }
                _ => {}
            }
        }
        let whole = read(&answer);
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(answer.len() + 1)).collect();
        at.sort_unstable();
        let ends = at.iter().copied().chain([answer.len()]);
        let mut from = 0;
        let pieces: Vec<_> = ends.map(|to| {
            let piece = Bytes::copy_from_slice(&answer[from..to]);
            from = to;
            piece
        }).collect();
        let cut = feed(&mut begun(), pieces);
        match (&whole, &cut) {
            (Verdict::Broken(_), Verdict::Broken(_)) => {}
            _ => prop_assert_eq!(&whole, &cut),
        }
        if let Verdict::Answer(Ok(reply), _) = &whole {
            prop_assert!(answer.windows(16).any(|window| window == loaded()), "{:?}", reply);
        }
    }

    #[test]
    fn hostile_answers_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
        let mut session = begun();
        feed(&mut session, pieces.into_iter().map(Bytes::from));
        let _ = session.end();
    }

    #[test]
    fn whatever_a_function_is_called_its_init_can_be_read_back(
        name in "\\PC{0,20}", file in "\\PC{0,20}", key in "\\PC{1,9}", value in "\\PC{0,20}",
        code in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let init = Init { name: name.clone(), file, env: [(key.clone(), value.clone())].into(), code: code.clone().into(), ..hello() };
        let written = wire(&Session::new(Format::Frame).initialise(&init, None).unwrap());
        let meta_len = usize::from(u16::from_le_bytes([written[6], written[7]]));
        let meta: serde_json::Value = serde_json::from_slice(&written[16..16 + meta_len]).unwrap();
        prop_assert_eq!(meta["name"].as_str(), Some(name.as_str()));
        prop_assert_eq!(meta["env"][&key].as_str(), Some(value.as_str()));
        prop_assert_eq!(&written[16 + meta_len..], &code[..]);
    }
}
