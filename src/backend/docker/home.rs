//! The directory that one life of a host shares with its containers: kiln-init's file, and for each start a room with
//! the socket that it connects to.
//!
//! ```text
//!   <base>/kiln-<life>/            this user's alone, locked as long as the life lasts
//!     init                         kiln-init
//!     <number>/                    open to all: it is what the container sees as `/.kiln`, whoever runs in it
//!       init                       the same file
//!       socket                     listened on until kiln-init has connected
//! ```
//! A room is gone as soon as its container has connected: what is mounted stays there without a name.

use super::wire;
use rustix::fs::{FlockOperation, flock, fstatvfs};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, iter};
use tokio::net::{UnixListener, UnixStream};

/// kiln-init, as `build.rs` made it; empty where it couldn't.
const KILN_INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kiln-init"));
/// The bytes that a socket's path may have, less those of what comes after the base.
const LONGEST_BASE: usize = 107 - "/kiln-0123456789abcdef/12345678901234567890/socket".len();
/// How a life's directory begins.
const PREFIX: &str = "kiln-";

/// Whether there is a kiln-init to be shared.
pub(super) fn has_init() -> bool {
    !KILN_INIT.is_empty()
}

/// One life's directory. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    lock: File,
}

impl Home {
    /// Makes it at the first place that will do; the error says what is wrong with each.
    pub(super) fn new(life: &str) -> Result<Self, String> {
        Self::within(bases(), life)
    }

    pub(super) fn within(bases: impl IntoIterator<Item = PathBuf>, life: &str) -> Result<Self, String> {
        let mut faults = vec![];
        for base in bases {
            match Self::at(&base, life) {
                Ok(home) => return Ok(home),
                Err(error) => faults.push(format!("{}: {error}", base.display())),
            }
        }
        Err(format!("no directory to share with containers: {}", faults.join("; ")))
    }

    fn at(base: &Path, life: &str) -> io::Result<Self> {
        let path = base.join(format!("{PREFIX}{life}"));
        if !base.is_absolute() || base.to_str().is_none_or(|base| base.len() > LONGEST_BASE) {
            return Err(io::Error::other(format!("not an absolute path of {LONGEST_BASE} bytes at most")));
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = File::open(&path)?;
        let home = Self { path, lock };
        // Whoever cleans up at this moment may take it for an abandoned one: then it is gone, and the next line fails.
        flock(&home.lock, FlockOperation::NonBlockingLockExclusive)?;
        if fstatvfs(&home.lock)?.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
            return Err(io::Error::other("programs can't be run from there"));
        }
        let program = home.path.join(wire::PROGRAM);
        let mut file = File::create_new(&program)?;
        file.write_all(KILN_INIT)?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        Ok(home)
    }

    /// Whether it is where it was made. Not so when somebody tidied up, or its user logged out and the system did.
    pub(super) fn is_there(&self) -> bool {
        let id = |data: fs::Metadata| (data.dev(), data.ino(), data.nlink() > 0);
        let (own, now) = (self.lock.metadata().map(id), fs::symlink_metadata(&self.path).map(id));
        matches!((own, now), (Ok(own), Ok(now)) if own == now)
    }

    /// A room for one container, of a name of at most 20 bytes.
    pub(super) fn room(&self, name: &str) -> io::Result<Room> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o755).create(&path)?;
        // From here on dropping it removes what there is of it.
        let mut room = Room { path, listener: None };
        // Whatever this process's mask has taken away: the container's user is another one.
        fs::set_permissions(&room.path, Permissions::from_mode(0o755))?;
        fs::hard_link(self.path.join(wire::PROGRAM), room.path.join(wire::PROGRAM))?;
        let socket = room.path.join(wire::SOCKET);
        room.listener = Some(UnixListener::bind(&socket)?);
        fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        Ok(room)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Another one of this life may have taken its place.
        if self.is_there() {
            remove(&self.path);
        }
    }
}

/// What one container sees of its host. Dropping it removes it and hangs up on whoever would connect.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Room {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection of this room's kiln-init.
    pub(super) async fn connected(&self) -> io::Result<UnixStream> {
        match &self.listener {
            Some(listener) => Ok(listener.accept().await?.0),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the directories that lives of this user left behind which have ended.
pub(super) fn clean_up() {
    for base in bases() {
        clean_up_in(&base);
    }
}

fn clean_up_in(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let life = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if life.is_some_and(|life| life.len() == 16 && life.bytes().all(|byte| byte.is_ascii_hexdigit()))
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(dir) = File::open(entry.path())
            && dir.metadata().is_ok_and(|dir| dir.mode() & 0o777 == 0o700 && dir.uid() == user())
            && flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(&entry.path());
        }
    }
}

/// Whom this process's files belong to.
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Where it may be, the best place first: short-lived files that nobody else reaches, and that the engine sees.
fn bases() -> impl Iterator<Item = PathBuf> {
    let own = env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    own.into_iter().chain(iter::once("/run".into())).chain(iter::once(env::temp_dir()))
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("can't remove {}: {error}", path.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: &str = "0123456789abcdef";

    #[tokio::test]
    async fn a_room_is_open_and_its_home_is_not_and_neither_is_left() {
        let base = tempfile::tempdir().unwrap();
        let home = Home::within([base.path().to_owned()], LIFE).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&home.path), 0o700);
        let room = home.room(&u64::MAX.to_string()).unwrap();
        assert_eq!(mode(room.path()), 0o755);
        assert_eq!(mode(&room.path().join("socket")), 0o666);
        assert_eq!(mode(&room.path().join("init")), 0o755);
        assert!(home.room(&u64::MAX.to_string()).is_err(), "no two containers share one");
        let path = room.path().to_owned();
        drop(room);
        assert!(!path.exists());
        drop(home);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_will_not_do_is_passed_over_and_said() {
        let base = tempfile::tempdir().unwrap();
        let (gone, long) = (base.path().join("gone"), base.path().join("x".repeat(60)));
        fs::create_dir(&long).unwrap();
        let error = Home::within([gone.clone(), long.clone()], LIFE).unwrap_err();
        assert!(error.contains(gone.to_str().unwrap()) && error.contains("at most"), "{error}");
        let home = Home::within([gone, long, base.path().to_owned()], LIFE).unwrap();
        assert_eq!(home.path, base.path().join(format!("kiln-{LIFE}")));
    }

    #[test]
    fn one_that_was_taken_away_is_told_from_the_one_in_its_place() {
        let base = tempfile::tempdir().unwrap();
        let home = || Home::within([base.path().to_owned()], LIFE).unwrap();
        let first = home();
        assert!(first.is_there());
        fs::remove_dir_all(&first.path).unwrap();
        assert!(!first.is_there());
        let second = home();
        assert!(second.is_there() && !first.is_there());
        drop(first);
        assert!(second.path.join("init").exists(), "it isn't the first one's to remove");
    }

    #[test]
    fn what_a_dead_life_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let living = Home::within([base.path().to_owned()], LIFE).unwrap();
        let dead = base.path().join("kiln-00000000000000ff");
        let others = ["kiln-notes", "kiln-00000000000000fg", "other"].map(|name| base.path().join(name));
        for dir in others.iter().chain([&dead]) {
            DirBuilder::new().mode(0o700).create(dir).unwrap();
            fs::write(dir.join("file"), "").unwrap();
        }
        clean_up_in(base.path());
        assert!(living.path.exists() && !dead.exists() && others.iter().all(|dir| dir.exists()));
    }
}
