//! Compiled modules on disk, so that a module is compiled once and not once for each process.
//!
//! Two files stand for one entry. `<module>-<engine>.key` holds the SHA-256 of the compiled code and its CRC-32, and
//! `<SHA-256>.cwasm` is the code. What is looked for when it is loaded is damage, by a crash or a bad disk: who may write
//! here is this user alone, and could write a digest as well. A CRC finds damage at a tenth of the time. An entry that is missing, cut short, changed or foreign is not an error: the module is
//! compiled again and the entry replaced. Files are written beside and renamed, so a reader sees all of one or nothing.
//!
//! What was read whole once isn't read again while its [`Stamp`] stays the same: the key remembers the one of the code
//! whose checksum was right, and `<SHA-256 of a path>.source` the one of a module's own file, beside its digest
//! and its [`Nature`].

use super::nature::Nature;
use super::private::{self, Owner};
use super::stamp::Stamp;
use crate::xdg;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Engine;

/// The length of a digest in text.
const HEX: usize = 64;
/// The longest file that stands for another, in bytes.
const ENTRY: u64 = 512;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// `kiln/wasm` in the user's cache directory; `None` where the environment names none.
pub(super) fn default_dir() -> Option<PathBuf> {
    xdg::own(|name| std::env::var_os(name), "XDG_CACHE_HOME", ".cache").map(|folder| folder.join("wasm"))
}

pub(super) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// The directory, found to be private.
pub(super) struct Cache {
    dir: PathBuf,
    owner: Owner,
    /// What compiled code depends on beside its module, as text.
    engine: String,
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
    pub(super) fn open(dir: &Path, engine: &Engine) -> io::Result<Self> {
        private::make_dir(dir)?;
        Ok(Self { owner: private::owner(dir)?, dir: dir.to_owned(), engine: hex(&compatibility(engine)) })
    }

    /// The compiled form of the module with this digest, for its engine, if there is a sound one.
    pub(super) fn find(&self, module: &Digest) -> Option<Verified> {
        let key = self.key(module);
        let entry = self.entry(&key)?;
        let mut parts = entry.splitn(3, ' ');
        let (name, sum) = (parts.next()?, parts.next()?);
        // The name becomes a file's: nothing but a digest may.
        undo_hex(name)?;
        let mut file = private::open(&self.code(name), self.owner)?;
        let stamp = Stamp::of(&file.metadata().ok()?)?;
        if parts.next() == Some(&stamp.to_string()) {
            return Some(Verified(file));
        }
        let mut found = crc32fast::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => found.update(buffer.get(..count)?),
            }
        }
        file.rewind().ok()?;
        if u32::from_str_radix(sum, 16) != Ok(found.finalize()) {
            return None;
        }
        if stamp.is_settled(SystemTime::now()) {
            self.note(&key, &format!("{name} {sum} {stamp}"));
        }
        Some(Verified(file))
    }

    /// The digest and the nature of the module in this file, if it was read before and hasn't changed since.
    pub(super) fn seen(&self, path: &Path, stamp: &Stamp) -> Option<(Digest, Nature)> {
        let entry = self.entry(&self.source(path))?;
        let mut parts = entry.splitn(3, ' ');
        let (digest, nature, seen) = (parts.next()?, parts.next()?, parts.next()?);
        if seen == stamp.to_string() { Some((undo_hex(digest)?, nature.parse().ok()?)) } else { None }
    }

    /// Remembers the digest and the nature of the module in this file.
    pub(super) fn remember(&self, path: &Path, stamp: &Stamp, digest: &Digest, nature: Nature) {
        if stamp.is_settled(SystemTime::now()) && self.seen(path, stamp).is_none() {
            self.note(&self.source(path), &format!("{} {nature} {stamp}", hex(digest)));
        }
    }

    /// Keeps a module's compiled form.
    pub(super) fn keep(&self, module: &Digest, code: &[u8]) -> io::Result<()> {
        let name = hex(&digest(code));
        // On the disk before a key tells of it: what is there after a crash has been written whole.
        self.replace(&self.code(&name), code)?;
        let entry = format!("{name} {:08x}", crc32fast::hash(code));
        self.replace(&self.key(module), entry.as_bytes())
    }

    /// What a file says that stands for another.
    fn entry(&self, path: &Path) -> Option<String> {
        let mut entry = String::new();
        private::open(path, self.owner)?.take(ENTRY).read_to_string(&mut entry).ok()?;
        Some(entry)
    }

    /// Writes one that only saves time.
    fn note(&self, path: &Path, entry: &str) {
        if let Err(error) = self.replace(path, entry.as_bytes()) {
            tracing::debug!("what was read can't be remembered: {error}");
        }
    }

    fn source(&self, path: &Path) -> PathBuf {
        self.dir.join(format!("{}.source", hex(&digest(path.as_os_str().as_encoded_bytes()))))
    }

    fn key(&self, module: &Digest) -> PathBuf {
        self.dir.join(format!("{}-{}.key", hex(module), self.engine))
    }

    fn code(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.cwasm"))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = self.dir.join(format!("{}.new", private::unique()));
        let written = private::create(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
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

fn undo_hex(text: &str) -> Option<Digest> {
    if text.len() != HEX || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, at) in digest.iter_mut().zip((0..HEX).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
