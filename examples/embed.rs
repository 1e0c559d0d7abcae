//! Kiln inside another program: one module, kept warm, called a few times. Needs neither Docker nor a server:
//! `cargo run --no-default-features --features wasm --example embed`

use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::{Format, Function, Host, Invocation};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> kiln::Result<()> {
    let builder = Host::builder().memory(256 << 20);
    let wasm = Wasm::new(WasmConfig { budget: builder.budget(), ..WasmConfig::default() })?;
    let host = builder.backend(Arc::new(wasm)).build()?;

    let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/echo/echo.wasm");
    host.deploy(Function::wasm("echo", echo).format(Format::Frame).prewarm(1)).await?;
    for word in ["prewarmed", "warm", "warm again"] {
        let outcome = host.invoke("echo", Invocation::new(word)).await;
        let start = outcome.start.map_or("no start", |start| start.as_str());
        let took = outcome.timings.total();
        let reply = outcome.result?;
        println!("{:<10} {:>9.1?}  {}", start, took, String::from_utf8_lossy(&reply.body));
    }
    host.drain().await;
    Ok(())
}
