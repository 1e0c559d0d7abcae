//! Kiln runs functions from WebAssembly modules and container images, kept warm behind one pool.

pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
pub mod format;
pub mod function;
pub mod host;
pub mod invocation;
pub mod manifest;
pub mod pool;
#[cfg(feature = "server")]
pub mod server;

pub use error::{Error, ErrorKind, Result};
pub use function::{BackendKind, Code, Format, Function, Limits};
pub use host::{Host, HostBuilder};
pub use invocation::{Invocation, InvocationId, Outcome, Reply, Start, Timings};
