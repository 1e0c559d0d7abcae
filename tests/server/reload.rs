//! A manifest that changes while its functions are served.

use crate::guests;
use crate::harness::{HANG, Running, host, serve_host};
use kiln::manifest::Manifest;
use kiln::server::Reloader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

async fn follow(folder: &Path) -> (Running, Arc<Notify>) {
    let host = host(|builder| builder);
    let manifest = Manifest::read(folder.join("kiln.toml")).unwrap();
    let reloader = Reloader::start(host.clone(), manifest).await.unwrap();
    let now = Arc::new(Notify::new());
    tokio::spawn(reloader.watch(Arc::clone(&now)));
    (serve_host(host, []).await, now)
}

/// Asks until the answer is as it should be; each one on the way must be one of the two.
async fn becomes(server: &Running, path: &str, before: (u16, &str), after: (u16, &str)) {
    let wait = async {
        loop {
            let answer = server.post(path, "").await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            if answer.status == after.0 && body.contains(after.1) {
                return;
            }
            assert!(answer.status == before.0 && body.contains(before.1), "{} {body}", answer.status);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(HANG, wait).await.unwrap_or_else(|_| panic!("{path} has not become {after:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_followed_and_no_request_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        // As editors do it: beside, then over.
        std::fs::write(folder.path().join("new"), text).unwrap();
        std::fs::rename(folder.path().join("new"), folder.path().join(name)).unwrap();
    };
    write("a.wat", &guests::say("one"));
    write("b.wat", &guests::say("other"));
    write("kiln.toml", "[function.a]\nwasm = \"a.wat\"\n");
    let (server, _now) = follow(folder.path()).await;
    assert_eq!(&server.post("/r/a", "").await.body[..], b"one");

    // A module that the manifest names.
    write("a.wat", &guests::say("two"));
    becomes(&server, "/r/a", (200, "one"), (200, "two")).await;

    // A function more.
    write("kiln.toml", "[function.a]\nwasm = \"a.wat\"\n[function.b]\nwasm = \"b.wat\"\n");
    becomes(&server, "/r/b", (404, "NotFound"), (200, "other")).await;

    // A function less.
    write("kiln.toml", "[function.b]\nwasm = \"b.wat\"\n");
    becomes(&server, "/r/a", (200, "two"), (404, "NotFound")).await;
    assert_eq!(&server.post("/r/b", "").await.body[..], b"other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_manifest_or_module_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.wat", &guests::say("one"));
    write("kiln.toml", "[function.a]\nwasm = \"a.wat\"\n");
    let (server, now) = follow(folder.path()).await;

    write("kiln.toml", "[function.a\n");
    now.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(&server.post("/r/a", "").await.body[..], b"one");

    // Mended, with a module that is none: the one before stays, and what is new is there.
    write("a.wat", "(module");
    write("b.wat", &guests::say("other"));
    write("kiln.toml", "[function.a]\nwasm = \"a.wat\"\n[function.b]\nwasm = \"b.wat\"\n");
    becomes(&server, "/r/b", (404, "NotFound"), (200, "other")).await;
    assert_eq!(&server.post("/r/a", "").await.body[..], b"one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_follows_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    std::fs::write(&file, "[host]\nmemory = \"256MiB\"\n").unwrap();
    let (server, _now) = follow(folder.path()).await;
    std::fs::write(&file, "[host]\nmemory = \"128MiB\"\n").unwrap();
    server.until("the budget is the new one", |host| host.figures().budget == 128 << 20).await;
}
