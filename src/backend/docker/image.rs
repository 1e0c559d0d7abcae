//! Images: found on the engine, or pulled to it as the function's policy says.
//!
//! Whoever needs an image that is being pulled already waits for that pull. A pull runs in a task of its own: a
//! start that gives up doesn't end it, so the next one finds the image there.

use super::connect::{Engine, Fault};
use crate::error::{Error, Result};
use crate::function::{Image, PullPolicy};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest that a pull may say nothing at all.
const SILENCE: Duration = Duration::from_secs(60);

type Pull = Shared<BoxFuture<'static, Result<()>>>;

/// The engine's images.
pub(super) struct Images {
    engine: Arc<Engine>,
    pulls: Mutex<HashMap<String, Pull>>,
}

/// What an image says about how it runs.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The user that it names; may be empty.
    pub(super) user: String,
    /// What it runs, and with what unless a function has arguments of its own.
    pub(super) entrypoint: Vec<String>,
    pub(super) cmd: Vec<String>,
    /// Its environment, as `NAME=value`.
    pub(super) env: Vec<String>,
}

impl Images {
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, pulls: Mutex::default() })
    }

    /// Makes sure that the engine has an image. `fresh` remembers that this revision's image has been pulled.
    pub(super) async fn ensure(self: &Arc<Self>, image: &Image, fresh: &AtomicBool) -> Result<Found> {
        if image.pull == PullPolicy::Always && !fresh.load(Ordering::Relaxed) {
            self.pull(&image.reference).await?;
            fresh.store(true, Ordering::Relaxed);
        }
        if let Some(found) = self.find(&image.reference).await? {
            return Ok(found);
        }
        if image.pull == PullPolicy::Never {
            return Err(Error::failed(format!(
                "image `{}` isn't on the docker engine at {} and its pull policy is `never`: \
                 build, load or pull it there, or set `pull = \"if-missing\"`",
                image.reference,
                self.engine.host()
            )));
        }
        self.pull(&image.reference).await?;
        self.find(&image.reference).await?.ok_or_else(|| {
            Error::unavailable(format!("image `{}` was pulled, but it is gone again", image.reference))
        })
    }

    /// What the engine has under a reference, if anything.
    pub(super) async fn find(&self, reference: &str) -> Result<Option<Found>> {
        let answer =
            self.engine.call(self.engine.quick, async |client| client.inspect_image(reference).await).await;
        match answer {
            Ok(image) => {
                let config = image.config.unwrap_or_default();
                Ok(Some(Found {
                    user: config.user.unwrap_or_default(),
                    entrypoint: config.entrypoint.unwrap_or_default(),
                    cmd: config.cmd.unwrap_or_default(),
                    env: config.env.unwrap_or_default(),
                }))
            }
            Err(Fault::Said(404, _)) => Ok(None),
            Err(fault) => Err(self.engine.refused(&format!("look for image `{reference}`"), fault)),
        }
    }

    fn pull(self: &Arc<Self>, reference: &str) -> Pull {
        let mut pulls = self.pulls.lock();
        if let Some(pull) = pulls.get(reference) {
            return pull.clone();
        }
        let (images, name) = (self.clone(), reference.to_owned());
        let task = tokio::spawn(async move {
            tracing::info!(image = name, "pulling");
            let result = images.fetch(&name).await;
            images.pulls.lock().remove(&name);
            result
        });
        let pull =
            async { task.await.unwrap_or_else(|end| Err(Error::internal(format!("a pull ended: {end}")))) };
        let pull = pull.boxed().shared();
        pulls.insert(reference.to_owned(), pull.clone());
        pull
    }

    async fn fetch(&self, reference: &str) -> Result<()> {
        let what = format!("pull image `{reference}`");
        let client = self.engine.client().map_err(|fault| self.engine.refused(&what, fault))?;
        let (name, tag) = split(reference);
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let mut news = client.create_image(Some(options), None, None);
        loop {
            match tokio::time::timeout(SILENCE, news.next()).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(failure))) => return Err(self.failed(reference, failure.into())),
                Ok(None) => return Ok(()),
                Err(_) => {
                    let why = format!("nothing came for {}", humantime::format_duration(SILENCE));
                    return Err(self.engine.unavailable(&what, &why));
                }
            }
        }
    }

    /// A registry that says no is the function's fault; one that can't be asked may be there later.
    fn failed(&self, reference: &str, fault: Fault) -> Error {
        match fault {
            Fault::Away(why) => self.engine.unavailable(&format!("pull image `{reference}`"), &why),
            Fault::Said(status, words) if is_refusal(status, &words) => Error::failed(format!(
                "image `{reference}` isn't on the docker engine at {} and can't be pulled: {words}: \
                 check the reference, or build, load or pull it there yourself",
                self.engine.host()
            )),
            Fault::Said(_, words) => Error::unavailable(format!(
                "image `{reference}` isn't on the docker engine at {} and its registry can't be asked: {words}",
                self.engine.host()
            )),
        }
    }
}

fn is_refusal(status: u16, words: &str) -> bool {
    let refusals = ["manifest unknown", "not found", "denied", "unauthorized", "no matching manifest"];
    matches!(status, 400 | 401 | 403 | 404) || refusals.iter().any(|refusal| words.contains(refusal))
}

/// Name and tag as the engine wants them: without a tag it would pull every one there is.
fn split(reference: &str) -> (&str, &str) {
    if reference.contains('@') {
        return (reference, "");
    }
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

/// Refuses what can't be an image's reference. It becomes part of the path that the engine is asked for, so this is
/// also what keeps one from leading elsewhere.
pub(super) fn validate(reference: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    let starts =
        reference.split('/').all(|part| part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric));
    if starts && reference.len() <= 512 && reference.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`image` is {reference:?}, which can't be an image's reference: give one like `echo:1` or `registry:5000/team/echo@sha256:…`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        assert_eq!(split("echo"), ("echo", "latest"));
        assert_eq!(split("echo:1"), ("echo", "1"));
        assert_eq!(split("registry:5000/echo"), ("registry:5000/echo", "latest"));
        assert_eq!(split("registry:5000/team/echo:2"), ("registry:5000/team/echo", "2"));
        assert_eq!(split("echo@sha256:abc"), ("echo@sha256:abc", ""));
    }

    #[test]
    fn a_reference_can_not_lead_to_another_call() {
        for reference in ["", "../containers", "a/../../info", "a//b", "a?x", "a#x", "a b", "é", "/a", "a/"]
        {
            assert!(validate(reference).is_err(), "{reference:?}");
        }
        for reference in
            ["echo", "echo:1", "registry:5000/team/echo@sha256:0123abc", "sha256:abc", "a.b/c_d-e"]
        {
            assert!(validate(reference).is_ok(), "{reference:?}");
        }
    }

    #[test]
    fn a_registry_that_says_no_differs_from_one_that_is_away() {
        assert!(is_refusal(404, "pull access denied for x"));
        assert!(is_refusal(500, "manifest unknown: manifest unknown"));
        assert!(!is_refusal(500, "Get \"https://registry/v2/\": dial tcp: lookup registry: no such host"));
    }
}
