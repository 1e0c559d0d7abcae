//! `fd_read` and `fd_write` of the three standard streams, by hand: this is the hot path.
//!
//! wasmtime-wasi's own go through a stream, a resource table and a buffer of their own, and cost three times as much.

use crate::backend::wasm::shared::Io;
use crate::backend::wasm::state::State;
use std::future::poll_fn;
use std::ops::Range;
use wasmtime::{AsContextMut, Caller, Memory};

/// WASI's `success`.
pub(super) const SUCCESS: i32 = 0;
/// WASI's `badf`: not a descriptor of the kind asked for.
pub(super) const BADF: i32 = 8;
/// WASI's `fault`: an address outside of memory.
pub(super) const FAULT: i32 = 21;
/// WASI's `notsup`.
pub(super) const NOTSUP: i32 = 58;

/// Vectors that one call looks at; more make a partial transfer, as POSIX allows.
const VECTORS: u32 = 1024;
/// Bytes that one call moves at most, so that its count fits; more make a partial transfer.
const MOST: usize = 1 << 30;

/// The vectors of one call, as the guest gave them.
#[derive(Clone, Copy)]
pub(super) struct Vectors {
    at: u32,
    count: u32,
    result: u32,
}

impl Vectors {
    pub(super) fn new(at: i32, count: i32, result: i32) -> Self {
        Self {
            at: at.cast_unsigned(),
            count: count.cast_unsigned().min(VECTORS),
            result: result.cast_unsigned(),
        }
    }

    /// Where vector `index` points to; `None` where that isn't all in memory.
    fn range(self, data: &[u8], index: u32) -> Option<Range<usize>> {
        let at = self.at as usize + index as usize * 8;
        let start = word(data, at)? as usize;
        let end = start.checked_add(word(data, at + 4)? as usize)?;
        (end <= data.len()).then_some(start..end)
    }

    /// Bytes in all, as far as that can be told.
    fn total(self, data: &[u8]) -> usize {
        (0..self.count).map_while(|index| self.range(data, index)).map(|range| range.len()).sum()
    }

    fn answer(self, data: &mut [u8], bytes: usize) -> i32 {
        let at = self.result as usize;
        match data.get_mut(at..at + 4) {
            Some(to) => {
                to.copy_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes());
                SUCCESS
            }
            None => FAULT,
        }
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The guest's memory: known once it is instantiated, looked up before (its `start` section may call us).
pub(super) fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    match caller.data().memory {
        Some(memory) => Ok(memory),
        None => {
            let export = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
            export.ok_or_else(|| wasmtime::Error::msg("the module exports no `memory`"))
        }
    }
}

/// `fd_read` of stdin: parks until there are bytes, then takes what is there.
pub(super) async fn read(caller: &mut Caller<'_, State>, vectors: Vectors) -> wasmtime::Result<i32> {
    let memory = memory(caller)?;
    loop {
        let (data, state) = memory.data_and_store_mut(&mut *caller);
        if let Some(errno) = fill(data, &mut state.shared.io(), vectors) {
            return Ok(errno);
        }
        poll_fn(|_| caller.data_mut().shared.poll_read()).await;
        // Epochs have passed while it was parked: without this it would yield at its first loop.
        caller.as_context_mut().set_epoch_deadline(1);
    }
}

/// Copies what there is; `None` if that is nothing and stdin hasn't ended.
fn fill(data: &mut [u8], io: &mut Io, vectors: Vectors) -> Option<i32> {
    if !io.readable() {
        return None;
    }
    let mut total = 0;
    for index in 0..vectors.count {
        let Some(to) = vectors.range(data, index).and_then(|range| data.get_mut(range)) else {
            return Some(FAULT);
        };
        let (taken, wanted) = (io.take(to), to.len());
        total += taken;
        if taken < wanted || total >= MOST {
            break;
        }
    }
    Some(vectors.answer(data, total))
}

/// `fd_write` to stdout: takes all of it, waiting for its reader where that is more than there is room for.
pub(super) struct Write {
    vectors: Vectors,
    index: u32,
    offset: usize,
    total: usize,
}

impl Write {
    pub(super) fn new(vectors: Vectors) -> Self {
        Self { vectors, index: 0, offset: 0, total: 0 }
    }

    /// Takes what there is room for; `None` if more is left.
    pub(super) fn step(&mut self, caller: &mut Caller<'_, State>) -> wasmtime::Result<Option<i32>> {
        let memory = memory(caller)?;
        let (data, state) = memory.data_and_store_mut(caller);
        let appended = self.append(data, &mut state.shared.io());
        Ok(match appended {
            Some(true) => Some(self.vectors.answer(data, self.total)),
            Some(false) => None,
            None => Some(FAULT),
        })
    }

    /// Waits for room until all of it is taken.
    pub(super) async fn rest(mut self, caller: &mut Caller<'_, State>) -> wasmtime::Result<i32> {
        loop {
            poll_fn(|_| caller.data_mut().shared.poll_room()).await;
            if let Some(errno) = self.step(caller)? {
                return Ok(errno);
            }
        }
    }

    /// Copies what there is room for: the one copy on the way out. `false`: more is left; `None`: a bad address.
    fn append(&mut self, data: &[u8], io: &mut Io) -> Option<bool> {
        if self.total == 0 {
            io.offer(self.vectors.total(data));
        }
        while self.index < self.vectors.count && self.total < MOST {
            let left = data.get(self.vectors.range(data, self.index)?)?.get(self.offset..)?;
            let count = left.len().min(io.room());
            io.out.extend_from_slice(left.get(..count)?);
            self.total += count;
            if count < left.len() {
                self.offset += count;
                return Some(false);
            }
            self.offset = 0;
            self.index += 1;
        }
        Some(true)
    }
}

/// `fd_write` to stderr: to the function's log.
pub(super) fn log(caller: &mut Caller<'_, State>, vectors: Vectors) -> wasmtime::Result<i32> {
    let memory = memory(caller)?;
    let (data, state) = memory.data_and_store_mut(caller);
    let mut total = 0;
    for index in 0..vectors.count {
        let Some(line) = vectors.range(data, index).and_then(|range| data.get(range)) else {
            return Ok(FAULT);
        };
        state.logs.write(line);
        total += line.len();
        if total >= MOST {
            break;
        }
    }
    Ok(vectors.answer(data, total))
}
