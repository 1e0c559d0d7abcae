//! `kiln invoke`: one request to a function of a running server.

use super::args::Invoke;
use super::client::Client;
use super::{output, run};
use crate::error::{Error, ErrorKind};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use std::fmt::Write;
use std::process::ExitCode;

pub(super) async fn invoke(args: Invoke) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.remote.url)?;
    let lead = if args.path.starts_with(['/', '?']) { "" } else { "/" };
    let path = format!("/r/{}{lead}{}", args.function, args.path);
    let mut request = client.request(&args.method, &path);
    for (name, value) in &args.header {
        request = request.header(name, value);
    }
    let body = body(args.data)?;
    let request = request.body(Full::new(body)).map_err(|error| {
        Error::invalid(format!("the request can't be made: {error}; check -X, -H and -p"))
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
