//! `openwhisk`: OpenWhisk's container contract. `POST /init` tells a sandbox once which action it is, `POST /run` is a
//! request, both HTTP/1.1 over one connection to a server in the sandbox.
//!
//! A request's body is the action's arguments, a JSON object, an array or nothing; its reply is the JSON object or array that the
//! action gave. One that has the key `error` is a reply, too: what that means is its caller's matter. Everything else is
//! the function's failure, in OpenWhisk's own words, and costs the sandbox as it does there.

use super::response::{Awaited, Reader};
use super::text::{excerpt, put};
use super::{Broken, Call, Encoded, First, Init, Progress, Wire};
use crate::error::{Error, Result};
use crate::invocation::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest result, in bytes, where `max_reply` isn't less; of a longer one the beginning is told, as an error.
const RESULT: usize = 1 << 20;
/// As much of such a result is shown.
const SHOWN: usize = 1 << 10;
/// The longest answer that is read, in bytes: of a longer one nothing is told.
const LONGEST: u64 = 16 << 20;
/// Any answer is read whole.
const ANSWER: Awaited = Awaited { limit: LONGEST, parts_above: usize::MAX, to_head: false };
/// Of functions that aren't actions, which have revisions instead.
const VERSION: &str = "0.0.1";

/// What actions have in their environment says, too, who they are.
const NAMESPACE: &str = "__OW_NAMESPACE";
const ACTION: &str = "__OW_ACTION_NAME";
const ACTION_VERSION: &str = "__OW_ACTION_VERSION";

const NO_INIT: &str = "The action did not initialize and exited unexpectedly.";
const NO_RUN: &str = "The action did not produce a valid response and exited unexpectedly.";

/// The reader's side.
#[derive(Debug, Default)]
pub(super) struct Openwhisk {
    http: Reader,
    /// Whether the answer that is awaited is to `/init`.
    begins: bool,
    /// The longest result that is taken, in bytes.
    most: usize,
}

#[derive(Serialize)]
struct InitBody<'a> {
    value: InitValue<'a>,
}

#[derive(Serialize)]
struct InitValue<'a> {
    name: &'a str,
    main: &'a str,
    /// Nothing where the sandbox has it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    binary: bool,
    env: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct RunBody<'a> {
    namespace: &'a str,
    action_name: &'a str,
    action_version: &'a str,
    activation_id: String,
    transaction_id: Cow<'a, str>,
    deadline: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

impl Wire for Openwhisk {
    fn initialise(&mut self, init: &Init, first: Option<First<'_>>) -> Result<Encoded> {
        let code =
            match init.binary {
                _ if init.code.is_empty() => None,
                true => Some(Cow::Owned(STANDARD.encode(&init.code))),
                false => Some(Cow::Borrowed(std::str::from_utf8(&init.code).map_err(|_| {
                    Error::invalid("the code isn't text: what is binary has to be declared so")
                })?)),
            };
        let own = Own::of(&init.env, &init.namespace, &init.name);
        let mut env: BTreeMap<&str, &str> =
            init.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let caller = first.and_then(|first| first.caller);
        env.insert(NAMESPACE, caller.map_or(own.namespace, |caller| caller.namespace));
        env.insert(ACTION, &own.action);
        env.insert(ACTION_VERSION, own.version);
        let of_first = first.map(|first| (first.id.to_string(), since_epoch(first.deadline)));
        if let Some((id, deadline)) = &of_first {
            env.insert("__OW_ACTIVATION_ID", id);
            env.insert("__OW_TRANSACTION_ID", caller.map_or(id, |caller| caller.transaction));
            env.insert("__OW_DEADLINE", deadline);
        }
        if let Some(key) = caller.and_then(|caller| caller.key) {
            env.insert("__OW_API_KEY", key);
        }
        let name = own.action.rsplit('/').next().unwrap_or_default();
        let value = InitValue { name, main: &init.main, code, binary: init.binary, env };
        let request = post("/init", json(&InitBody { value })?, &mut BytesMut::new());
        self.begins = true;
        self.http.awaits(ANSWER);
        Ok(request)
    }

    fn write(&mut self, call: &Call<'_>, scratch: &mut BytesMut) -> Result<Encoded> {
        let arguments: &[u8] = if call.body.is_empty() { b"{}" } else { call.body };
        if !begins_with(arguments, b"{[") {
            return Err(Error::invalid(format!(
                "the body is no JSON object or array, which an action's arguments are: it begins {}",
                excerpt(arguments)
            )));
        }
        let own = Own::of(call.env, call.namespace, call.function);
        let id = call.id.to_string();
        let about = json(&RunBody {
            namespace: call.caller.map_or(own.namespace, |caller| caller.namespace),
            action_name: &own.action,
            action_version: own.version,
            transaction_id: call.caller.map_or_else(|| id.clone().into(), |caller| caller.transaction.into()),
            activation_id: id,
            deadline: since_epoch(call.deadline),
            api_key: call.caller.and_then(|caller| caller.key),
        })?;
        // The arguments go as they came, before what is written about them without its first brace.
        let about = about.get(1..).unwrap_or_default();
        let body = [&br#"{"value":"#[..], arguments, b",", about].concat();
        let request = post("/run", body, scratch);
        self.begins = false;
        // A caller who is known judges the length of results itself, and makes a record of those that are too long.
        let most = usize::try_from(call.max_reply).unwrap_or(usize::MAX);
        self.most = if call.caller.is_some() { most } else { RESULT.min(most) };
        self.http.awaits(ANSWER);
        Ok(request)
    }

    fn idle(&mut self, bytes: Bytes) -> Result<(), Broken> {
        self.http.idle(&bytes)
    }

    fn read(&mut self, piece: Bytes) -> Result<Progress, Broken> {
        Ok(match self.http.read(piece)? {
            Progress::Done { answer: Ok(reply), stray } => {
                let answer = if self.begins { initialised(&reply) } else { ran(reply, self.most) };
                // OpenWhisk gives up a container whose code has failed.
                let stray = stray || answer.is_err();
                Progress::Done { answer, stray }
            }
            progress => progress,
        })
    }

    fn end(&mut self) -> Result<Reply, Broken> {
        Err(Broken(if self.begins { NO_INIT } else { NO_RUN }.into()))
    }
}

/// Who a sandbox is: an action's environment says so, in its own words; of other functions it is put together.
struct Own<'a> {
    namespace: &'a str,
    action: Cow<'a, str>,
    version: &'a str,
}

impl<'a> Own<'a> {
    fn of(env: &'a BTreeMap<String, String>, namespace: &'a str, name: &str) -> Self {
        let told = |variable: &str| env.get(variable).map(String::as_str);
        Self {
            namespace: told(NAMESPACE).unwrap_or(namespace),
            action: told(ACTION).map_or_else(|| format!("/{namespace}/{name}").into(), Cow::Borrowed),
            version: told(ACTION_VERSION).unwrap_or(VERSION),
        }
    }
}

/// A moment as actions are told it: milliseconds of the epoch, as text.
fn since_epoch(moment: SystemTime) -> String {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

fn json(of: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(of).map_err(|error| Error::internal(format!("a request can't be written: {error}")))
}

/// Whether it is JSON of a kind that begins with one of these.
fn begins_with(text: &[u8], firsts: &[u8]) -> bool {
    let first = text.trim_ascii_start().first();
    first.is_some_and(|first| firsts.contains(first)) && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn post(path: &str, body: Vec<u8>, scratch: &mut BytesMut) -> Encoded {
    put(
        scratch,
        format_args!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ),
    );
    Encoded { head: scratch.split().freeze(), body: body.into(), ..Encoded::default() }
}

fn initialised(reply: &Reply) -> Result<Reply> {
    match reply.status {
        200 => Ok(Reply::ok(Bytes::new())),
        _ => Err(failed(&reply.body, "The action failed during initialization")),
    }
}

fn ran(reply: Reply, most: usize) -> Result<Reply> {
    const INVALID: &str = "The action did not produce a valid JSON or JSON Array response";
    let length = reply.body.len();
    if length > most {
        let shown = String::from_utf8_lossy(reply.body.get(..SHOWN).unwrap_or_default()).into_owned();
        return Err(Error::failed(format!(
            "The action produced a response that exceeded the allowed length: {length} > {most} bytes. \
             The truncated response was: {shown}"
        )));
    }
    if reply.status == 200 && begins_with(&reply.body, b"{[") {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        return Ok(Reply { headers, ..reply });
    }
    Err(failed(&reply.body, INVALID))
}

/// The action's own word for what went wrong, else what OpenWhisk says, with what it was given.
fn failed(body: &[u8], otherwise: &str) -> Error {
    #[derive(serde::Deserialize)]
    struct Own {
        error: serde_json::Value,
    }
    if let Ok(Own { error }) = serde_json::from_slice(body) {
        return Error::failed(error.as_str().map_or_else(|| error.to_string(), str::to_owned));
    }
    let shown = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body)).into_owned();
    Error::failed(if shown.is_empty() { format!("{otherwise}.") } else { format!("{otherwise}: {shown}") })
}
