//! A well-behaved function: it answers with its request, or with what it knows of itself.

use super::Setup;
use super::wire::{Reply, Request, header};
use crate::backend::Exit;
use crate::backend::fake::process::Process;
use crate::function::{BackendKind, MIB};
use serde_json::json;
use std::time::Duration;

/// Answers one request, the `served`th of this process.
pub(super) async fn answer(
    process: &Process,
    setup: &Setup,
    request: &Request,
    served: u32,
) -> Result<Reply, Exit> {
    let path = request.path.split('?').next().unwrap_or_default();
    let (name, argument) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let number = || argument.parse::<u64>().unwrap_or(0);
    let echo = || Reply::ok(request.body.clone());
    Ok(match name.trim_start_matches('/') {
        "env" => Reply::ok(lines(setup.env.iter().map(|(name, value)| format!("{name}={value}")))),
        "args" => Reply::ok(lines(setup.args.iter().cloned())),
        "count" => Reply::ok(served.to_string()),
        "meta" => Reply {
            headers: vec![("Content-Type".into(), "application/json".into())],
            ..Reply::ok(meta(request).to_string())
        },
        "status" => Reply {
            status: u16::try_from(number()).unwrap_or(500),
            headers: vec![("X-Echo".into(), "yes".into())],
            body: request.body.clone(),
        },
        "log" => {
            process.log(&format!("{argument}\n"));
            echo()
        }
        "sleep" | "spin" => {
            tokio::time::sleep(Duration::from_millis(number())).await;
            echo()
        }
        "memory" => {
            let bytes = number().saturating_mul(MIB);
            process.allocate(bytes)?;
            if setup.kind == BackendKind::Docker {
                // A linear memory never shrinks.
                process.free(bytes);
            }
            echo()
        }
        _ => echo(),
    })
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

fn meta(request: &Request) -> serde_json::Value {
    let headers: serde_json::Map<_, _> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    json!({
        "call_id": request.call_id,
        "deadline": request.deadline,
        "method": request.method,
        "path": request.path,
        "content_type": header(&request.headers, "content-type"),
        "headers": headers,
    })
}
