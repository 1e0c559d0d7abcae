//! The first call of a prewarmed stem cell that is a container: the source goes in, its first request is answered.
//!
//! It needs a Docker engine with the image `kiln-runtime-js:1` (`scripts/build-runtimes --image js`); without, the row says so, or fails if
//! `KILN_REQUIRE_DOCKER=1`.

use crate::Result;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use kiln::backend::docker::{Docker, DockerConfig};
use kiln::function::MIB;
use kiln::{BackendKind, Function, Host, Invocation, Runtime, Start};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CASE: &str = "first call of a js stem cell, container, on 10 ms";
const IMAGE: &str = "kiln-runtime-js:1";
/// What it may take beside the function's own load, in nanoseconds.
const MOST: f64 = 1e7;
const MEMORY: u64 = 64 * MIB;
/// Longer than an engine that is well takes to start a container.
const HANG: Duration = Duration::from_secs(60);
/// How long a stem cell that is ready is left alone before it is asked: its start's aftermath isn't the call's time.
const REST: Duration = Duration::from_millis(100);

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) {
        return Ok(());
    }
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = tokio.block_on(async {
        let client = bollard::Docker::connect_with_defaults().map_err(|why| why.to_string())?;
        client.inspect_image(IMAGE).await.map_err(|why| why.to_string())
    });
    if let Err(why) = found {
        if std::env::var("KILN_REQUIRE_DOCKER").as_deref() == Ok("1") {
            return Err(format!("{CASE}: no engine with {IMAGE}: {why}").into());
        }
        table.absent(CASE, &format!("needs a Docker engine with {IMAGE}: {why}"));
        return Ok(());
    }
    let host = tokio.block_on(async {
        let config = DockerConfig::new(format!("runtimes-{}", std::process::id()));
        let runtime = Runtime::new("js").memory(MEMORY).image(IMAGE).prewarm(BackendKind::Docker, None, 1);
        let host = Host::builder()
            .memory(8 * MEMORY)
            .runtime(runtime)
            .backend(Arc::new(Docker::new(config)))
            .build()?;
        let mut function =
            Function::source("hello", "js", "function main(params) { return params; }\n".to_owned());
        function.limits.max_uses = Some(1);
        host.deploy(function).await?;
        Ok::<_, crate::Error>(host)
    })?;
    let rounds = Rounds::run(plan.rounds(1, 15), || Ok(MOST), || tokio.block_on(first_call(&host)));
    tokio.block_on(host.drain());
    table.row(CASE, Unit::Time, &rounds?, Promise::AtMost(1.0));
    Ok(())
}

async fn first_call(host: &Host) -> Result<f64> {
    let until = Instant::now() + HANG;
    let is_ready = |host: &Host| (host.figures().prewarmed, host.figures().prewarming) == (1, 0);
    while !is_ready(host) {
        if Instant::now() > until {
            return Err(format!("no stem cell gets ready: {:?}", host.figures()).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(REST).await;
    let began = Instant::now();
    let outcome = host.invoke("hello", Invocation::new(r#"{"name":"Ada"}"#)).await;
    let took = began.elapsed();
    let reply = outcome.result?;
    match (outcome.start, &*reply.body) {
        (Some(Start::Prewarmed), br#"{"name":"Ada"}"#) => Ok(took.as_nanos() as f64),
        (start, body) => {
            Err(format!("it was {start:?}, and its reply {:?}", String::from_utf8_lossy(body)).into())
        }
    }
}
