//! Bare wasmtime: the same module in the same pool of slots, stdio by hand, nothing else around it.

use crate::Result;
use bytes::{Buf, Bytes};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use wasmtime::{
    Caller, Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory,
    PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

const WASI: &str = "wasi_snapshot_preview1";
/// A frame's header, in bytes.
pub(crate) const HEADER: usize = 16;
/// A response's kind.
const RESPONSE: u8 = 3;

/// What a guest's time and memory are bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// Nothing: the floor.
    None,
    /// Epochs with a callback, and a limiter: what any host has to have.
    EpochsAndLimiter,
}

/// Stdin and stdout of one guest.
#[derive(Default)]
struct Io {
    input: Bytes,
    closed: bool,
    parked: bool,
    out: Vec<u8>,
}

/// What a store holds.
pub(crate) struct State {
    wasi: WasiP1Ctx,
    io: Arc<Mutex<Io>>,
    memory: Option<Memory>,
    limits: StoreLimits,
}

/// Engine and linker; a module is linked once.
pub(crate) struct Bare {
    pub(crate) engine: Engine,
    linker: Linker<State>,
    bounds: Bounds,
}

impl Bare {
    /// The same settings as Kiln's, but for what bounds a guest.
    pub(crate) fn new(slots: u32, bounds: Bounds) -> Result<Self> {
        Self::sized(slots, bounds, None)
    }

    /// With slots of this many bytes; `None`: of 4 GiB.
    pub(crate) fn sized(slots: u32, bounds: Bounds, slot: Option<u64>) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(slots)
            .total_memories(slots)
            .total_tables(slots)
            .total_stacks(slots)
            .total_component_instances(0)
            .max_memories_per_module(1)
            .max_tables_per_module(1)
            .table_elements(100_000)
            .max_memory_size(usize::try_from(slot.unwrap_or(4 << 30))?)
            .max_unused_warm_slots(100)
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(64 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .concurrency_support(false)
            .wasm_multi_memory(false)
            .epoch_interruption(bounds == Bounds::EpochsAndLimiter);
        if let Some(slot) = slot {
            config.memory_reservation(slot).memory_guard_size(64 << 10).memory_may_move(false);
        }
        let engine = Engine::new(&config)?;
        let linker = linker(&engine)?;
        Ok(Self { engine, linker, bounds })
    }

    pub(crate) fn link(&self, module: &wasmtime::Module) -> Result<InstancePre<State>> {
        Ok(self.linker.instantiate_pre(module)?)
    }

    /// A guest that hasn't begun.
    pub(crate) fn guest(&self, pre: &InstancePre<State>, env: &[(String, String)]) -> Result<Guest> {
        let io = Arc::<Mutex<Io>>::default();
        let mut builder = WasiCtxBuilder::new();
        builder.arg("echo");
        for (name, value) in env {
            builder.env(name, value);
        }
        let limits = StoreLimitsBuilder::new().memory_size(64 << 20).build();
        let state = State { wasi: builder.build_p1(), io: Arc::clone(&io), memory: None, limits };
        let mut store = Store::new(&self.engine, state);
        if self.bounds == Bounds::EpochsAndLimiter {
            store.limiter(|state| &mut state.limits);
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|_| {
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(std::future::ready(()))))
            });
        }
        let instance = now(pre.instantiate_async(&mut store))??;
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let run = Box::pin(async move { start.call_async(&mut store, ()).await });
        Ok(Guest { run, io })
    }

    /// A guest of the `frame` format that has run to its first read.
    pub(crate) fn parked(&self, pre: &InstancePre<State>) -> Result<Guest> {
        let mut guest = self.guest(pre, &[("FN_FORMAT".to_owned(), "frame".to_owned())])?;
        if guest.poll().is_ready() {
            return Err("the guest ended before its first request".into());
        }
        lock(&guest.io).out.clear();
        Ok(guest)
    }
}

/// A guest, suspended wherever it is.
pub(crate) struct Guest {
    run: Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>,
    io: Arc<Mutex<Io>>,
}

impl Guest {
    fn poll(&mut self) -> Poll<wasmtime::Result<()>> {
        self.run.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// One request of the `frame` format. The reply's buffer is used again for the next one.
    pub(crate) fn call(&mut self, request: Bytes) -> Result<Reply<'_>> {
        let Self { run, io } = self;
        {
            let mut io = lock(io);
            io.out.clear();
            (io.input, io.parked) = (request, false);
        }
        loop {
            if run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return Err("the guest ended in a request".into());
            }
            let io = lock(io);
            if io.parked {
                return Ok(Reply(io));
            }
        }
    }

    /// The whole life of a one-shot guest: request in, end of file, reply out.
    pub(crate) fn run_to_end(mut self, body: Bytes) -> Result<Vec<u8>> {
        {
            let mut io = lock(&self.io);
            (io.input, io.closed) = (body, true);
        }
        loop {
            if let Poll::Ready(ended) = self.poll() {
                ended?;
                return Ok(std::mem::take(&mut lock(&self.io).out));
            }
        }
    }
}

/// A frame in the guest's own buffer.
pub(crate) struct Reply<'a>(MutexGuard<'a, Io>);

impl Reply<'_> {
    /// Its body; an error if it isn't one whole response.
    pub(crate) fn body(&self) -> Result<&[u8]> {
        reply_body(&self.0.out)
    }
}

/// The body of one whole response frame.
pub(crate) fn reply_body(frame: &[u8]) -> Result<&[u8]> {
    let (header, payload) = frame.split_first_chunk::<HEADER>().ok_or("a reply is too short")?;
    let [a, b, c, d, kind, _, low, high, ..] = *header;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if len != payload.len() || kind != RESPONSE {
        return Err("a reply isn't one whole response".into());
    }
    payload.get(u16::from_le_bytes([low, high]).into()..).ok_or_else(|| "a reply's metadata is cut".into())
}

/// A request of the `frame` format, with the metadata that Kiln sends.
pub(crate) fn request(body: &[u8]) -> Bytes {
    let meta = br#"{"deadline_ms":1767225600000,"method":"POST","path":"/"}"#;
    let mut frame = Vec::with_capacity(HEADER + meta.len() + body.len());
    frame.extend_from_slice(&((meta.len() + body.len()) as u32).to_le_bytes());
    frame.extend_from_slice(&[2, 0]);
    frame.extend_from_slice(&(meta.len() as u16).to_le_bytes());
    frame.extend_from_slice(&7_u64.to_le_bytes());
    frame.extend_from_slice(meta);
    frame.extend_from_slice(body);
    frame.into()
}

/// The output of a future that never has to wait.
fn now<T>(future: impl Future<Output = T>) -> Result<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err("an instance isn't made at once".into()),
    }
}

fn lock(io: &Mutex<Io>) -> MutexGuard<'_, Io> {
    io.lock().unwrap_or_else(PoisonError::into_inner)
}

fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker: Linker<State> = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |state| &mut state.wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        WASI,
        "fd_read",
        |mut caller: Caller<'_, State>, (_, at, count, result): (i32, i32, i32, i32)| {
            Box::new(async move {
                poll_fn(|_| {
                    let mut io = lock(&caller.data_mut().io);
                    io.parked = io.input.is_empty() && !io.closed;
                    if io.parked { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
                transfer(&mut caller, (at, count, result), |io, memory, at, len| {
                    let len = len.min(io.input.len());
                    io.input.copy_to_slice(memory.get_mut(at..at + len)?);
                    Some(len)
                })
            })
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, State>, _: i32, at: i32, count: i32, result: i32| {
            transfer(&mut caller, (at, count, result), |io, memory, at, len| {
                io.out.extend_from_slice(memory.get(at..at + len)?);
                Some(len)
            })
        },
    )?;
    Ok(linker)
}

/// Moves each vector between memory and stdio; WASI's `fault` where one points outside.
fn transfer(
    caller: &mut Caller<'_, State>,
    (at, count, result): (i32, i32, i32),
    mut one: impl FnMut(&mut Io, &mut [u8], usize, usize) -> Option<usize>,
) -> i32 {
    let Some(memory) = caller.data().memory else { return 21 };
    let (memory, state) = memory.data_and_store_mut(caller);
    let mut io = lock(&state.io);
    let mut moved = || {
        let mut total = 0_usize;
        for vector in 0..count as usize {
            let vector = at as u32 as usize + vector * 8;
            total += one(&mut io, memory, word(memory, vector)?, word(memory, vector + 4)?)?;
        }
        memory
            .get_mut(result as u32 as usize..)?
            .get_mut(..4)?
            .copy_from_slice(&(total as u32).to_le_bytes());
        Some(())
    };
    if moved().is_some() { 0 } else { 21 }
}

fn word(memory: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(memory.get(at..at + 4)?.try_into().ok()?) as usize)
}
