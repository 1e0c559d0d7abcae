//! A warm call: a guest that is parked in its read of stdin gets a request and answers.

use crate::Result;
use crate::bare::{self, Bare, Bounds, Guest};
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit, each};
use crate::table::{Promise, Table};
use bytes::Bytes;
use kiln::Format;

/// Bytes of a body, what it is called, calls in a slice, and what is promised.
const SIZES: [(usize, &str, u32, f64); 3] =
    [(64, "64 B", 250, 3.0), (4 << 10, "4 KiB", 250, 3.0), (1 << 20, "1 MiB", 4, 1.15)];

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    for (size, name, calls, most) in SIZES {
        let (bounded, warm) =
            (format!("floor with epochs and limiter, {name}"), format!("warm wasm call, {name}"));
        let body = ours::body(size);
        if plan.wants(&bounded) {
            let (mut floor, mut same) = (parked(Bounds::None)?, parked(Bounds::EpochsAndLimiter)?);
            let rounds = Rounds::run(
                plan.rounds(11, 301),
                || floor_slice(&mut floor, &body, calls),
                || floor_slice(&mut same, &body, calls),
            )?;
            table.row(&bounded, Unit::Time, &rounds, Promise::None);
        }
        if plan.wants(&warm) {
            let rounds = against_kiln(plan, &body, calls)?;
            table.row(&warm, Unit::Time, &rounds, Promise::AtMost(most));
        }
    }
    Ok(())
}

fn against_kiln(plan: &Plan, body: &Bytes, calls: u32) -> Result<Rounds> {
    let mut floor = parked(Bounds::None)?;
    let runtime = ours::one_thread()?;
    let host = runtime.block_on(ours::host(ours::config(ours::SLOTS), ours::echo(Format::Frame)))?;
    let rounds = Rounds::run(
        plan.rounds(21, 1001),
        || floor_slice(&mut floor, body, calls),
        || {
            // As on a server: many calls on one task, each checked before the next.
            runtime.block_on(async {
                let began = std::time::Instant::now();
                for _ in 0..calls {
                    is_echo(body, &ours::call(&host, body.clone()).await?)?;
                }
                Ok(began.elapsed().as_nanos() as f64 / f64::from(calls))
            })
        },
    )?;
    runtime.block_on(host.drain());
    Ok(rounds)
}

fn parked(bounds: Bounds) -> Result<Guest> {
    let bare = Bare::new(ours::SLOTS, bounds)?;
    let module = wasmtime::Module::from_file(&bare.engine, ours::ECHO)?;
    bare.parked(&bare.link(&module)?)
}

fn floor_slice(guest: &mut Guest, body: &Bytes, calls: u32) -> Result<f64> {
    let request = bare::request(body);
    each(calls, || is_echo(body, guest.call(request.clone())?.body()?))
}
