//! `exec` of an action: its kind and its code.

use super::archive;
use super::kinds::{BLACKBOX, Kinds, SEQUENCE, WASM};
use super::name::ActionName;
use super::params::Parameters;
use super::refusal::{Refusal, Result};
use super::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What runs, the code itself aside: the store keeps that by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exec {
    pub(super) kind: String,
    /// The runtime that takes it; none for modules and images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runtime: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) main: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    /// Whether the code was given in base64; it is kept decoded.
    #[serde(default)]
    pub(super) binary: bool,
    /// The actions of a sequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) components: Vec<ActionName>,
}

/// An `exec` as a `PUT` gives it: with its code.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) exec: Exec,
    pub(super) code: Option<Bytes>,
}

impl Given {
    /// Reads an `exec`. `own` is the caller's namespace.
    pub(super) fn read(value: &Value, own: &str, kinds: &Kinds, max_code: u64) -> Result<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let kind = text("kind").map(|kind| kind.trim().to_lowercase());
        let kind = kind.ok_or_else(|| Refusal::malformed("'kind' must be a string defined in 'exec'"))?;
        let main = match value.get("main") {
            None | Some(Value::Null) => None,
            Some(Value::String(main)) => Some(main.clone()),
            Some(_) => {
                let why = format!("if defined, 'main' be a string in 'exec' for '{kind}' actions");
                return Err(Refusal::malformed(why));
            }
        };
        let code = text("code").filter(|code| kind != BLACKBOX || !code.trim().is_empty());
        if let Some(code) = code
            && code.len() as u64 > max_code
        {
            return Err(Refusal::too_large("exec", code.len() as u64, max_code));
        }
        let missing =
            || Refusal::malformed(format!("'code' must be a string defined in 'exec' for '{kind}' actions"));
        let exec = |kind: &str| Exec {
            kind: kind.into(),
            runtime: None,
            main: main.clone(),
            image: None,
            binary: false,
            components: Vec::new(),
        };
        match kind.as_str() {
            SEQUENCE => {
                let components = components(value.get("components"), own)?;
                Ok(Self { exec: Exec { components, main: None, ..exec(SEQUENCE) }, code: None })
            }
            BLACKBOX => {
                let image = text("image").filter(|image| !image.trim().is_empty()).ok_or_else(|| {
                    Refusal::malformed("'image' must be a string defined in 'exec' for 'blackbox' actions")
                })?;
                let (binary, code) = code.map_or((false, None), |code| {
                    let (binary, code) = decoded(code);
                    (binary, Some(code))
                });
                let image = Some(image.trim().to_owned());
                Ok(Self { exec: Exec { image, binary, ..exec(&kind) }, code })
            }
            WASM => {
                let (binary, code) = decoded(code.ok_or_else(missing)?);
                if !code.starts_with(b"\0asm") && !code.trim_ascii_start().starts_with(b"(") {
                    let why = "'code' of a 'wasm' action must be a WebAssembly module in base64";
                    return Err(Refusal::malformed(why));
                }
                Ok(Self { exec: Exec { binary, ..exec(WASM) }, code: Some(code) })
            }
            _ => {
                let Some((runtime, resolved)) = kinds.resolve(&kind) else {
                    return Err(Refusal::malformed(words::unknown_kind(&kind, &kinds.all())));
                };
                let code = code.ok_or_else(missing)?;
                let runtime = runtime.to_owned();
                if kinds.takes_any_code(&runtime) {
                    let (binary, code) = decoded(code);
                    let runtime = Some(runtime);
                    return Ok(Self { exec: Exec { runtime, binary, ..exec(&resolved) }, code: Some(code) });
                }
                let (binary, code) = match source(code) {
                    Source::Text => (false, Bytes::copy_from_slice(code.as_bytes())),
                    Source::Archive(archive) if archive::is_taken_by(&runtime) => {
                        // What of it can't be is better said now than at each call.
                        archive::text(&runtime, &archive, max_code)?;
                        (true, archive)
                    }
                    Source::Archive(_) | Source::Other => {
                        let why = format!(
                            "'code' of a '{kind}' action must be its source as text, or a ZIP archive where its runtime is \
                             'js' or 'python'"
                        );
                        return Err(Refusal::malformed(why));
                    }
                };
                let runtime = Some(runtime);
                Ok(Self { exec: Exec { runtime, binary, ..exec(&resolved) }, code: Some(code) })
            }
        }
    }
}

impl Exec {
    pub(super) fn is_sequence(&self) -> bool {
        self.kind == SEQUENCE
    }

    /// A sequence's parameters, which are its actions: what clients of old look at.
    pub(super) fn parameters(&self) -> Option<Parameters> {
        self.is_sequence().then(|| {
            let names: Vec<_> = self.components.iter().map(|name| format!("/{name}")).collect();
            let mut parameters = Parameters::default();
            parameters.set("_actions", names);
            parameters
        })
    }

    /// As a `GET` shows it; with the code where that is wanted.
    pub(super) fn as_json(&self, code: Option<&[u8]>) -> Value {
        let mut fields = Map::new();
        fields.insert("kind".into(), json!(self.kind));
        fields.insert("binary".into(), json!(self.binary));
        for (key, value) in [("main", &self.main), ("image", &self.image)] {
            if let Some(value) = value {
                fields.insert(key.into(), json!(value));
            }
        }
        if self.kind == SEQUENCE {
            let components: Vec<_> = self.components.iter().map(|name| format!("/{name}")).collect();
            fields.remove("binary");
            fields.insert("components".into(), json!(components));
        }
        if let Some(code) = code {
            let shown =
                if self.binary { STANDARD.encode(code) } else { String::from_utf8_lossy(code).into_owned() };
            fields.insert("code".into(), json!(shown));
        }
        Value::Object(fields)
    }
}

/// The actions of a sequence: at least one, and no more than OpenWhisk has.
fn components(given: Option<&Value>, own: &str) -> Result<Vec<ActionName>> {
    let given = match given {
        Some(Value::Array(given)) => given,
        Some(_) => return Err(Refusal::malformed("'components' must be an array")),
        None => return Err(Refusal::malformed("'components' must be defined for sequence kind")),
    };
    let name = |given: &Value| match given.as_str() {
        Some(text) => ActionName::read(text, own),
        None => Err(Refusal::malformed(words::NOT_QUALIFIED)),
    };
    given.iter().map(name).collect()
}

/// Code that may be in base64, as `Exec.isBinaryCode` finds out.
fn decoded(code: &str) -> (bool, Bytes) {
    match STANDARD.decode(code.trim()) {
        Ok(bytes) => (true, bytes.into()),
        Err(_) => (false, Bytes::copy_from_slice(code.as_bytes())),
    }
}

/// What a source's code is.
enum Source {
    Text,
    /// A ZIP archive, out of base64.
    Archive(Bytes),
    /// Another one, in base64.
    Other,
}

fn source(code: &str) -> Source {
    match STANDARD.decode(code.trim()) {
        Ok(bytes) if archive::is_one(&bytes) => Source::Archive(bytes.into()),
        Ok(bytes) if bytes.starts_with(&[0x1f, 0x8b]) => Source::Other,
        _ => Source::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::RuntimeKinds;
    use super::*;

    fn read(exec: &Value) -> Result<Given> {
        let js = RuntimeKinds::new("js", &["nodejs:default", "nodejs:20"]);
        Given::read(exec, "guest", &Kinds::new(vec![js]), 1000)
    }

    #[test]
    fn sources_modules_and_images_are_read() {
        let js =
            read(&json!({"kind": "nodejs:default", "code": "function main() {}", "main": "go"})).unwrap();
        assert_eq!(js.exec.as_json(None), json!({"kind": "nodejs:20", "binary": false, "main": "go"}));
        assert_eq!(
            (js.exec.runtime.as_deref(), js.code.as_deref()),
            (Some("js"), Some(&b"function main() {}"[..]))
        );

        let module = STANDARD.encode(b"\0asm\x01\0\0\0");
        let wasm = read(&json!({"kind": "wasm", "code": module})).unwrap();
        let shown = wasm.exec.as_json(wasm.code.as_deref());
        assert_eq!(shown, json!({"kind": "wasm", "binary": true, "code": module}));

        let image = read(&json!({"kind": "blackbox", "image": "echo:1", "code": ""})).unwrap();
        assert_eq!(image.exec.as_json(None), json!({"kind": "blackbox", "binary": false, "image": "echo:1"}));
        assert!(image.code.is_none());
    }

    #[test]
    fn what_cannot_run_is_refused_with_what_would_be_right() {
        let (zip, gzip) = (STANDARD.encode(b"PK\x03\x04...."), STANDARD.encode(b"\x1f\x8b...."));
        for (exec, status, part) in [
            (json!({"code": "x"}), 400, "'kind' must be a string"),
            (
                json!({"kind": "cobol:1", "code": "x"}),
                400,
                "Valid values are: 'nodejs:default', 'nodejs:20', 'wasm'",
            ),
            (json!({"kind": "nodejs:20"}), 400, "'code' must be a string"),
            (json!({"kind": "nodejs:20", "code": "x", "main": 1}), 400, "'main' be a string"),
            (json!({"kind": "nodejs:20", "code": zip}), 400, "'code' is an archive, and it can't be read"),
            (json!({"kind": "nodejs:20", "code": gzip}), 400, "or a ZIP archive"),
            (json!({"kind": "sequence"}), 400, "'components' must be defined"),
            (json!({"kind": "sequence", "components": ["a"]}), 400, "at least the namespace"),
            (json!({"kind": "blackbox"}), 400, "'image' must be a string"),
            (json!({"kind": "wasm", "code": "AAAA"}), 400, "WebAssembly module in base64"),
            (
                json!({"kind": "nodejs:20", "code": "x".repeat(1001)}),
                413,
                "exec larger than allowed: 1001 > 1000",
            ),
        ] {
            let refusal = read(&exec).unwrap_err();
            assert_eq!(refusal.status, status, "{exec}");
            assert!(refusal.text.contains(part), "{exec}: {}", refusal.text);
        }
    }
}
