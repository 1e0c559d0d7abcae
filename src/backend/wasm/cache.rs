//! Compiled modules on disk, so that a module is compiled once and not once for each process.
//!
//! Two files stand for one entry. `<module>-<engine>.key` holds the SHA-256 of the compiled code and its CRC-32, and
//! `<SHA-256>.cwasm` is the code. What is looked for when it is loaded is damage, by a crash or a bad disk: who may write
//! here is this user alone, and could write a digest as well. A CRC finds damage at a tenth of the time. An entry that is missing, cut short, changed or foreign is not an error: the module is
//! compiled again and the entry replaced. Files are written beside and renamed, so a reader sees all of one or nothing.

use super::private::{self, Owner};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;

/// The length of a digest in text.
const HEX: usize = 64;
/// That of a key: a digest, a space, a checksum.
const KEY: usize = HEX + 1 + 8;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// `kiln/wasm` in the user's cache directory; `None` where the environment names none.
pub(super) fn default_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("kiln").join("wasm"))
}

pub(super) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// The directory, found to be private.
pub(super) struct Cache {
    dir: PathBuf,
    owner: Owner,
}

/// An entry that is this user's own and whose content was found to be what this crate wrote. Only [`Cache::find`]
/// makes one.
pub(super) struct Verified(File);

impl Verified {
    pub(super) fn into_file(self) -> File {
        self.0
    }
}

impl Cache {
    /// Makes the directory, or takes the one that is there if nobody but this user can write to it.
    ///
    /// The error's text follows "the cache directory".
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        private::make_dir(dir)?;
        Ok(Self { owner: private::owner(dir)?, dir: dir.to_owned() })
    }

    /// The compiled form of the module with this digest, for this engine, if there is a sound one.
    pub(super) fn find(&self, engine: &Engine, module: &Digest) -> Option<Verified> {
        let mut entry = String::new();
        let key = private::open(&self.key(engine, module), self.owner)?;
        key.take(KEY as u64 + 1).read_to_string(&mut entry).ok()?;
        let (name, sum) = entry.split_once(' ')?;
        // The name becomes a file's: nothing but a digest may.
        if entry.len() != KEY || name.len() != HEX || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut file = private::open(&self.code(name), self.owner)?;
        let mut found = crc32fast::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => found.update(buffer.get(..count)?),
            }
        }
        file.rewind().ok()?;
        (u32::from_str_radix(sum, 16) == Ok(found.finalize())).then_some(Verified(file))
    }

    /// Keeps a module's compiled form.
    pub(super) fn keep(&self, engine: &Engine, module: &Digest, code: &[u8]) -> io::Result<()> {
        let name = hex(&digest(code));
        self.replace(&self.code(&name), code)?;
        let entry = format!("{name} {:08x}", crc32fast::hash(code));
        self.replace(&self.key(engine, module), entry.as_bytes())
    }

    fn key(&self, engine: &Engine, module: &Digest) -> PathBuf {
        self.dir.join(format!("{}-{}.key", hex(module), hex(&compatibility(engine))))
    }

    fn code(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = self.dir.join(format!("{}.new", private::unique()));
        let written = private::create(&beside).and_then(|mut file| file.write_all(bytes));
        let result = written.and_then(|()| fs::rename(&beside, path));
        if result.is_err() {
            // Nothing is left behind of a full disk.
            let _ = fs::remove_file(&beside);
        }
        result
    }
}

/// What wasmtime says that compiled code depends on: its version, the target, the settings.
fn compatibility(engine: &Engine) -> Digest {
    struct Stable(Sha256);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hash = Stable(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hash);
    hash.0.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
