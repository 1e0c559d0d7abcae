//! Many functions on few sandboxes: no reply is lost or crossed, and nothing of one function is ever seen by another.

use crate::support::{HANG, MEMORY, bed, cache, result, source};
use kiln::{BackendKind, Invocation};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const FUNCTIONS: usize = 50;
const NAMESPACES: usize = 5;
const CALLERS: u64 = 32;

/// 50,000 where the compiler has optimised, and as many as `KILN_RUNTIME_REQUESTS` says.
fn requests() -> u64 {
    let said = std::env::var("KILN_RUNTIME_REQUESTS").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(if cfg!(debug_assertions) { 6_000 } else { 50_000 })
}

/// Each leaves its mark wherever it can, and tells of every mark that it finds.
fn code(who: &str) -> String {
    format!(
        r#"const who = "{who}";
const opens = (open) => {{ try {{ open(); return true; }} catch {{ return false; }} }};
const files = opens(() => require("fs")) || opens(() => std.open("/etc/hostname", "r")) || opens(() => os.readdir("/"));
const found = () => [
  ...Object.keys(globalThis).filter((key) => key.startsWith("mark ")),
  ...Object.keys(process.env).filter((key) => key.startsWith("mark ")),
  ...Object.keys(Object.prototype).filter((key) => key.startsWith("mark ")),
  ...(files ? ["files"] : []),
];
const before = found();
let served = 0;
let last = null;
function main({{ n }}) {{
  const seen = {{ who, n, before, found: found(), last, served: ++served, secret: process.env.SECRET }};
  globalThis["mark " + who] = n;
  process.env["mark " + who] = n;
  Object.defineProperty(Object.prototype, "mark " + who, {{ value: n, enumerable: false, writable: true }});
  last = who;
  return seen;
}}"#
    )
}

/// The place of one in a Zipf distribution over the functions.
fn zipf(random: &mut SmallRng) -> usize {
    let all: f64 = (1..=FUNCTIONS).map(|rank| 1.0 / rank as f64).sum();
    let mut left = random.random_range(0.0..all);
    for rank in 1..=FUNCTIONS {
        left -= 1.0 / rank as f64;
        if left <= 0.0 {
            return rank - 1;
        }
    }
    FUNCTIONS - 1
}

fn named(function: usize) -> (String, String) {
    // Names are shared between namespaces.
    (format!("n{}", function % NAMESPACES), format!("f{}", function / NAMESPACES))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_functions_on_sixteen_stem_cells_lose_nothing_and_leak_nothing() {
    let Some(bed) = bed(cache(), |host, js| {
        host.memory(16 * MEMORY).snapshots(false).runtime(js.prewarm(BackendKind::Wasm, None, 4))
    }) else {
        return;
    };
    for function in 0..FUNCTIONS {
        let (namespace, name) = named(function);
        let who = format!("{namespace}/{name}");
        let mut function = source(&name, code(&who)).env("SECRET", who);
        function.namespace = namespace;
        bed.host.deploy(function).await.unwrap();
    }
    let (total, next) = (requests(), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (host, next) = (bed.host.clone(), next.clone());
            tokio::spawn(async move {
                let mut random = SmallRng::seed_from_u64(caller);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= total {
                        return;
                    }
                    let (namespace, name) = named(zipf(&mut random));
                    let asked = Invocation::new(json!({ "n": n }).to_string());
                    let got = result(host.invoke_in(&namespace, &name, asked).await);
                    let who = format!("{namespace}/{name}");
                    let own = format!("mark {who}");
                    let first = got["served"] == 1;
                    let marks = if first { json!([]) } else { json!([own, own]) };
                    let last = if first { json!(null) } else { json!(who) };
                    assert_eq!(
                        (&got["who"], &got["n"], &got["secret"]),
                        (&json!(who), &json!(n), &json!(who)),
                        "{got}"
                    );
                    assert_eq!(
                        (&got["before"], &got["found"], &got["last"]),
                        (&json!([]), &marks, &last),
                        "{got}"
                    );
                    let figures = host.figures();
                    assert!(figures.charged <= figures.budget, "{figures:?}");
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(HANG, caller).await.expect("it hangs").unwrap();
    }
    let figures = bed.host.figures();
    assert_eq!(figures.ended, total);
    println!("{total} requests, {} evictions", figures.evicted);
    bed.end().await;
}
