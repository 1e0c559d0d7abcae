//! Compiled modules on disk, so that a module is compiled once and not once for each process.
//!
//! Two files stand for one entry. `<module>-<engine>.key` holds the SHA-256 of the compiled code, and
//! `<that>.cwasm` is the code. An entry that is missing, cut short, changed or foreign is not an error: the module is
//! compiled again and the entry replaced. Files are written beside and renamed, so a reader sees all of one or nothing.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;

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
    written: AtomicU64,
}

/// An entry whose content was found to be what this crate wrote. Only [`Cache::find`] makes one.
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
        make(dir)?;
        let cache = Self { dir: dir.to_owned(), written: AtomicU64::new(0) };
        cache.check_private()?;
        Ok(cache)
    }

    /// The compiled form of the module with this digest, for this engine, if there is a sound one.
    pub(super) fn find(&self, engine: &Engine, module: &Digest) -> Option<Verified> {
        let expected = fs::read_to_string(self.key(engine, module)).ok()?;
        // It becomes a file name: nothing but a digest may.
        if expected.len() != 64 || !expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut file = File::open(self.code(&expected)).ok()?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => hash.update(buffer.get(..count)?),
            }
        }
        file.rewind().ok()?;
        (hex(&hash.finalize()) == expected).then_some(Verified(file))
    }

    /// Keeps a module's compiled form.
    pub(super) fn keep(&self, engine: &Engine, module: &Digest, code: &[u8]) -> io::Result<()> {
        let name = hex(&digest(code));
        self.replace(&self.code(&name), code)?;
        self.replace(&self.key(engine, module), name.as_bytes())
    }

    fn key(&self, engine: &Engine, module: &Digest) -> PathBuf {
        self.dir.join(format!("{}-{}.key", hex(module), hex(&compatibility(engine))))
    }

    fn code(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!("{}-{:p}-{number}.new", std::process::id(), self));
        let written = File::create_new(&beside).and_then(|mut file| file.write_all(bytes));
        let result = written.and_then(|()| fs::rename(&beside, path));
        if result.is_err() {
            // Nothing is left behind of a full disk.
            let _ = fs::remove_file(&beside);
        }
        result
    }

    #[cfg(unix)]
    fn check_private(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::symlink_metadata(&self.dir)?;
        if !metadata.is_dir() {
            return Err(io::Error::other("is a link or a file: give a directory"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "has mode {:o}, so others reach it: `chmod 700` it",
                metadata.mode() & 0o777
            )));
        }
        // A new file belongs to whoever this process is.
        let mine = self.dir.join(format!("{}-{:p}.mine", std::process::id(), self));
        let owner = File::create(&mine).and_then(|file| file.metadata()).map(|metadata| metadata.uid());
        let _ = fs::remove_file(&mine);
        let owner = owner.map_err(|error| io::Error::other(format!("can't be written to: {error}")))?;
        if owner != metadata.uid() {
            return Err(io::Error::other(format!("belongs to user {}, not to {owner}", metadata.uid())));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_private(&self) -> io::Result<()> {
        Err(io::Error::other("can't be checked to be private on this system"))
    }
}

fn make(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| io::Error::other(format!("can't be made: {error}")))
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
