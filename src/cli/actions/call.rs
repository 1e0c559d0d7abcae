//! `kiln invoke` of an action, through OpenWhisk's API.

use super::api::Api;
use super::args::Target;
use super::pairs;
use crate::cli::output;
use crate::error::ErrorKind;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// What a caller wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Wanted {
    Activation,
    Result,
    /// Its id, without waiting.
    Id,
}

/// Calls an action with parameters: those of a JSON object that is given as the body, under those given one by one.
pub(in crate::cli) async fn call(
    target: &Target,
    name: &str,
    wanted: Wanted,
    body: Map<String, Value>,
    params: &[String],
) -> anyhow::Result<ExitCode> {
    let mut arguments = body;
    arguments.extend(pairs::object(params)?);
    let query = match wanted {
        Wanted::Id => "",
        // The whole activation is asked for: only there it says whether it timed out.
        Wanted::Activation | Wanted::Result => "?blocking=true",
    };
    let api = Api::new(target).await?;
    let asked = api.ask("POST", &format!("actions/{name}{query}"), Some(&Value::Object(arguments))).await;
    api.close().await?;
    let (status, answer) = asked?;
    if status == 202 {
        let id = answer.get("activationId").and_then(Value::as_str).unwrap_or_default();
        if wanted != Wanted::Id {
            output::note("kiln: it goes on; this is its activation's id");
        }
        output::write(format!("{id}\n").as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    // A list is answered bare.
    let result = answer.pointer("/response/result").unwrap_or(&answer);
    let shown = if wanted == Wanted::Result { result } else { &answer };
    output::write(format!("{shown:#}\n").as_bytes())?;
    Ok(ExitCode::from(code(status, &answer)))
}

/// The exit code of a run that ended.
fn code(status: u16, answer: &Value) -> u8 {
    let annotations = answer.get("annotations").and_then(Value::as_array).into_iter().flatten();
    let late = annotations.into_iter().any(|pair| {
        pair.get("key").and_then(Value::as_str) == Some("timeout")
            && pair.get("value") == Some(&Value::Bool(true))
    });
    match status {
        200 => 0,
        _ if late => ErrorKind::TimedOut.exit_code(),
        502 => ErrorKind::FunctionFailed.exit_code(),
        _ => ErrorKind::Unavailable.exit_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn exit_codes_are_the_tables() {
        let late = json!({"annotations": [{"key": "timeout", "value": true}]});
        let found = [(200, json!({})), (502, json!({})), (502, late), (500, json!({}))];
        assert_eq!(found.map(|(status, answer)| code(status, &answer)), [0, 1, 4, 5]);
    }
}
