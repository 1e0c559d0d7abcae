//! The few calls of the C library that Rust's own library has no words for. All of the program's `unsafe` is here.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::raw::{c_int, c_short, c_uint, c_ulong, c_void};
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) const SIGCHLD: i32 = 17;
pub(crate) const SIGKILL: i32 = 9;

/// Faults of this program itself: blocking them would only hide them.
const FAULTS: [c_int; 7] = [4, 5, 6, 7, 8, 11, 31];
const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;
const SFD_CLOEXEC: c_int = 0o2_000_000;
const POLLIN: c_short = 1;
const WNOHANG: c_int = 1;
const SOL_SOCKET: c_int = 1;
const SCM_RIGHTS: c_int = 1;
const PR_SET_DUMPABLE: c_int = 4;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;

/// glibc's and musl's, on every 64-bit Linux.
type SigSet = [c_ulong; 16];

#[repr(C)]
struct PollFd {
    fd: RawFd,
    events: c_short,
    revents: c_short,
}

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

#[repr(C)]
struct MsgHdr {
    name: *mut c_void,
    namelen: c_uint,
    iov: *mut IoVec,
    iovlen: usize,
    control: *mut c_void,
    controllen: usize,
    flags: c_int,
}

/// One ancillary message with up to three descriptors, laid out and aligned as `cmsghdr` is.
#[repr(C, align(8))]
struct Rights {
    len: usize,
    level: c_int,
    kind: c_int,
    fds: [RawFd; 4],
}

unsafe extern "C" {
    fn sigfillset(set: *mut SigSet) -> c_int;
    fn sigdelset(set: *mut SigSet, signal: c_int) -> c_int;
    fn sigprocmask(how: c_int, set: *const SigSet, old: *mut SigSet) -> c_int;
    fn signalfd(fd: c_int, mask: *const SigSet, flags: c_int) -> c_int;
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn prctl(what: c_int, to: c_ulong, ...) -> c_int;
    fn recvmsg(fd: c_int, message: *mut MsgHdr, flags: c_int) -> isize;
    fn sendmsg(fd: c_int, message: *const MsgHdr, flags: c_int) -> isize;
}

/// Keeps what runs as the same user from this process: from its memory, and from the line to its host among its files.
pub(crate) fn close_off() -> io::Result<()> {
    // SAFETY: it touches no memory. What isn't given isn't read.
    match unsafe { prctl(PR_SET_DUMPABLE, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// From now on signals wait to be read from this file: 128 bytes for each, its number first.
pub(crate) fn signals() -> io::Result<File> {
    let mut set: SigSet = [0; 16];
    // SAFETY: `set` is as long as any C library's `sigset_t` here, and outlives the calls.
    let fd = unsafe {
        sigfillset(&mut set);
        for fault in FAULTS {
            sigdelset(&mut set, fault);
        }
        sigprocmask(SIG_BLOCK, &set, std::ptr::null_mut());
        signalfd(-1, &set, SFD_CLOEXEC)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Lets a command begin with no signal blocked: it would inherit what this process blocks.
pub(crate) fn unblock(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made, on memory that the closure owns.
    unsafe {
        command.pre_exec(|| {
            let none: SigSet = [0; 16];
            match sigprocmask(SIG_SETMASK, &none, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

/// Waits until one of two files can be read or has ended, and says which.
pub(crate) fn either(one: &impl AsRawFd, two: &impl AsRawFd) -> (bool, bool) {
    let entry = |fd| PollFd { fd, events: POLLIN, revents: 0 };
    let mut fds = [entry(one.as_raw_fd()), entry(two.as_raw_fd())];
    // SAFETY: `fds` has as many entries as is said. An interrupted call leaves them as they are: neither.
    unsafe { poll(fds.as_mut_ptr(), 2, -1) };
    (fds[0].revents != 0, fds[1].revents != 0)
}

/// A process that has ended, of all that this one is the parent of, and its status as `wait` has it.
pub(crate) fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is written before the call returns.
    let pid = unsafe { waitpid(-1, &mut status, WNOHANG) };
    (pid > 0).then_some((pid, status))
}

pub(crate) fn send(signal: i32, pid: i32) {
    // SAFETY: it touches no memory. A process that is gone gets none.
    unsafe { kill(pid, signal) };
}

/// Reads into `buffer`, and the descriptors that came beside it, as many as there were up to three.
pub(crate) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut iov = IoVec { base: buffer.as_mut_ptr().cast(), len: buffer.len() };
    let mut rights = Rights { len: 0, level: 0, kind: 0, fds: [-1; 4] };
    let head = std::mem::offset_of!(Rights, fds);
    let mut message = MsgHdr {
        name: std::ptr::null_mut(),
        namelen: 0,
        iov: &mut iov,
        iovlen: 1,
        control: (&raw mut rights).cast(),
        controllen: head + 3 * size_of::<RawFd>(),
        flags: 0,
    };
    // SAFETY: all that `message` points to lives until after the call and is as long as it says.
    let read = unsafe { recvmsg(socket.as_raw_fd(), &mut message, MSG_CMSG_CLOEXEC) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    let is_rights = message.controllen >= head && (rights.level, rights.kind) == (SOL_SOCKET, SCM_RIGHTS);
    let count = if is_rights { rights.len.saturating_sub(head) / size_of::<RawFd>() } else { 0 };
    // SAFETY: the kernel has just put these descriptors into this process, for whoever reads this message alone.
    let fds = rights.fds.iter().take(count.min(3)).map(|&fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((read, fds.collect()))
}

/// Sends a short message whole, with a descriptor beside it.
pub(crate) fn send_with(socket: &impl AsRawFd, bytes: &[u8], beside: &impl AsRawFd) -> io::Result<()> {
    let head = std::mem::offset_of!(Rights, fds);
    let mut iov = IoVec { base: bytes.as_ptr().cast_mut().cast(), len: bytes.len() };
    let mut rights = Rights {
        len: head + size_of::<RawFd>(),
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        fds: [beside.as_raw_fd(), -1, -1, -1],
    };
    let message = MsgHdr {
        name: std::ptr::null_mut(),
        namelen: 0,
        iov: &mut iov,
        iovlen: 1,
        control: (&raw mut rights).cast(),
        // A message's length is padded to the next word.
        controllen: (head + size_of::<RawFd>()).next_multiple_of(size_of::<usize>()),
        flags: 0,
    };
    // SAFETY: all that `message` points to lives until after the call, is as long as it says and isn't written to.
    match unsafe { sendmsg(socket.as_raw_fd(), &message, MSG_NOSIGNAL) } {
        sent if usize::try_from(sent) == Ok(bytes.len()) => Ok(()),
        sent if sent < 0 => Err(io::Error::last_os_error()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
