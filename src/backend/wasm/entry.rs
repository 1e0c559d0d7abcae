//! From linked code to a guest that can begin: the one place where modules and components are made differently.

use super::state::State;
use crate::function::Format;
use std::pin::Pin;
use wasmtime::{InstancePre, Store, TypedFunc};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::{Command, CommandPre};
#[cfg(feature = "http-components")]
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
#[cfg(feature = "preview3")]
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

/// A guest's life from its first instruction to its last.
pub(super) type Run = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>;

/// Code joined with its imports, once for each function.
#[derive(Clone)]
pub(super) enum Pre {
    Module(InstancePre<State>),
    Component(Box<CommandPre<State>>),
    #[cfg(feature = "http-components")]
    Http(Box<ProxyPre<State>>),
    #[cfg(feature = "preview3")]
    Service(Box<ServicePre<State>>),
}

/// An instance that hasn't begun.
pub(super) enum Made {
    /// One that runs in its caller's polls.
    Guest(Entry),
    /// One that runs on a task of its own.
    #[cfg(feature = "preview3")]
    Service(Box<Service>),
}

/// Where an instance begins.
pub(super) enum Entry {
    /// A module's `_start`.
    Start(TypedFunc<(), ()>),
    /// A component's `wasi:cli/run`.
    Run(Command),
    /// A component's `wasi:http/incoming-handler`, once for each request.
    #[cfg(feature = "http-components")]
    Handle(Box<Proxy>),
}

impl Pre {
    /// The format that it is spoken to in, where it can't be any other.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Module(_) | Self::Component(_) => None,
            #[cfg(feature = "http-components")]
            Self::Http(_) => Some(Format::WasiHttp),
            #[cfg(feature = "preview3")]
            Self::Service(_) => Some(Format::WasiHttp),
        }
    }

    /// Whether several requests can be in one instance at once; it then runs on a task of its own.
    pub(super) fn shares(&self) -> bool {
        match self {
            Self::Module(_) | Self::Component(_) => false,
            #[cfg(feature = "http-components")]
            Self::Http(_) => false,
            #[cfg(feature = "preview3")]
            Self::Service(_) => true,
        }
    }

    /// Makes an instance in this store.
    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Made> {
        Ok(Made::Guest(match self {
            Self::Module(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                store.data_mut().memory = instance.get_memory(&mut *store, "memory");
                Entry::Start(instance.get_typed_func(&mut *store, "_start")?)
            }
            Self::Component(pre) => Entry::Run(pre.instantiate_async(store).await?),
            #[cfg(feature = "http-components")]
            Self::Http(pre) => Entry::Handle(Box::new(pre.instantiate_async(store).await?)),
            #[cfg(feature = "preview3")]
            Self::Service(pre) => return Ok(Made::Service(Box::new(pre.instantiate_async(store).await?))),
        }))
    }
}

impl Entry {
    /// The guest, which owns its store from now on.
    pub(super) fn run(self, mut store: Store<State>) -> Run {
        match self {
            Self::Start(start) => Box::pin(async move { start.call_async(&mut store, ()).await }),
            Self::Run(command) => Box::pin(async move {
                let ran = command.wasi_cli_run().call_run(&mut store).await?;
                // `err` is all that a command without an exit code can say.
                ran.map_err(|()| I32Exit(1).into())
            }),
            #[cfg(feature = "http-components")]
            Self::Handle(proxy) => Box::pin(super::http::serve(*proxy, store)),
        }
    }
}
