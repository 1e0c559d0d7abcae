//! Endless loops: stopped at their deadline, while others on the same cores keep answering.

use crate::serve::{Serve, fixture};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn endless_loops_are_stopped_while_others_keep_answering() {
    let faulty = fixture("faulty/faulty.wasm");
    let echo = fixture("echo/echo.wasm");
    let serve = Serve::new(&format!(
        "[function.loop]\nwasm = {faulty:?}\nformat = \"frame\"\ntimeout = \"2s\"\n[function.echo]\nwasm = {echo:?}\nformat = \"frame\"\n"
    ));
    assert_eq!(serve.http.post("/r/echo", "x").await.status, 200);
    // Twice as many as there are cores.
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let looping: Vec<_> = (0..cores * 2)
        .map(|_| {
            let http = serve.http.clone();
            tokio::spawn(async move { http.post("/r/loop/loop", "").await })
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let others = {
        let (http, done, answered) = (serve.http.clone(), done.clone(), answered.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let answer = http.post("/r/echo", "still here").await;
                assert_eq!((answer.status, answer.text().as_str()), (200, "still here"));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for one in looping {
        let answer = one.await.unwrap();
        assert_eq!(answer.status, 504, "{}", answer.text());
        assert!(answer.text().contains("TimedOut"), "{}", answer.text());
    }
    done.store(true, Ordering::Relaxed);
    others.await.unwrap();
    assert!(answered.load(Ordering::Relaxed) >= 5, "others were answered {answered:?} times in two seconds");
}
