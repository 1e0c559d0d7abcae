//! `kiln run`: one invocation, no server.

use super::args::Run;
use super::signals::Ending;
use super::{INTERRUPTED, host, identity, output, runtimes};
use crate::error::{Error, ErrorKind};
use crate::function::Function;
use crate::invocation::{Invocation, Reply};
use crate::manifest::{self, HostSettings, Manifest};
use crate::runtime::Runtime;
use anyhow::Context;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(args: Run) -> anyhow::Result<ExitCode> {
    let Declared { mut function, runtimes, settings } = declared(&args)?;
    let path = args.path.clone();
    adjust(&mut function, args)?;
    function.validate()?;
    let name = function.name.clone();
    // What is read here is one request: no limit of a host that serves many applies.
    let mut invocation = Invocation::new(stdin()?);
    invocation.path = if path.starts_with('/') { path } else { format!("/{path}") };
    // And nothing is kept ready for another.
    let settings = HostSettings { max_body: Some(u64::MAX), kept_networks: Some(0), ..settings };

    let mut ending = Ending::new()?;
    let host = host::build(&settings, &runtimes, identity::of_one_life())?;
    let invoked = async {
        host.deploy(function).await?;
        host.invoke(&name, invocation).await.result
    };
    let result = tokio::select! {
        result = invoked => Some(result),
        // Dropping the invocation stops it; the host then removes what is left of it.
        () = ending.next() => None,
    };
    tokio::select! {
        () = host.stop() => {}
        () = ending.next() => {}
    }
    match result {
        None => Ok(ExitCode::from(INTERRUPTED)),
        Some(result) => finish(&result?),
    }
}

/// Writes the reply. A status from 400 on is the function's way to say that it failed.
fn finish(reply: &Reply) -> anyhow::Result<ExitCode> {
    output::write(&reply.body)?;
    if reply.status < 400 {
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&format!("kiln: the function answered with status {}", reply.status));
    Ok(ExitCode::from(ErrorKind::FunctionFailed.exit_code()))
}

/// The function that was named, and the host that runs it.
struct Declared {
    function: Function,
    runtimes: Vec<Runtime>,
    settings: HostSettings,
}

impl From<Function> for Declared {
    fn from(function: Function) -> Self {
        Self { function, runtimes: Vec::new(), settings: HostSettings::default() }
    }
}

/// What was named, as a file, an image or in a manifest.
fn declared(args: &Run) -> Result<Declared, Error> {
    if let Some(image) = &args.image {
        return Ok(Function::image("run", image).into());
    }
    let what = args.what.as_deref().unwrap_or_default();
    let Some(file) = &args.file else {
        if !Path::new(what).is_file() {
            return Err(Error::invalid(format!(
                "there is no file {what:?}: give a .wasm or .wat file, `--image` and an image, or a function's name and \
                 `-f {}`",
                manifest::DEFAULT_FILE
            )));
        }
        return Ok(Function::wasm(name_of(what), what).into());
    };
    let Manifest { host: settings, runtimes, functions, .. } = Manifest::read(file)?;
    let mut runtimes = runtimes::offered(&runtimes, None);
    let names: Vec<_> = functions.iter().map(|function| format!("`{}`", function.name)).collect();
    let missing = || {
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        let message = format!("{} has no function `{what}`: it has {known}", file.display());
        Error::new(ErrorKind::NotFound, message)
    };
    let mut function = functions.into_iter().find(|function| function.name == what).ok_or_else(missing)?;
    // One request needs one sandbox, and that is started for it.
    function.prewarm = 0;
    runtimes.iter_mut().for_each(Runtime::keep_none);
    Ok(Declared { function, runtimes, settings })
}

/// A file's name as a function's: for logs and for the program's own name.
fn name_of(file: &str) -> String {
    let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = stem.chars().map(|c| if fits(c) { c } else { '-' }).take(63).collect();
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) { name } else { "run".into() }
}

/// What the command line says wins over the manifest.
fn adjust(function: &mut Function, args: Run) -> Result<(), Error> {
    if let Some(format) = args.format {
        function.set_format(format);
    }
    function.backend = args.backend.or(function.backend);
    function.limits.memory = args.memory.or(function.limits.memory);
    function.limits.timeout = args.timeout.unwrap_or(function.limits.timeout);
    function.env.extend(args.env);
    if !args.args.is_empty() {
        function.args = args.args;
    }
    for text in args.dir {
        // Engines take no relative paths.
        let here = std::env::current_dir().unwrap_or_default();
        let dir = manifest::parse_dir(&text, &here)
            .map_err(|why| Error::invalid(format!("`--dir` is {text:?}, {why}")))?;
        function.dirs.push(dir);
    }
    Ok(())
}

/// The whole of stdin; nothing where a person would have to type it.
pub(super) fn stdin() -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut stdin = std::io::stdin().lock();
    if !stdin.is_terminal() {
        stdin.read_to_end(&mut body).context("can't read stdin")?;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_becomes_a_functions() {
        for (file, name) in [
            ("echo.wasm", "echo"),
            ("/a/b/my module.wat", "my-module"),
            ("-x.wasm", "run"),
            ("é.wasm", "run"),
            (".wasm", "run"),
        ] {
            let found = name_of(file);
            assert_eq!(found, name, "{file}");
            assert!(Function::wasm(found, file).validate().is_ok());
        }
    }
}
