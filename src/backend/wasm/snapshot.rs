//! A runtime's module with a function's source loaded, made a module of its own.
//!
//! ```text
//!   module ─► instrument ─► compile ─► instantiate ─► `kiln.load`, source on stdin ─► snapshot ─► compile ─► cache
//!             └── once for each runtime ──┘           └────────── once for each function ──────────────────────┘
//! ```
//!
//! What the guest has in its memory and its globals when `kiln.load` returns is in the new module's data; its `_start` goes
//! on from there. Compiling that takes a second or more for an interpreter: all of this is done beside, one at a time, on a
//! thread of its own. The result is kept as any module's, under the digest of what it was made from.

use super::cache::{self, Digest};
use super::code::Code;
use super::core::Slot;
use super::nature::Kind;
use super::program::Compiled;
use super::shared::Shared;
use super::state::State;
use super::{module, prepare, trap};
use crate::backend::SnapshotSpec;
use crate::error::{Error, ErrorKind, Result};
use crate::function::Function;
use sha2::{Digest as _, Sha256};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wasmtime::{Instance, InstancePre, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// What a runtime exports for it: a function without parameters and results that reads one frame.
const LOAD: &str = "kiln.load";
/// What the key of a snapshot begins with. To be changed when the way it is made changes.
const VERSION: &[u8] = b"kiln snapshot 1";

/// A runtime's instrumented module, once there was a function to be snapshotted.
pub(super) type Instrumented = Arc<OnceLock<InstancePre<State>>>;

/// One snapshot that is to be taken.
pub(super) struct Taking {
    /// The runtime.
    pub(super) base: Compiled,
    pub(super) instrumented: Instrumented,
    pub(super) spec: SnapshotSpec,
}

/// Takes a snapshot. Dropping the future stops it at the next step.
pub(super) async fn take(taking: Taking) -> Result<Compiled> {
    let turn = Arc::clone(&taking.base.core.snapshots);
    let turn = turn.acquire_owned().await.map_err(|_| Error::unavailable("the backend is closed"))?;
    let (alive, dropped) = oneshot::channel();
    let handle = Handle::current();
    let task = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        taking.run(&handle, dropped)
    });
    let taken = task.await;
    drop::<oneshot::Sender<()>>(alive);
    taken.unwrap_or_else(|error| Err(Error::internal(format!("taking the snapshot failed: {error}"))))
}

impl Taking {
    fn run(&self, handle: &Handle, mut dropped: oneshot::Receiver<()>) -> Result<Compiled> {
        let core = &self.base.core;
        let key = self.key();
        if let Some(code) = prepare::cached(core, &key) {
            return self.finish(&code);
        }
        let bytes = prepare::read_again(core, &self.base.function, &self.base.code)?;
        let mut wizer = Wizer::new();
        wizer.init_func(LOAD);
        let (context, instrumented) = wizer.instrument(&bytes).map_err(|error| unfit(&error))?;
        let pre = self.instrumented(&instrumented)?;
        let mut guest = handle.block_on(async {
            tokio::select! {
                guest = self.load(pre) => guest,
                _ = &mut dropped => Err(stopped()),
            }
        })?;
        let taken = handle.block_on(wizer.snapshot(&context, &mut guest)).map_err(|error| unfit(&error))?;
        if let Some(lost) = guest.lost {
            return Err(Error::internal(format!("the instrumented module has no {lost}")));
        }
        // Its slot is free before the second that compiling takes.
        drop(guest);
        if dropped.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
            return Err(stopped());
        }
        self.finish(&prepare::anew(core, Kind::Module, &key, &taken)?)
    }

    /// All that a snapshot is made from. Fields are length-prefixed.
    fn key(&self) -> Digest {
        let Compiled { code, memory, .. } = &self.base;
        let memory = memory.to_le_bytes();
        let [head, body] = &self.spec.stdin;
        let env = self.spec.env.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let mut hash = Sha256::new();
        for field in [VERSION, code.as_slice(), &memory, head, body].into_iter().chain(env) {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }

    /// The instrumented module, compiled and linked.
    fn instrumented(&self, bytes: &[u8]) -> Result<&InstancePre<State>> {
        if let Some(pre) = self.instrumented.get() {
            return Ok(pre);
        }
        let core = &self.base.core;
        let digest = cache::digest(bytes);
        let code = match prepare::cached(core, &digest) {
            Some(code) => code,
            None => prepare::anew(core, Kind::Module, &digest, bytes)?,
        };
        let Code::Module(module) = code else { return Err(Error::internal("a module became a component")) };
        let loads = module.get_export(LOAD).and_then(|export| export.func().cloned());
        if !loads.is_some_and(|load| load.params().len() == 0 && load.results().len() == 0) {
            return Err(Error::unavailable(format!(
                "the runtime exports no function `{LOAD}` without parameters and results"
            )));
        }
        let pre = module::link(&core.linkers.module, &module)?;
        Ok(self.instrumented.get_or_init(|| pre))
    }

    /// Runs the guest until it has loaded its code.
    async fn load(&self, pre: &InstancePre<State>) -> Result<Loaded> {
        let limit = self.spec.function.limits.start_timeout;
        let loaded = tokio::time::timeout(limit, self.load_untimed(pre)).await;
        loaded.unwrap_or_else(|_| {
            let message = format!("its code was not loaded within its `start_timeout` of {limit:?}");
            Err(Error::new(ErrorKind::TimedOut, message))
        })
    }

    async fn load_untimed(&self, pre: &InstancePre<State>) -> Result<Loaded> {
        let core = &self.base.core;
        let slot = core.slot(&self.base.needs)?;
        let shared = Arc::new(Shared::default());
        self.spec.stdin.iter().for_each(|piece| shared.io().push(piece.clone()));
        shared.io().close();
        let mut store = self.base.store(core, &self.spec.env, &self.spec.logs, &shared)?;
        let loading = async {
            let instance = pre.instantiate_async(&mut store).await?;
            store.data_mut().memory = instance.get_memory(&mut store, "memory");
            let load = instance.get_typed_func::<(), ()>(&mut store, LOAD)?;
            store.set_epoch_deadline(1);
            load.call_async(&mut store, ()).await.map(|()| instance)
        };
        let loaded = {
            let mut loading = pin!(loading);
            poll_fn(|cx| {
                core.ticker.touch();
                if let Poll::Ready(loaded) = loading.as_mut().poll(cx) {
                    return Poll::Ready(Some(loaded));
                }
                // It has nothing to say but that the code doesn't load.
                if shared.io().out.is_empty() { Poll::Pending } else { Poll::Ready(None) }
            })
            .await
        };
        let said = shared.io().piece();
        let instance = match loaded {
            Some(Ok(instance)) if said.is_none() => instance,
            Some(Err(error)) => {
                let exit = trap::exit(Err(error), shared.refused());
                return Err(exit.into_error().context("while its code was loaded"));
            }
            // An error frame: the first request's sandbox will be given the same, and its caller told.
            _ => return Err(Error::failed("its code doesn't load, as its first request will say")),
        };
        if shared.io().queued() > 0 {
            return Err(Error::failed("the runtime did not read all of the code"));
        }
        Ok(Loaded { store, instance, lost: None, _slot: slot })
    }

    /// A program of its own, which starts as a stem cell would and is the function from there on.
    fn finish(&self, code: &Code) -> Result<Compiled> {
        let Compiled { core, function, code: base, memory, .. } = &self.base;
        let mut own = Function::clone(function);
        own.limits = self.spec.function.limits.clone();
        own.limits.memory = Some(*memory);
        prepare::finish(Arc::clone(core), &Arc::new(own), *base, code)
    }
}

/// A guest that has loaded its code.
struct Loaded {
    // Dropped in this order: the slot is free only when the instance is gone.
    store: Store<State>,
    instance: Instance,
    /// What was asked for and isn't there.
    lost: Option<String>,
    _slot: Slot,
}

impl InstanceState for Loaded {
    async fn global_get(&mut self, name: &str, hint: ValType) -> SnapshotVal {
        let value = self.instance.get_global(&mut self.store, name).map(|it| it.get(&mut self.store));
        match (value, hint) {
            (Some(Val::I32(value)), ValType::I32) => SnapshotVal::I32(value),
            (Some(Val::I64(value)), ValType::I64) => SnapshotVal::I64(value),
            (Some(Val::F32(value)), ValType::F32) => SnapshotVal::F32(value),
            (Some(Val::F64(value)), ValType::F64) => SnapshotVal::F64(value),
            (Some(Val::V128(value)), ValType::V128) => SnapshotVal::V128(value.as_u128()),
            _ => {
                self.lost = Some(format!("global `{name}`"));
                SnapshotVal::I32(0)
            }
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.instance.get_memory(&mut self.store, name) {
            Some(memory) => contents(memory.data(&self.store)),
            None => {
                self.lost = Some(format!("memory `{name}`"));
                contents(&[]);
            }
        }
    }
}

fn stopped() -> Error {
    Error::unavailable("nobody wants it any more")
}

fn unfit(error: &wasmtime::Error) -> Error {
    Error::unavailable(format!("the runtime's module can't be snapshotted: {error:#}"))
}
