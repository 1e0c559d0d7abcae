//! Endless loops, twice as many as there are cores: how late each is stopped after its deadline, and how long others on
//! the same cores wait for their answers meanwhile. Prints figures and asserts none; `KILN_BENCH_SHORT=1` for a quick run.

use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::{ErrorKind, Format, Function, Host, Invocation};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(300);

/// Loops for ever at its first request.
const LOOP: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 64))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (loop $for_ever (br $for_ever))))"#;

fn main() -> kiln::Result<()> {
    let rounds = if std::env::var_os("KILN_BENCH_SHORT").is_some() { 2 } else { 10 };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| kiln::Error::internal(error.to_string()))?;
    runtime.block_on(run(rounds))
}

async fn run(rounds: usize) -> kiln::Result<()> {
    let builder = Host::builder().memory(1 << 30);
    let wasm = Wasm::new(WasmConfig { budget: builder.budget(), ..WasmConfig::default() })?;
    let host = builder.backend(Arc::new(wasm)).build()?;
    host.deploy(Function::wasm_bytes("loop", LOOP).format(Format::Frame).timeout(TIMEOUT)).await?;
    let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/echo/echo.wasm");
    host.deploy(Function::wasm("echo", echo).format(Format::Frame)).await?;
    host.invoke("echo", Invocation::new("warm up")).await.result?;

    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (mut late, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let loops: Vec<_> = (0..cores * 2)
            .map(|_| {
                let host = host.clone();
                tokio::spawn(async move {
                    let began = Instant::now();
                    let outcome = host.invoke("loop", Invocation::new("")).await;
                    let timed_out = outcome.result.is_err_and(|error| error.kind() == ErrorKind::TimedOut);
                    timed_out.then(|| began.elapsed().saturating_sub(TIMEOUT))
                })
            })
            .collect();
        let until = Instant::now() + TIMEOUT;
        while Instant::now() < until {
            let began = Instant::now();
            host.invoke("echo", Invocation::new("still here")).await.result?;
            waits.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for one in loops {
            let lateness = one.await.map_err(|error| kiln::Error::internal(error.to_string()))?;
            late.push(
                lateness
                    .ok_or_else(|| kiln::Error::internal("a loop ended otherwise than by its deadline"))?,
            );
        }
    }
    println!("{} endless loops at once on {cores} cores, {rounds} rounds", cores * 2);
    show("stopped after its deadline by", &mut late);
    show("another call answered within", &mut waits);
    host.drain().await;
    Ok(())
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied().unwrap_or_default();
    println!(
        "{what:<32} p50 {:>9.2?}   p99 {:>9.2?}   max {:>9.2?}   of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}
