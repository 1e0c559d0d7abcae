//! Network namespaces that are kept ready, with a real engine: who joins which, and that none is left.

use crate::docker::{Engine, docker_or_skip};
use crate::driver::{HANG, Ready, config, soon, streaming, take};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use bytes::Bytes;
use kiln::backend::Sandbox;
use kiln::backend::docker::{Docker, Transport};
use kiln::{Host, Invocation};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A backend that keeps some ready.
fn keeping(engine: &Engine, most: usize) -> Docker {
    let mut config = config(engine);
    (config.kept_networks, config.transport) = (most, Transport::Socket);
    Docker::new(config)
}

/// The ids of the running holders of a function's namespaces.
async fn holders(engine: &Engine, function: &str) -> Vec<String> {
    let labels = vec![
        format!("kiln.owner={}", engine.host_id),
        "kiln.holds=network".into(),
        format!("kiln.for={function}"),
    ];
    let filters = HashMap::from([("label", labels), ("status", vec!["running".into()])]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    let found = engine.client.list_containers(Some(options)).await.expect("the engine lists containers");
    found.into_iter().filter_map(|each| each.id).collect()
}

/// Waits until a function has so many.
async fn until(engine: &Engine, function: &str, count: usize) -> Vec<String> {
    let began = std::time::Instant::now();
    loop {
        let found = holders(engine, function).await;
        if found.len() == count {
            // The engine shows one a moment before its maker knows of it.
            tokio::time::sleep(Duration::from_millis(300)).await;
            return found;
        }
        assert!(began.elapsed() < HANG, "{function} has {} holders, not {count}", found.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The networks of a function's sandboxes. The engine may not have noticed yet that one runs.
async fn networks(engine: &Engine, function: &str) -> Vec<String> {
    let labels = vec![format!("kiln.owner={}", engine.host_id), format!("kiln.function={function}")];
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&HashMap::from([("label", labels)]))
        .build();
    let mut networks = vec![];
    for each in engine.client.list_containers(Some(options)).await.unwrap() {
        let container = engine.client.inspect_container(&each.id.unwrap(), None).await.unwrap();
        networks.push(container.host_config.unwrap().network_mode.unwrap());
    }
    networks
}

/// That it works.
async fn echoes(sandbox: &mut dyn Sandbox) {
    sandbox.stdio().write(Bytes::from_static(b"hello"));
    assert_eq!(take(sandbox, 5).await, b"hello");
}

#[tokio::test]
async fn a_start_joins_what_was_made_ready_and_gives_it_back() {
    let Some(engine) = docker_or_skip("a_start_joins_what_was_made_ready_and_gives_it_back").await else {
        return;
    };
    let backend = keeping(&engine, 2);
    let ready = Ready::new(&backend, streaming("")).await;
    let first = until(&engine, "f", 1).await.remove(0);
    let mut sandbox = ready.start().await;
    echoes(&mut *sandbox).await;
    assert_eq!(networks(&engine, "f").await, [format!("container:{first}")]);

    // A second sandbox has another: no two are in one at once.
    let second: Vec<_> = until(&engine, "f", 2).await.into_iter().filter(|id| *id != first).collect();
    let mut other = ready.start().await;
    echoes(&mut *other).await;
    assert!(networks(&engine, "f").await.contains(&format!("container:{}", second[0])));
    // There is no place for a third.
    let mut third = ready.start().await;
    echoes(&mut *third).await;
    assert!(networks(&engine, "f").await.contains(&"none".to_owned()));

    for sandbox in [sandbox, other, third] {
        soon(sandbox.remove()).await;
    }
    let mut again = ready.start().await;
    echoes(&mut *again).await;
    let network = networks(&engine, "f").await.remove(0);
    assert!([&first, &second[0]].iter().any(|id| network == format!("container:{id}")), "{network}");
    soon(again.remove()).await;

    // The function goes, and so do they.
    drop(ready);
    engine.none_left().await;
}

#[tokio::test]
async fn what_was_made_for_one_function_is_never_anothers() {
    let Some(engine) = docker_or_skip("what_was_made_for_one_function_is_never_anothers").await else {
        return;
    };
    let backend = keeping(&engine, 1);
    let _one = Ready::new(&backend, streaming("")).await;
    let holder = until(&engine, "f", 1).await.remove(0);
    let mut function = streaming("");
    function.name = "g".into();
    let other = Ready::new(&backend, function).await;
    let mut sandbox = other.start().await;
    echoes(&mut *sandbox).await;
    assert_eq!(networks(&engine, "g").await, ["none"]);
    assert_eq!(holders(&engine, "f").await, [holder]);
    soon(sandbox.remove()).await;
}

#[tokio::test]
async fn whoever_joins_sees_nothing_but_an_empty_loopback() {
    let Some(engine) = docker_or_skip("whoever_joins_sees_nothing_but_an_empty_loopback").await else {
        return;
    };
    let backend = keeping(&engine, 1);
    let script = "ifconfig -a | grep -c Link; wc -l < /proc/net/tcp; grep -c @ /proc/net/unix; cat";
    let ready = Ready::new(&backend, streaming(script)).await;
    until(&engine, "f", 1).await;
    let mut sandbox = ready.start().await;
    let seen = take(&mut *sandbox, 6).await;
    assert!(networks(&engine, "f").await[0].starts_with("container:"));
    // One interface; of TCP's sockets the table's head, and none of Unix's that anybody could connect to.
    assert_eq!(String::from_utf8_lossy(&seen), "1\n1\n0\n");
    soon(sandbox.remove()).await;
}

#[tokio::test]
async fn a_holder_that_somebody_removed_costs_nothing_but_time() {
    let Some(engine) = docker_or_skip("a_holder_that_somebody_removed_costs_nothing_but_time").await else {
        return;
    };
    let backend = keeping(&engine, 1);
    let ready = Ready::new(&backend, streaming("")).await;
    let holder = until(&engine, "f", 1).await.remove(0);
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    engine.client.remove_container(&holder, Some(options)).await.unwrap();
    let mut sandbox = ready.start().await;
    echoes(&mut *sandbox).await;
    assert_eq!(networks(&engine, "f").await, ["none"]);
    // A new one takes its place.
    until(&engine, "f", 1).await;
    soon(sandbox.remove()).await;
}

#[tokio::test]
async fn a_host_that_has_drained_leaves_none() {
    let Some(engine) = docker_or_skip("a_host_that_has_drained_leaves_none").await else { return };
    let host = Host::builder().backend(Arc::new(keeping(&engine, 4))).build().unwrap();
    let mut function = streaming(r#"head -c 1 >/dev/null; printf '{"body":"hi"}'; cat >/dev/null"#);
    function.name = "f".into();
    host.deploy(function).await.unwrap();
    until(&engine, "f", 1).await;
    assert_eq!(soon(host.invoke("f", Invocation::new(""))).await.result.unwrap().body, "hi");
    soon(host.drain()).await;
    assert_eq!(engine.containers(&engine.host_id).await, Vec::<String>::new());
}
