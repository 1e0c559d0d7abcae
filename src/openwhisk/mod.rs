//! OpenWhisk's REST API over a host and a store, so that its clients work unchanged.
//!
//! ```text
//!   a request ── route ── auth ──┬─ rest/        actions, packages, activations, namespaces: JSON in, JSON out
//!                                └─ web/         web actions: any HTTP in, any HTTP out
//!                                     │
//!             catalog: what is declared (the store's documents, and in memory)     run: one run, and its record
//!                                     └──────────── deploy: an action as the host's function ────► host
//! ```
//! An action is a [`Function`](crate::Function) in its namespace; parameters are merged here and go in as one JSON object, and
//! what comes out is a result. What is kept outlives the process: declared actions are deployed again at the next start.
//! Errors are `{"error": "...", "code": "<the request's id>"}`, in the words of OpenWhisk's controller.
//!
//! `docs/openwhisk.md` says what isn't offered and what differs.

mod accepted;
mod action;
mod activation;
mod answer;
mod archive;
mod auth;
mod catalog;
mod config;
mod deploy;
mod exec;
mod invoke;
mod key;
mod kinds;
mod limits;
mod name;
mod named;
mod package;
mod params;
mod pending;
mod query;
mod refusal;
mod resolve;
mod response;
mod rest;
mod route;
mod rule;
mod run;
mod sequence;
mod trigger;
mod version;
mod web;
mod words;

pub use auth::Namespace;
pub use config::OpenWhiskConfig;
pub(crate) use deploy::API_HOST;
pub use limits::{Range, Ranges};
pub(crate) use route::is_ours;
pub(crate) use web::{Head, plain};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::intake::{Intake, StoreFeed};
use crate::store::Store;
use catalog::Catalog;
use kinds::{Kinds, RuntimeKinds};
use std::sync::Arc;

/// The API of one host and one store. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct OpenWhisk {
    shared: Arc<Shared>,
}

struct Shared {
    host: Host,
    store: Store,
    catalog: Catalog,
    /// One declaration at a time: the host, the store and the catalogue change together.
    declaring: tokio::sync::Mutex<()>,
    keys: auth::Keys,
    kinds: Kinds,
    ranges: Ranges,
    /// Where actions find this API.
    api_host: Option<String>,
    pending: pending::Pending,
    /// What was accepted and nobody waits for.
    intake: Intake,
}

impl OpenWhisk {
    /// Reads what the store has; nothing is deployed yet. `InvalidInput` where a namespace or its key can't be.
    pub async fn open(host: Host, store: Store, config: OpenWhiskConfig) -> Result<Self> {
        let runtimes = host.runtimes().iter().map(|runtime| RuntimeKinds {
            runtime: runtime.name.clone(),
            kinds: runtime.kinds.clone(),
            format: runtime.format,
        });
        let kinds = Kinds::new(runtimes.collect());
        let keys = auth::Keys::new(&config.namespaces)?;
        let catalog = Catalog::open(store.clone()).await?;
        let feed = Arc::new(StoreFeed::open(store.clone(), &config.intake).await?);
        let records = Arc::new(accepted::ActivationRecords::new(config.ranges));
        let intake = Intake::new(host.clone(), feed, records.clone(), config.intake)?;
        let shared = Arc::new(Shared {
            host,
            store,
            catalog,
            declaring: tokio::sync::Mutex::default(),
            keys,
            kinds,
            ranges: config.ranges,
            api_host: config.api_host,
            pending: pending::Pending::default(),
            intake,
        });
        records.belong_to(&shared);
        Ok(Self { shared })
    }

    /// Deploys every action that the store has, and then begins to run what was accepted. Returns why some actions couldn't be
    /// deployed: those stay declared, and calls to them fail until they are declared anew. Before any request is answered.
    pub async fn start(&self) -> Vec<Error> {
        let mut tasks = tokio::task::JoinSet::new();
        for kept in self.shared.catalog.every() {
            let shared = self.shared.clone();
            tasks.spawn(async move {
                let deployed = shared.redeploy(&kept).await;
                deployed.map_err(|error| error.context(format_args!("action {}", kept.action.name)))
            });
        }
        let mut failed = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed.push(error),
                Err(error) => failed.push(Error::internal(format!("a deployment broke off: {error}"))),
            }
        }
        self.shared.intake.start();
        failed
    }

    /// Begins nothing more, and waits until every run that was begun has its record, and all of that is on disk. Before the
    /// host is drained; what was accepted and didn't begin runs at the next start.
    pub async fn drain(&self) -> Result<()> {
        self.shared.intake.drain().await;
        self.shared.pending.none().await;
        self.shared.store.flush().await
    }
}

impl OpenWhisk {
    /// The namespace and the function of an action that is called without the API, at `/r/<name>`, by whoever has its
    /// namespace's key.
    pub(crate) fn keyed(&self, name: &str, headers: &http::HeaderMap) -> Option<(String, String)> {
        headers.get(http::header::AUTHORIZATION)?;
        let own = self.shared.keys.of(headers).ok()?;
        let name = query::decoded(name).into_owned();
        let name = name::ActionName { namespace: own.to_owned(), package: None, name };
        let kept = self.shared.catalog.action(&name)?;
        (!kept.action.exec.is_sequence()).then(|| (own.to_owned(), name.function()))
    }
}

impl Shared {
    /// What of the platform goes into its functions.
    fn setting(&self) -> deploy::Setting<'_> {
        deploy::Setting { ranges: &self.ranges, kinds: &self.kinds, api_host: self.api_host.as_deref() }
    }

    async fn redeploy(&self, kept: &catalog::Kept) -> Result<()> {
        if kept.action.exec.is_sequence() {
            return Ok(());
        }
        let code = self.catalog.code(kept).await?;
        let function = deploy::function(&kept.action, code, self.setting());
        let function = function.map_err(|refusal| Error::invalid(refusal.text))?;
        self.host.deploy(function).await.map(drop)
    }
}
