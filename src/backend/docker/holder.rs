//! Makes network namespaces ready: starts their holders, one at a time and behind every start that somebody waits for.
//!
//! Nothing here may fail a function. Where no holder can be made, its next container makes a namespace of its own.

use super::create;
use super::network::Network;
use super::program::Declared;
use super::start::joined;
use super::ways::Way;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often it is looked whether the engine is free, and how long at most.
const LOOKING: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(60));

/// Has a namespace made ready for a function's next start, unless one is or is being made.
pub(super) fn keep(declared: &Arc<Declared>) {
    // Without a runtime there is nobody to make it; the first start will ask again.
    let Ok(runtime) = Handle::try_current() else { return };
    let Some(turn) = declared.hold_turn() else { return };
    let declared = declared.clone();
    runtime.spawn(async move {
        if let Err(why) = make(&declared).await {
            tracing::debug!(function = %declared.function.name, "no network namespace is kept ready: {why}");
        }
        drop(turn);
    });
}

/// Makes one, if one is wanted.
async fn make(declared: &Declared) -> Result<()> {
    let shared = declared.shared();
    let _one = shared.networks.making().await;
    let began = Instant::now();
    loop {
        // First, since whoever asked for this is likely about to start something.
        tokio::time::sleep(LOOKING.0).await;
        if !shared.starter.is_busy() {
            break;
        }
        if began.elapsed() > LOOKING.1 {
            return Ok(());
        }
    }
    let Some(place) = declared.place() else { return Ok(()) };
    // Nothing is pulled for this.
    let Some(image) = shared.images.find(&declared.image.reference).await? else { return Ok(()) };
    let Way::Pipes(home) = shared.ways.next()? else { return Ok(()) };
    let number = shared.networks.number();
    let room = home.room(&format!("network-{number}"));
    let room = room.map_err(|error| Error::unavailable(error.to_string()))?;
    let labels = shared.names.holder_labels(&declared.function);
    let body = create::holder(declared, &image, labels, &room);
    let engine = &shared.engine;
    let holder = joined(shared.starter.create(shared.names.holder(number), body).await)?.container;
    let started =
        engine.call(engine.slow, async |client| client.start_container(holder.id(), None).await).await;
    started.map_err(|fault| engine.refused("start a namespace's holder", fault))?;
    let line = tokio::time::timeout(engine.quick, room.connected()).await;
    let lost = |why: String| Error::unavailable(format!("a namespace's holder did not connect: {why}"));
    let line = line.map_err(|end| lost(end.to_string()))?.map_err(|error| lost(error.to_string()))?;
    let network = Network::new(holder, line, place);
    if shared.networks.is_closed() {
        // Whoever closes waits for this turn to end, and leaves nothing behind.
        network.remove().await;
    } else {
        declared.give(network);
    }
    Ok(())
}
