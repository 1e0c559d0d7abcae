//! One table of cases (`runtimes/cases.json`) for each language on each backend: same source, same request, same reply.

use crate::support::{HANG, cache};
use kiln::backend::wasm::{Wasm, WasmConfig};
use kiln::function::{MIB, Module};
use kiln::invocation::{Lines, Request};
use kiln::{BackendKind, ErrorKind, Function, Host, Runtime};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Of one sandbox, in bytes: enough for the megabytes that some cases make.
const MEMORY: u64 = 128 * MIB;

/// A language, and the name that its sources are shown under.
#[derive(Clone, Copy)]
struct Language {
    name: &'static str,
    file: &'static str,
}

const JS: Language = Language { name: "js", file: "hello.js" };
const PYTHON: Language = Language { name: "python", file: "hello.py" };

/// Says that a test is skipped, or fails where runtimes are required.
fn skip(test: &str, why: &str) {
    assert!(std::env::var("KILN_REQUIRE_RUNTIMES").as_deref() != Ok("1"), "{test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

fn table() -> Vec<Value> {
    let text = include_str!("../../runtimes/cases.json");
    let mut table: Value = serde_json::from_str(&readable(text)).unwrap();
    serde_json::from_value(table["cases"].take()).unwrap()
}

/// JSON in which half of a surrogate pair is written as text (`\\ud83d`): interpreters take and give one, serde_json doesn't.
fn readable(json: &str) -> String {
    let unit = |at: usize| -> Option<u16> {
        let escape = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let (mut readable, mut at) = (String::with_capacity(json.len()), 0);
    while let Some(next) = json[at..].find('\\').map(|found| at + found) {
        readable.push_str(&json[at..next]);
        let length = match (unit(next), unit(next + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                readable.push('\\');
                6
            }
            _ => 2,
        };
        readable.push_str(&json[next..next + length]);
        at = next + length;
    }
    readable + &json[at..]
}

fn modules(language: Language, module: &Path) -> Host {
    let config = WasmConfig { cache_dir: Some(cache()), max_instances: Some(64), ..WasmConfig::default() };
    let runtime = Runtime::new(language.name).memory(MEMORY).wasm(Module::File(module.to_owned()));
    let builder = Host::builder().memory(8 * MEMORY).runtime(runtime).snapshots(false);
    builder.backend(Arc::new(Wasm::new(config).unwrap())).build().unwrap()
}

#[tokio::test]
async fn js_as_a_module() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes/js/js.wasm");
    if !module.is_file() {
        return skip("js_as_a_module", "there is no js.wasm");
    }
    holds(JS, BackendKind::Wasm, &modules(JS, &module)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_as_a_component() {
    let kept = std::env::var_os("KILN_RUNTIMES").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        Some(
            cache
                .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?
                .join("kiln/runtimes"),
        )
    });
    let Some(module) = kept.map(|kept| kept.join("python.wasm")).filter(|module| module.is_file()) else {
        return skip("python_as_a_component", "there is no python.wasm: run scripts/build-runtimes python");
    };
    holds(PYTHON, BackendKind::Wasm, &modules(PYTHON, &module)).await;
}

#[cfg(feature = "docker")]
#[tokio::test(flavor = "multi_thread")]
async fn js_as_an_image() {
    as_an_image("js_as_an_image", JS).await;
}

#[cfg(feature = "docker")]
#[tokio::test(flavor = "multi_thread")]
async fn python_as_an_image() {
    as_an_image("python_as_an_image", PYTHON).await;
}

#[cfg(feature = "docker")]
async fn as_an_image(test: &str, language: Language) {
    use crate::docker::docker_or_skip;
    use kiln::backend::docker::{Docker, DockerConfig};
    let Some(engine) = docker_or_skip(test).await else { return };
    let image = format!("kiln-runtime-{}:1", language.name);
    if engine.client.inspect_image(&image).await.is_err() {
        return skip(test, &format!("there is no image {image}: run scripts/build-runtimes --image"));
    }
    let runtime = Runtime::new(language.name).memory(MEMORY).image(image);
    let builder = Host::builder().memory(8 * MEMORY).runtime(runtime);
    let host = builder.backend(Arc::new(Docker::new(DockerConfig::new(&engine.host_id)))).build().unwrap();
    holds(language, BackendKind::Docker, &host).await;
}

/// Runs all cases of a language, each in a sandbox of its own.
async fn holds(language: Language, backend: BackendKind, host: &Host) {
    let mut failures = Vec::new();
    let mut cases = 0;
    for (number, case) in table().iter().enumerate() {
        let Some(code) = case[language.name].as_str() else { continue };
        cases += 1;
        let name = format!("case-{number}");
        let said = tokio::time::timeout(HANG, run(language, backend, host, &name, code, case)).await;
        if let Err(why) = said.unwrap_or_else(|_| Err("it hangs".into())) {
            failures.push(format!("{}: {why}", case["name"]));
        }
        host.undeploy("_", &name);
    }
    host.drain().await;
    assert!(cases > 30, "only {cases} cases of {}", language.name);
    assert!(failures.is_empty(), "{} of {cases} fail:\n{}", failures.len(), failures.join("\n"));
}

async fn run(
    language: Language,
    backend: BackendKind,
    host: &Host,
    name: &str,
    code: &str,
    case: &Value,
) -> Result<(), String> {
    let mut function = Function::source(name, language.name, code.to_owned()).timeout(HANG);
    function.backend = Some(backend);
    if let Some(source) = &mut function.code.source {
        source.file = language.file.into();
        source.main = case["main"].as_str().unwrap_or("main").into();
    }
    for (name, value) in case["env"].as_object().unwrap_or(&Map::new()) {
        function.env.insert(name.clone(), value.as_str().unwrap_or_default().into());
    }
    host.deploy(function).await.map_err(|error| format!("it isn't deployed: {error}"))?;
    if case.get("load_error").is_some() {
        let body = "{}".to_owned();
        return fails(language, call(host, name, body, None).await.1, &case["load_error"]);
    }
    for one in case["calls"].as_array().into_iter().flatten() {
        let lines = Arc::new(Lines::default());
        let (id, answer) = call(host, name, body(one), Some(&lines)).await;
        if one.get("error").is_some() {
            fails(language, answer, &one["error"])?;
        } else {
            let reply = answer.map_err(|error| format!("{}: {error}; {:?}", error.kind(), error.logs()))?;
            if reply.content_type() != Some("application/json") {
                return Err(format!("its content type is {:?}", reply.content_type()));
            }
            let text = std::str::from_utf8(&reply.body).map_err(|error| error.to_string())?;
            let mut found: Value =
                serde_json::from_str(&readable(text)).map_err(|error| error.to_string())?;
            same(&mut found, one, &id)?;
        }
        says(&lines, one["stderr"].as_str().unwrap_or_default()).await?;
    }
    Ok(())
}

async fn call(
    host: &Host,
    name: &str,
    body: String,
    lines: Option<&Arc<Lines>>,
) -> (String, kiln::Result<kiln::Reply>) {
    let request = Request { lines, ..Request::new() };
    let id = request.id.to_string();
    (id, host.stream("_", name, request, bytes::Bytes::from(body).into(), usize::MAX).await.result)
}

/// The body that a case's call has.
fn body(one: &Value) -> String {
    if let Some(raw) = one["raw"].as_str() {
        return raw.into();
    }
    if let Some(nest) = one["nest"].as_u64() {
        let nest = usize::try_from(nest).unwrap();
        return format!("{{\"in\":{}{}}}", "[".repeat(nest), "]".repeat(nest));
    }
    let Some(params) = one.get("params") else { return String::new() };
    let mut params = params.clone();
    for (name, count) in one["fill"].as_object().unwrap_or(&Map::new()) {
        params[name] = "x".repeat(usize::try_from(count.as_u64().unwrap()).unwrap()).into();
    }
    params.to_string()
}

/// Compares a result. What a request is called and when its time is up is the host's to say.
fn same(found: &mut Value, one: &Value, id: &str) -> Result<(), String> {
    let mut wanted = one["result"].clone();
    for (name, fill) in one["result_fill"].as_object().unwrap_or(&Map::new()) {
        let times = usize::try_from(fill[1].as_u64().unwrap()).unwrap();
        wanted[name] = fill[0].as_str().unwrap().repeat(times).into();
    }
    if let Some(meta) = one.get("meta") {
        if meta.get("id").is_some() {
            wanted["id"] = id.into();
        }
        if meta.get("deadline_ms").is_some() {
            let deadline = found["deadline"].as_str().and_then(|text| text.parse::<u128>().ok());
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
            if deadline.is_none_or(|deadline| deadline < now) {
                return Err(format!("the deadline is {}", found["deadline"]));
            }
            wanted["deadline"] = found["deadline"].clone();
        }
    }
    if *found == wanted {
        return Ok(());
    }
    let short = |value: &Value| value.to_string().chars().take(500).collect::<String>();
    Err(format!("the result is {}, not {}", short(found), short(&wanted)))
}

fn fails(language: Language, answer: kiln::Result<kiln::Reply>, wanted: &Value) -> Result<(), String> {
    let wanted = wanted.get(language.name).unwrap_or(wanted).as_str().unwrap_or_default();
    match answer {
        Err(error) if error.kind() == ErrorKind::FunctionFailed && error.message().contains(wanted) => Ok(()),
        other => Err(format!("{other:?} where {wanted:?} had to be said")),
    }
}

/// Waits until stderr has a text: a container's may come later than its reply.
async fn says(lines: &Lines, text: &str) -> Result<(), String> {
    let mut said = String::new();
    for _ in 0..1000 {
        lines.take().into_iter().for_each(|line| said = format!("{said}{}\n", line.text));
        if said.contains(text) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("stderr has no {text:?}: {said:?}, {}", json!(said.len())))
}
