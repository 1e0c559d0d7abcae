//! Opens the file, or says why not.

use super::StoreConfig;
use super::tables::{META, META_SCHEMA, SCHEMA, Tables};
use crate::error::{Error, Result};
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableError};
use std::fs::{File, OpenOptions};
use std::path::Path;

/// The database in a file that is there, or a new one.
pub(super) fn file(path: &Path, config: &StoreConfig) -> Result<Database> {
    let is_new = std::fs::metadata(path).map_or(true, |found| found.len() == 0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    // Code, arguments and keys are nobody else's to read.
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| unreadable(path, &error))?;
    let database = database(file, config).map_err(|error| refused(path, error))?;
    schema(&database, path)?;
    if is_new {
        keep_name(path)?;
    }
    Ok(database)
}

/// A database in memory.
pub(super) fn memory(config: &StoreConfig) -> Result<Database> {
    let place = Path::new(":memory:");
    let database =
        builder(config).create_with_backend(InMemoryBackend::new()).map_err(|error| refused(place, error))?;
    schema(&database, place)?;
    Ok(database)
}

fn builder(config: &StoreConfig) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(usize::try_from(config.cache).unwrap_or(usize::MAX));
    builder
}

fn database(file: File, config: &StoreConfig) -> Result<Database, DatabaseError> {
    let backend = redb::backends::FileBackend::new(file)?;
    builder(config).create_with_backend(backend)
}

/// Reads the schema's version; writes it where there is nothing at all yet.
fn schema(database: &Database, path: &Path) -> Result<()> {
    let fault = |error: redb::Error| super::fault(&format!("the store {}", path.display()), error);
    let snapshot = database.begin_read().map_err(|error| fault(error.into()))?;
    let found = match snapshot.open_table(META) {
        Ok(table) => {
            table.get_owned(META_SCHEMA).map_err(|error| fault(error.into()))?.map(|row| row.value())
        }
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(TableError::Storage(error)) => return Err(fault(error.into())),
        Err(_) => return Err(foreign(path, "a database of another program")),
    };
    let empty = snapshot.list_tables().map_err(|error| fault(error.into()))?.next().is_none();
    match found {
        Some(SCHEMA) => return Ok(()),
        Some(version) => {
            return Err(Error::invalid(format!(
                "{} is a store of schema {version}, and this Kiln reads schema {SCHEMA}: run the Kiln that wrote it, or give another file",
                path.display()
            )));
        }
        None if !empty => return Err(foreign(path, "a database of another program")),
        None => {}
    }
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(META)?.insert(META_SCHEMA, SCHEMA)?;
        // Readers need the tables to be there.
        drop(Tables::open(&transaction)?);
        transaction.commit()?;
        Ok(())
    };
    write().map_err(fault)
}

/// A new file is there after a loss of power only if its folder is on disk, too.
fn keep_name(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unreadable(folder, &error))
}

fn refused(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::unavailable(format!(
            "the store {} is in use by another process: stop that one, or give another file",
            path.display()
        )),
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData =>
        {
            unreadable(path, &error)
        }
        error => Error::invalid(format!("{} is no store: {error}: give another file", path.display())),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("the store {} can't be opened: {error}", path.display()))
}

fn foreign(path: &Path, what: &str) -> Error {
    Error::invalid(format!(
        "{} is {what} and no store of Kiln: it is left as it is; give another file",
        path.display()
    ))
}
