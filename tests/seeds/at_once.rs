//! All of it at once.

use crate::support::{bed, call, ms};
use kiln::backend::Exit;
use kiln::function::MIB;
use kiln::{BackendKind, Error, Format};
use tokio::task::JoinHandle;

/// Hang-ups, deaths, failed starts, pauses and resumes, new revisions and other budgets, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d7_nothing_is_lost_whatever_happens_at_once() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    for kind in BackendKind::ALL {
        let bed = bed(kind, |host| host.memory(160 * MIB));
        let function = |n: usize, version: usize| {
            let guest = ["echo", "faulty"][n % 2];
            let mut function =
                bed.function(NAMES[n], guest).memory([16, 24, 16, 32][n] * MIB).timeout(ms(100));
            function.pause_after = Some(ms(2));
            function.idle_timeout = Some(ms([5, 100, 5, 400][n]));
            function.limits.max_sandboxes = 5;
            function.prewarm = (n as u32 + version as u32) % 3;
            if n == 2 {
                function.format = Format::Default;
            }
            function.env("VERSION", version.to_string())
        };
        for n in 0..4 {
            bed.deploy(function(n, 0)).await;
        }
        // One that is idle between its requests, and so paused and resumed.
        let mut calm = bed.echo("calm").memory(8 * MIB).timeout(ms(100));
        calm.pause_after = Some(ms(1));
        bed.deploy(calm).await;
        let host = bed.host.clone();
        let calm = tokio::spawn(async move {
            for _ in 0..60 {
                let _ = tokio::time::timeout(ms(4_000), call(&host, "calm", "/")).await;
                tokio::time::sleep(ms(6)).await;
            }
        });
        let mut callers: Vec<_> = (0..12usize)
            .map(|c| {
                let host = bed.host.clone();
                tokio::spawn(async move {
                    let paths =
                        ["/", "/late/3", "/sleep/2", "/count", "/exit/1", "/", "/stray", "/sleep/300"];
                    for n in 0..60usize {
                        let (name, path) = (NAMES[(n * 7 + c) % 4], paths[(n * 5 + c * 3) % paths.len()]);
                        let limit = ms([1, 3, 2_000, 4_000, 2_000][(n + c) % 5]);
                        let _ = tokio::time::timeout(limit, call(&host, name, path)).await;
                        tokio::time::sleep(ms(n as u64 % 3)).await;
                    }
                })
            })
            .collect();
        callers.push(calm);
        let mut version = 0;
        while !callers.iter().all(JoinHandle::is_finished) {
            version += 1;
            tokio::time::sleep(ms(3)).await;
            match version % 9 {
                0 => drop(bed.fake.kill_idle(Exit::Signal(9))),
                1 => drop(bed.fake.kill_idle_silently(Exit::Signal(9))),
                2 => bed.fake.fail_starts(1, Error::unavailable("no daemon")),
                3 => bed.fake.fail_resumes(1, Error::internal("frozen")),
                4 => bed.fake.fail_pauses(2, Error::internal("not frozen")),
                5 => bed.host.set_memory([100, 160, 60][version % 3] * MIB),
                6 => drop(bed.fake.kill_all(Exit::OutOfMemory)),
                7 => bed.deploy(function(version % 4, version)).await,
                _ => {
                    bed.fake.removal_latency(ms(version as u64 % 3));
                    bed.fake.start_latency(ms(version as u64 % 4));
                }
            }
        }
        for each in callers {
            each.await.unwrap();
        }
        bed.host.set_memory(160 * MIB);
        bed.fake.fail_starts(0, Error::unavailable("no daemon"));
        bed.until("all have ended", |figures| figures.waiting == 0 && figures.active == 0).await;
        let peak = bed.fake.counts().peak_memory;
        // Idle modules hold less than their limits, which is what the fake counts.
        assert!(kind == BackendKind::Wasm || peak <= 160 * MIB, "{peak} bytes at the backend");
        bed.end().await;
    }
}
