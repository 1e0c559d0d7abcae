//! A host with one container of the FDK's image, and calls through it.

use crate::{BODY, IMAGE, Result, TOLD};
use bollard::query_parameters::ListContainersOptionsBuilder;
use kiln::backend::docker::{Docker, DockerConfig};
use kiln::{Format, Function, Host, Invocation};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Kiln {
    pub(crate) host: Host,
    owner: String,
}

/// Whether all is here that the row needs.
pub(crate) async fn found() -> Result<()> {
    bollard::Docker::connect_with_defaults()?.inspect_image(IMAGE).await?;
    // A process's files are its own user's to see, and root's.
    std::fs::read_dir("/proc/1/root")
        .map(drop)
        .map_err(|why| format!("no root's view of /proc: {why}").into())
}

impl Kiln {
    /// With the container warm.
    pub(crate) async fn new() -> Result<Self> {
        let owner = format!("fdk-{}", std::process::id());
        let backend = Docker::new(DockerConfig::new(&owner));
        let host = Host::builder().backend(Arc::new(backend)).build()?;
        let mut function = Function::image("fdk", IMAGE).format(Format::HttpStream);
        function.limits.start_timeout = Duration::from_secs(60);
        // It is never frozen while its socket is called by hand.
        function.pause_after = Some(Duration::from_secs(3600));
        host.deploy(function).await?;
        let kiln = Self { host, owner };
        kiln.call().await?;
        Ok(kiln)
    }

    pub(crate) async fn call(&self) -> Result<()> {
        let mut invocation = Invocation::new(BODY);
        invocation.headers = vec![("Content-Type".into(), "application/json".into())];
        let reply = self.host.invoke("fdk", invocation).await.result?;
        let told = std::str::from_utf8(&reply.body)?;
        if told.contains(TOLD) { Ok(()) } else { Err(format!("the reply is {told}").into()) }
    }

    /// The socket in its container, as this process may reach it.
    pub(crate) async fn listener(&self) -> Result<PathBuf> {
        let client = bollard::Docker::connect_with_defaults()?;
        let filters = HashMap::from([("label", vec![format!("kiln.owner={}", self.owner)])]);
        let options = ListContainersOptionsBuilder::default().filters(&filters).build();
        for found in client.list_containers(Some(options)).await? {
            let Some(id) = found.id else { continue };
            let state = client.inspect_container(&id, None).await?.state.unwrap_or_default();
            let socket = format!("/proc/{}/root/tmp/iofs/lsnr.sock", state.pid.unwrap_or_default());
            if std::fs::symlink_metadata(&socket).is_ok() {
                return Ok(socket.into());
            }
        }
        Err("no container of the host has the socket".into())
    }
}
