//! Opens the file, or says why not. What is refused is left as it is, to the byte.

use super::StoreConfig;
use super::look::Untouched;
use super::tables::{META, META_SCHEMA, SCHEMA, Tables};
use crate::error::{Error, Result};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableError};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What every redb file begins with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// The database in a file that is there, or a new one.
pub(super) fn file(path: &Path, config: &StoreConfig) -> Result<Database> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    // Code, arguments and keys are nobody else's to read.
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| unreadable(path, &error))?;
    let is_new = file.metadata().map_err(|error| unreadable(path, &error))?.len() == 0;
    if !is_new {
        look(path, config)?;
    }
    let backend = FileBackend::new(file).map_err(|error| refused(path, error))?;
    let database = builder(config).create_with_backend(backend).map_err(|error| refused(path, error))?;
    begin(&database).map_err(|error| super::fault(&place(path), error))?;
    if is_new {
        keep_name(path)?;
    }
    Ok(database)
}

/// A database in memory.
pub(super) fn memory(config: &StoreConfig) -> Result<Database> {
    let place = Path::new("in memory");
    let backend = InMemoryBackend::new();
    let database = builder(config).create_with_backend(backend).map_err(|error| refused(place, error))?;
    begin(&database).map_err(|error| super::fault("the store in memory", error))?;
    Ok(database)
}

fn builder(config: &StoreConfig) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(usize::try_from(config.cache).unwrap_or(usize::MAX));
    builder
}

/// Looks whether it is a store of this version and whole, and touches nothing.
fn look(path: &Path, config: &StoreConfig) -> Result<()> {
    // A lock for one process needs a file that could be written to.
    let mut file =
        File::options().read(true).write(true).open(path).map_err(|error| unreadable(path, &error))?;
    let mut begins = Vec::new();
    let magic = file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut begins);
    magic.map_err(|error| unreadable(path, &error))?;
    if begins != MAGIC {
        let begins = begins.escape_ascii();
        return Err(foreign(path, format_args!("begins with \"{begins}\"")));
    }
    // Over a file that something else has written to, redb may panic.
    catch_unwind(AssertUnwindSafe(|| check(path, file, config)))
        .unwrap_or_else(|_| Err(damaged(path, "its pages contradict each other")))
}

fn check(path: &Path, file: File, config: &StoreConfig) -> Result<()> {
    let backend = Untouched::new(file).map_err(|error| refused(path, error))?;
    let repaired = Arc::new(AtomicBool::new(false));
    let repairs = repaired.clone();
    let mut builder = builder(config);
    builder.set_repair_callback(move |_| repairs.store(true, Ordering::Relaxed));
    let mut database = builder.create_with_backend(backend).map_err(|error| refused(path, error))?;
    schema(&database, path)?;
    // After a crash all of it has been read already. Otherwise nothing has: a file that was closed has nothing to repair.
    if !repaired.load(Ordering::Relaxed) {
        match database.check_integrity() {
            Ok(true) => {}
            Ok(false) => return Err(damaged(path, "its checksums are wrong")),
            Err(error) => return Err(refused(path, error)),
        }
    }
    Ok(())
}

/// Reads the schema's version.
fn schema(database: &Database, path: &Path) -> Result<()> {
    let fault = |error: redb::Error| damaged(path, error);
    let snapshot = database.begin_read().map_err(|error| fault(error.into()))?;
    let found = match snapshot.open_table(META) {
        Ok(table) => {
            table.get_owned(META_SCHEMA).map_err(|error| fault(error.into()))?.map(|row| row.value())
        }
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(TableError::Storage(error)) => return Err(fault(error.into())),
        Err(error) => return Err(foreign(path, format_args!("has other tables: {error}"))),
    };
    match found {
        Some(SCHEMA) => Ok(()),
        Some(version) => Err(Error::invalid(format!(
            "{} is a store of schema {version}, and this Kiln reads schema {SCHEMA}: give it to the Kiln that wrote it, or \
             give another file",
            path.display()
        ))),
        None => match snapshot.list_tables().map_err(|error| fault(error.into()))?.next() {
            Some(_) => Err(foreign(path, "is a redb database without Kiln's table")),
            // Its making was cut off before its first commit.
            None => Ok(()),
        },
    }
}

/// Makes the tables, which readers need to be there, where there are none yet.
pub(super) fn begin(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(META_SCHEMA, SCHEMA)?;
    drop(Tables::open(&transaction)?);
    transaction.commit()?;
    Ok(())
}

/// A new file is there after a loss of power only if its folder is on disk, too.
fn keep_name(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unreadable(folder, &error))
}

fn place(path: &Path) -> String {
    format!("the store {}", path.display())
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Error::unavailable(
            format!("{} is in use by another process: stop that one, or give another file", place(path)),
        ),
        DatabaseError::UpgradeRequired(version) => Error::invalid(format!(
            "{} is a redb file of format {version}, which no Kiln has written: give another file",
            path.display()
        )),
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(error.kind(), InvalidData | UnexpectedEof) =>
        {
            unreadable(path, &error)
        }
        error => damaged(path, error),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::unavailable(format!("{} can't be opened: {error}", place(path)))
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::invalid(format!(
        "{} is damaged, and left as it is: {what}: put a backup in its place, or give another file",
        place(path)
    ))
}

fn foreign(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::invalid(format!(
        "{} is no store of Kiln's, and left as it is: it {what}: give another file",
        path.display()
    ))
}
