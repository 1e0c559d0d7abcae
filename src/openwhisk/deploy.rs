//! An action as the host's function.

use super::action::Action;
use super::archive;
use super::kinds::{BLACKBOX, Kinds, WASM};
use super::limits::Ranges;
use super::refusal::{Refusal, Result};
use crate::error::ErrorKind;
use crate::function::{Format, Function, MIB, Module, Source};
use bytes::Bytes;
use std::time::Duration;

/// What tells an action where the API is.
pub(crate) const API_HOST: &str = "__OW_API_HOST";
/// What says how a module or an image is spoken to.
const FORMAT: &str = "format";
/// What a start may take at least, the loading of the code included: containers take a while.
const START: Duration = Duration::from_secs(10);
/// A result this many times too long is still read, so that its length can be told.
const ROOM: u64 = 16;

/// What of the platform goes into its functions.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) ranges: &'a Ranges,
    pub(super) kinds: &'a Kinds,
    /// Where actions find the API.
    pub(super) api_host: Option<&'a str>,
}

/// The function of an action.
pub(super) fn function(action: &Action, code: Option<Bytes>, setting: Setting<'_>) -> Result<Function> {
    let name = action.name.function();
    let missing = || Refusal::internal(format_args!("action {} has no code", action.name));
    let exec = &action.exec;
    let mut function = match (exec.kind.as_str(), &exec.image, &exec.runtime) {
        (WASM, ..) => Function::wasm_bytes(name, code.ok_or_else(missing)?),
        (BLACKBOX, Some(image), _) => {
            let mut function = Function::image(name, image);
            let given = code.is_some() || exec.main.is_some();
            if given && format(action)? != Format::Openwhisk {
                return Err(Refusal::bad(
                    "'code' and 'main' of a 'blackbox' action are told to images of format 'openwhisk': leave out the \
                     annotation 'format', or put the code into the image.",
                ));
            }
            if given {
                let mut source = Source::new("", Module::Bytes(code.unwrap_or_default()));
                (source.binary, source.snapshot) = (exec.binary, false);
                source.main = exec.main.clone().unwrap_or(source.main);
                function.code.source = Some(source);
            }
            function
        }
        (_, _, Some(runtime)) => {
            let mut code = code.ok_or_else(missing)?;
            let unpacked = exec.binary && !setting.kinds.takes_any_code(runtime);
            if unpacked {
                code = archive::text(runtime, &code, setting.ranges.max_code)?.into();
            }
            let mut source = Source::new(runtime, Module::Bytes(code));
            source.main = exec.main.clone().unwrap_or(source.main);
            source.binary = exec.binary && !unpacked;
            let extension = match runtime.as_str() {
                "js" => ".js",
                "python" => ".py",
                _ => "",
            };
            source.file = format!("{}{extension}", action.name.name);
            let mut function = Function::source(name, runtime, Bytes::new());
            function.code.source = Some(source);
            function
        }
        _ => return Err(missing()),
    };
    if exec.runtime.is_none() {
        function.format = format(action)?;
    }
    function.namespace.clone_from(&action.name.namespace);
    function.limits.memory = Some(action.limits.memory.saturating_mul(MIB));
    function.limits.timeout = action.timeout();
    function.limits.start_timeout = action.timeout().max(START);
    function.limits.max_reply = setting.ranges.max_result.saturating_mul(ROOM);
    let served = match &exec.runtime {
        Some(runtime) => setting.kinds.takes_any_code(runtime),
        None => function.format == Format::Openwhisk,
    };
    // It is a maximum: what can't serve several at once serves one.
    if served {
        function.limits.concurrency = u32::try_from(action.limits.concurrency).unwrap_or(u32::MAX);
    }
    function.limits.max_logs = action.limits.logs.saturating_mul(MIB);
    function.env = action.parameters.environment();
    for (name, value) in [
        ("__OW_NAMESPACE", action.name.namespace.clone()),
        ("__OW_ACTION_NAME", format!("/{}", action.name)),
        ("__OW_ACTION_VERSION", action.version.to_string()),
    ] {
        function.env.insert(name.into(), value);
    }
    if let Some(host) = setting.api_host {
        function.env.insert(API_HOST.into(), host.into());
    }
    Ok(function)
}

/// How a module or an image is spoken to: as its annotation says; else an image as OpenWhisk speaks to one, and a module as
/// one process for each request, with the parameters on stdin and the result on stdout.
fn format(action: &Action) -> Result<Format> {
    let Some(given) = action.annotations.get(FORMAT) else {
        return Ok(if action.exec.kind == BLACKBOX { Format::Openwhisk } else { Format::Default });
    };
    let known = Format::ALL.into_iter().find(|format| Some(format.as_str()) == given.as_str());
    known.ok_or_else(|| {
        let all: Vec<_> = Format::ALL.iter().map(|format| format!("'{format}'")).collect();
        Refusal::bad(format!("The annotation 'format' is {given}: give one of {}.", all.join(", ")))
    })
}

/// Why the host doesn't take it, to be told to whoever declared it.
pub(super) fn refused(error: &crate::Error) -> Refusal {
    match error.kind() {
        ErrorKind::InvalidInput
        | ErrorKind::Impossible
        | ErrorKind::FunctionFailed
        | ErrorKind::OutOfMemory => Refusal::bad(error.message().to_owned()),
        ErrorKind::Unavailable => Refusal::new(503, error.message().to_owned()),
        _ => Refusal::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn action(exec: Value, annotations: Value) -> Action {
        let kept = json!({
            "namespace": "guest", "package": "p", "name": "hello", "version": "0.0.3", "publish": false,
            "exec": exec, "annotations": annotations, "updated": 1,
            "parameters": [{"key": "LEVEL", "value": 1, "init": true}, {"key": "name", "value": "x"}],
            "limits": {"timeout": 1500, "memory": 256, "logs": 1, "concurrency": 7}
        });
        serde_json::from_value(kept).unwrap()
    }

    fn of(exec: Value, annotations: Value, code: Option<&'static str>) -> Result<Function> {
        let (ranges, kinds) = (Ranges::default(), Kinds::default());
        let setting = Setting { ranges: &ranges, kinds: &kinds, api_host: Some("http://localhost:8080") };
        function(&action(exec, annotations), code.map(Into::into), setting)
    }

    #[test]
    fn limits_and_environment_are_the_actions() {
        let wasm = of(json!({"kind": "wasm"}), json!([]), Some("(module)")).unwrap();
        assert_eq!((wasm.namespace.as_str(), wasm.format), ("guest", Format::Default));
        let limits = &wasm.limits;
        assert_eq!(
            (limits.memory, limits.max_logs, limits.timeout),
            (Some(256 * MIB), MIB, Duration::from_millis(1500))
        );
        let env: Vec<_> = wasm.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env,
            [
                "LEVEL=1",
                "__OW_ACTION_NAME=/guest/p/hello",
                "__OW_ACTION_VERSION=0.0.3",
                "__OW_API_HOST=http://localhost:8080",
                "__OW_NAMESPACE=guest"
            ]
        );
        assert_eq!(limits.start_timeout, START);
        wasm.validate().unwrap();
        assert_eq!(limits.concurrency, 1, "it is a maximum");
    }

    #[test]
    fn each_kind_becomes_code_of_its_own() {
        let frame = json!([{"key": "format", "value": "frame"}]);
        let image = of(json!({"kind": "blackbox", "image": "echo:1"}), frame.clone(), None).unwrap();
        assert_eq!((image.format, image.code.image.unwrap().reference.as_str()), (Format::Frame, "echo:1"));
        let js = json!({"kind": "nodejs:20", "runtime": "js", "main": "go"});
        let js = of(js, frame, Some("x")).unwrap().code.source.unwrap();
        assert_eq!((js.runtime.as_str(), js.main.as_str(), js.file.as_str()), ("js", "go", "hello.js"));
        let wrong =
            of(json!({"kind": "wasm"}), json!([{"key": "format", "value": 1}]), Some("x")).unwrap_err();
        assert!(wrong.text.contains("'default', 'http', 'json', 'frame'"), "{}", wrong.text);
        let image = of(json!({"kind": "blackbox", "image": "echo:1"}), json!([]), None).unwrap();
        assert_eq!(image.format, Format::Openwhisk);
        assert_eq!(image.limits.concurrency, 7);
        let zip = json!({"kind": "blackbox", "image": "x", "main": "go", "binary": true});
        let mut loads = of(zip.clone(), json!([]), Some("PK")).unwrap();
        loads.limits.concurrency = 1;
        loads.validate().unwrap();
        let source = loads.code.source.unwrap();
        assert_eq!((source.runtime.as_str(), source.main.as_str(), source.binary), ("", "go", true));
        let frame = json!([{"key": "format", "value": "frame"}]);
        assert_eq!(of(zip, frame, Some("PK")).unwrap_err().status, 400);
    }
}
