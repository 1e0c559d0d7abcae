//! An activation: the record of one run.

use super::action::{Action, PROVIDE_API_KEY};
use super::kinds::SEQUENCE;
use super::limits::Limits;
use super::name::ActionName;
use super::params::Parameters;
use super::response::{Response, Status};
use super::version::Version;
use crate::invocation::{Outcome, Start};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A record, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Activation {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) subject: String,
    pub(super) activation_id: String,
    /// The activation that this one is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// Milliseconds since the epoch.
    pub(super) start: u64,
    /// Milliseconds since the epoch.
    pub(super) end: u64,
    /// Milliseconds of initialisation and run.
    pub(super) duration: u64,
    pub(super) response: Response,
    pub(super) logs: Vec<String>,
    pub(super) annotations: Parameters,
    pub(super) publish: bool,
}

/// What a record says of who asked for what: kept beside accepted work, whose action may be gone when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// Whose key asked for it.
    pub(super) subject: String,
    pub(super) action: ActionName,
    /// What it was called by, where that was a binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binding: Option<ActionName>,
    pub(super) version: Version,
    pub(super) kind: String,
    pub(super) limits: Limits,
    /// What the log calls the request that it came with.
    #[serde(default)]
    pub(super) transaction: String,
    /// Whether it is given its caller's key.
    #[serde(default)]
    pub(super) key: bool,
    /// The actions that it is a sequence of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) components: Vec<ActionName>,
    /// The sequence that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
}

impl About {
    pub(super) fn new(
        subject: &str,
        action: &Action,
        binding: Option<ActionName>,
        transaction: &str,
    ) -> Self {
        Self {
            subject: subject.to_owned(),
            action: action.name.clone(),
            binding,
            version: action.version,
            kind: action.exec.kind.clone(),
            limits: action.limits,
            transaction: transaction.to_owned(),
            key: action.annotations.flag(PROVIDE_API_KEY),
            components: action.exec.components.clone(),
            cause: None,
        }
    }

    /// Whether it is a sequence, and no function of the host's.
    pub(super) fn is_sequence(&self) -> bool {
        self.kind == SEQUENCE
    }
}

/// What one is made from.
pub(super) struct Ran<'a> {
    pub(super) id: String,
    pub(super) about: &'a About,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    /// What the host told of it; none where it never came to that.
    pub(super) outcome: Option<&'a Outcome>,
    pub(super) response: Response,
    pub(super) logs: Vec<String>,
}

impl Activation {
    /// The record of a run that ended so.
    pub(super) fn new(ran: Ran<'_>) -> Self {
        let Ran { id, about, began, ended, outcome, response, logs } = ran;
        let (began, ended) = (milliseconds(began), milliseconds(ended));
        let timings = outcome.map(|outcome| outcome.timings).unwrap_or_default();
        let start = outcome.and_then(|outcome| outcome.start);
        // As OpenWhisk has it, what a cold one's initialisation took is part of its duration, and what it waited isn't.
        let cold = matches!(start, Some(Start::Cold | Start::Recreated | Start::Warming));
        let cold = cold || start.is_some() && !timings.start.is_zero();
        let wait = timings.wait.as_millis() as u64;
        let duration = rounded(timings.start + timings.run);
        let mut annotations = Parameters::default();
        annotations.set("path", about.action.to_string());
        annotations.set("waitTime", wait);
        annotations.set("kind", about.kind.as_str());
        let result = outcome.map(|outcome| &outcome.result);
        let late = response.status == Status::DeveloperError
            && matches!(result, Some(Err(error)) if error.kind() == crate::ErrorKind::TimedOut);
        annotations.set("timeout", late);
        annotations.set("limits", json!(about.limits));
        if let Some(binding) = &about.binding {
            annotations.set("binding", binding.path());
        }
        if about.cause.is_some() {
            annotations.set("causedBy", SEQUENCE);
        }
        if cold {
            annotations.set("initTime", rounded(timings.start));
        }
        if let Some(start) = start {
            annotations.set("start", start.as_str());
        }
        if let Some(backend) = outcome.and_then(|outcome| outcome.backend) {
            annotations.set("backend", backend.as_str());
        }
        Self {
            namespace: about.subject.clone(),
            name: about.action.name.clone(),
            version: about.version,
            subject: about.subject.clone(),
            activation_id: id,
            cause: about.cause.clone(),
            start: ended.saturating_sub(duration).max(began),
            end: ended.max(began),
            duration,
            response,
            logs,
            annotations,
            publish: false,
        }
    }

    /// As a `GET` shows it.
    pub(super) fn as_json(&self) -> Value {
        let mut fields = self.head();
        fields.insert("subject".into(), json!(self.subject));
        fields.insert("response".into(), self.response.as_json());
        fields.insert("logs".into(), json!(self.logs));
        Value::Object(fields)
    }

    /// As a list shows it.
    pub(super) fn summary(&self) -> Value {
        let mut fields = self.head();
        fields.insert("statusCode".into(), json!(u8::from(self.response.status)));
        Value::Object(fields)
    }

    fn head(&self) -> Map<String, Value> {
        let fields = json!({
            "namespace": self.namespace, "name": self.name, "version": self.version, "publish": self.publish,
            "activationId": self.activation_id, "start": self.start, "end": self.end, "duration": self.duration,
            "annotations": self.annotations,
        });
        match fields {
            Value::Object(mut fields) => {
                if let Some(cause) = &self.cause {
                    fields.insert("cause".into(), json!(cause));
                }
                fields
            }
            _ => Map::new(),
        }
    }
}

/// Milliseconds since the epoch.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Whole milliseconds, the half rounded up; what took any time took one.
fn rounded(time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 { 0 } else { (micros.saturating_add(500) / 1000).max(1) }
}

/// A line of a log: its time padded to 30, its stream, its text.
pub(super) fn log_line(time: SystemTime, stream: &str, text: &str) -> String {
    format!("{:<30} {stream}: {text}", humantime::format_rfc3339_nanos(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BackendKind;
    use crate::invocation::{InvocationId, Phases, Reply, Timings};

    fn action() -> Action {
        let kept = json!({
            "namespace": "guest", "package": "tools", "name": "hello", "version": "0.0.3", "publish": false,
            "exec": {"kind": "nodejs:20"}, "parameters": [], "annotations": [],
            "limits": {"timeout": 100, "memory": 256, "logs": 10, "concurrency": 1}, "updated": 1
        });
        serde_json::from_value(kept).unwrap()
    }

    fn record(start: Start) -> Activation {
        let millis = Duration::from_millis;
        let timings = Timings {
            wait: millis(3),
            start: if start == Start::Warm { Duration::ZERO } else { millis(20) },
            run: Duration::from_micros(300),
        };
        let outcome = Outcome {
            id: InvocationId::new(),
            start: Some(start),
            backend: Some(BackendKind::Wasm),
            timings,
            phases: Phases::default(),
            result: Ok(Reply::ok("{}")),
        };
        let began = UNIX_EPOCH + Duration::from_secs(1000);
        let about = About::new("guest", &action(), None, "t");
        let ran = Ran {
            id: "0".repeat(32),
            about: &about,
            began,
            ended: began + millis(24),
            outcome: Some(&outcome),
            response: Response::of_reply(&Reply::ok("{}"), 100),
            logs: vec!["x".into()],
        };
        Activation::new(ran)
    }

    #[test]
    fn a_cold_run_says_how_long_its_initialisation_took_and_a_warm_one_doesnt() {
        let (cold, warm) = (record(Start::Cold), record(Start::Warm));
        assert_eq!(cold.annotations.get("initTime"), Some(&json!(20)));
        assert_eq!((cold.start, cold.end, cold.duration), (1_000_004, 1_000_024, 20));
        assert_eq!(warm.annotations.get("initTime"), None);
        assert_eq!((warm.start, warm.end, warm.duration), (1_000_023, 1_000_024, 1));
        for (key, value) in [
            ("path", json!("guest/tools/hello")),
            ("waitTime", json!(3)),
            ("kind", json!("nodejs:20")),
            ("timeout", json!(false)),
            ("start", json!("cold")),
            ("backend", json!("wasm")),
        ] {
            assert_eq!(cold.annotations.get(key), Some(&value), "{key}");
        }
    }

    #[test]
    fn lists_and_gets_show_what_clients_read() {
        let record = record(Start::Cold);
        let (row, whole) = (record.summary(), record.as_json());
        assert_eq!((&row["statusCode"], &row["name"], row.get("logs")), (&json!(0), &json!("hello"), None));
        assert_eq!((&whole["response"]["success"], &whole["logs"]), (&json!(true), &json!(["x"])));
        assert_eq!(whole["version"], "0.0.3");
        let kept = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<Activation>(&kept).unwrap(), record);
    }

    #[test]
    fn a_log_line_is_a_time_a_stream_and_a_text() {
        let line = log_line(UNIX_EPOCH + Duration::from_nanos(1), "stderr", "hello");
        assert_eq!(line, "1970-01-01T00:00:00.000000001Z stderr: hello");
    }
}
