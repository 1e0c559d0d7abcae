//! The calls by which a module asks for its arguments and its environment.

use super::stdio::{self, FAULT, SUCCESS};
use crate::backend::wasm::environ::{Environ, Strings};
use crate::backend::wasm::state::State;
use wasmtime::Caller;

/// `args_sizes_get` and `environ_sizes_get`: how many strings there are, and how many bytes in all.
pub(super) fn sizes(
    caller: &mut Caller<'_, State>,
    which: impl Fn(&Environ) -> &Strings,
    (count_at, size_at): (i32, i32),
) -> wasmtime::Result<i32> {
    let memory = stdio::memory(caller)?;
    let (data, state) = memory.data_and_store_mut(caller);
    let strings = which(&state.environ);
    let put = [(count_at, strings.starts.len()), (size_at, strings.bytes.len())]
        .into_iter()
        .try_for_each(|(at, value)| put_word(data, at.cast_unsigned() as usize, u32::try_from(value).ok()?));
    Ok(if put.is_some() { SUCCESS } else { FAULT })
}

/// `args_get` and `environ_get`: the strings to `bytes_at`, the address of each to `starts_at`.
pub(super) fn get(
    caller: &mut Caller<'_, State>,
    which: impl Fn(&Environ) -> &Strings,
    (starts_at, bytes_at): (i32, i32),
) -> wasmtime::Result<i32> {
    let memory = stdio::memory(caller)?;
    let (data, state) = memory.data_and_store_mut(caller);
    let (starts_at, bytes_at) = (starts_at.cast_unsigned() as usize, bytes_at.cast_unsigned());
    let mut put = || {
        let Strings { bytes, starts } = which(&state.environ);
        data.get_mut(bytes_at as usize..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        for (index, start) in starts.iter().enumerate() {
            put_word(data, starts_at.checked_add(index * 4)?, bytes_at.checked_add(*start)?)?;
        }
        Some(())
    };
    Ok(if put().is_some() { SUCCESS } else { FAULT })
}

fn put_word(data: &mut [u8], at: usize, value: u32) -> Option<()> {
    data.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&value.to_le_bytes());
    Some(())
}
