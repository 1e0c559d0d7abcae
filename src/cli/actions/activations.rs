//! `kiln activations`: the records.

use super::api::Api;
use super::args::Activations;
use crate::cli::args::Output;
use crate::cli::output::{show, table};
use crate::error::Error;
use crate::manifest::parse_duration;
use comfy_table::Table;
use serde_json::Value;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(in crate::cli) async fn activations(args: Activations, output: Output) -> anyhow::Result<ExitCode> {
    let mut path = format!("activations?limit={}", args.limit);
    if let Some(name) = &args.name {
        path.push_str(&format!("&name={name}"));
    }
    if let Some(since) = &args.since {
        path.push_str(&format!("&since={}", moment(since, SystemTime::now())?));
    }
    let api = Api::new(&args.target).await?;
    let asked = api.ask("GET", &path, None).await;
    api.close().await?;
    let (_, rows) = asked?;
    show(output, &rows, rows_table)?;
    Ok(ExitCode::SUCCESS)
}

/// A moment in milliseconds since 1970, given as one or as how long ago it was.
fn moment(text: &str, now: SystemTime) -> Result<u64, Error> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let ago = parse_duration(text).map_err(|why| Error::invalid(format!("`--since` is {text:?}, {why}")))?;
    let since =
        now.checked_sub(ago).and_then(|then| then.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn rows_table(rows: &Value) -> Table {
    let heading = ["STARTED", "ID", "KIND", "START", "DURATION", "STATUS", "ACTION"];
    let mut table = table(&heading, &["DURATION"]);
    for row in rows.as_array().into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or_default();
        let annotation = |key: &str| {
            let pairs = row.get("annotations").and_then(Value::as_array).into_iter().flatten();
            let found = pairs.into_iter().find(|pair| pair.get("key").and_then(Value::as_str) == Some(key));
            let value = found.and_then(|pair| pair.get("value")).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let status = match number("statusCode") {
            0 => "success",
            1 => "application error",
            2 => "developer error",
            _ => "internal error",
        };
        let started = UNIX_EPOCH.checked_add(Duration::from_millis(number("start"))).unwrap_or(UNIX_EPOCH);
        table.add_row([
            humantime::format_rfc3339_millis(started).to_string(),
            text("activationId"),
            annotation("kind"),
            annotation("start"),
            format!("{}ms", number("duration")),
            status.to_owned(),
            annotation("path"),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_moment_is_given_as_one_or_as_how_long_ago() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(moment("12", now).unwrap(), 12);
        assert_eq!(moment("10s", now).unwrap(), 90_000);
        assert_eq!(moment("10m", now).unwrap(), 0);
        assert!(moment("soon", now).is_err());
    }

    #[test]
    fn a_row_says_what_ran_when_and_how_it_ended() {
        let annotations = json!([{"key": "kind", "value": "js"}, {"key": "start", "value": "warm"}, {"key": "path", "value": "guest/a"}]);
        let row = json!({"activationId": "ab", "start": 0, "duration": 3, "statusCode": 2, "annotations": annotations});
        let text = rows_table(&json!([row])).trim_fmt();
        let last: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(
            last,
            ["1970-01-01T00:00:00.000Z", "ab", "js", "warm", "3ms", "developer", "error", "guest/a"]
        );
    }
}
