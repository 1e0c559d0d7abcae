//! What tells two deployments of a function apart: the digest of everything in it that changes how it runs.

use crate::function::{BackendKind, Function, Module};
use sha2::{Digest, Sha256};
use std::fmt;

impl Function {
    /// The digest of all that changes how it runs. `code` stands for the code itself: the module's bytes or
    /// the image's reference; for a source function, what stands for its runtime's. Fields are length-prefixed, so no two different functions collide (`SEEDS.md E7`).
    pub fn revision(&self, code: &[u8]) -> Revision {
        let mut hash = Fields(Sha256::new());
        hash.field(self.namespace.as_bytes());
        hash.field(self.name.as_bytes());
        hash.field(self.backend().map_or("", BackendKind::as_str).as_bytes());
        hash.field(code);
        hash.field(format!("{:?}", self.code.image.as_ref().map(|image| image.pull)).as_bytes());
        hash.field(self.format.as_str().as_bytes());
        hash.field(format!("{:?}{:?}", self.port, self.ready_path).as_bytes());
        hash.field(format!("{:?}", self.limits).as_bytes());
        hash.field(format!("{:?}{:?}", self.idle_timeout, self.pause_after).as_bytes());
        hash.field(&self.prewarm.to_le_bytes());
        hash.field(&(self.env.len() as u64).to_le_bytes());
        for (name, value) in &self.env {
            hash.field(name.as_bytes());
            hash.field(value.as_bytes());
        }
        hash.field(&(self.args.len() as u64).to_le_bytes());
        for arg in &self.args {
            hash.field(arg.as_bytes());
        }
        for dir in &self.dirs {
            hash.field(dir.host.as_os_str().as_encoded_bytes());
            hash.field(dir.guest.as_bytes());
            hash.field(&[u8::from(dir.writable)]);
        }
        hash.field(format!("{:?}", self.network).as_bytes());
        hash.field(self.user.as_deref().unwrap_or("").as_bytes());
        hash.field(&(self.outbound.len() as u64).to_le_bytes());
        for host in &self.outbound {
            hash.field(host.to_string().as_bytes());
        }
        if let Some(source) = &self.code.source {
            for text in [&source.runtime, &source.main, &source.file] {
                hash.field(text.as_bytes());
            }
            hash.field(&[u8::from(source.snapshot), u8::from(source.binary)]);
            match &source.code {
                Module::File(file) => hash.field(file.as_os_str().as_encoded_bytes()),
                Module::Bytes(code) => hash.field(code),
            }
        }
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(hash.0.finalize()) {
            *to = from;
        }
        Revision(u128::from_be_bytes(short))
    }
}

struct Fields(Sha256);

impl Fields {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// The digest of everything in a function that changes how it runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(u128);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::{Format, MIB, Source};
    use std::time::Duration;

    fn echo() -> Function {
        Function::wasm("echo", "echo.wasm")
    }

    /// SEEDS.md E7: neighbouring fields can't run into one another.
    #[test]
    fn e7_keys_do_not_collide() {
        let ab = echo().env("A", "BC").revision(b"");
        let abc = echo().env("AB", "C").revision(b"");
        assert_ne!(ab, abc);
        let mut one = echo();
        one.args = vec!["a b".into()];
        let mut two = echo();
        two.args = vec!["a".into(), "b".into()];
        assert_ne!(one.revision(b""), two.revision(b""));
    }

    #[test]
    fn what_changes_how_it_runs_changes_the_revision() {
        let base = echo().revision(b"code");
        assert_eq!(base, echo().revision(b"code"));
        assert_ne!(base, echo().revision(b"other"));
        assert_ne!(base, echo().memory(MIB).revision(b"code"));
        assert_ne!(base, echo().format(Format::Json).revision(b"code"));
        assert_ne!(base, echo().timeout(Duration::from_secs(1)).revision(b"code"));
        let mut reaching = echo();
        reaching.outbound.push("example.com:443".parse().unwrap());
        assert_ne!(base, reaching.revision(b"code"));
    }

    #[test]
    fn all_of_a_source_changes_the_revision() {
        let hello = |change: fn(&mut Source)| {
            let mut function = Function::source("hello", "js", "code");
            change(function.code.source.as_mut().unwrap());
            function.revision(b"js.wasm")
        };
        let base = hello(|_| {});
        assert_eq!(base, hello(|_| {}));
        assert_ne!(base, hello(|source| source.main = "other".into()));
        assert_ne!(base, hello(|source| source.file = "other.js".into()));
        assert_ne!(base, hello(|source| source.binary = true));
        assert_ne!(base, hello(|source| source.runtime = "nodejs:default".into()));
        assert_ne!(base, hello(|source| source.code = Module::Bytes("other".into())));
    }
}
