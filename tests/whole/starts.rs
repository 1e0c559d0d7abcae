//! `Kiln-Start` tells the truth: one function of each backend through every start kind (`SEEDS.md W9`).

use crate::engine::engine_or_skip;
use crate::serve::{Serve, fixture};
use std::time::Duration;

/// Function bodies with the code of one backend.
fn code(backend: &str) -> String {
    match backend {
        "wasm" => format!("wasm = {:?}", fixture("echo/echo.wasm")),
        _ => "image = \"kiln-fixture-echo:1\"".into(),
    }
}

async fn start(serve: &Serve, function: &str) -> String {
    let answer = serve.http.post(&format!("/r/{function}"), "x").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("kiln-start").to_owned()
}

/// Waits until as many sandboxes are prewarmed.
async fn prewarmed(serve: &Serve, count: u32) {
    for _ in 0..200 {
        let metrics = serve.http.get("/metrics").await.text();
        if metrics.lines().any(|line| line == format!("kiln_pool_prewarmed_sandboxes {count}")) {
            // Those still starting count, too: a container needs a moment more.
            tokio::time::sleep(Duration::from_secs(2)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{count} sandboxes are prewarmed");
}

async fn every_start_kind(backend: &str) {
    let code = code(backend);
    // Room for two sandboxes of 64 MiB; what is prewarmed stays outside until it is taken, as the seed has it.
    let serve = Serve::new(&format!(
        "[host]\nmemory = \"128MiB\"\nprewarm.outside_budget = true\n\
         [function.one]\n{code}\nformat = \"frame\"\nmemory = \"64MiB\"\nmax_sandboxes = 1\n\
         [function.two]\n{code}\nformat = \"frame\"\nmemory = \"128MiB\"\n\
         [function.ahead]\n{code}\nformat = \"frame\"\nmemory = \"128MiB\"\nprewarm = 1\n"
    ));
    prewarmed(&serve, 1).await;
    assert_eq!(start(&serve, "one").await, "cold");
    assert_eq!(start(&serve, "one").await, "warm");
    // 128 MiB fit only once the idle one is gone.
    assert_eq!(start(&serve, "two").await, "recreated");
    assert_eq!(start(&serve, "two").await, "warm");
    // One was started ahead, but 128 MiB fit only once the idle one is gone.
    assert_eq!(start(&serve, "ahead").await, "recreated-prewarm");
    assert_eq!(start(&serve, "ahead").await, "warm");
    drop(serve);

    let serve = Serve::new(&format!(
        "[function.ahead]\n{code}\nformat = \"frame\"\nmemory = \"64MiB\"\nprewarm = 1\n"
    ));
    prewarmed(&serve, 1).await;
    assert_eq!(start(&serve, "ahead").await, "prewarmed");
    assert_eq!(start(&serve, "ahead").await, "warm");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_start_kind_on_wasm() {
    every_start_kind("wasm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_start_kind_on_docker() {
    let Some(_docker) = engine_or_skip("every_start_kind_on_docker").await else { return };
    every_start_kind("docker").await;
}
