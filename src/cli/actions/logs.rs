//! `kiln logs`: what a run wrote, or what new ones write.

use super::api::Api;
use super::args::Logs;
use crate::cli::output;
use crate::cli::signals::Ending;
use crate::error::{Error, ErrorKind};
use serde_json::Value;
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often it is asked what is new.
const LOOK: Duration = Duration::from_millis(500);
/// Activations that are remembered as shown: more than can begin in the time that is looked back.
const REMEMBERED: usize = 4096;
/// How far is looked back: records come in the order of their ends, and lists go by their starts.
const BACK: Duration = Duration::from_secs(600);

pub(in crate::cli) async fn logs(args: Logs) -> anyhow::Result<ExitCode> {
    if args.follow && args.target.local {
        return Err(Error::invalid("`--follow` needs a running server: leave out --local").into());
    }
    let mut ending = Ending::new()?;
    let api = Api::new(&args.target).await?;
    let followed = async {
        match &args.id {
            Some(id) => one(&api, id, args.follow).await,
            None => all(&api, args.name.as_deref()).await,
        }
    };
    let done = tokio::select! {
        done = followed => done,
        () = ending.next() => Ok(()),
    };
    api.close().await?;
    done.map(|()| ExitCode::SUCCESS)
}

/// The log of one; with `wait`, once it is there.
async fn one(api: &Api, id: &str, wait: bool) -> anyhow::Result<()> {
    loop {
        match api.ask("GET", &format!("activations/{id}/logs"), None).await {
            Ok((_, answer)) => return write(&answer),
            Err(error) if wait && is_missing(&error) => tokio::time::sleep(LOOK).await,
            Err(error) => return Err(error),
        }
    }
}

/// The logs of each that begins from now on, until it is told to stop.
async fn all(api: &Api, name: Option<&str>) -> anyhow::Result<()> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let began = now();
    let mut shown = VecDeque::new();
    loop {
        let since = began.max(now().saturating_sub(BACK)).as_millis();
        let mut path = format!("activations?limit=200&since={since}");
        if let Some(name) = name {
            path.push_str(&format!("&name={name}"));
        }
        let (_, rows) = api.ask("GET", &path, None).await?;
        let ids = rows.as_array().into_iter().flatten();
        let ids: Vec<_> = ids.filter_map(|row| Some(row.get("activationId")?.as_str()?.to_owned())).collect();
        for id in ids.into_iter().rev().filter(|id| !shown.contains(id)).collect::<Vec<_>>() {
            one(api, &id, false).await?;
            shown.push_back(id);
            if shown.len() > REMEMBERED {
                shown.pop_front();
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn write(answer: &Value) -> anyhow::Result<()> {
    let lines = answer.get("logs").and_then(Value::as_array).into_iter().flatten();
    let text: String = lines.filter_map(Value::as_str).map(|line| format!("{line}\n")).collect();
    output::write(text.as_bytes())
}
