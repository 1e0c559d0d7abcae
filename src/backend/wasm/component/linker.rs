//! What a component may call: all of WASI 0.2 by wasmtime-wasi and wasmtime-wasi-http, but for its arguments, its environment and the standard
//! streams. `wasi:sockets` is there because CPython and others ask for it whether they use it or not; it refuses
//! every address.

use crate::backend::Logs;
use crate::backend::wasm::engine::Purpose;
use crate::backend::wasm::environ::Environ;
use crate::backend::wasm::shared::Shared;
use crate::backend::wasm::state::State;
use crate::backend::wasm::streams::{Stderr, Stdin, Stdout};
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::cli::{environment, stderr, stdin, stdout};
use wasmtime_wasi::p2::pipe::ClosedInputStream;
use wasmtime_wasi::p2::{self, DynInputStream, DynOutputStream};
#[cfg(feature = "preview3")]
use wasmtime_wasi::p3::bindings::cli::environment as p3;

/// The part of a guest's state that is not wasmtime-wasi's.
struct Own<'a> {
    table: &'a mut ResourceTable,
    environ: &'a Environ,
    shared: &'a Arc<Shared>,
    logs: &'a Arc<Logs>,
    has_stdio: bool,
}

struct HasOwn;

impl HasData for HasOwn {
    type Data<'a> = Own<'a>;
}

fn own(state: &mut State) -> Own<'_> {
    Own {
        table: state.wasi.ctx().table,
        environ: &state.environ,
        shared: &state.shared,
        logs: &state.logs,
        has_stdio: state.has_stdio,
    }
}

/// The linker that every function's component is linked with.
pub(in crate::backend::wasm) fn linker(engine: &Engine, purpose: Purpose) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    #[cfg(feature = "http-components")]
    crate::backend::wasm::http::add_to_linker(&mut linker)?;
    #[cfg(feature = "preview3")]
    if purpose.concurrent {
        crate::backend::wasm::service::add_to_linker(&mut linker)?;
        linker.allow_shadowing(true);
        p3::add_to_linker::<State, HasOwn>(&mut linker, own)?;
    }
    #[cfg(not(feature = "preview3"))]
    let _ = purpose;
    linker.allow_shadowing(true);
    environment::add_to_linker::<State, HasOwn>(&mut linker, own)?;
    stdin::add_to_linker::<State, HasOwn>(&mut linker, own)?;
    stdout::add_to_linker::<State, HasOwn>(&mut linker, own)?;
    stderr::add_to_linker::<State, HasOwn>(&mut linker, own)?;
    Ok(linker)
}

impl environment::Host for Own<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let pairs = self.environ.env.iter().filter_map(|pair| pair.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(self.environ.args.iter().map(str::to_owned).collect())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Its stdin, stdout and stderr are the context's.
#[cfg(feature = "preview3")]
impl p3::Host for Own<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        environment::Host::get_environment(self)
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        environment::Host::get_arguments(self)
    }

    fn get_initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl stdin::Host for Own<'_> {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let stream: DynInputStream = match self.has_stdio {
            true => Box::new(Stdin(Arc::clone(self.shared))),
            false => Box::new(ClosedInputStream),
        };
        Ok(self.table.push(stream)?)
    }
}

impl stdout::Host for Own<'_> {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = match self.has_stdio {
            true => Box::new(Stdout(Arc::clone(self.shared))),
            false => Box::new(Stderr(Arc::clone(self.logs))),
        };
        Ok(self.table.push(stream)?)
    }
}

impl stderr::Host for Own<'_> {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Stderr(Arc::clone(self.logs)));
        Ok(self.table.push(stream)?)
    }
}
