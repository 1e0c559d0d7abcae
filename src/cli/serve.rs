//! `kiln serve`: a manifest's functions over HTTP.

use super::args::Serve;
use super::signals::{Ending, Hangup};
use super::state::{self, Place};
use super::{INTERRUPTED, host, identity, output, runtimes};
use crate::function::BackendKind;
use crate::host::Host;
use crate::manifest::{self, HostSettings, Manifest};
use crate::openwhisk::OpenWhisk;
use crate::server::{Reloader, Server};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Where it listens unless said: this machine only, since nothing asks who calls.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long after a failed clean-up it is tried again: an engine that is down comes back, with what was left on it.
const CLEAN_UP_AGAIN: Duration = Duration::from_secs(10);

pub(super) async fn serve(args: Serve) -> anyhow::Result<ExitCode> {
    let mut ending = Ending::new()?;
    let manifest = match args.manifest {
        Some(file) => Manifest::read(file)?,
        // Actions are declared over the API: there needn't be one.
        None if !Path::new(manifest::DEFAULT_FILE).exists() => Manifest::parse(manifest::DEFAULT_FILE, "")?,
        None => Manifest::read(manifest::DEFAULT_FILE)?,
    };
    let listen = args.listen.or(manifest.host.listen).unwrap_or(LISTEN);
    let settings = HostSettings { memory: args.memory.or(manifest.host.memory), ..manifest.host.clone() };
    let id = identity::of_server(settings.id.as_deref(), &manifest.file, listen);
    // A port of the system's choice isn't known before there is a host.
    let known = (listen.port() != 0).then(|| api_host(&manifest, listen));
    let host = host::build(&settings, &runtimes::offered(&manifest.runtimes, known.as_deref()), id)?;
    // Before anything is cleaned up: whoever has the address is the only one with this id.
    let server = Server::bind(listen, host.clone()).await?;
    let place = Place::given(args.state.as_deref(), settings.state.as_deref());
    let place = place.unwrap_or_else(|| if listen.port() == 0 { Place::Memory } else { Place::usual() });
    let (store, namespaces, key) = {
        let (place, manifest) = (place, manifest.clone());
        let open = move || {
            let store = place.open(&manifest.store)?;
            let (namespaces, key) = state::namespaces(&manifest, &place)?;
            Ok::<_, crate::Error>((store, namespaces, key))
        };
        tokio::task::spawn_blocking(open).await.context("the store did not open")??
    };
    let mut config = state::config(namespaces, &manifest)?;
    config.api_host = Some(api_host(&manifest, server.local_addr()));
    let api = OpenWhisk::open(host.clone(), store, config).await?;
    let server = server.openwhisk(api.clone());

    let functions = manifest.functions.len();
    let images = manifest.functions.iter().any(|function| function.backend() == Some(BackendKind::Docker));
    // Dropped, and with it what runs in it, when there is nothing to be done any more.
    let mut beside = JoinSet::new();
    beside.spawn(clean_up(host.clone(), images));
    let started = tokio::select! {
        started = Reloader::start(host.clone(), manifest) => started,
        () = ending.next() => {
            host.stop().await;
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let reloader = match started {
        Ok(reloader) if args.memory.is_some() => reloader.without_memory(),
        Ok(reloader) => reloader,
        Err(error) => {
            host.stop().await;
            return Err(error.into());
        }
    };
    for error in api.start().await {
        tracing::error!("{error}; it stays declared, and calls to it fail until it is declared anew");
    }
    let reload = Arc::new(Notify::new());
    beside.spawn(reloader.watch(Arc::clone(&reload)));
    beside.spawn(on_hangup(Hangup::new()?, reload));

    let budget = output::bytes(host.figures().budget);
    let plural = if functions == 1 { "" } else { "s" };
    let address = server.local_addr();
    output::note(&format!(
        "kiln: listening on http://{address} ({functions} function{plural}, {budget} of memory)"
    ));
    let key = key.map(|key| format!("; {key}")).unwrap_or_default();
    output::note(&format!("kiln: OpenWhisk's API is at /api/v1{key}"));

    let drain = Notify::new();
    let running = server.run(drain.notified());
    let mut running = std::pin::pin!(running);
    tokio::select! {
        () = &mut running => {}
        () = ending.next() => {
            // From here on a change of the manifest would be one to a host that takes nothing any more.
            beside.abort_all();
            output::note("kiln: draining; once more to stop at once");
            drain.notify_one();
            tokio::select! {
                () = &mut running => {}
                () = ending.next() => {
                    output::note("kiln: stopping");
                    host.stop().await;
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where actions find the API: as the manifest says, else at the address that is listened on.
fn api_host(manifest: &Manifest, mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    manifest.openwhisk.api_host.clone().unwrap_or_else(|| format!("http://{listen}"))
}

/// Removes what an earlier life left behind, as soon as the engine is there to be asked. Nothing waits for that: an
/// engine may be away for long, and containers of this life are told from those of an earlier one.
async fn clean_up(host: Host, images: bool) {
    // An engine that isn't there is no news to whoever has no image functions.
    let mut told = !images;
    loop {
        match host.clean_up().await {
            Ok(0) => return,
            Ok(removed) => {
                tracing::info!(removed, "removed what an earlier life left behind");
                return;
            }
            Err(error) if told => tracing::debug!(%error, "can't look for what an earlier life left behind"),
            Err(error) => {
                tracing::warn!(%error, "can't look for what an earlier life left behind; trying again");
                told = true;
            }
        }
        tokio::time::sleep(CLEAN_UP_AGAIN).await;
    }
}

async fn on_hangup(mut hangup: Hangup, reload: Arc<Notify>) {
    loop {
        hangup.next().await;
        reload.notify_one();
    }
}
