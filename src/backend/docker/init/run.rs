//! One program: waited for, run, and told of.

use crate::oom::Kills;
use crate::wire::{self, Ended, How, Listener, Said};
use crate::{broken, next, socket, sys};
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, exit};
use std::time::Duration;

/// What a shell exits with where a program isn't there, and where it can't be run.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;
const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
/// How long a server whose line of callers is full may take, during which nothing else is done here.
const CONNECTING: Duration = Duration::from_millis(200);

/// Connects, waits for the word, and is the program's parent until it ends.
pub(crate) fn run(program: OsString, args: Vec<OsString>) -> ! {
    // Before anything else, so that no signal is lost.
    let mut signals = sys::signals().unwrap_or_else(|error| broken(&format!("can't take signals: {error}")));
    let mut host = connect();
    let mut running: Option<Running> = None;
    loop {
        let (signalled, spoken) = sys::either(&signals, &host);
        if signalled {
            match (next(&mut signals), &running) {
                (sys::SIGCHLD, _) => take_in(&mut host, running.as_ref()),
                (0, _) => {}
                (signal, Some(running)) => sys::send(signal, running.pid),
                // What ends most programs ends the wait for one.
                (signal @ (1 | 2 | 3 | 15), None) => exit(128 + signal),
                (_, None) => {}
            }
        }
        if spoken {
            match &running {
                None => running = Some(Running::start(&mut host, &program, &args)),
                Some(running) => match wire::read_connect(&mut host) {
                    Ok(Some(listener)) => connect_to(&mut host, &listener),
                    // It is gone, and nobody will come for what runs here.
                    Ok(None) | Err(_) => {
                        sys::send(sys::SIGKILL, running.pid);
                        exit(128 + sys::SIGKILL);
                    }
                },
            }
        }
    }
}

/// The line to its host.
pub(crate) fn connect() -> UnixStream {
    let socket = format!("{}/{}", wire::DIR, wire::SOCKET);
    UnixStream::connect(&socket)
        .unwrap_or_else(|error| broken(&format!("can't reach its host at {socket}: {error}")))
}

/// Gives the host a connection to a server on this container's own loopback or among its files, which no host can reach.
fn connect_to(host: &mut UnixStream, listener: &Listener) {
    let connected: io::Result<OwnedFd> = match listener {
        Listener::Port(port) => {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
            TcpStream::connect_timeout(&server, CONNECTING).map(OwnedFd::from)
        }
        Listener::Socket(path) => socket::connect(Path::new(path)).map(OwnedFd::from),
    };
    match connected.and_then(|stream| sys::send_with(host, &Said::Connected.message(), &stream)) {
        Ok(()) => {}
        Err(error) => say(host, Said::Refused(error.raw_os_error().unwrap_or(EINVAL))),
    }
}

struct Running {
    pid: i32,
    kills: Option<Kills>,
}

impl Running {
    /// Takes the host's word and runs the program on the pipes that came with it.
    fn start(host: &mut UnixStream, program: &OsString, args: &[OsString]) -> Self {
        let mut command = Command::new(program);
        if let Err(error) = told(host, command.args(args)) {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => exit(0),
                _ => broken(&format!("can't understand its host: {error}")),
            }
        }
        let kills = Kills::count();
        sys::unblock(&mut command);
        // A group of its own: a program that signals its group doesn't mean its parent.
        match command.process_group(0).spawn() {
            Ok(child) => {
                say(host, Said::Started);
                Self { pid: child.id().cast_signed(), kills }
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(EINVAL);
                say(host, Said::Failed(errno));
                exit(if errno == ENOENT { NOT_FOUND } else { NOT_RUN });
            }
        }
        // The pipes' ends in here go with `command`: the program alone holds them now.
    }
}

/// The host's `run`, as the command's environment and stdio.
fn told(host: &mut UnixStream, command: &mut Command) -> io::Result<()> {
    let mut first = [0; 4];
    let (read, fds) = sys::receive(host, &mut first)?;
    let env = wire::read_run(&first[..read], host)?;
    let [stdin, stdout, stderr] = <[_; 3]>::try_from(fds)
        .map_err(|fds| io::Error::other(format!("{} descriptors came instead of 3", fds.len())))?;
    command.envs(env).stdin(stdin).stdout(stdout).stderr(stderr);
    Ok(())
}

/// Takes in every process that has ended; if the program itself has, tells the host and ends as it did.
fn take_in(host: &mut UnixStream, running: Option<&Running>) {
    while let Some((pid, status)) = sys::reap() {
        let Some(running) = running.filter(|running| running.pid == pid) else { continue };
        let status = ExitStatus::from_raw(status);
        let (how, code) = match (status.code(), status.signal()) {
            (Some(code), _) => (How::Code(code), code),
            (None, Some(signal)) => (How::Signal(signal), 128 + signal),
            // It was stopped or goes on, which isn't asked for.
            (None, None) => continue,
        };
        let out_of_memory =
            if status.success() { Some(false) } else { running.kills.as_ref().and_then(Kills::more) };
        say(host, Said::Ended(Ended { how, out_of_memory }));
        exit(code);
    }
}

/// A host that is gone hears nothing; that it is gone is seen next.
fn say(host: &mut UnixStream, said: Said) {
    let _ = host.write_all(&said.message());
}
