//! What an action may take: OpenWhisk's limits, their ranges and the sentences that refuse what is outside.

use super::refusal::{Refusal, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// An action's limits, in OpenWhisk's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// The longest that a run may take, in milliseconds.
    pub(super) timeout: u64,
    /// Memory of one sandbox, in MB of 1,048,576 bytes.
    pub(super) memory: u64,
    /// Log of one run, in MB.
    pub(super) logs: u64,
    /// Requests that one sandbox serves at once.
    pub(super) concurrency: u64,
}

/// A value's default and the range it must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The smallest.
    pub min: u64,
    /// What holds where none is given.
    pub default: u64,
    /// The largest.
    pub max: u64,
}

/// What actions may be given at most, and requests carry at most. The defaults are OpenWhisk's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Milliseconds that a run may take.
    pub timeout: Range,
    /// MB of memory of one sandbox.
    pub memory: Range,
    /// MB of log of one run.
    pub logs: Range,
    /// Requests that one sandbox serves at once.
    pub concurrency: Range,
    /// Bytes of a request's parameters.
    pub max_payload: u64,
    /// Bytes of a result; what is longer is an application error that shows its beginning.
    pub max_result: u64,
    /// Bytes of an action's code, as it is sent.
    pub max_code: u64,
    /// Bytes of the parameters, and of the annotations, that an action or a package is declared with.
    pub max_parameters: u64,
    /// The longest that a blocking invocation is waited for.
    pub max_wait: Duration,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            timeout: Range { min: 100, default: 60_000, max: 300_000 },
            memory: Range { min: 128, default: 256, max: 512 },
            logs: Range { min: 0, default: 10, max: 10 },
            concurrency: Range { min: 1, default: 1, max: 500 },
            max_payload: MIB,
            max_result: MIB,
            max_code: 48 * MIB,
            max_parameters: MIB,
            max_wait: Duration::from_secs(60),
        }
    }
}

impl Ranges {
    /// The limits of an action that gives none.
    pub(super) fn defaults(&self) -> Limits {
        Limits {
            timeout: self.timeout.default,
            memory: self.memory.default,
            logs: self.logs.default,
            concurrency: self.concurrency.default,
        }
    }

    /// `base` with what a `PUT` gives of `limits`; each value given must be within its range.
    pub(super) fn read(&self, given: &Value, base: Limits) -> Result<Limits> {
        let Some(given) = given.as_object() else {
            return Err(Refusal::malformed("no valid json object passed"));
        };
        let number = |key: &str, called: &str| match given.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match whole(value) {
                Some(number) => Ok(Some(number)),
                None if value.is_number() => {
                    Err(Refusal::malformed(format!("{called} limit must be whole number")))
                }
                None => Err(Refusal::malformed(format!("{called} limit malformed"))),
            },
        };
        let timeout = number("timeout", "time")?;
        let memory = number("memory", "memory")?;
        let logs = number("logs", "log")?;
        let concurrency = number("concurrency", "concurrency")?;
        memory.map_or(Ok(()), |value| size("memory", value, self.memory))?;
        timeout.map_or(Ok(()), |value| duration(value, self.timeout))?;
        logs.map_or(Ok(()), |value| size("log", value, self.logs))?;
        concurrency.map_or(Ok(()), |value| at_once(value, self.concurrency))?;
        let positive =
            |value: Option<i64>, base| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(base);
        Ok(Limits {
            timeout: positive(timeout, base.timeout),
            memory: positive(memory, base.memory),
            logs: positive(logs, base.logs),
            concurrency: positive(concurrency, base.concurrency),
        })
    }

    /// As `GET /namespaces/{ns}/limits` has them.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "minActionMemory": self.memory.min, "maxActionMemory": self.memory.max,
            "minActionLogs": self.logs.min, "maxActionLogs": self.logs.max,
            "minActionTimeout": self.timeout.min, "maxActionTimeout": self.timeout.max,
            "minActionConcurrency": self.concurrency.min, "maxActionConcurrency": self.concurrency.max,
            "maxParameterSize": format!("{} B", self.max_parameters),
        })
    }
}

/// A whole number, written as one or as `1.0`.
fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    value.as_i64().or_else(|| float().map(|number| number as i64))
}

fn outside(value: i64, range: Range) -> Option<(&'static str, u64)> {
    match u64::try_from(value) {
        Ok(value) if value > range.max => Some(("exceeds", range.max)),
        Ok(value) if value >= range.min => None,
        _ => Some(("below", range.min)),
    }
}

fn size(field: &str, value: i64, range: Range) -> Result<()> {
    outside(value, range).map_or(Ok(()), |(how, allowed)| {
        Err(Refusal::bad(format!("{field} size {value} MB {how} allowed threshold of {allowed} MB")))
    })
}

fn duration(value: i64, range: Range) -> Result<()> {
    outside(value, range).map_or(Ok(()), |(how, allowed)| {
        let text = format!("duration {value} milliseconds {how} allowed threshold of {allowed} milliseconds");
        Err(Refusal::bad(text))
    })
}

fn at_once(value: i64, range: Range) -> Result<()> {
    outside(value, range).map_or(Ok(()), |(how, allowed)| {
        Err(Refusal::bad(format!("concurrency {value} {how} allowed threshold of {allowed}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: Value) -> Result<Limits> {
        let ranges = Ranges::default();
        ranges.read(&given, ranges.defaults())
    }

    #[test]
    fn what_isnt_given_stays() {
        let ranges = Ranges::default();
        let base = read(json!({"timeout": 1000, "memory": 128})).unwrap();
        assert_eq!((base.timeout, base.memory, base.logs), (1000, 128, 10));
        let updated = ranges.read(&json!({"memory": 512.0}), base).unwrap();
        assert_eq!((updated.timeout, updated.memory), (1000, 512));
    }

    #[test]
    fn what_is_outside_is_refused_in_openwhisks_words() {
        for (given, text) in [
            (json!({"memory": 513}), "memory size 513 MB exceeds allowed threshold of 512 MB"),
            (json!({"memory": 127}), "memory size 127 MB below allowed threshold of 128 MB"),
            (json!({"memory": -1}), "memory size -1 MB below allowed threshold of 128 MB"),
            (json!({"timeout": 99}), "duration 99 milliseconds below allowed threshold of 100 milliseconds"),
            (
                json!({"timeout": 300_001}),
                "duration 300001 milliseconds exceeds allowed threshold of 300000 milliseconds",
            ),
            (json!({"logs": 11}), "log size 11 MB exceeds allowed threshold of 10 MB"),
            (json!({"concurrency": 501}), "concurrency 501 exceeds allowed threshold of 500"),
            (json!({"concurrency": 0}), "concurrency 0 below allowed threshold of 1"),
            (json!({"memory": 1.5}), "The request content was malformed:\nmemory limit must be whole number"),
            (json!({"timeout": "1s"}), "The request content was malformed:\ntime limit malformed"),
            (json!([]), "The request content was malformed:\nno valid json object passed"),
        ] {
            let refusal = read(given.clone()).unwrap_err();
            assert_eq!((refusal.status, &*refusal.text), (400, text), "{given}");
        }
    }
}
