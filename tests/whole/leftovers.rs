//! What a killed host leaves behind is gone after the next start, and nothing of anybody else's.

use crate::engine::{containers_of, engine_or_skip};
use crate::serve::Serve;
use std::time::Duration;

const MANIFEST: &str = "[host]\nid = \"leftovers-test\"\n\
    [function.echo]\nimage = \"kiln-fixture-echo:1\"\nformat = \"frame\"\nmemory = \"16MiB\"\nprewarm = 2\n";

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_killed_host_are_removed_and_no_others() {
    let Some(engine) = engine_or_skip("leftovers_of_a_killed_host_are_removed_and_no_others").await else {
        return;
    };
    let others = Serve::new(&MANIFEST.replace("leftovers-test", "leftovers-other-test"));
    assert_eq!(others.http.post("/r/echo", "x").await.status, 200);
    let of_others = containers_of(&engine.client, "leftovers-other-test").await.len();
    assert!(of_others > 0);

    let mut first = Serve::new(MANIFEST);
    assert_eq!(first.http.post("/r/echo", "x").await.status, 200);
    first.kill();
    assert!(
        !containers_of(&engine.client, "leftovers-test").await.is_empty(),
        "kill -9 leaves containers behind"
    );

    // The second life has no function, so whatever carries its label is a leftover.
    let second = Serve::new("[host]\nid = \"leftovers-test\"\n");
    let mut left = usize::MAX;
    for _ in 0..200 {
        left = containers_of(&engine.client, "leftovers-test").await.len();
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, 0, "the leftovers are gone");
    let now = containers_of(&engine.client, "leftovers-other-test").await.len();
    assert!(now >= of_others, "those of the other host are not: {now} of {of_others}");
    assert_eq!(second.terminate(), Some(0));
    assert_eq!(others.terminate(), Some(0));
    assert!(containers_of(&engine.client, "leftovers-other-test").await.is_empty());
}
