//! Durable intake: how many works are accepted each second, each on disk before its caller is told, beside what the disk
//! itself does and what redb does with a commit for each. `KILN_BENCH_SHORT=1` for a quick look. Asserts no figure.
//!
//! Floors and intake take turns in each round, on files in the same folder. All write 512 bytes of body. With one caller nothing can be
//! put together, so that an fsync for each is all there is; with more of them one fsync serves all who came meanwhile.

use kiln::intake::{Feed, IntakeConfig, StoreFeed, Work};
use kiln::store::{Query, Store};
use kiln::{BackendKind, Error, Format, Function, Host, Invocation, Result, backend::fake, intake};
use redb::{Database, TableDefinition};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BODY: usize = 512;
const NAMESPACE: &str = kiln::function::DEFAULT_NAMESPACE;

fn main() -> Result<()> {
    let short = std::env::var_os("KILN_BENCH_SHORT").is_some_and(|value| value == "1");
    let (rounds, slice) = if short { (3, Duration::from_millis(150)) } else { (15, Duration::from_secs(1)) };
    let runtime = tokio::runtime::Runtime::new().map_err(ours)?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(ours)?;

    let mut raw = File::create(folder.path().join("raw")).map_err(ours)?;
    let bare = Database::create(folder.path().join("bare.redb")).map_err(ours)?;
    let callers = [1, 16, 256];
    let (mut fsyncs, mut commits) = (Vec::new(), Vec::new());
    let mut accepted = vec![Vec::new(); callers.len()];
    let mut ended = Vec::new();
    for round in 0..rounds {
        fsyncs.push(rate(slice, || {
            raw.write_all(&[7; BODY]).map_err(ours)?;
            raw.sync_data().map_err(ours)
        })?);
        let mut number = round << 32;
        commits.push(rate(slice, || {
            number += 1;
            commit(&bare, number).map_err(ours)
        })?);
        for (&callers, rates) in callers.iter().zip(&mut accepted) {
            let path = folder.path().join(format!("{round}-{callers}"));
            rates.push(runtime.block_on(accept(&path, callers, slice))?);
        }
        ended.push(
            runtime
                .block_on(end(&folder.path().join(format!("{round}-end")), if short { 500 } else { 5000 }))?,
        );
    }

    println!(
        "{rounds} rounds in turn, bodies of {BODY} bytes; medians; ratios are the medians of each round's\n"
    );
    println!("{:<44} {:>10} {:>12} {:>12}", "", "a second", "to fsync", "to redb");
    show("floor: append and fdatasync for each", &fsyncs, &fsyncs, &commits);
    show("floor: a commit of redb for each", &commits, &fsyncs, &commits);
    for (callers, rates) in callers.iter().zip(&accepted) {
        show(&format!("accepted, {callers} at once"), rates, &fsyncs, &commits);
    }
    show("accepted by 64 at once, run and recorded", &ended, &fsyncs, &commits);
    Ok(())
}

/// How often a second something is done.
fn rate(slice: Duration, mut each: impl FnMut() -> Result<()>) -> Result<f64> {
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < slice {
        each()?;
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn commit(database: &Database, number: u64) -> Result<(), redb::Error> {
    const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?.insert(number, [7; BODY].as_slice())?;
    transaction.commit()?;
    Ok(())
}

fn work() -> Work {
    Work::new(NAMESPACE, "echo", Invocation::new(vec![7; BODY]))
}

fn config() -> IntakeConfig {
    IntakeConfig { max_works: usize::MAX, max_bytes: u64::MAX, ..IntakeConfig::default() }
}

/// Works accepted a second by so many callers, each of whom waits for his own.
async fn accept(path: &Path, callers: usize, slice: Duration) -> Result<f64> {
    let store = Store::open(path)?;
    let feed = Arc::new(StoreFeed::open(store.clone(), &config()).await?);
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (feed, count) = (feed.clone(), count.clone());
            tokio::spawn(async move {
                while began.elapsed() < slice {
                    feed.accept(work()).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(ours)??;
    }
    let (count, took) = (count.load(Ordering::Relaxed), began.elapsed());
    let kept = feed.backlog().works as u64;
    drop((feed, store));
    std::fs::remove_file(path).map_err(ours)?;
    if kept != count {
        return Err(Error::internal(format!("{count} works were accepted and {kept} are there")));
    }
    Ok(count as f64 / took.as_secs_f64())
}

/// Works a second from the first that is accepted to the last that has its record.
async fn end(path: &Path, works: usize) -> Result<f64> {
    let backend = fake::backend(BackendKind::Wasm).0;
    let host = Host::builder().memory(4 << 30).backend(backend).build()?;
    host.deploy(Function::wasm_bytes("echo", "echo").format(Format::Frame)).await?;
    let store = Store::open(path)?;
    let feed = Arc::new(StoreFeed::open(store.clone(), &config()).await?);
    let intake = intake::Intake::new(host.clone(), feed, Arc::new(intake::PlainRecords), config())?;
    intake.start();
    let began = Instant::now();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let intake = intake.clone();
            tokio::spawn(async move {
                for _ in (caller..works).step_by(64) {
                    intake.accept(work()).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(ours)??;
    }
    while intake.backlog().works > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    let records = store.count_activations(Query::of(NAMESPACE)).await?;
    intake.drain().await;
    host.drain().await;
    drop((intake, store));
    std::fs::remove_file(path).map_err(ours)?;
    if records != works {
        return Err(Error::internal(format!("{works} works have {records} records")));
    }
    Ok(works as f64 / took.as_secs_f64())
}

fn show(name: &str, rates: &[f64], fsyncs: &[f64], commits: &[f64]) {
    let ratio = |floor: &[f64]| median(rates.iter().zip(floor).map(|(rate, floor)| rate / floor).collect());
    println!("{name:<44} {:>10.0} {:>12.2} {:>12.2}", median(rates.to_vec()), ratio(fsyncs), ratio(commits));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ours(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}
