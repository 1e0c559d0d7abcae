//! What a function may do in its container, and what the engine was told of it.

use crate::docker::docker_or_skip;
use crate::driver::{Ready, backend, oneshot, soon, streaming};
use kiln::function::{Dir, MIB};

#[tokio::test]
async fn a_function_has_no_more_rights_than_it_needs() {
    let Some(engine) = docker_or_skip("a_function_has_no_more_rights_than_it_needs").await else { return };
    let backend = backend(&engine);
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "given").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.path(), open).unwrap();
    let script = "id -u; id -g
        touch /new 2>/dev/null || echo root is read-only
        touch /tmp/new && echo tmp is writable
        ls /sys/class/net
        grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
        cat /data/given; echo; touch /data/new 2>/dev/null || echo data is read-only";
    let mut function = oneshot(script);
    function.dirs = vec![Dir { host: host.path().into(), guest: "/data".into(), writable: false }];
    let (stdout, _) = Ready::new(&backend, function.clone()).await.run(b"", &[]).await;
    assert_eq!(
        String::from_utf8_lossy(&stdout),
        "65534\n65534\nroot is read-only\ntmp is writable\nlo\n\
         CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\ngiven\ndata is read-only\n"
    );
    function.dirs[0].writable = true;
    function.user = Some("1234:99".into());
    function.args[2] = "id -u; id -g; touch /data/new && echo data is writable".into();
    let (stdout, _) = Ready::new(&backend, function).await.run(b"", &[]).await;
    assert_eq!(String::from_utf8_lossy(&stdout), "1234\n99\ndata is writable\n");
    assert!(host.path().join("new").exists());
}

#[tokio::test]
async fn a_containers_limits_and_owner_are_on_the_engine() {
    let Some(engine) = docker_or_skip("a_containers_limits_and_owner_are_on_the_engine").await else {
        return;
    };
    let ready = Ready::new(&backend(&engine), streaming("")).await;
    let sandbox = ready.start().await;
    assert_eq!((sandbox.held(), ready.program.memory()), (32 * MIB, 32 * MIB));
    let id = engine.containers(&engine.host_id).await.pop().expect("it runs");
    let seen = engine.client.inspect_container(&id, None).await.expect("it is there");
    let (config, host) = (seen.config.unwrap(), seen.host_config.unwrap());
    assert_eq!((host.memory, host.memory_swap), (Some(32 << 20), Some(32 << 20)));
    assert_eq!(host.pids_limit, Some(256));
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["NONE"]);
    let labels = config.labels.unwrap();
    for (label, value) in [
        ("kiln.owner", engine.host_id.as_str()),
        ("kiln.namespace", "_"),
        ("kiln.function", "f"),
        ("kiln.revision", &ready.revision.to_string()),
    ] {
        assert_eq!(labels[label], value, "{label}");
    }
    assert!(seen.name.unwrap().starts_with("/kiln-a_containers_limits"));
    soon(sandbox.remove()).await;
}
