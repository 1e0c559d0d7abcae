//! Containers over a Docker engine, which is asked itself what is left. Their stdio goes over pipes, and nothing else will do.

use super::{Open, Program, Subject, js};
use crate::docker_engine::{Engine, docker_or_skip};
use async_trait::async_trait;
use kiln::backend::Backend;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::function::{MIB, PullPolicy};
use kiln::{Function, Runtime};
use std::sync::Arc;
use std::time::Duration;

pub const OPEN: Open = |name| Box::pin(open(name, Transport::Socket));

/// The same for each transport.
pub async fn open(name: &'static str, transport: Transport) -> Option<Box<dyn Subject>> {
    let engine = docker_or_skip(&name.replace("::", "-")).await?;
    if !has_fixtures(&engine, name).await {
        return None;
    }
    let backend = Arc::new(backend(&engine, transport));
    Some(Box::new(DockerSubject { transport, backend, engine }))
}

struct DockerSubject {
    transport: Transport,
    backend: Arc<Docker>,
    engine: Engine,
}

fn backend(engine: &Engine, transport: Transport) -> Docker {
    let mut config = DockerConfig::new(&engine.host_id);
    // The machine is busy with other tests.
    config.call_timeout = Duration::from_secs(60);
    config.slow_call_timeout = Duration::from_secs(60);
    // They come and go by themselves, and cases count what is left.
    config.kept_networks = 0;
    config.transport = transport;
    Docker::new(config)
}

fn image(guest: &str) -> String {
    format!("kiln-fixture-{guest}:1")
}

/// Whether the fixtures' images are there. Where Docker is required they have to be.
async fn has_fixtures(engine: &Engine, name: &str) -> bool {
    for image in ["echo", "faulty"].map(image) {
        if let Err(why) = engine.client.inspect_image(&image).await {
            let why = format!("{name}: the engine has no image {image} ({why}); run scripts/test-services");
            assert!(std::env::var("KILN_REQUIRE_DOCKER").as_deref() != Ok("1"), "{why}");
            crate::docker_engine::skip(&why);
            return false;
        }
    }
    true
}

#[async_trait]
impl Subject for DockerSubject {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn function(&self, name: &str, guest: &str) -> Function {
        let mut function = Function::image(name, image(guest));
        if let Some(image) = &mut function.code.image {
            image.pull = PullPolicy::Never;
        }
        function
    }

    async fn runtime(&self) -> Result<Runtime, String> {
        let image = "kiln-runtime-js:1";
        if let Err(why) = self.engine.client.inspect_image(image).await {
            let why = format!("the engine has no image {image} ({why}); run scripts/test-runtimes");
            assert!(std::env::var("KILN_REQUIRE_RUNTIMES").as_deref() != Ok("1"), "{why}");
            return Err(why);
        }
        let mut runtime = Runtime::new("js").memory(64 * MIB).image(image);
        if let Some(image) = &mut runtime.image {
            image.pull = PullPolicy::Never;
        }
        Ok(runtime)
    }

    fn source(&self, program: Program) -> &'static str {
        js::source(program)
    }

    async fn living(&self) -> usize {
        self.engine.containers(&self.engine.host_id).await.len()
    }

    async fn nothing_left(&self) {
        let left = self.engine.containers(&self.engine.host_id).await;
        assert!(left.is_empty(), "containers of a drained host are left: {left:?}");
    }

    fn prewarms_oneshot(&self) -> bool {
        self.transport != Transport::Attach
    }

    fn is_slow(&self) -> bool {
        true
    }
}
