//! Stem cells: kept ready, taken by whichever function comes, and that function's from then on.

use crate::support::{Bed, MEMORY, bed, cache, result, source};
use kiln::{BackendKind, ErrorKind, Start};
use serde_json::json;
use std::time::Duration;

const COUNT: &str =
    "let n = 0;\nfunction main({ a }) { n += 1; return { n, a, LEVEL: process.env.LEVEL ?? null } }";

fn with_stems(count: u32) -> Option<Bed> {
    bed(cache(), |host, js| host.snapshots(false).runtime(js.prewarm(BackendKind::Wasm, None, count)))
}

#[tokio::test]
async fn w3_w8_w22_any_function_takes_one_and_loads_its_code_once() {
    let Some(bed) = with_stems(2) else { return };
    bed.ready(2).await;
    for name in ["one", "two", "three"] {
        bed.host.deploy(source(name, COUNT).env("LEVEL", name)).await.unwrap();
        for (n, start) in [(1, Start::Prewarmed), (2, Start::Warm), (3, Start::Warm)] {
            let outcome = bed.call(name, &json!({ "a": n })).await;
            assert_eq!(outcome.start, Some(start), "{name} {n}");
            assert!(!outcome.phases.init.is_zero());
            assert_eq!(result(outcome), json!({ "n": n, "a": n, "LEVEL": name }));
        }
        bed.ready(2).await;
    }
    bed.host.deploy(source("more", COUNT).memory(MEMORY * 2)).await.unwrap();
    assert_eq!(bed.call("more", &json!({})).await.start, Some(Start::Cold), "its memory is another");
    bed.end().await;
}

#[tokio::test]
async fn w22_what_is_wrong_with_the_code_is_told_with_file_and_line() {
    let Some(bed) = with_stems(1) else { return };
    for (name, code, said) in [
        ("syntax", "function main() {\n  return {;\n}", "syntax.js:2"),
        ("throws", "\n\nthrow new Error('at load')", "at load"),
        ("without", "const other = 1;", "main"),
    ] {
        let mut function = source(name, code);
        function.code.source.as_mut().unwrap().file = format!("{name}.js");
        bed.host.deploy(function).await.unwrap();
        let error = bed.call(name, &json!({})).await.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FunctionFailed);
        assert!(error.message().contains(said) && error.message().contains(&format!("{name}.js")), "{error}");
    }
    bed.ready(1).await;
    bed.until("what failed is gone", |it| it.active + it.idle + it.removing == 0).await;
    bed.end().await;
}

#[tokio::test]
async fn code_that_never_loads_is_ended_and_holds_up_nobody() {
    let Some(bed) = with_stems(0) else { return };
    let mut endless = source("endless", "for (;;) {}");
    endless.limits.start_timeout = Duration::from_millis(200);
    bed.host.deploy(endless).await.unwrap();
    bed.host.deploy(source("one", COUNT)).await.unwrap();
    let (endless, one) = (json!({}), json!({ "a": 1 }));
    let (endless, one) = tokio::join!(bed.call("endless", &endless), bed.call("one", &one));
    assert_eq!(endless.result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(result(one)["n"], 1);
    bed.end().await;
}
