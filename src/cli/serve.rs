//! `kiln serve`: a manifest's functions over HTTP.

use super::args::Serve;
use super::signals::{Ending, Hangup};
use super::{INTERRUPTED, host, identity, output};
use crate::host::Host;
use crate::manifest::{HostSettings, Manifest};
use crate::server::{Reloader, Server};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Where it listens unless said: this machine only, since nothing asks who calls.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long after a failed clean-up it is tried again: an engine that is down comes back, with what was left on it.
const CLEAN_UP_AGAIN: Duration = Duration::from_secs(10);

pub(super) async fn serve(args: Serve) -> anyhow::Result<ExitCode> {
    let mut ending = Ending::new()?;
    let manifest = Manifest::read(args.manifest)?;
    let listen = args.listen.or(manifest.host.listen).unwrap_or(LISTEN);
    let settings = HostSettings { memory: args.memory.or(manifest.host.memory), ..manifest.host.clone() };
    let id = identity::of_server(settings.id.as_deref(), &manifest.file, listen);
    let host = host::build(&settings, id)?;
    // Before anything is cleaned up: whoever has the address is the only one with this id.
    let server = Server::bind(listen, host.clone()).await?;

    let functions = manifest.functions.len();
    let cleaning = tokio::spawn(clean_up(host.clone()));
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
    let reload = Arc::new(Notify::new());
    let watching = tokio::spawn(reloader.watch(Arc::clone(&reload)));
    let hanging_up = tokio::spawn(on_hangup(Hangup::new()?, reload));

    let budget = output::bytes(host.figures().budget);
    let plural = if functions == 1 { "" } else { "s" };
    let address = server.local_addr();
    output::note(&format!(
        "kiln: listening on http://{address} ({functions} function{plural}, {budget} of memory)"
    ));

    let drain = Notify::new();
    let running = server.run(drain.notified());
    let mut running = std::pin::pin!(running);
    tokio::select! {
        () = &mut running => {}
        () = ending.next() => {
            // From here on a change of the manifest would be one to a host that takes nothing any more.
            [cleaning.abort_handle(), watching.abort_handle(), hanging_up.abort_handle()].map(|task| task.abort());
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

/// Removes what an earlier life left behind, as soon as the engine is there to be asked. Wasm functions don't wait for
/// that, and image functions need no more than the engine itself.
async fn clean_up(host: Host) {
    let mut told = false;
    loop {
        match host.clean_up().await {
            Ok(0) => return,
            Ok(removed) => {
                tracing::info!(removed, "removed what an earlier life left behind");
                return;
            }
            // An engine that isn't there is no news to whoever has no image functions.
            Err(error) if told => tracing::debug!(%error, "can't look for what an earlier life left behind"),
            Err(error) => {
                tracing::info!(%error, "can't look for what an earlier life left behind; trying again");
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
