//! An action whose server keeps OpenWhisk's container contract, compiled here and put into a container by a mount; and a
//! host that has it.

use crate::compiled::compiled;
use crate::docker::{BUSYBOX, Engine};
use crate::driver::{piped, soon};
use kiln::function::{Dir, MIB};
use kiln::invocation::Outcome;
use kiln::{Format, Function, Host, Invocation, Start};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The function `act`; `init` is what its server does with `/init`.
pub(crate) fn action(init: &str) -> Function {
    let mut function = Function::image("act", BUSYBOX)
        .format(Format::Openwhisk)
        .memory(32 * MIB)
        .env("WHISK_INIT", init)
        .timeout(Duration::from_secs(60));
    function.args = vec!["/whisk/whisk".into()];
    function.dirs.push(Dir { host: compiled("whisk"), guest: "/whisk".into(), writable: false });
    function
}

pub(crate) async fn host(engine: &Engine, function: Function) -> Host {
    let host = Host::builder().backend(Arc::new(piped(engine))).build().unwrap();
    host.deploy(function).await.unwrap();
    host
}

pub(crate) async fn call(host: &Host, arguments: Value) -> Outcome {
    soon(host.invoke("act", Invocation::new(arguments.to_string()))).await
}

pub(crate) async fn told(host: &Host, arguments: Value) -> (Option<Start>, Value) {
    let outcome = call(host, arguments).await;
    let reply = outcome.result.unwrap_or_else(|error| panic!("{error}: {:?}", error.logs()));
    (outcome.start, serde_json::from_slice(&reply.body).unwrap())
}

/// Drains it. Nothing is left.
pub(crate) async fn end(host: Host, engine: &Engine) {
    soon(host.drain()).await;
    let left = engine.containers(&engine.host_id).await;
    assert!(left.is_empty(), "{left:?}");
}
