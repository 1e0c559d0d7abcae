//! A container by hand, its stdio over the engine's attached stream.

use super::frames::Frames;
use super::{Engine, options};
use crate::Result;
use crate::bare;
use crate::ours::is_echo;
use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, StartContainerOptions,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

pub(super) struct Container {
    id: String,
    link: AttachContainerResults,
    have: Frames,
}

impl Container {
    /// Returns when its program is ready.
    pub(super) async fn start(client: &Docker) -> Result<Self> {
        let id = client.create_container(None::<CreateContainerOptions>, options::attached()).await?.id;
        let attach =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true);
        let link = client.attach_container(&id, Some(attach.build())).await?;
        client.start_container(&id, None::<StartContainerOptions>).await?;
        let mut container = Self { id, link, have: Frames::default() };
        // Its `ready` frame.
        container.frame().await?;
        Ok(container)
    }

    /// The next frame of its stdout.
    async fn frame(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.have.take() {
                return Ok(frame);
            }
            match self.link.output.next().await.ok_or("the container's stdout has ended")?? {
                LogOutput::StdOut { message } => self.have.0.extend_from_slice(&message),
                other => return Err(format!("the container said {other:?}").into()),
            }
        }
    }

    pub(super) async fn call(&mut self, body: &Bytes, request: &Bytes) -> Result<()> {
        self.link.input.write_all(request).await?;
        self.link.input.flush().await?;
        is_echo(body, bare::reply_body(&self.frame().await?)?)
    }

    pub(super) async fn remove(self, client: &Docker) -> Result<()> {
        drop(self.link);
        Engine::remove(client, &self.id).await
    }
}
