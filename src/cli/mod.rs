//! The terminal face: one command, its result on stdout, all else on stderr.
//!
//! | exit code | means |
//! | --- | --- |
//! | 0 | done; a function's reply had a status below 400 |
//! | 1 | the function failed, or replied with a status from 400 on |
//! | 2 | wrong usage: arguments, manifest, sizes |
//! | 3 | no such function |
//! | 4 | timed out |
//! | 5 | over capacity, or a backend or server isn't there |
//! | 70 | a fault of Kiln's own |
//! | 130 | stopped by Ctrl-C or SIGTERM before it was done |

mod actions;
mod args;
mod bench;
mod client;
mod doctor;
mod host;
mod identity;
mod invoke;
mod list;
mod logging;
mod output;
mod run;
mod runtimes;
mod serve;
mod signals;
mod state;

use crate::error::{Error, ErrorKind};
use anyhow::Context;
use args::{Args, Command, Output};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// What a command that was interrupted ends with: 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// Reads the command line, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = logging::start(&args.common, args.command.default_filter()) {
        return failed(&error);
    }
    command(args).unwrap_or_else(|error| failed(&error))
}

fn command(args: Args) -> anyhow::Result<ExitCode> {
    let output = args.common.output;
    if output == Output::Csv && !matches!(args.command, Command::Bench(_)) {
        return Err(output::no_csv().into());
    }
    match args.command {
        Command::Run(args) => runtime(true)?.block_on(run::run(args)),
        Command::Serve(args) => runtime(true)?.block_on(serve::serve(args)),
        Command::Invoke(args) => runtime(true)?.block_on(invoke::invoke(args)),
        Command::Deploy(args) => runtime(true)?.block_on(actions::deploy(args, output)),
        Command::Get(args) => runtime(true)?.block_on(actions::get(args)),
        Command::Delete(args) => runtime(true)?.block_on(actions::delete(args, output)),
        Command::Activations(args) => runtime(true)?.block_on(actions::activations(args, output)),
        Command::Logs(args) => runtime(true)?.block_on(actions::logs(args)),
        Command::List(args) => runtime(false)?.block_on(list::functions(&args, output)),
        Command::Pool(args) => runtime(false)?.block_on(list::pool(&args, output)),
        Command::Bench(args) => runtime(true)?.block_on(bench::bench(args, output)),
        Command::Doctor(args) => runtime(true)?.block_on(doctor::doctor(&args, output)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "kiln", &mut script);
            output::write(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime(threads: bool) -> anyhow::Result<Runtime> {
    let mut builder = if threads { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build().context("can't start the async runtime")
}

/// Says what went wrong, and gives the exit code of its kind. A function's last words have been said by then.
fn failed(error: &anyhow::Error) -> ExitCode {
    let kind = error.downcast_ref::<Error>().map_or(ErrorKind::Internal, Error::kind);
    let message = format!("{error:#}");
    // A manifest's mistakes stand one to a line, each with its own place.
    let lead = if message.contains('\n') { "kiln:\n" } else { "kiln: " };
    output::note(&format!("{lead}{message}"));
    ExitCode::from(kind.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_errors_kind_decides_the_exit_code() {
        let code = |error: anyhow::Error| format!("{:?}", failed(&error));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Error::invalid("x").into()), expected(2));
        assert_eq!(code(Error::new(ErrorKind::TimedOut, "x").into()), expected(4));
        assert_eq!(code(anyhow::anyhow!("x")), expected(70));
        let wrapped = anyhow::Error::from(Error::new(ErrorKind::NotFound, "x")).context("y");
        assert_eq!(code(wrapped), expected(3));
    }
}
