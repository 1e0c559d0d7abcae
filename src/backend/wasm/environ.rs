//! A guest's arguments and environment, laid out as it reads them.
//!
//! wasmtime-wasi keeps strings and clones all of them in each of the four calls that every guest begins with: for a
//! one-shot function that is a tenth of its whole life.

use super::linker::State;
use super::stdio::{self, FAULT, SUCCESS};
use crate::function::Function;
use std::collections::BTreeMap;
use wasmtime::Caller;

/// Strings, each ended by a zero.
#[derive(Debug, Default)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
}

/// What a guest is told when it begins.
#[derive(Debug, Default)]
pub(super) struct Environ {
    pub(super) args: Strings,
    pub(super) env: Strings,
}

impl Environ {
    /// The function's own, and `env` added to it; the last of a name wins.
    pub(super) fn new<'a>(
        function: &'a Function,
        env: impl IntoIterator<Item = &'a (String, String)>,
    ) -> Self {
        let mut all = Self::default();
        all.args.push(&[&function.name]);
        function.args.iter().for_each(|arg| all.args.push(&[arg]));
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        names.extend(function.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        names.extend(env.into_iter().map(|(name, value)| (name.as_str(), value.as_str())));
        names.iter().for_each(|(name, value)| all.env.push(&[name, "=", value]));
        all
    }
}

impl Strings {
    fn push(&mut self, parts: &[&str]) {
        // Longer ones than a guest can address fail where they are copied.
        self.starts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.bytes.push(0);
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_laid_out_as_a_guest_reads_them() {
        let mut function = Function::wasm("f", "f.wasm").env("B", "1").env("A", "1");
        function.args = vec!["x".into(), String::new()];
        let environ = Environ::new(&function, [&("B".into(), "2".into()), &("C".into(), String::new())]);
        assert_eq!(
            (environ.args.bytes.as_slice(), environ.args.starts.as_slice()),
            (&b"f\0x\0\0"[..], &[0, 2, 4][..])
        );
        assert_eq!(
            (environ.env.bytes.as_slice(), environ.env.starts.as_slice()),
            (&b"A=1\0B=2\0C=\0"[..], &[0, 4, 8][..])
        );
    }
}
