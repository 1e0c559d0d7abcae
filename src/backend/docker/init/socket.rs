//! A server's Unix socket in the container: what is connected to, and what isn't.

use crate::wire::{LEADS_AWAY, NO_SOCKET};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path};

/// Connects to it. It may be a symlink within its own directory, which is how an FDK shows that it listens, and to no other.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.symlink_metadata()?.is_symlink() {
        let leads_to = path.read_link()?;
        let mut steps = leads_to.components().filter(|step| *step != Component::CurDir);
        if !matches!((steps.next(), steps.next()), (Some(Component::Normal(_)), None)) {
            return Err(io::Error::from_raw_os_error(LEADS_AWAY));
        }
    }
    if !path.metadata()?.file_type().is_socket() {
        return Err(io::Error::from_raw_os_error(NO_SOCKET));
    }
    // A line of callers that is full makes this wait: of one caller at a time it never is.
    UnixStream::connect(path)
}
