//! The main job: the same photo, the same bytes back, from a module and from an image.

use crate::engine::engine_or_skip;
use crate::serve::{Serve, fixture};
use std::time::Duration;

fn manifest(backend: &str) -> String {
    format!(
        "[function.thumbnail]\nwasm = {wasm:?}\nimage = \"kiln-fixture-thumbnail:1\"\nbackend = \"{backend}\"\nformat = \"frame\"\nmemory = \"64MiB\"\n",
        wasm = fixture("thumbnail/thumbnail.wasm"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_makes_a_real_thumbnail() {
    let serve = Serve::new(&manifest("wasm"));
    for photo in ["photo.jpg", "photo.png"] {
        let original = std::fs::read(fixture("thumbnail").join(photo)).unwrap();
        let answer = serve.http.post("/r/thumbnail", original.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("kiln-backend"), "wasm");
        assert!(answer.body.len() < original.len());
        assert_eq!(answer.body[..4], original[..4], "the same type of picture");
    }
    let answer = serve.http.post("/r/thumbnail", "no picture").await;
    assert!(answer.status >= 400, "{}", answer.status);
}

/// The manifest that the README serves, without a daemon.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_manifest_serves_as_it_is() {
    let serve = Serve::file(&fixture("kiln.toml"));
    let photo = std::fs::read(fixture("thumbnail/photo.jpg")).unwrap();
    assert_eq!(serve.http.post("/r/thumbnail", photo).await.status, 200);
    for echo in ["echo", "echo-http", "echo-json", "echo-once"] {
        let answer = serve.http.post(&format!("/r/{echo}"), "the same").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "the same"), "{echo}");
    }
    assert_eq!(serve.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_line_serves_the_same_bytes_from_a_container() {
    let Some(_docker) = engine_or_skip("one_changed_line_serves_the_same_bytes_from_a_container").await
    else {
        return;
    };
    let serve = Serve::new(&manifest("wasm"));
    let photo = std::fs::read(fixture("thumbnail/photo.jpg")).unwrap();
    let from_wasm = serve.http.post("/r/thumbnail", photo.clone()).await;
    assert_eq!((from_wasm.status, from_wasm.header("kiln-backend")), (200, "wasm"));
    serve.edit("backend = \"wasm\"", "backend = \"docker\"");
    let mut from_docker = None;
    for _ in 0..100 {
        let answer = serve.http.post("/r/thumbnail", photo.clone()).await;
        assert_eq!(answer.status, 200, "no request is lost while the manifest changes: {}", answer.text());
        if answer.header("kiln-backend") == "docker" {
            from_docker = Some(answer);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let from_docker = from_docker.expect("the manifest is read again");
    assert_eq!(from_docker.body, from_wasm.body);
    assert_eq!(from_docker.header("content-type"), from_wasm.header("content-type"));
    assert_eq!(serve.terminate(), Some(0));
}
