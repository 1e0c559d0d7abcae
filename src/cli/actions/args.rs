//! The command line of what speaks OpenWhisk's API.

use crate::cli::args::{duration, size};
use std::path::PathBuf;
use std::time::Duration;

/// Which server, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// Where the server answers
    #[arg(long, env = "KILN_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The key, as uuid:key or @ and a file [default: the one that `kiln serve` made in the state folder]
    #[arg(long, env = "KILN_AUTH", hide_env_values = true, value_name = "KEY|@FILE")]
    pub(crate) auth: Option<String>,
    /// Use the state folder itself: no server needs to run, and none may use that folder
    #[arg(long)]
    pub(crate) local: bool,
    /// The manifest that `--local` takes its settings and runtimes from
    #[arg(long, value_name = "MANIFEST")]
    pub(crate) file: Option<PathBuf>,
    /// The state folder [default: the manifest's, else kiln in the user's state folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deploy {
    /// A source file, as hello.js, or a .wasm or .wat module
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub(crate) code: Option<PathBuf>,
    /// A container image instead
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Its name, or package/name [default: the file's or image's]
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// A parameter that every invocation gets; JSON where that can be read, else text
    #[arg(short, long, num_args = 2, value_names = ["NAME", "VALUE"])]
    pub(crate) param: Vec<String>,
    /// An annotation, as a parameter is given
    #[arg(short, long, num_args = 2, value_names = ["NAME", "VALUE"])]
    pub(crate) annotation: Vec<String>,
    /// Its memory limit, as 256MiB
    #[arg(long, value_parser = size)]
    pub(crate) memory: Option<u64>,
    /// The longest that it may run, as 5s
    #[arg(long, value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Its kind, as nodejs:default [default: by the file's extension]
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// The function in it that is called
    #[arg(long)]
    pub(crate) main: Option<String>,
    /// How a module or an image is spoken to: default, http, json or frame
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Anybody may call it, at /api/v1/web/<namespace>/<package or default>/<name>
    #[arg(long)]
    pub(crate) web: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// The action's name, or package/name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Activations {
    /// Of this action only: its name, or package/name
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// At most so many, 200 at the most
    #[arg(short, long, default_value_t = 30)]
    pub(crate) limit: u32,
    /// Those that began so long ago or later, as 10m, or from a moment in milliseconds since 1970
    #[arg(long)]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The activation's id
    #[arg(required_unless_present = "follow")]
    pub(crate) id: Option<String>,
    /// Follow: wait for that activation, or without an id show the logs of each new one until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of this action only, with --follow
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}
