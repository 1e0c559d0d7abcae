//! The Docker engine that tests use, the image that they run, and the sweep that leaves nothing of theirs behind.
//!
//! Where no engine answers, a test says by name that it is skipped; with `KILN_REQUIRE_DOCKER=1` it fails instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use bollard::Docker;
use bollard::query_parameters::{
    ImportImageOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::Duration;

/// Debian's static busybox as an image: `cat` unless told otherwise, and `/bin/crash`, which an illegal instruction ends.
pub(crate) const BUSYBOX: &str = "kiln-test-busybox:1";
/// An image with `/cat`, static, and nothing else, not even a directory; it runs as user 4321.
pub(crate) const SCRATCH: &str = "kiln-test-scratch:1";
/// The same without a word of what is to be run.
pub(crate) const MUTE: &str = "kiln-test-mute:1";

/// An engine that answers, with the test image on it. Dropping it removes the containers of its host id.
pub(crate) struct Engine {
    pub(crate) client: Docker,
    /// A host id that no other test has.
    pub(crate) host_id: String,
}

/// The engine, or `None` after saying that the test `name` is skipped.
pub(crate) async fn docker_or_skip(name: &str) -> Option<Engine> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let required = std::env::var("KILN_REQUIRE_DOCKER").is_ok_and(|value| value == "1");
    match find().await {
        Ok(client) => Some(Engine { client, host_id: format!("{name}-{}", std::process::id()) }),
        Err(why) if required => {
            panic!(
                "{name}: KILN_REQUIRE_DOCKER=1, but no docker engine answers at {host} ({why}); run scripts/test-services"
            )
        }
        Err(why) => {
            skip(&format!("{name}: no docker engine answers at {host} ({why}); run scripts/test-services"));
            None
        }
    }
}

/// Says that a test is skipped. Past the test harness, which shows nothing of tests that pass.
pub(crate) fn skip(why: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes());
}

async fn find() -> Result<Docker, String> {
    let client = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(Duration::from_secs(10), client.ping()).await;
    answer.map_err(|_| "it hangs".to_owned())?.map_err(|error| error.to_string())?;
    load(&client).await?;
    Ok(client)
}

/// Puts the test images on the engine unless they are there: an image's id is the digest of its configuration.
async fn load(client: &Docker) -> Result<(), String> {
    let busybox = std::fs::read("/bin/busybox").map_err(|error| {
        format!("the test images need a static /bin/busybox (package busybox-static): {error}")
    })?;
    let scratch = serde_json::json!({ "Entrypoint": ["/cat"], "Cmd": ["-"], "User": "4321" });
    for (reference, layer, config) in [
        (BUSYBOX, tools(&busybox), serde_json::json!({ "Cmd": ["cat"], "Env": ["PATH=/bin"] })),
        (SCRATCH, lone(&busybox), scratch),
        (MUTE, lone(&busybox), serde_json::json!({})),
    ] {
        let (archive, id) = image(reference, &layer, &config);
        if client.inspect_image(reference).await.is_ok_and(|image| image.id.as_deref() == Some(id.as_str())) {
            continue;
        }
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut news = client.import_image(options, bollard::body_full(archive.into()), None);
        while let Some(line) = news.next().await {
            line.map_err(|error| format!("can't load {reference}: {error}"))?;
        }
    }
    Ok(())
}

/// A layer with a shell and what scripts need.
fn tools(busybox: &[u8]) -> Vec<u8> {
    let mut layer = Tar::default();
    for (dir, mode) in [("bin/", 0o755), ("data/", 0o755), ("tmp/", 0o1777)] {
        layer.add(dir, b'5', mode, "", b"");
    }
    layer.add("bin/busybox", b'0', 0o755, "", busybox);
    layer.add("bin/crash", b'0', 0o755, "", &crash());
    for applet in
        "awk cat dd echo env false grep head id ifconfig kill ls printf sh sleep tail touch tr true wc"
            .split(' ')
    {
        layer.add(&format!("bin/{applet}"), b'2', 0o777, "busybox", b"");
    }
    layer.end()
}

/// A layer with one program and nothing else: no shell, no directory.
fn lone(busybox: &[u8]) -> Vec<u8> {
    let mut layer = Tar::default();
    layer.add("cat", b'0', 0o755, "", busybox);
    layer.end()
}

/// An image as `docker save` writes one, and its id.
fn image(reference: &str, layer: &[u8], config: &serde_json::Value) -> (Vec<u8>, String) {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": arch,
        "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(layer))] },
        "history": [{ "created_by": "kiln's tests" }],
    });
    let config = config.to_string();
    let id = digest(config.as_bytes());
    let manifest = serde_json::json!([
        { "Config": format!("{id}.json"), "RepoTags": [reference], "Layers": ["layer.tar"] }
    ]);
    let mut archive = Tar::default();
    archive.add(&format!("{id}.json"), b'0', 0o644, "", config.as_bytes());
    archive.add("layer.tar", b'0', 0o644, "", layer);
    archive.add("manifest.json", b'0', 0o644, "", manifest.to_string().as_bytes());
    (archive.end(), format!("sha256:{id}"))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A whole ELF program of one illegal instruction: process 1 of a container ignores signals that it sends to itself,
/// but not its own faults.
fn crash() -> Vec<u8> {
    let (machine, code): (u16, &[u8]) =
        if cfg!(target_arch = "aarch64") { (183, &[0, 0, 0, 0]) } else { (62, &[0x0f, 0x0b]) };
    let (base, headers) = (0x40_0000_u64, 64 + 56_u64);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
    put(&2_u16.to_le_bytes());
    put(&machine.to_le_bytes());
    put(&1_u32.to_le_bytes());
    [base + headers, 64, 0].iter().for_each(|field| put(&field.to_le_bytes()));
    put(&0_u32.to_le_bytes());
    [64_u16, 56, 1, 0, 0, 0].iter().for_each(|field| put(&field.to_le_bytes()));
    put(&1_u32.to_le_bytes());
    put(&5_u32.to_le_bytes());
    let size = headers + code.len() as u64;
    [0, base, base, size, size, 0x1000].iter().for_each(|field| put(&field.to_le_bytes()));
    put(code);
    elf
}

#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(&mut self, name: &str, kind: u8, mode: u32, link: &str, bytes: &[u8]) {
        let mut header = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}\0{0:07o}\0{0:07o}\0{1:011o}\0{0:011o}\0", 0, bytes.len()).as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

impl Engine {
    /// Puts an image on the engine that is one static program, `/program`, and runs it.
    pub(crate) async fn load_program(&self, reference: &str, program: &[u8]) {
        let mut layer = Tar::default();
        layer.add("tmp/", b'5', 0o1777, "", b"");
        layer.add("program", b'0', 0o755, "", program);
        let config = serde_json::json!({ "Entrypoint": ["/program"] });
        let (archive, _) = image(reference, &layer.end(), &config);
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut news = self.client.import_image(options, bollard::body_full(archive.into()), None);
        while let Some(line) = news.next().await {
            line.unwrap_or_else(|error| panic!("can't load {reference}: {error}"));
        }
    }

    /// Takes an image off the engine.
    pub(crate) async fn remove_image(&self, reference: &str) {
        let _ = self.client.remove_image(reference, None::<RemoveImageOptions>, None).await;
    }

    /// The ids of all containers that carry a host id.
    pub(crate) async fn containers(&self, host_id: &str) -> Vec<String> {
        let filters = HashMap::from([("label", vec![format!("kiln.owner={host_id}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.client.list_containers(Some(options)).await.expect("the engine lists containers");
        found.into_iter().filter_map(|each| each.id).collect()
    }

    /// Waits until no container of this test is left.
    pub(crate) async fn none_left(&self) {
        for _ in 0..600 {
            if self.containers(&self.host_id).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("containers of {} are left: {:?}", self.host_id, self.containers(&self.host_id).await);
    }

    /// Removes all containers that carry a host id.
    pub(crate) async fn remove_all(&self, host_id: &str) {
        for id in self.containers(host_id).await {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let _ = self.client.remove_container(&id, Some(options)).await;
        }
    }
}

impl Drop for Engine {
    /// After a failed test, too: in a runtime of its own, since the test's may be going down.
    fn drop(&mut self) {
        let engine = Self { client: self.client.clone(), host_id: self.host_id.clone() };
        let sweep = move || {
            let engine = std::mem::ManuallyDrop::new(engine);
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(engine.remove_all(&engine.host_id));
        };
        let _ = std::thread::spawn(sweep).join();
    }
}
