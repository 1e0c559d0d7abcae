//! The command line.

use super::actions::args::{Activations, Deploy, Logs, Named, Target};
use super::bench::args::Bench;
use crate::function::{BackendKind, Format};
use crate::manifest;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Runs functions from WebAssembly modules and container images, kept warm behind one pool.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, max_term_width = 100)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// How results are written
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    /// What is logged to stderr, as `info` or `warn,kiln=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "KILN_LOG")]
    pub(super) log: Option<String>,
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// For spreadsheets; `kiln bench` only
    Csv,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line of text each
    Text,
    /// One JSON object each
    Json,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a function once: stdin is its request, its reply goes to stdout
    Run(Run),
    /// Serve a manifest's functions over HTTP until Ctrl-C or SIGTERM
    Serve(Serve),
    /// Invoke a function of a running server
    Invoke(Invoke),
    /// Declare an action on a running server, from source, a module or an image; again: a new version of it
    Deploy(Deploy),
    /// Show an action
    Get(Named),
    /// Take an action away
    Delete(Named),
    /// List the records of actions' runs, the newest first
    Activations(Activations),
    /// Show the log of an action's run, or follow those of new ones
    Logs(Logs),
    /// List the functions of a running server
    List(Remote),
    /// Show the pool of a running server in figures
    Pool(Remote),
    /// Measure starts, load and density of a manifest's functions, and compare results
    Bench(Bench),
    /// Check what this machine can run, and say what to do about the rest
    Doctor(Doctor),
    /// Write a shell's completion script to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// What is logged unless said: `serve` tells what it does, the others only what is wrong and what a function says.
    pub(super) fn default_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) => "warn,kiln=info",
            // What it provokes on purpose, a budget too small for two, is no news; what fails is in its result.
            Self::Bench(_) => "error,kiln::function=off",
            _ => "warn,kiln::function=info",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// A .wasm or .wat file; with --file, the name of a function in it
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub(super) what: Option<String>,
    /// A container image instead of a module
    #[arg(long)]
    pub(super) image: Option<String>,
    /// The manifest that declares the function
    #[arg(short, long, value_name = "MANIFEST", requires = "what")]
    pub(super) file: Option<PathBuf>,
    /// How request and reply are written: default, http, json or frame
    #[arg(long, value_parser = format)]
    pub(super) format: Option<Format>,
    /// Which backend runs it, where it has a module and an image: wasm or docker
    #[arg(long, value_parser = backend)]
    pub(super) backend: Option<BackendKind>,
    /// Its memory limit, as 64MiB
    #[arg(long, value_parser = size)]
    pub(super) memory: Option<u64>,
    /// The longest that it may run, as 5s
    #[arg(long, value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// An environment variable, as NAME=value
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) env: Vec<(String, String)>,
    /// A folder that it may open, as host:guest or host:guest:rw
    #[arg(long, value_name = "HOST:GUEST[:rw]")]
    pub(super) dir: Vec<String>,
    /// The request's path, with the query
    #[arg(short, long, default_value = "/")]
    pub(super) path: String,
    /// Its arguments
    #[arg(last = true)]
    pub(super) args: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The manifest [default: kiln.toml, where there is one]
    pub(super) manifest: Option<PathBuf>,
    /// Listen here instead of where the manifest says, as 127.0.0.1:8080; port 0 takes a free one
    #[arg(long)]
    pub(super) listen: Option<SocketAddr>,
    /// The budget instead of the manifest's, as 2GiB
    #[arg(long, value_parser = size)]
    pub(super) memory: Option<u64>,
    /// The folder of what outlives the server, or :memory: [default: kiln in the user's state folder; with port 0 :memory:]
    #[arg(long, value_name = "FOLDER")]
    pub(super) state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remote {
    /// Where the server answers
    #[arg(long, env = "KILN_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Invoke {
    /// The function's name; an action's may be package/name
    pub(super) function: Option<String>,
    /// A parameter; JSON where that can be read, else text. Calls an action through OpenWhisk's API
    #[arg(short, long, num_args = 1..=2, value_names = ["NAME", "VALUE"], action = ArgAction::Append)]
    pub(super) param: Vec<String>,
    /// Call an action, wait, and write its activation
    #[arg(long, conflicts_with_all = ["later", "result"])]
    pub(super) blocking: bool,
    /// Call an action, wait, and write its result; what holds with -p
    #[arg(long, conflicts_with = "later")]
    pub(super) result: bool,
    /// Call an action without waiting, and write the activation's id
    #[arg(long = "async")]
    pub(super) later: bool,
    #[command(flatten)]
    pub(super) target: Target,
    /// The HTTP method
    #[arg(short = 'X', long, default_value = "POST")]
    pub(super) method: String,
    /// A header, as "Name: value"
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) header: Vec<(String, String)>,
    /// The path after the function's own, with the query; -p and one value that begins with / is the same
    #[arg(long, default_value = "/")]
    pub(super) path: String,
    /// The body: a text, @ and a file, or - for stdin. Default: stdin, unless that is a terminal
    #[arg(short, long, value_name = "TEXT|@FILE|-")]
    pub(super) data: Option<String>,
    /// Write the reply's status and headers to stderr
    #[arg(short, long)]
    pub(super) include: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// A manifest whose [host] settings are checked
    #[arg(short, long, value_name = "MANIFEST")]
    pub(super) file: Option<PathBuf>,
}

fn format(text: &str) -> Result<Format, String> {
    let known = Format::ALL.into_iter().find(|format| format.as_str() == text);
    known.ok_or_else(|| "give default, http, json or frame".into())
}

pub(super) fn backend(text: &str) -> Result<BackendKind, String> {
    let known = BackendKind::ALL.into_iter().find(|backend| backend.as_str() == text);
    known.ok_or_else(|| "give wasm or docker".into())
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    manifest::parse_size(text)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    manifest::parse_duration(text)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=value")?;
    Ok((name.into(), value.into()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("give \"Name: value\"")?;
    Ok((name.trim().into(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(line.split(' ')).map(|args| args.command)
    }

    #[test]
    fn run_takes_a_module_an_image_or_a_name() {
        let Ok(Command::Run(run)) =
            parse("kiln run echo.wasm --memory 64MiB --timeout 5s --env A=b=c --dir d:/d:rw -- -v x")
        else {
            panic!("run is a command")
        };
        assert_eq!((run.what.as_deref(), run.memory), (Some("echo.wasm"), Some(64 << 20)));
        assert_eq!((run.timeout, run.args), (Some(Duration::from_secs(5)), vec!["-v".into(), "x".into()]));
        assert_eq!(run.env, [("A".to_owned(), "b=c".to_owned())]);
        assert!(parse("kiln run --image echo:1").is_ok());
        assert!(parse("kiln run echo -f kiln.toml").is_ok());
        for wrong in
            ["kiln run", "kiln run a.wasm --image echo:1", "kiln run -f kiln.toml", "kiln run a --memory 64"]
        {
            let error = parse(wrong).expect_err(wrong);
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
