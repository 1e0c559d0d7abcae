//! Files and directories that nobody but this user can have written.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// This user, as far as files are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u32);

/// Makes a directory, and those that it is in, for this user alone.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| io::Error::other(format!("can't be made: {error}")))
}

/// A new file, for this user alone. It must not be there yet.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Says whose this directory is; an error, in words that follow "the cache directory", where others reach it too.
#[cfg(unix)]
pub(super) fn owner(dir: &Path) -> io::Result<Owner> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(dir)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("is a link or a file: give a directory"));
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(io::Error::other(format!("has mode {mode:o}, so others reach it: `chmod 700` it")));
    }
    // A new file belongs to whoever this process is.
    let mine = dir.join(format!("{}.mine", unique()));
    let owner = create(&mine).and_then(|file| file.metadata()).map(|metadata| metadata.uid());
    let _ = fs::remove_file(&mine);
    let owner = owner.map_err(|error| io::Error::other(format!("can't be written to: {error}")))?;
    if owner != metadata.uid() {
        return Err(io::Error::other(format!("belongs to user {}, not to {owner}", metadata.uid())));
    }
    Ok(Owner(owner))
}

/// Opens a file that is this user's and that nobody else can write to. Looked at through the handle: whoever can
/// rename directories above it can put another in its place, but can't make it this user's.
#[cfg(unix)]
pub(super) fn open(path: &Path, owner: Owner) -> Option<File> {
    use std::os::unix::fs::MetadataExt;
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let own = metadata.is_file() && metadata.uid() == owner.0 && metadata.mode() & 0o022 == 0;
    own.then_some(file)
}

/// Without Unix owners and modes nothing can be told.
#[cfg(not(unix))]
pub(super) fn owner(_: &Path) -> io::Result<Owner> {
    Err(io::Error::other("can't be checked to be private on this system"))
}

/// Without Unix owners and modes nothing can be told.
#[cfg(not(unix))]
pub(super) fn open(_: &Path, _: Owner) -> Option<File> {
    None
}

/// A file name that no other thread or process of this machine uses now.
pub(super) fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // The time is for processes of several containers, which may have the same number on one directory.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{number}", std::process::id(), now.as_nanos())
}
