//! `kiln deploy`: a file or an image becomes an action.

use super::api::Api;
use super::args::Deploy;
use super::pairs;
use crate::cli::args::Output;
use crate::cli::output;
use crate::error::Error;
use crate::function::Source;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;

pub(in crate::cli) async fn deploy(args: Deploy, output: Output) -> anyhow::Result<ExitCode> {
    let exec = exec(&args)?;
    let name = match (&args.name, &args.code, &args.image) {
        (Some(name), ..) => name.clone(),
        (None, Some(file), _) => {
            file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        }
        (None, None, Some(image)) => of_image(image),
        (None, None, None) => String::new(),
    };
    let mut annotations = pairs::list(&args.annotation)?;
    let mut annotate = |key: &str, value: Value| annotations.push(json!({"key": key, "value": value}));
    if let Some(format) = &args.format {
        annotate("format", json!(format));
    }
    if args.web {
        annotate("web-export", json!(true));
        // As `wsk --web` has it: what is declared isn't anybody's to change.
        annotate("final", json!(true));
    }
    let mut limits = Map::new();
    if let Some(memory) = args.memory {
        limits.insert("memory".into(), json!(memory.div_ceil(1 << 20)));
    }
    if let Some(timeout) = args.timeout {
        limits.insert("timeout".into(), json!(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)));
    }
    let mut body = json!({"exec": exec, "annotations": annotations, "limits": limits});
    if let (false, Some(fields)) = (args.param.is_empty(), body.as_object_mut()) {
        fields.insert("parameters".into(), Value::Array(pairs::list(&args.param)?));
    }
    let api = Api::new(&args.target).await?;
    let asked = api.ask("PUT", &format!("actions/{name}?overwrite=true"), Some(&body)).await;
    api.close().await?;
    let (_, action) = asked?;
    match output {
        Output::Json => output::show(output, &action, |_| comfy_table::Table::new())?,
        _ => {
            let text = |key: &str| action.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            output::note(&format!(
                "kiln: deployed {}/{} {}",
                text("namespace"),
                text("name"),
                text("version")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn exec(args: &Deploy) -> Result<Value, Error> {
    let mut exec = Map::new();
    let mut put = |key: &str, value: &str| drop(exec.insert(key.to_owned(), json!(value)));
    if let Some(main) = &args.main {
        put("main", main);
    }
    match (&args.code, &args.image) {
        (Some(file), _) => {
            let code = std::fs::read(file).map_err(|error| {
                Error::invalid(format!(
                    "can't read {}: {error}; give a source file or a module",
                    file.display()
                ))
            })?;
            let kind = match &args.kind {
                Some(kind) => kind.clone(),
                None => kind_of(file)?.to_owned(),
            };
            put("kind", &kind);
            match String::from_utf8(code) {
                Ok(text) if kind != "wasm" => put("code", &text),
                Ok(text) => put("code", &STANDARD.encode(text)),
                Err(binary) => put("code", &STANDARD.encode(binary.as_bytes())),
            }
        }
        (None, image) => {
            put("kind", args.kind.as_deref().unwrap_or("blackbox"));
            put("image", image.as_deref().unwrap_or_default());
        }
    }
    Ok(Value::Object(exec))
}

/// The kind of a file, by its extension.
fn kind_of(file: &Path) -> Result<&'static str, Error> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("wasm" | "wat") => Ok("wasm"),
        _ => Source::runtime_of(file).ok_or_else(|| {
            Error::invalid(format!(
                "can't tell what {} is: give --kind, as wasm or nodejs:default",
                file.display()
            ))
        }),
    }
}

/// An image's own name: without its registry, its folders and its tag.
fn of_image(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_are_taken_from_what_is_given() {
        assert_eq!(of_image("registry:5000/a/echo:1"), "echo");
        assert_eq!(of_image("echo@sha256:00"), "echo");
        assert_eq!(kind_of(Path::new("a/hello.mjs")).unwrap(), "js");
        assert_eq!(kind_of(Path::new("thumb.wasm")).unwrap(), "wasm");
        assert!(kind_of(Path::new("x.cob")).is_err());
    }
}
