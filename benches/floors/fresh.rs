//! A fresh instance for each request: store, context, instance, `_start`, reply, and all of it gone again.

use crate::Result;
use crate::bare::{Bare, Bounds};
use crate::ours::{self, is_echo};
use crate::plan::Plan;
use crate::stats::{Rounds, Unit, each};
use crate::table::{Promise, Table};
use kiln::{Format, Host, Invocation};

const CASE: &str = "fresh wasm instance for each request";
const CALLS: u32 = 20;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) {
        return Ok(());
    }
    let runtime = ours::one_thread()?;
    let host = runtime.block_on(ours::host(ours::config(ours::SLOTS), ours::echo(Format::Default)))?;
    let env = runtime.block_on(environment(&host))?;
    let bare = Bare::new(ours::SLOTS, Bounds::None)?;
    let module = wasmtime::Module::from_file(&bare.engine, ours::ECHO)?;
    let pre = bare.link(&module)?;
    let body = ours::body(64);
    let rounds = Rounds::run(
        plan.rounds(21, 601),
        || each(CALLS, || is_echo(&body, &bare.guest(&pre, &env)?.run_to_end(body.clone())?)),
        || {
            runtime.block_on(async {
                let began = std::time::Instant::now();
                for _ in 0..CALLS {
                    is_echo(&body, &ours::call(&host, body.clone()).await?)?;
                }
                Ok(began.elapsed().as_nanos() as f64 / f64::from(CALLS))
            })
        },
    )?;
    runtime.block_on(host.drain());
    table.row(CASE, Unit::Time, &rounds, Promise::AtMost(1.3));
    Ok(())
}

/// What Kiln's guest is told of its request, as the guest itself says: the floor's is told the same.
async fn environment(host: &Host) -> Result<Vec<(String, String)>> {
    let mut invocation = Invocation::new("");
    invocation.path = "/env".into();
    let said = host.invoke("echo", invocation).await.result?.body;
    let lines = std::str::from_utf8(&said)?.lines();
    let env: Vec<_> = lines
        .filter_map(|line| line.split_once('='))
        // Else the floor's would answer with its environment, too.
        .map(|(name, value)| (name.to_owned(), value.replace("/env", "/")))
        .collect();
    if env.is_empty() { Err("the guest has no environment".into()) } else { Ok(env) }
}
