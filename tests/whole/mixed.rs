//! One budget for modules and containers under a mixed load: 20 functions of every kind, Zipf, 20,000 requests. None is lost,
//! none gets another's reply, the budget holds in the books and on the machine.

use crate::engine::{HOLDER, containers_of, engine_or_skip};
use crate::serve::{Serve, fixture};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BUDGET: u64 = 512 << 20;
const REQUESTS: u64 = 20_000;
const CALLERS: u64 = 24;
/// Networks that are kept unless the manifest says otherwise.
const KEPT: usize = 8;
/// In MiB, most asked for first; what runs as modules and what in images take turns. The images alone would fill half the budget, and the
/// largest module wants the other half: something has to give way, but not at every request.
const SIZES: [u64; 20] = [8, 8, 8, 8, 16, 8, 24, 8, 32, 8, 48, 16, 64, 16, 96, 16, 128, 24, 256, 128];

/// What a function is, by its rank.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Module,
    /// A `wasi:http` component: each request has an instance of its own.
    Component,
    /// One of WASI 0.3: several requests are in one instance at a time.
    Shared,
    Image,
    /// From source: a stem cell's until its snapshot is there, which is in the middle of the load.
    Source,
    /// An image that keeps OpenWhisk's contract.
    Action,
    /// An image that serves HTTP, several requests at a time.
    Server,
    /// An image that keeps Fn's contract.
    Fdk,
}

impl Kind {
    fn of(rank: usize) -> Self {
        match rank {
            8 | 12 => Self::Source,
            4 | 14 => Self::Component,
            2 | 10 => Self::Shared,
            3 | 9 => Self::Action,
            5 | 11 => Self::Server,
            7 | 13 => Self::Fdk,
            _ if rank.is_multiple_of(2) => Self::Module,
            _ => Self::Image,
        }
    }

    fn backend(self) -> &'static str {
        match self {
            Self::Module | Self::Component | Self::Shared | Self::Source => "wasm",
            Self::Image | Self::Action | Self::Server | Self::Fdk => "docker",
        }
    }

    fn declared(self) -> String {
        match self {
            Self::Module => format!("wasm = {:?}\nformat = \"frame\"", fixture("echo/echo.wasm")),
            Self::Component => format!("wasm = {:?}", fixture("proxy/proxy.wasm")),
            Self::Shared => format!("wasm = {:?}\nconcurrency = 4", fixture("service/service.wasm")),
            Self::Image => "image = \"kiln-fixture-echo:1\"\nformat = \"frame\"".into(),
            Self::Source => "source = \"echo.js\"".into(),
            Self::Action => "image = \"kiln-fixture-echo:1\"\nformat = \"openwhisk\"".into(),
            Self::Server => "image = \"kiln-fixture-echo:1\"\nformat = \"server\"\nconcurrency = 4".into(),
            Self::Fdk => {
                "image = \"kiln-fixture-echo:1\"\nformat = \"http-stream\"\nstart_timeout = \"60s\"".into()
            }
        }
    }

    /// What gives it its own words back.
    fn path(self) -> &'static str {
        if matches!(self, Self::Component | Self::Shared) { "/echo" } else { "" }
    }

    /// Words as it takes them, and gives them back.
    fn body(self, words: String) -> String {
        if matches!(self, Self::Source | Self::Action) { format!(r#"{{"words":"{words}"}}"#) } else { words }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_load_stays_within_one_budget() {
    let Some(engine) = engine_or_skip("a_mixed_load_stays_within_one_budget").await else { return };
    let mut manifest = format!("[host]\nmemory = \"{}MiB\"\nid = \"mixed-load-test\"\n", BUDGET >> 20);
    writeln!(manifest, "[runtime.js]\nwasm = {:?}", fixture("../runtimes/js/js.wasm")).unwrap();
    for (rank, size) in SIZES.iter().enumerate() {
        let code = Kind::of(rank).declared();
        writeln!(manifest, "[function.f{rank}]\n{code}\nmemory = \"{size}MiB\"\ntimeout = \"60s\"").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    std::fs::write(folder.path().join("echo.js"), "const main = (params) => params;").unwrap();
    std::fs::write(&file, manifest).unwrap();
    let serve = Serve::file(&file);

    let done = Arc::new(AtomicBool::new(false));
    let engine_peak = Arc::new(AtomicU64::new(0));
    let watch_engine = tokio::spawn(watch_engine(engine.client.clone(), done.clone(), engine_peak.clone()));
    let watch_books = tokio::spawn(watch_books(serve.http.clone(), done.clone()));

    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (http, next) = (serve.http.clone(), next.clone());
            tokio::spawn(async move {
                let mut random = SmallRng::seed_from_u64(caller);
                let mut starts: HashMap<(String, String), u64> = HashMap::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        break;
                    }
                    if number.is_multiple_of(2_000) {
                        println!("{number} requests in {:.0?}", began.elapsed());
                    }
                    let rank = zipf(&mut random);
                    let kind = Kind::of(rank);
                    let words = format!("caller {caller}, function {rank}, {:x}", random.random::<u64>());
                    let body = kind.body(words);
                    let answer = http
                        .try_post(&format!("/r/f{rank}{}", kind.path()), body.clone())
                        .await
                        .expect("an answer");
                    assert_eq!(answer.status, 200, "f{rank}: {}", answer.text());
                    assert_eq!(answer.text(), body, "its own reply, and no other's");
                    let backend = kind.backend();
                    assert_eq!(answer.header("kiln-backend"), backend);
                    let start = answer.header("kiln-start").to_owned();
                    *starts.entry((backend.to_owned(), start)).or_default() += 1;
                }
                starts
            })
        })
        .collect();
    let mut starts: HashMap<(String, String), u64> = HashMap::new();
    for caller in callers {
        for (kind, count) in caller.await.unwrap() {
            *starts.entry(kind).or_default() += count;
        }
    }
    done.store(true, Ordering::Relaxed);
    let books_peak = watch_books.await.unwrap();
    watch_engine.await.unwrap();
    let mut starts: Vec<_> = starts.into_iter().collect();
    starts.sort();
    println!(
        "starts: {starts:?}; peak charged {books_peak}, peak of the engine {engine_peak:?}, of {BUDGET} bytes"
    );
    assert_eq!(starts.iter().map(|(_, count)| count).sum::<u64>(), REQUESTS);
    assert!(engine_peak.load(Ordering::Relaxed) > 0, "containers were seen");
    assert_eq!(serve.terminate(), Some(0));
    assert_eq!(memory_of_containers(&engine.client).await, 0, "no container is left behind");
}

/// A function's rank, each drawn in proportion to (rank + 1) to the power of -1.5.
fn zipf(random: &mut SmallRng) -> usize {
    let weight = |rank: usize| (rank as f64 + 1.0).powf(-1.5);
    let mut at = random.random::<f64>() * (0..SIZES.len()).map(weight).sum::<f64>();
    for rank in 0..SIZES.len() {
        at -= weight(rank);
        if at <= 0.0 {
            return rank;
        }
    }
    SIZES.len() - 1
}

/// The engine's word on what this host's living containers may take, in bytes, again and again.
async fn watch_engine(engine: bollard::Docker, done: Arc<AtomicBool>, peak: Arc<AtomicU64>) {
    while !done.load(Ordering::Relaxed) {
        let memory = memory_of_containers(&engine).await;
        assert!(memory <= BUDGET, "containers of {memory} bytes are alive, of {BUDGET}");
        peak.fetch_max(memory, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn memory_of_containers(engine: &bollard::Docker) -> u64 {
    let containers = containers_of(engine, "mixed-load-test").await;
    // What keeps networks ready is beside the budget, under 1 MiB each, and at most as many as are asked for.
    let (holders, sandboxes): (Vec<_>, Vec<_>) = containers.iter().partition(|each| *each == HOLDER);
    // One that goes has given its place away by then.
    assert!(holders.len() <= 2 * KEPT, "{} networks are kept, of {KEPT}", holders.len());
    sandboxes
        .into_iter()
        .map(|function| SIZES[function.trim_start_matches('f').parse::<usize>().unwrap()] << 20)
        .sum()
}

/// Kiln's own word on what is charged, again and again.
async fn watch_books(http: crate::http::Http, done: Arc<AtomicBool>) -> u64 {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        let metrics = http.get("/metrics").await.text();
        let charged = metrics
            .lines()
            .find_map(|line| line.strip_prefix("kiln_pool_charged_bytes "))
            .expect("the gauge");
        let charged: u64 = charged.parse().unwrap();
        assert!(charged <= BUDGET, "{charged} bytes are charged, of {BUDGET}");
        peak = peak.max(charged);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    peak
}
