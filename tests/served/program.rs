//! The server that is served: a static program, compiled once, in a container of busybox.

use crate::compiled::compiled;
use crate::docker::{BUSYBOX, Engine};
use crate::driver::{config, soon};
use kiln::backend::docker::{Docker, Transport};
use kiln::function::{Dir, MIB};
use kiln::invocation::{Outcome, Reply};
use kiln::{Error, Format, Function, Host, HostBuilder, Invocation};
use std::sync::Arc;
use std::time::Duration;

/// The server as a function.
pub(crate) fn server() -> Function {
    let mut function = Function::image("app", BUSYBOX)
        .format(Format::Server)
        .memory(64 * MIB)
        .timeout(Duration::from_secs(100));
    function.args = vec!["/served/server".into()];
    function.dirs.push(Dir { host: compiled("server"), guest: "/served".into(), writable: false });
    function
}

/// A directory that the function may write to, as `/told`.
pub(crate) fn told(function: &mut Function) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    function.dirs.push(Dir { host: dir.path().to_owned(), guest: "/told".into(), writable: true });
    dir
}

pub(crate) async fn host(engine: &Engine, function: Function) -> Host {
    configured(engine, function, |builder| builder).await
}

pub(crate) async fn configured(
    engine: &Engine,
    function: Function,
    configure: impl FnOnce(HostBuilder) -> HostBuilder,
) -> Host {
    let mut config = config(engine);
    config.transport = Transport::Socket;
    let builder = Host::builder().backend(Arc::new(Docker::new(config)));
    let host = configure(builder).build().unwrap();
    host.deploy(function).await.unwrap();
    host
}

pub(crate) async fn asked(host: &Host, method: &str, path: &str, body: &str) -> Outcome {
    let mut invocation = Invocation::new(body.to_owned());
    (invocation.method, invocation.path) = (method.into(), path.into());
    soon(host.invoke("app", invocation)).await
}

/// A reply, which has to be one.
pub(crate) async fn get(host: &Host, path: &str) -> Reply {
    replied(asked(host, "GET", path, "").await)
}

pub(crate) fn replied(outcome: Outcome) -> Reply {
    outcome.result.unwrap_or_else(|error| panic!("{error}: {:?}", error.logs()))
}

pub(crate) async fn text(host: &Host, path: &str) -> String {
    String::from_utf8(get(host, path).await.body.to_vec()).unwrap()
}

pub(crate) async fn failed(host: &Host, path: &str) -> Error {
    asked(host, "GET", path, "").await.result.expect_err("it should have failed")
}

pub(crate) async fn end(host: Host, engine: &Engine) {
    soon(host.drain()).await;
    let left = engine.containers(&engine.host_id).await;
    assert!(left.is_empty(), "{left:?}");
}
