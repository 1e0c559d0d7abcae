//! Images that keep OpenWhisk's container contract to the letter, declared and called over the API.

use crate::compiled::compiled;
use crate::docker::{Engine, docker_or_skip};
use crate::harness::{API_HOST, Api, GUEST, OTHER, over};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::backend::docker::{Docker, DockerConfig, Transport};
use kiln::openwhisk::Ranges;
use kiln::store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

/// An image whose program is `tests/common/whisk.rs`. Gone with the test.
struct Image {
    engine: Engine,
    name: String,
}

impl Image {
    async fn new(test: &str) -> Option<Self> {
        let engine = docker_or_skip(test).await?;
        let name = format!("kiln-test-whisk-{test}-{}:1", std::process::id());
        engine.load_program(&name, &program()).await;
        Some(Self { engine, name })
    }

    async fn api(&self) -> Api {
        let mut config = DockerConfig::new(self.engine.host_id.clone());
        config.transport = Transport::Socket;
        let docker = Arc::new(Docker::new(config));
        over(docker, Store::memory().unwrap(), Ranges::default(), 1 << 30).await
    }

    async fn end(self, api: Api) {
        api.end().await;
        self.engine.none_left().await;
        self.engine.remove_image(&self.name).await;
    }
}

fn program() -> Vec<u8> {
    std::fs::read(compiled("whisk").join("whisk")).unwrap()
}

async fn put(api: &Api, name: &str, body: Value) -> Value {
    api.ask("PUT", &format!("actions/{name}"), body).await.ok()
}

/// What the action was told, and its activation.
async fn told(api: &Api, name: &str) -> (Value, Value) {
    let answer =
        api.ask("POST", &format!("actions/{name}?blocking=true"), json!({"do": "tell", "x": 1})).await;
    let activation = answer.ok();
    (activation["response"]["result"].clone(), activation)
}

#[tokio::test]
async fn code_binaries_and_the_environment_are_told_as_the_contract_has_them() {
    let Some(image) = Image::new("told").await else { return };
    let api = image.api().await;
    let zip = STANDARD.encode(b"PK\x03\x04 not text \xff");
    put(&api, "plain", json!({"exec": {"kind": "blackbox", "image": image.name}})).await;
    let action = json!({
        "exec": {"kind": "blackbox", "image": image.name, "code": zip, "main": "go"},
        "parameters": [{"key": "LEVEL", "value": {"a": 1}, "init": true}, {"key": "y", "value": 2}],
        "annotations": [{"key": "provide-api-key", "value": true}],
    });
    api.ask("PUT", "packages/tools", json!({})).await.ok();
    put(&api, "tools/zip", action.clone()).await;
    let shown = api.ask("PUT", "actions/tools/zip?overwrite=true", action).await.ok();
    assert_eq!((&shown["exec"]["code"], &shown["exec"]["binary"]), (&json!(zip), &json!(true)));

    let (told, activation) = told(&api, "tools/zip").await;
    let (init, run) = (&told["init"]["value"], &told["run"]);
    assert_eq!((&init["name"], &init["main"], &init["binary"]), (&json!("zip"), &json!("go"), &json!(true)));
    assert_eq!(init["code"], json!(zip));
    let id = activation["activationId"].clone();
    let env = &init["env"];
    for (name, value) in [
        ("LEVEL", json!("{\"a\":1}")),
        ("__OW_NAMESPACE", json!("guest")),
        ("__OW_ACTION_NAME", json!("/guest/tools/zip")),
        ("__OW_ACTION_VERSION", json!("0.0.2")),
        ("__OW_ACTIVATION_ID", id.clone()),
        ("__OW_TRANSACTION_ID", run["transaction_id"].clone()),
        ("__OW_API_KEY", json!(GUEST)),
    ] {
        assert_eq!(env[name], value, "{name} of {env}");
    }
    assert!(env["__OW_DEADLINE"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000, "{env}");
    assert_eq!(told["host"], API_HOST);
    for (name, value) in [
        ("value", json!({"do": "tell", "x": 1, "y": 2})),
        ("namespace", json!("guest")),
        ("action_name", json!("/guest/tools/zip")),
        ("action_version", json!("0.0.2")),
        ("activation_id", id),
        ("api_key", json!(GUEST)),
    ] {
        assert_eq!(run[name], value, "{name} of {run}");
    }
    assert!(!run["transaction_id"].as_str().unwrap().is_empty(), "{run}");

    let (plain, _) = self::told(&api, "plain").await;
    let init = &plain["init"]["value"];
    assert_eq!((init.get("code"), &init["binary"], &init["main"]), (None, &json!(false), &json!("main")));
    assert_eq!((init["env"].get("__OW_API_KEY"), plain["run"].get("api_key")), (None, None));
    image.end(api).await;
}

/// What another's package shares runs in its owner's sandboxes, and is told who asks.
#[tokio::test]
async fn a_shared_action_is_told_its_callers_namespace_and_key() {
    let Some(image) = Image::new("shared").await else { return };
    let api = image.api().await;
    api.ask("PUT", "packages/tools", json!({"publish": true})).await.ok();
    let action = json!({
        "exec": {"kind": "blackbox", "image": image.name},
        "annotations": [{"key": "provide-api-key", "value": true}],
    });
    put(&api, "tools/tell", action).await;
    let path = "/api/v1/namespaces/guest/actions/tools/tell?blocking=true&result=true";
    let told = api.ask_as(Some(OTHER), "POST", path, json!({"do": "tell"})).await.ok();
    let run = &told["run"];
    assert_eq!((&run["namespace"], &run["api_key"]), (&json!("other"), &json!(OTHER)));
    assert_eq!(run["action_name"], "/guest/tools/tell");
    image.end(api).await;
}

#[tokio::test]
async fn logs_say_which_stream_and_end_with_the_run() {
    let Some(image) = Image::new("streams").await else { return };
    let api = image.api().await;
    put(&api, "act", json!({"exec": {"kind": "blackbox", "image": image.name}})).await;
    for run in 1..=3 {
        let answer = api.ask("POST", "actions/act?blocking=true", json!({})).await;
        let id = answer.ok()["activationId"].as_str().unwrap().to_owned();
        let activation = api.activation(&id).await;
        let logs: Vec<_> =
            activation["logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let has = |text: &str| logs.iter().any(|line| line.ends_with(text));
        assert!(has(&format!(" stdout: out {run}")) && has(&format!(" stderr: err {run}")), "{logs:?}");
        assert!(!logs.iter().any(|line| line.contains("XXX_THE_END")), "{logs:?}");
        assert_eq!(
            logs.len(),
            if run == 1 { 3 } else { 2 },
            "of this run, and of the init before the first: {logs:?}"
        );
    }
    image.end(api).await;
}

#[tokio::test]
async fn outcomes_are_recorded_as_the_contracts_table_has_them() {
    let Some(image) = Image::new("outcomes").await else { return };
    let api = image.api().await;
    let action = json!({"exec": {"kind": "blackbox", "image": image.name}, "limits": {"timeout": 2000, "memory": 128}});
    put(&api, "act", action).await;
    for (what, status, said) in [
        ("own", "application error", "an application's own"),
        ("fail", "action developer error", "it threw"),
        ("text", "action developer error", "did not produce a valid JSON or JSON Array response: no JSON"),
        ("exit", "action developer error", "did not produce a valid response and exited unexpectedly"),
        ("hang", "action developer error", "exceeded its time limits of 2000 milliseconds."),
        ("hog", "action developer error", "exhausted its memory and was aborted"),
        (
            "long",
            "application error",
            "exceeded the allowed length: 1048587 > 1048576 bytes. The truncated response was",
        ),
    ] {
        let answer = api.ask("POST", "actions/act?blocking=true", json!({"do": what})).await;
        assert_eq!(answer.status, 502, "{what}");
        let response = answer.json()["response"].clone();
        assert_eq!(response["status"], status, "{what}: {response}");
        let text = response["result"]["error"].as_str().unwrap();
        assert!(text.contains(said), "{what}: {text}");
    }
    image.end(api).await;
}

#[tokio::test]
async fn as_many_as_its_concurrency_run_at_once_in_one_container() {
    let Some(image) = Image::new("together").await else { return };
    let api = image.api().await;
    let action = json!({
        "exec": {"kind": "blackbox", "image": image.name}, "limits": {"concurrency": 5, "memory": 512},
    });
    let shown = put(&api, "act", action).await;
    assert_eq!(shown["limits"]["concurrency"], 5);
    // Each answers once all five are in the same process.
    let call =
        || api.ask("POST", "actions/act?blocking=true&result=true", json!({"do": "together", "wanted": 5}));
    let mut runs: Vec<_> = futures_util::future::join_all((0..5).map(|_| call()))
        .await
        .into_iter()
        .map(|answer| answer.ok()["run"].as_u64().unwrap())
        .collect();
    runs.sort_unstable();
    assert_eq!(runs, [1, 2, 3, 4, 5]);
    image.end(api).await;
}
