//! `[host]`: settings of the host itself. All are optional.

use super::section::Section;
use crate::pool::Policy;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `docker_transport`, as written: the backend's `Transport`, also where that isn't built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DockerTransport {
    /// `"auto"`: over pipes where that can be, through the engine otherwise.
    Auto,
    /// `"socket"`: over pipes that a container gets through its own Unix socket.
    Socket,
    /// `"attach"`: through the engine.
    Attach,
}

/// What `state` is where nothing is to outlive the process.
pub const MEMORY: &str = ":memory:";

/// `[host]`, as written: `None` where a key is absent and the host's own default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// `memory`: the budget, in bytes.
    pub memory: Option<u64>,
    /// `listen`: where the HTTP face listens.
    pub listen: Option<SocketAddr>,
    /// `patience`: how long the first in line waits before nobody passes it.
    pub patience: Option<Duration>,
    /// `policy`: what is evicted first, `"cost"` or `"lru"`.
    pub policy: Option<Policy>,
    /// `max_waiting`: jobs that may wait at once.
    pub max_waiting: Option<u32>,
    /// `max_wait`: the longest that a request waits for a sandbox.
    pub max_wait: Option<Duration>,
    /// `max_body`: the longest request body, in bytes.
    pub max_body: Option<u64>,
    /// `cache_dir`: where compiled modules are kept.
    pub cache_dir: Option<PathBuf>,
    /// `docker_host`: where the Docker engine answers, as `DOCKER_HOST` has it.
    pub docker_host: Option<String>,
    /// `docker_transport`: how containers' stdin and stdout are carried.
    pub docker_transport: Option<DockerTransport>,
    /// `kept_networks`: network namespaces kept ready for containers at most.
    pub kept_networks: Option<u32>,
    /// `state`: the folder of what outlives the process; [`MEMORY`] where nothing does.
    pub state: Option<PathBuf>,
    /// `id`: what marks this host's containers as its own, instead of one made of machine, manifest and address.
    pub id: Option<String>,
    /// `prewarm.outside_budget`: whether prewarmed sandboxes stay out of the budget until taken.
    pub prewarm_outside_budget: Option<bool>,
}

impl HostSettings {
    /// The keys whose values differ between two.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("memory", self.memory != other.memory),
            ("listen", self.listen != other.listen),
            ("patience", self.patience != other.patience),
            ("policy", self.policy != other.policy),
            ("max_waiting", self.max_waiting != other.max_waiting),
            ("max_wait", self.max_wait != other.max_wait),
            ("max_body", self.max_body != other.max_body),
            ("cache_dir", self.cache_dir != other.cache_dir),
            ("docker_host", self.docker_host != other.docker_host),
            ("docker_transport", self.docker_transport != other.docker_transport),
            ("kept_networks", self.kept_networks != other.kept_networks),
            ("state", self.state != other.state),
            ("id", self.id != other.id),
            ("prewarm.outside_budget", self.prewarm_outside_budget != other.prewarm_outside_budget),
        ];
        keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

pub(super) fn read(mut section: Section<'_>, folder: &Path) -> HostSettings {
    let mut prewarm = section.table("prewarm");
    let settings = HostSettings {
        memory: section.size("memory"),
        listen: listen(&mut section),
        patience: section.duration("patience"),
        policy: section.choice("policy", &[("cost", Policy::Cost), ("lru", Policy::Lru)]),
        max_waiting: section.count("max_waiting"),
        max_wait: section.duration("max_wait"),
        max_body: section.size("max_body"),
        cache_dir: section.text("cache_dir", "a folder's path").map(|path| folder.join(path)),
        docker_host: section
            .text("docker_host", "an address, as \"unix:///var/run/docker.sock\"")
            .map(str::to_owned),
        kept_networks: section.count("kept_networks"),
        docker_transport: section.choice(
            "docker_transport",
            &[
                ("auto", DockerTransport::Auto),
                ("socket", DockerTransport::Socket),
                ("attach", DockerTransport::Attach),
            ],
        ),
        state: section.text("state", "a folder's path, or \":memory:\"").map(|path| match path {
            MEMORY => PathBuf::from(MEMORY),
            path => folder.join(path),
        }),
        id: id(&mut section),
        prewarm_outside_budget: prewarm.as_mut().and_then(|section| section.flag("outside_budget")),
    };
    if let Some(prewarm) = prewarm {
        prewarm.finish();
    }
    section.finish();
    settings
}

fn listen(section: &mut Section<'_>) -> Option<SocketAddr> {
    let right = "an address with its port, as \"127.0.0.1:8080\"";
    let entry = section.take("listen")?;
    let parsed = entry.value.as_str().and_then(|text| text.parse().ok());
    if parsed.is_none() {
        let found = super::section::show(entry.value);
        section.faults.add(entry.at, format!("`listen` is {found}: give {right}"));
    }
    parsed
}

fn id(section: &mut Section<'_>) -> Option<String> {
    let entry = section.take("id")?;
    let text = entry.value.as_str().filter(|text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=63).contains(&text.len()) && text.bytes().all(fits)
    });
    if text.is_none() {
        let found = super::section::show(entry.value);
        let right = "1 to 63 letters, digits, `-`, `_` and `.`";
        section.faults.add(entry.at, format!("`id` is {found}: give {right}"));
    }
    text.map(str::to_owned)
}
