//! A guest's arguments and environment, laid out as a module reads them.
//!
//! wasmtime-wasi keeps strings and clones all of them in each of the four calls that every module begins with: for a
//! one-shot function that is a tenth of its whole life.

use crate::function::Function;
use std::collections::BTreeMap;

/// Strings, each ended by a zero.
#[derive(Debug, Default)]
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    /// Where each begins.
    pub(super) starts: Vec<u32>,
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

    /// Each of them, as a component is given them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let bytes = self.bytes.strip_suffix(&[0]).unwrap_or(&self.bytes);
        let all = (!self.starts.is_empty()).then(|| bytes.split(|byte| *byte == 0));
        // They were put together of strings.
        all.into_iter().flatten().map(|string| std::str::from_utf8(string).unwrap_or_default())
    }
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
        assert_eq!(environ.args.iter().collect::<Vec<_>>(), ["f", "x", ""]);
        assert_eq!(environ.env.iter().collect::<Vec<_>>(), ["A=1", "B=2", "C="]);
        assert_eq!(Strings::default().iter().count(), 0);
    }
}
