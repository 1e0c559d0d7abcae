//! A host with one container of the FDK's image, and calls through it.

use crate::{BODY, IMAGE, Result, TOLD};
use kiln::backend::docker::{Docker, DockerConfig};
use kiln::function::Dir;
use kiln::{Format, Function, Host, Invocation};
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Kiln {
    pub(crate) host: Host,
    /// Where its container's socket is: in a directory of this machine.
    sockets: tempfile::TempDir,
}

/// Whether all is here that the row needs.
pub(crate) async fn found() -> Result<()> {
    bollard::Docker::connect_with_defaults()?.inspect_image(IMAGE).await?;
    Ok(())
}

impl Kiln {
    /// With the container warm.
    pub(crate) async fn new() -> Result<Self> {
        let sockets = tempfile::tempdir()?;
        // The container's user is another.
        set_permissions(sockets.path(), Permissions::from_mode(0o777))?;
        let backend = Docker::new(DockerConfig::new(format!("fdk-{}", std::process::id())));
        let host = Host::builder().backend(Arc::new(backend)).build()?;
        let mut function = Function::image("fdk", IMAGE).format(Format::HttpStream);
        function.limits.start_timeout = Duration::from_secs(60);
        // It is never frozen while its socket is called by hand.
        function.pause_after = Some(Duration::from_secs(3600));
        let guest = "/tmp/iofs".to_owned();
        function.dirs.push(Dir { host: sockets.path().to_owned(), guest, writable: true });
        host.deploy(function).await?;
        let kiln = Self { host, sockets };
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
    pub(crate) fn listener(&self) -> PathBuf {
        self.sockets.path().join("lsnr.sock")
    }
}
