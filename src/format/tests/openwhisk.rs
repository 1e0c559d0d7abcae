//! `openwhisk`: what is written, and what becomes of each answer.

use super::call;
use crate::error::{Error, ErrorKind};
use crate::format::{Call, Encoded, First, Init, Progress, Session};
use crate::function::Format;
use crate::invocation::{Caller, Reply};
use bytes::Bytes;
use serde_json::{Value, json};

fn init() -> Init {
    Init {
        namespace: "guest".into(),
        name: "hello".into(),
        main: "main".into(),
        file: "hello.js".into(),
        code: Bytes::from_static(b"function main() {}"),
        binary: false,
        env: [("LEVEL".to_owned(), "info".to_owned())].into(),
    }
}

fn sent(written: &Encoded) -> (String, Value) {
    let head = String::from_utf8(written.head.to_vec()).unwrap();
    let length = format!("Content-Length: {}\r\n", written.body.len());
    assert!(head.contains(&length) && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/json\r\n"), "{head}");
    (head.lines().next().unwrap().to_owned(), serde_json::from_slice(&written.body).unwrap())
}

fn http(status: u16, body: &str) -> Bytes {
    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

fn done(session: &mut Session, answer: Bytes) -> (Result<Reply, Error>, bool) {
    match session.feed(answer).unwrap() {
        Progress::Done { answer, stray } => (answer, stray),
        other => panic!("{other:?}"),
    }
}

fn ready() -> Session {
    let mut session = Session::new(Format::Openwhisk);
    session.initialise(&init(), None).unwrap();
    assert!(matches!(done(&mut session, http(200, r#"{"ok":true}"#)), (Ok(_), false)));
    session
}

fn asked(body: &'static str) -> Session {
    let mut session = ready();
    let body = Bytes::from_static(body.as_bytes());
    session.encode(&Call { body: &body, ..call() }).unwrap();
    session
}

#[test]
fn an_init_and_a_run_are_written_as_the_contract_has_them() {
    let mut session = Session::new(Format::Openwhisk);
    let (line, body) = sent(&session.initialise(&init(), None).unwrap());
    assert_eq!(line, "POST /init HTTP/1.1");
    let expected = json!({"value": {
        "name": "hello", "main": "main", "code": "function main() {}", "binary": false,
        "env": {
            "LEVEL": "info", "__OW_NAMESPACE": "guest", "__OW_ACTION_NAME": "/guest/hello",
            "__OW_ACTION_VERSION": "0.0.1",
        },
    }});
    assert_eq!(body, expected);
    assert!(done(&mut session, http(200, "{}")).0.is_ok());
    let arguments = Bytes::from_static(br#" {"name": "you"}"#);
    let (line, body) =
        sent(&session.encode(&Call { namespace: "guest", body: &arguments, ..call() }).unwrap());
    assert_eq!(line, "POST /run HTTP/1.1");
    let id = call().id.to_string();
    let expected = json!({
        "value": {"name": "you"}, "namespace": "guest", "action_name": "/guest/echo",
        "action_version": "0.0.1", "activation_id": id, "transaction_id": id, "deadline": "1769791959786",
    });
    assert_eq!(body, expected);
    let (answer, stray) = done(&mut session, http(200, r#"{"greeting":"hello"}"#));
    assert_eq!((answer.unwrap().body, stray), (Bytes::from(r#"{"greeting":"hello"}"#), false));
    let (_, body) = sent(&session.encode(&Call { body: &Bytes::new(), ..call() }).unwrap());
    assert_eq!(body["value"], json!({}));
}

#[test]
fn an_actions_own_name_version_and_first_request_are_told() {
    let mut action = init();
    action.env.extend(
        [
            ("__OW_ACTION_NAME", "/guest/tools/hello"),
            ("__OW_ACTION_VERSION", "0.0.7"),
            ("__OW_NAMESPACE", "guest"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    action.binary = true;
    let caller = Caller { namespace: "other", transaction: "tid", key: Some("u:k") };
    let first = First { id: call().id, deadline: call().deadline, caller: Some(caller) };
    let mut session = Session::new(Format::Openwhisk);
    let (_, told) = sent(&session.initialise(&action, Some(first)).unwrap());
    let (value, id) = (&told["value"], call().id.to_string());
    assert_eq!((&value["name"], &value["binary"]), (&json!("hello"), &json!(true)));
    assert_eq!(value["code"], "ZnVuY3Rpb24gbWFpbigpIHt9", "in base64");
    let expected = json!({
        "LEVEL": "info", "__OW_NAMESPACE": "other", "__OW_ACTION_NAME": "/guest/tools/hello",
        "__OW_ACTION_VERSION": "0.0.7", "__OW_ACTIVATION_ID": id, "__OW_TRANSACTION_ID": "tid",
        "__OW_DEADLINE": "1769791959786", "__OW_API_KEY": "u:k",
    });
    assert_eq!(value["env"], expected);
    assert!(done(&mut session, http(200, "{}")).0.is_ok());
    let (_, run) = sent(
        &session.encode(&Call { caller: Some(caller), env: &action.env, ..call_of(&Bytes::new()) }).unwrap(),
    );
    assert_eq!(
        run,
        json!({
            "value": {}, "namespace": "other", "action_name": "/guest/tools/hello", "action_version": "0.0.7",
            "activation_id": id, "transaction_id": "tid", "deadline": "1769791959786", "api_key": "u:k",
        })
    );
    action.code = Bytes::new();
    let (_, told) = sent(&Session::new(Format::Openwhisk).initialise(&action, None).unwrap());
    assert_eq!(told["value"].get("code"), None, "an image that has its code is told none");
}

#[test]
fn arguments_that_are_no_object_are_the_callers_fault() {
    let mut session = ready();
    for body in ["\"x\"", "nonsense", "1", r#"{"a":"#] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let error = session.encode(&Call { body: &body, ..call() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    session.encode(&call_of(&Bytes::from_static(b"{}"))).unwrap();
}

fn call_of(body: &Bytes) -> Call<'_> {
    Call { body, ..call() }
}

#[test]
fn each_outcome_of_a_run_is_told_in_the_contracts_words() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let cut = format!(
        "The action produced a response that exceeded the allowed length: {} > 1048576 bytes. \
         The truncated response was: {}",
        long.len(),
        &long[..1024]
    );
    let failures = [
        (http(502, r#"{"error":"it threw"}"#), "it threw"),
        (http(502, r#"{"error":{"code":3}}"#), r#"{"code":3}"#),
        (http(500, ""), "The action did not produce a valid JSON or JSON Array response."),
        (http(200, "plain"), "The action did not produce a valid JSON or JSON Array response: plain"),
        (http(200, "1"), "The action did not produce a valid JSON or JSON Array response: 1"),
        (http(200, &long), cut.as_str()),
    ];
    for (answer, message) in failures {
        let (answer, stray) = done(&mut asked("{}"), answer);
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.message(), stray), (ErrorKind::FunctionFailed, message, true));
    }
    for body in [r#"{"error":"an application's own"}"#, "[1,2]", "{}"] {
        let (answer, stray) = done(&mut asked("{}"), http(200, body));
        assert_eq!((answer.unwrap().body, stray), (Bytes::copy_from_slice(body.as_bytes()), false));
    }
    assert_eq!(
        asked("{}").end().unwrap_err().to_string(),
        "The action did not produce a valid response and exited unexpectedly."
    );
}

#[test]
fn each_outcome_of_an_init_is_told_in_the_contracts_words() {
    for (answer, message) in [
        (http(502, r#"{"error":"no main"}"#), "no main"),
        (
            http(403, r#"{"error":"Cannot initialize the action more than once."}"#),
            "Cannot initialize the action more than once.",
        ),
        (http(502, "oops"), "The action failed during initialization: oops"),
        (http(500, ""), "The action failed during initialization."),
    ] {
        let mut session = Session::new(Format::Openwhisk);
        session.initialise(&init(), None).unwrap();
        let (answer, stray) = done(&mut session, answer);
        assert_eq!((answer.unwrap_err().message(), stray), (message, true));
    }
    let mut session = Session::new(Format::Openwhisk);
    session.initialise(&init(), None).unwrap();
    assert_eq!(
        session.end().unwrap_err().to_string(),
        "The action did not initialize and exited unexpectedly."
    );
}
