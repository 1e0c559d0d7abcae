//! The paths that are Kiln's own.

use crate::guests;
use crate::harness::serve;
use kiln::Function;
use kiln::server::{FunctionView, PoolView};

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_and_only_read() {
    let server = serve([]).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        serde_json::json!({"ready": true, "draining": false, "backends": {"wasm": "ok"}})
    );
    let posted = server.post("/healthz", "").await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
}

/// SEEDS.md W9 and W19: how each was started is counted, and the pool's figures are there.
#[tokio::test(flavor = "multi_thread")]
async fn w9_w19_metrics_count_what_happened() {
    let server = serve([Function::wasm_bytes("echo", guests::echo())]).await;
    for _ in 0..3 {
        assert_eq!(server.post("/r/echo", "x").await.status, 200);
    }
    server.post("/r/nope", "").await;
    let metrics = server.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let of_echo = text
        .lines()
        .filter(|line| line.starts_with("kiln_invocations_total{function=\"echo\",backend=\"wasm\""));
    let counted: u64 = of_echo.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(counted, 3, "{text}");
    for line in [
        "kiln_invocations_total{function=\"\",backend=\"none\",start=\"none\",outcome=\"NotFound\"} 1",
        "kiln_invocation_duration_seconds_count{function=\"echo\",backend=\"wasm\",phase=\"run\"} 3",
        "kiln_pool_budget_bytes 268435456",
        "kiln_pool_waiting_jobs 0",
        "kiln_pool_active_sandboxes 0",
        "kiln_pool_ended_jobs_total 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_pool_are_shown() {
    let server = serve([Function::wasm_bytes("echo", guests::echo()).memory(32 << 20)]).await;
    assert_eq!(server.post("/r/echo", "x").await.status, 200);
    let functions: Vec<FunctionView> =
        serde_json::from_slice(&server.get("/_kiln/functions").await.body).unwrap();
    let [echo] = functions.as_slice() else { panic!("{functions:?}") };
    assert_eq!((echo.name.as_str(), echo.memory, echo.active), ("echo", 32 << 20, 0));
    assert_eq!(echo.revision.len(), 32);
    let pool: PoolView = serde_json::from_slice(&server.get("/_kiln/pool").await.body).unwrap();
    assert_eq!((pool.budget, pool.ended), (256 << 20, 1));
}
