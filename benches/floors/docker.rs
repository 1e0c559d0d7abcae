//! Containers over the engine's attached stream: a warm call, and a cold start with its first reply, against bollard by
//! hand with the same options. A row needs a Docker engine and the image `kiln-fixture-echo:1`, and says so where one is missing.

use crate::Result;
use crate::bare::{self, HEADER};
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use bytes::Bytes;
use futures_util::StreamExt;
use kiln::backend::docker::{Docker as Backend, DockerConfig};
use kiln::{Format, Function, Host};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const IMAGE: &str = "kiln-fixture-echo:1";
const WARM: &str = "warm container call over attach, 64 B";
const COLD: &str = "cold container to its first reply";
const CALLERS: &str = "256 callers against 8, containers";
const MEMORY: u64 = 128 << 20;
/// Calls in a slice.
const CALLS: u32 = 20;
/// Long beside one turn of all callers.
const SLICE: Duration = Duration::from_secs(2);
/// Containers that the callers share.
const SHARED: u32 = 4;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let cases = [WARM, COLD, CALLERS].map(|case| plan.wants(case).then_some(case));
    if cases.iter().flatten().next().is_none() {
        return Ok(());
    }
    let runtime = ours::all_cores()?;
    let engine = match runtime.block_on(engine()) {
        Ok(engine) => engine,
        Err(why) => {
            cases.iter().flatten().for_each(|case| table.absent(case, &why.to_string()));
            return Ok(());
        }
    };
    let body = ours::body(64);
    if plan.wants(WARM) {
        let mut floor = runtime.block_on(Container::start(&engine))?;
        let host = runtime.block_on(host(1, None))?;
        let rounds = Rounds::run(
            plan.rounds(5, 61),
            || runtime.block_on(calls(async || floor.call(&body).await)),
            || runtime.block_on(calls(async || is_echo(&body, &ours::call(&host, body.clone()).await?))),
        );
        runtime.block_on(floor.remove(&engine))?;
        runtime.block_on(host.drain());
        table.row(WARM, Unit::Time, &rounds?, Promise::AtMost(1.1));
    }
    if plan.wants(COLD) {
        // One use for each sandbox, so that every call starts one.
        let host = runtime.block_on(host(1, Some(1)))?;
        let rounds = Rounds::run(
            plan.rounds(1, 15),
            || runtime.block_on(cold_floor(&engine, &body)),
            || runtime.block_on(cold_kiln(&host, &body)),
        );
        runtime.block_on(host.drain());
        table.row(COLD, Unit::Time, &rounds?, Promise::AtMost(1.05));
    }
    if plan.wants(CALLERS) {
        let host = runtime.block_on(host(SHARED, None))?;
        let throughput = |callers| crate::callers::throughput(&runtime, &host, callers, SLICE);
        let rounds = Rounds::run(plan.rounds(2, 15), || throughput(8), || throughput(256));
        runtime.block_on(host.drain());
        table.row(CALLERS, Unit::Rate, &rounds?, Promise::AtLeast(0.9));
    }
    Ok(())
}

async fn engine() -> Result<Docker> {
    let engine = Docker::connect_with_defaults()?;
    let answer = tokio::time::timeout(Duration::from_secs(10), engine.inspect_image(IMAGE)).await;
    match answer {
        Ok(Ok(_)) => Ok(engine),
        Ok(Err(why)) => Err(format!("needs a Docker engine with {IMAGE}: {why}").into()),
        Err(_) => Err("the Docker engine hangs".into()),
    }
}

async fn host(sandboxes: u32, uses: Option<u32>) -> Result<Host> {
    let backend = Backend::new(DockerConfig::new(format!("floors-{}", std::process::id())));
    let host = Host::builder().memory(ours::BUDGET).backend(Arc::new(backend)).build()?;
    let mut function = Function::image("echo", IMAGE).format(Format::Frame).memory(MEMORY);
    (function.limits.max_sandboxes, function.limits.max_uses) = (sandboxes, uses);
    host.deploy(function).await?;
    Ok(host)
}

async fn calls(mut call: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..CALLS {
        call().await?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(CALLS))
}

async fn cold_floor(engine: &Docker, body: &Bytes) -> Result<f64> {
    let began = Instant::now();
    let mut container = Container::start(engine).await?;
    container.call(body).await?;
    let took = began.elapsed();
    container.remove(engine).await?;
    Ok(took.as_nanos() as f64)
}

async fn cold_kiln(host: &Host, body: &Bytes) -> Result<f64> {
    let began = Instant::now();
    is_echo(body, &ours::call(host, body.clone()).await?)?;
    let took = began.elapsed();
    // The last one's removal isn't the next one's time.
    while host.figures().charged > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(took.as_nanos() as f64)
}

/// A container by hand.
struct Container {
    id: String,
    link: AttachContainerResults,
    /// Stdout that was read but not taken.
    have: Vec<u8>,
}

impl Container {
    async fn start(engine: &Docker) -> Result<Self> {
        let id = engine.create_container(None::<CreateContainerOptions>, create()).await?.id;
        let attach =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true);
        let link = engine.attach_container(&id, Some(attach.build())).await?;
        engine.start_container(&id, None::<StartContainerOptions>).await?;
        let mut container = Self { id, link, have: Vec::new() };
        // Its `ready` frame.
        container.frame().await?;
        Ok(container)
    }

    /// The next frame of its stdout.
    async fn frame(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some([a, b, c, d, ..]) = self.have.first_chunk::<HEADER>() {
                let whole = HEADER + u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                if self.have.len() >= whole {
                    let rest = self.have.split_off(whole);
                    return Ok(std::mem::replace(&mut self.have, rest));
                }
            }
            match self.link.output.next().await.ok_or("the container's stdout has ended")?? {
                LogOutput::StdOut { message } => self.have.extend_from_slice(&message),
                other => return Err(format!("the container said {other:?}").into()),
            }
        }
    }

    async fn call(&mut self, body: &Bytes) -> Result<()> {
        self.link.input.write_all(&bare::request(body)).await?;
        self.link.input.flush().await?;
        is_echo(body, bare::reply_body(&self.frame().await?)?)
    }

    async fn remove(self, engine: &Docker) -> Result<()> {
        drop(self.link);
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        Ok(engine.remove_container(&self.id, Some(options)).await?)
    }
}

/// The options that Kiln gives a container.
fn create() -> ContainerCreateBody {
    let ulimit =
        |name: &str, most| ResourcesUlimits { name: Some(name.into()), soft: Some(most), hard: Some(most) };
    ContainerCreateBody {
        image: Some(IMAGE.into()),
        user: Some("65534:65534".into()),
        env: Some(vec!["FN_FORMAT=frame".into(), "FN_MEMORY=128".into()]),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            readonly_rootfs: Some(true),
            tmpfs: Some([("/tmp".into(), format!("size={},mode=1777", 16 << 20))].into()),
            memory: Some(MEMORY as i64),
            memory_swap: Some(MEMORY as i64),
            pids_limit: Some(256),
            ulimits: Some(vec![ulimit("nofile", 4096), ulimit("core", 0)]),
            oom_score_adj: Some(500),
            log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
