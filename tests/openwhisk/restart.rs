//! What outlives the server.

use crate::harness::{api, with};
use kiln::openwhisk::Ranges;
use kiln::store::Store;
use serde_json::json;

#[tokio::test]
async fn actions_packages_and_records_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.redb");
    let first = with(Store::open(&file).unwrap(), Ranges::default(), 512 << 20).await;
    first.ask("PUT", "packages/p", json!({"parameters": [{"key": "a", "value": 1}]})).await.ok();
    first.create("p/echo", "").await;
    let answer = first.ask("POST", "actions/p/echo?blocking=true", json!({})).await;
    let id = answer.header("x-openwhisk-activation-id").to_owned();
    first.end().await;

    let second = with(Store::open(&file).unwrap(), Ranges::default(), 512 << 20).await;
    assert_eq!(second.activation(&id).await["response"]["result"], json!({"a": 1}));
    let called = second.ask("POST", "actions/p/echo?blocking=true&result=true", json!({"b": 2})).await.ok();
    assert_eq!(called, json!({"a": 1, "b": 2}));
    assert_eq!(second.get("actions/p/echo").await.ok()["exec"]["code"], "");
    second.end().await;
}

#[tokio::test]
async fn what_was_accepted_before_the_end_has_its_record_after_it() {
    let api = api().await;
    api.create("echo", "").await;
    let mut ids = Vec::new();
    for call in 0..100 {
        let answer = api.ask("POST", "actions/echo", json!({ "call": call })).await;
        ids.push(answer.json()["activationId"].as_str().unwrap().to_owned());
    }
    let store = api.store.clone();
    api.end().await;
    let again = with(store, Ranges::default(), 512 << 20).await;
    for (call, id) in ids.iter().enumerate() {
        assert_eq!(again.activation(id).await["response"]["result"], json!({ "call": call }));
    }
    again.end().await;
}
