//! The Docker engine with the fixtures' images on it.

use crate::docker::{Engine, docker_or_skip, skip};
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;

/// The engine, or `None` after saying that the test `name` is skipped; with `KILN_REQUIRE_DOCKER=1` a failure.
pub async fn engine_or_skip(name: &str) -> Option<Engine> {
    let engine = docker_or_skip(name).await?;
    for fixture in ["echo", "thumbnail"] {
        let image = format!("kiln-fixture-{fixture}:1");
        if let Err(error) = engine.client.inspect_image(&image).await {
            let why = format!("{name}: the image {image} is missing ({error}); run scripts/test-services");
            assert!(std::env::var("KILN_REQUIRE_DOCKER").is_err(), "{why}");
            skip(&why);
            return None;
        }
    }
    Some(engine)
}

/// What stands for a container that holds a network namespace.
pub const HOLDER: &str = "(a network)";

/// The function of each container that carries a host's id, or [`HOLDER`], running or not: the engine's word, not Kiln's.
pub async fn containers_of(client: &bollard::Docker, host_id: &str) -> Vec<String> {
    let filters = HashMap::from([("label", vec![format!("kiln.owner={host_id}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let all = client.list_containers(Some(options)).await.expect("the engine lists containers");
    let function = |labels: HashMap<String, String>| {
        let holds = labels.contains_key("kiln.holds").then(|| HOLDER.to_owned());
        holds.unwrap_or_else(|| labels["kiln.function"].clone())
    };
    all.into_iter().map(|each| function(each.labels.unwrap_or_default())).collect()
}
