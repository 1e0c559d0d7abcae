//! What a container is created with: the function's code and limits, and as few rights as it can run with.
//!
//! No network unless the function names one, no capability, no new privileges, a read-only root with a small `/tmp`, memory that can't be swapped,
//! few processes, and a user that isn't root unless the function itself says so.

use super::home::Room;
use super::image::Found;
use super::network::Network;
use super::program::{Declared, LEAST};
use super::wire;
use crate::error::{Error, Result};
use crate::function::{DEFAULT_PORT, Dir, Format, Function, Target};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};
use std::collections::{BTreeMap, HashMap};

/// The label that tells whose a container is: the host's id.
pub(super) const OWNER: &str = "kiln.owner";
/// The label that tells the host's lives apart.
pub(super) const LIFE: &str = "kiln.life";

/// The user of an image that names none, or root.
const NOBODY: &str = "65534:65534";
/// Processes and threads at most.
const PIDS: i64 = 256;
/// Open files at most, for each process.
const FILES: i64 = 4096;
/// `/tmp` at most, in bytes; what it holds counts as the function's memory.
const TMP: u64 = 16 << 20;
/// The place of a server's Unix socket at most, in bytes.
const SOCKETS: u64 = 64 << 10;
/// Of a namespace's holder: the engine's own helpers count while they start it.
const HOLDERS_PIDS: i64 = 16;
/// How much sooner than others the kernel ends it where the whole machine is out of memory, of 1000.
const FIRST_TO_GO: i64 = 500;

/// What a container is created for, beyond its function.
pub(super) struct Purpose<'a> {
    pub(super) image: &'a Found,
    pub(super) labels: HashMap<String, String>,
    /// Environment beyond the function's own; what comes later wins.
    pub(super) env: &'a [&'a [(String, String)]],
    /// What it shares with its host, and the command that its kiln-init runs; `None` where the engine itself runs that and
    /// carries its stdio.
    pub(super) init: Option<(&'a Room, &'a [String])>,
    /// The network namespace that it joins; without, it gets an empty one of its own.
    pub(super) network: Option<&'a Network>,
}

/// The body of the call that creates a container.
pub(super) fn body(declared: &Declared, purpose: Purpose<'_>) -> ContainerCreateBody {
    let function = &declared.function;
    let is_attached = Some(purpose.init.is_none());
    let (entrypoint, cmd) = match purpose.init {
        Some((_, command)) => {
            let init = format!("{}/{}", wire::DIR, wire::PROGRAM);
            let run = std::iter::once("run".to_owned()).chain(command.iter().cloned());
            (Some(vec![init]), Some(run.collect()))
        }
        None => (None, (!function.args.is_empty()).then(|| function.args.clone())),
    };
    ContainerCreateBody {
        image: Some(declared.image.reference.clone()),
        entrypoint,
        cmd,
        user: Some(self::user(function, &purpose.image.user)),
        env: Some(environment(function, purpose.image, purpose.env)),
        labels: Some(purpose.labels),
        attach_stdin: is_attached,
        attach_stdout: is_attached,
        attach_stderr: is_attached,
        open_stdin: is_attached,
        // Ending the attached stdin ends the process's: that is how `Stdio::close` reaches it, and a function whose
        // host died sees the end of its stdin.
        stdin_once: is_attached,
        tty: Some(false),
        // The image's own check would run beside the function, at its expense.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        host_config: Some(host_config(declared, purpose.init.map(|(room, _)| room), purpose.network)),
        ..Default::default()
    }
}

/// What a container is to run: what the engine would run by itself.
pub(super) fn command(function: &Function, image: &Found) -> Result<Vec<String>> {
    let rest = if function.args.is_empty() { &image.cmd } else { &function.args };
    let command: Vec<_> = image.entrypoint.iter().chain(rest).cloned().collect();
    // The engine would take an empty name for none, too.
    if command.first().is_none_or(String::is_empty) {
        return Err(Error::failed(
            "the image names no command, and the function has no `args`: give it the command as `args`",
        ));
    }
    Ok(command)
}

/// The body of the call that creates a container in which nothing but kiln-init runs, and which so holds an empty network
/// namespace. Its image is the function's since that is there.
pub(super) fn holder(
    declared: &Declared,
    image: &Found,
    labels: HashMap<String, String>,
    room: &Room,
) -> ContainerCreateBody {
    let memory = i64::try_from(LEAST).ok();
    ContainerCreateBody {
        image: Some(declared.image.reference.clone()),
        entrypoint: Some(vec![format!("{}/{}", wire::DIR, wire::PROGRAM)]),
        cmd: Some(vec!["hold".into()]),
        user: Some(self::user(&declared.function, &image.user)),
        labels: Some(labels),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        host_config: Some(HostConfig {
            memory,
            memory_swap: memory,
            tmpfs: None,
            pids_limit: Some(HOLDERS_PIDS),
            // It ends with its host, and nobody has to come back for it.
            auto_remove: Some(true),
            mounts: Some(vec![shared(room)]),
            ..host_config(declared, None, None)
        }),
        ..Default::default()
    }
}

/// What a container shares with its host. Read-only is the mount, which is no matter to whoever connects to a socket.
fn shared(room: &Room) -> Mount {
    mount(&Dir { host: room.path().to_owned(), guest: wire::DIR.into(), writable: false })
}

fn host_config(declared: &Declared, room: Option<&Room>, network: Option<&Network>) -> HostConfig {
    let memory = i64::try_from(declared.memory).unwrap_or(i64::MAX);
    let ulimit =
        |name: &str, most| ResourcesUlimits { name: Some(name.into()), soft: Some(most), hard: Some(most) };
    let mut mounts: Vec<_> = declared.dirs.iter().map(mount).collect();
    mounts.extend(room.map(shared));
    HostConfig {
        network_mode: Some(match network {
            Some(network) => network.mode(),
            None => declared.function.network.clone().unwrap_or_else(|| "none".into()),
        }),
        // Process 1 is the function's own program or kiln-init, whatever the engine's default is.
        init: Some(false),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges".into()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(tmpfs(declared)),
        memory: Some(memory),
        memory_swap: Some(memory),
        pids_limit: Some(PIDS),
        ulimits: Some(vec![ulimit("nofile", FILES), ulimit("core", 0)]),
        oom_score_adj: Some(FIRST_TO_GO),
        mounts: Some(mounts),
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ..Default::default()
    }
}

/// What a container may write to, whatever user it runs as.
fn tmpfs(declared: &Declared) -> HashMap<String, String> {
    let tmp = format!("size={},mode=1777", TMP.min(declared.memory / 4));
    let mut all = HashMap::from([("/tmp".to_owned(), tmp)]);
    if let Some(Target::Socket(path)) = declared.function.target()
        && let Some((dir, _)) = path.rsplit_once('/')
        // Unless the function shows a directory of its own there.
        && !declared.dirs.iter().any(|own| own.guest.trim_end_matches('/') == dir)
    {
        all.insert(dir.to_owned(), format!("size={SOCKETS},mode=1777"));
    }
    all
}

fn mount(dir: &Dir) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(dir.host.to_string_lossy().into_owned()),
        target: Some(dir.guest.clone()),
        read_only: Some(!dir.writable),
        ..Default::default()
    }
}

/// The function's own environment and what is added to it; what comes later wins.
fn environment(function: &Function, image: &Found, added: &[&[(String, String)]]) -> Vec<String> {
    // Many servers listen where they are told so; an image that says it itself is right about itself.
    let port = function.port.unwrap_or(DEFAULT_PORT).to_string();
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    if function.format == Format::Server && !image.env.iter().any(|entry| entry.starts_with("PORT=")) {
        all.insert("PORT", &port);
    }
    all.extend(function.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.extend(added.iter().copied().flatten().map(|(name, value)| (name.as_str(), value.as_str())));
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The function's word, else the image's unless that is root, else nobody.
fn user(function: &Function, image: &str) -> String {
    let is_root = matches!(image.split(':').next(), None | Some("" | "0" | "root"));
    match &function.user {
        Some(user) => user.clone(),
        None if is_root => NOBODY.into(),
        None => image.into(),
    }
}

/// The function's directories, as the engine takes them: absolute on both sides.
pub(super) fn dirs(function: &Function) -> Result<Vec<Dir>> {
    let absolute = |dir: &Dir| {
        if !dir.guest.starts_with('/') {
            return Err(Error::invalid(format!(
                "`dirs` shows {} as {:?}: give a path that begins with `/`",
                dir.host.display(),
                dir.guest
            )));
        }
        let mut parts = dir.guest.split('/').filter(|part| !matches!(*part, "" | "."));
        if parts.next() == wire::DIR.strip_prefix('/') {
            return Err(Error::invalid(format!(
                "`dirs` shows {} as {:?}, which is Kiln's own: give another path",
                dir.host.display(),
                dir.guest
            )));
        }
        let host = std::path::absolute(&dir.host)
            .map_err(|error| Error::invalid(format!("`dirs` has {:?}: {error}", dir.host)))?;
        if host.to_str().is_none() {
            return Err(Error::invalid(format!(
                "`dirs` has {host:?}, which isn't UTF-8: the docker engine needs that"
            )));
        }
        Ok(Dir { host, guest: dir.guest.clone(), writable: dir.writable })
    };
    function.dirs.iter().map(absolute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn later_environment_wins() {
        let function = Function::image("f", "i").env("A", "1").env("B", "1").env("C", "1");
        let (spec, launch) = (pairs(&[("B", "2"), ("C", "2")]), pairs(&[("C", "3")]));
        let image = Found::default();
        assert_eq!(environment(&function, &image, &[&spec, &launch]), ["A=1", "B=2", "C=3"]);
    }

    #[test]
    fn a_server_is_told_its_port_unless_it_is_known() {
        let image =
            |env: &[&str]| Found { env: env.iter().map(|&entry| entry.into()).collect(), ..Found::default() };
        let mut server = Function::image("f", "i").format(Format::Server);
        assert_eq!(environment(&server, &image(&["PORTAL=1"]), &[]), ["PORT=8080"]);
        assert!(environment(&server, &image(&["PORT=80"]), &[]).is_empty());
        server.port = Some(3000);
        assert_eq!(environment(&server, &image(&[]), &[]), ["PORT=3000"]);
        let server = server.env("PORT", "3001");
        assert_eq!(environment(&server, &image(&[]), &[]), ["PORT=3001"]);
        assert!(environment(&server.format(Format::Http).env("PORT", "x"), &image(&[]), &[]) == ["PORT=x"]);
    }

    #[test]
    fn a_container_runs_what_the_engine_would_run_by_itself() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (entrypoint, cmd, args, runs) in [
            (&["a"][..], &["b"][..], &[][..], Some(&["a", "b"][..])),
            (&["a"], &["b"], &["c", "d"], Some(&["a", "c", "d"])),
            (&[], &["b"], &[], Some(&["b"])),
            (&[], &[], &["c"], Some(&["c"])),
            (&[], &[], &[], None),
            (&[""], &[], &[], None),
        ] {
            let image = Found { entrypoint: words(entrypoint), cmd: words(cmd), ..Found::default() };
            let mut function = Function::image("f", "i");
            function.args = words(args);
            assert_eq!(command(&function, &image).ok(), runs.map(words), "{entrypoint:?} {cmd:?} {args:?}");
        }
    }

    #[test]
    fn nobody_is_root_unless_the_function_says_so() {
        let mut function = Function::image("f", "i");
        for root in ["", "0", "root", "0:0", "root:root", "0:1000"] {
            assert_eq!(user(&function, root), NOBODY, "{root:?}");
        }
        assert_eq!(user(&function, "1000:1000"), "1000:1000");
        assert_eq!(user(&function, "app"), "app");
        function.user = Some("0:0".into());
        assert_eq!(user(&function, "app"), "0:0");
    }

    #[test]
    fn directories_are_absolute() {
        let mut function = Function::image("f", "i");
        function.dirs = vec![Dir { host: "data".into(), guest: "/data".into(), writable: false }];
        assert!(dirs(&function).unwrap()[0].host.is_absolute());
        function.dirs[0].guest = "data".into();
        assert!(dirs(&function).unwrap_err().message().contains("begins with `/`"));
        for kilns in ["/.kiln", "/.kiln/", "//./.kiln", "/.kiln/init"] {
            function.dirs[0].guest = kilns.into();
            assert!(dirs(&function).unwrap_err().message().contains("Kiln's own"), "{kilns}");
        }
    }
}
