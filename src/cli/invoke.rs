//! `kiln invoke`: one request to a function of a running server, or one call of an action.

use super::actions::{self, Wanted};
use super::args::Invoke;
use super::client::Client;
use super::{output, run};
use crate::error::{Error, ErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::process::ExitCode;

pub(super) async fn invoke(mut args: Invoke) -> anyhow::Result<ExitCode> {
    let function = sort_out(&mut args)?;
    let wanted = match (args.blocking, args.later) {
        (true, _) => Wanted::Activation,
        (_, true) => Wanted::Id,
        _ => Wanted::Result,
    };
    let action = args.blocking || args.later || args.result || args.target.local || !args.param.is_empty();
    if action {
        let body = parameters(args.data)?;
        return actions::call(&args.target, &function, wanted, body, &args.param).await;
    }
    raw(args, &function).await
}

/// The function's name. `-p` was the path's once: one value that begins with a slash still is, and where it took the name
/// with it, that is the name.
fn sort_out(args: &mut Invoke) -> Result<String, Error> {
    let is_path = |value: &String| value.starts_with(['/', '?']);
    if args.param.first().is_some_and(is_path) && args.param.len() <= 2 {
        let mut values = std::mem::take(&mut args.param).into_iter();
        args.path = values.next().unwrap_or_default();
        args.function = args.function.take().or(values.next());
    }
    args.function.clone().ok_or_else(|| Error::invalid("no function is named: give its name"))
}

/// One request, as it is.
async fn raw(args: Invoke, function: &str) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.target.url)?;
    let lead = if args.path.starts_with(['/', '?']) { "" } else { "/" };
    let path = format!("/r/{function}{lead}{}", args.path);
    let mut request = client.request(&args.method, &path);
    let named = |name: &str| args.header.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    // Actions are called by the same path, by whoever has their key.
    if let (false, Some(key)) = (named(AUTHORIZATION.as_str()), actions::key(&args.target)?) {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(key)));
    }
    for (name, value) in &args.header {
        request = request.header(name, value);
    }
    let body = body(args.data)?;
    let request = request.body(Full::new(body)).map_err(|error| {
        Error::invalid(format!("the request can't be made: {error}; check -X, -H and --path"))
    })?;
    let answer = client.send(request).await?;
    if args.include {
        output::note(&head(&answer));
    }
    output::write(answer.body())?;
    if answer.status().as_u16() < 400 {
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&format!("kiln: the function answered with status {}", answer.status().as_u16()));
    Ok(ExitCode::from(ErrorKind::FunctionFailed.exit_code()))
}

/// Parameters that are given as a body; stdin is read only where it is asked for.
fn parameters(data: Option<String>) -> anyhow::Result<Map<String, Value>> {
    let Some(data) = data else { return Ok(Map::new()) };
    match serde_json::from_slice(&body(Some(data))?) {
        Ok(Value::Object(parameters)) => Ok(parameters),
        _ => Err(Error::invalid("the parameters are no JSON object: give one, or -p NAME VALUE").into()),
    }
}

fn body(data: Option<String>) -> anyhow::Result<Bytes> {
    match data.as_deref() {
        None | Some("-") => Ok(run::stdin()?.into()),
        Some(text) => match text.strip_prefix('@') {
            None => Ok(text.to_owned().into()),
            Some(file) => match std::fs::read(file) {
                Ok(body) => Ok(body.into()),
                Err(error) => {
                    Err(Error::invalid(format!("can't read {file:?}: {error}; give a file after @")).into())
                }
            },
        },
    }
}

fn head(answer: &Response<Bytes>) -> String {
    let mut head = format!("{:?} {}", answer.version(), answer.status());
    for (name, value) in answer.headers() {
        let _ = write!(head, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::super::args::{Args, Command};
    use super::*;
    use clap::Parser;

    fn parse(line: &str) -> (Result<String, Error>, Invoke) {
        let Command::Invoke(mut invoke) = Args::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("invoke is a command")
        };
        (sort_out(&mut invoke), invoke)
    }

    #[test]
    fn a_parameter_has_two_values_and_a_path_one() {
        for line in
            ["kiln invoke tea -p /a?b=c", "kiln invoke -p /a?b=c tea", "kiln invoke tea --path /a?b=c"]
        {
            let (name, invoke) = parse(line);
            assert_eq!((name.unwrap().as_str(), invoke.path.as_str()), ("tea", "/a?b=c"), "{line}");
            assert!(invoke.param.is_empty(), "{line}");
        }
        let (name, invoke) = parse("kiln invoke hello -p a 1 -p b 2 --async");
        assert_eq!((name.unwrap().as_str(), invoke.param.len(), invoke.later), ("hello", 4, true));
        assert!(parse("kiln invoke").0.is_err());
    }
}
