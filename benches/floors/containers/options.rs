//! The options that Kiln gives a container.

use super::{IMAGE, MEMORY};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};
use std::path::Path;

/// For a container whose stdio the engine carries.
pub(super) fn attached() -> ContainerCreateBody {
    ContainerCreateBody {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        ..common()
    }
}

/// For one in which kiln-init runs a command, with this directory as `/.kiln`.
pub(super) fn connected(room: &Path, command: &[String]) -> ContainerCreateBody {
    let common = common();
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(room.to_string_lossy().into_owned()),
        target: Some("/.kiln".into()),
        read_only: Some(true),
        ..Default::default()
    };
    ContainerCreateBody {
        entrypoint: Some(vec!["/.kiln/init".into()]),
        cmd: Some(std::iter::once("run".to_owned()).chain(command.iter().cloned()).collect()),
        host_config: common.host_config.map(|host| HostConfig { mounts: Some(vec![mount]), ..host }),
        ..common
    }
}

fn common() -> ContainerCreateBody {
    let ulimit =
        |name: &str, most| ResourcesUlimits { name: Some(name.into()), soft: Some(most), hard: Some(most) };
    ContainerCreateBody {
        image: Some(IMAGE.into()),
        user: Some("65534:65534".into()),
        env: Some(vec!["FN_FORMAT=frame".into(), "FN_MEMORY=128".into()]),
        tty: Some(false),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            init: Some(false),
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
