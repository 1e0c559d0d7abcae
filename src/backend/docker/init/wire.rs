//! What a host and its kiln-init say to each other, over the sandbox's own Unix socket.
//!
//! This file is part of both programs, which are of one build: there are no versions. kiln-init connects once, as soon
//! as its container runs. Then, all numbers little-endian:
//!
//! ```text
//!   message     u32 length of kind and payload | u8 kind | payload
//!   host  ─►    1 run       for each variable: u32 length, name, u32 length, value. With it, as SCM_RIGHTS: stdin, stdout, stderr
//!               2 connect   u16 port: of a server in the container, on its loopback; once the program runs
//!               3 connect   path: of a server's Unix socket in the container; likewise
//!   init  ─►    2 started   the program runs
//!               3 failed    i32 errno: it can't be run
//!               5 connected to that server. With it, as SCM_RIGHTS: the connection
//!               6 refused   i32 errno: it can't be connected to
//!               4 ended     u8 0: code, 1: signal | i32 which | u8 0: no, 1: yes, 2: unknown, whether the kernel killed for lack of memory
//! ```
//! The holder of a namespace connects as well, and nothing is said. Either end that hangs up ends the container: kiln-init is process 1 of its container, and what it started goes with it.

use std::io::{self, Read};

/// Where a container finds what its host gives it; a directory, read-only.
pub(crate) const DIR: &str = "/.kiln";
/// kiln-init's own file, in [`DIR`].
#[allow(dead_code, reason = "only the host needs it")]
pub(crate) const PROGRAM: &str = "init";
/// The socket, in [`DIR`].
pub(crate) const SOCKET: &str = "socket";

/// The longest payload that either end takes, in bytes: beyond what a kernel takes as a process's environment.
const LONGEST: u32 = 16 << 20;

/// A message from kiln-init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Started,
    /// The `errno` of running the program.
    Failed(i32),
    Ended(Ended),
    Connected,
    /// The `errno` of connecting.
    Refused(i32),
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) how: How,
    /// Whether the kernel killed something in the container for lack of memory, as far as its counters can be read.
    pub(crate) out_of_memory: Option<bool>,
}

/// What `wait` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Code(i32),
    Signal(i32),
}

/// The message that runs the program with more environment.
#[allow(dead_code, reason = "only the host says it")]
pub(crate) fn run<'a>(env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut payload = vec![];
    for text in env.into_iter().flat_map(|(name, value)| [name, value]) {
        // What doesn't fit in 32 bits is refused by its total length at the other end.
        payload.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        payload.extend_from_slice(text.as_bytes());
    }
    message(1, &payload)
}

/// Where in a container a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Port(u16),
    /// The path of a Unix socket.
    Socket(String),
}

/// The longest path of a Unix socket, in bytes: an address has room for one more, which is 0.
const PATH: u32 = 107;

/// The `errno` of a listener that is no socket.
pub(crate) const NO_SOCKET: i32 = 88;
/// The `errno` of a listener that is a link out of its directory.
pub(crate) const LEADS_AWAY: i32 = 18;

/// The message that asks for a connection to a server in the container.
#[allow(dead_code, reason = "only the host says it")]
pub(crate) fn connect(to: &Listener) -> Vec<u8> {
    match to {
        Listener::Port(port) => message(2, &port.to_le_bytes()),
        Listener::Socket(path) => message(3, path.as_bytes()),
    }
}

/// What a `connect` message asks for; `None` where the host has hung up.
#[allow(dead_code, reason = "only kiln-init hears it")]
pub(crate) fn read_connect(from: &mut impl Read) -> io::Result<Option<Listener>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [a, b, c, d, kind] = head;
    match (kind, u32::from_le_bytes([a, b, c, d])) {
        (2, 3) => {
            let mut port = [0; 2];
            from.read_exact(&mut port)?;
            Ok(Some(Listener::Port(u16::from_le_bytes(port))))
        }
        (3, length @ 2..) if length <= PATH + 1 => {
            let mut path = vec![0; length as usize - 1];
            from.read_exact(&mut path)?;
            let path = String::from_utf8(path).map_err(|_| broken("a path that isn't text"))?;
            Ok(Some(Listener::Socket(path)))
        }
        _ => Err(broken("an unknown message")),
    }
}

impl Said {
    #[allow(dead_code, reason = "only kiln-init says it")]
    pub(crate) fn message(self) -> Vec<u8> {
        match self {
            Self::Started => message(2, &[]),
            Self::Failed(errno) => message(3, &errno.to_le_bytes()),
            Self::Connected => message(5, &[]),
            Self::Refused(errno) => message(6, &errno.to_le_bytes()),
            Self::Ended(Ended { how, out_of_memory }) => {
                let (kind, which) = match how {
                    How::Code(code) => (0, code),
                    How::Signal(signal) => (1, signal),
                };
                let [a, b, c, d] = which.to_le_bytes();
                message(4, &[kind, a, b, c, d, out_of_memory.map_or(2, u8::from)])
            }
        }
    }

    /// The first message in `bytes` and its length there; `None` until all of it is there.
    #[allow(dead_code, reason = "only the host hears it")]
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
        // The longest is `ended`, and what may come from a container is kept short.
        let length = match u32::from_le_bytes(*length) {
            length @ 1..=7 => length as usize,
            length => return Err(broken(&format!("a message of {length} bytes"))),
        };
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let said = match *message {
            [2] => Self::Started,
            [3, a, b, c, d] => Self::Failed(i32::from_le_bytes([a, b, c, d])),
            [5] => Self::Connected,
            [6, a, b, c, d] => Self::Refused(i32::from_le_bytes([a, b, c, d])),
            [4, kind @ 0..=1, a, b, c, d, oom @ 0..=2] => {
                let which = i32::from_le_bytes([a, b, c, d]);
                let how = if kind == 0 { How::Code(which) } else { How::Signal(which) };
                Self::Ended(Ended { how, out_of_memory: (oom < 2).then_some(oom == 1) })
            }
            _ => return Err(broken("an unknown message")),
        };
        Ok(Some((said, 4 + length)))
    }
}

/// The rest of a `run` message whose first bytes, read with what came beside them, are `first`: its environment.
#[allow(dead_code, reason = "only kiln-init hears it")]
pub(crate) fn read_run(first: &[u8], from: &mut impl Read) -> io::Result<Vec<(String, String)>> {
    let mut from = first.chain(from);
    let length = read_u32(&mut from)?;
    if !(1..=LONGEST).contains(&length) {
        return Err(broken(&format!("a message of {length} bytes")));
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    let Some((1, mut payload)) = message.split_first() else { return Err(broken("an unknown message")) };
    let mut env = vec![];
    while !payload.is_empty() {
        env.push((read_text(&mut payload)?, read_text(&mut payload)?));
    }
    Ok(env)
}

fn read_text(from: &mut &[u8]) -> io::Result<String> {
    let length = read_u32(from)? as usize;
    let (text, rest) = from.split_at_checked(length).ok_or_else(|| broken("a variable that is cut off"))?;
    *from = rest;
    String::from_utf8(text.to_vec()).map_err(|_| broken("a variable that isn't text"))
}

fn read_u32(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut message = length.to_le_bytes().to_vec();
    message.push(kind);
    message.extend_from_slice(payload);
    message
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the other end sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_however_it_is_cut() {
        let ended = |how, out_of_memory| Said::Ended(Ended { how, out_of_memory });
        for said in [
            Said::Started,
            Said::Failed(2),
            Said::Connected,
            Said::Refused(111),
            ended(How::Code(-1), Some(false)),
            ended(How::Signal(9), Some(true)),
            ended(How::Code(0), None),
        ] {
            let mut bytes = said.message();
            let length = bytes.len();
            for cut in 0..length {
                assert_eq!(Said::parse(&bytes[..cut]).unwrap(), None, "{said:?} cut at {cut}");
            }
            bytes.extend_from_slice(b"more");
            assert_eq!(Said::parse(&bytes).unwrap(), Some((said, length)));
        }
    }

    #[test]
    fn an_environment_arrives_whole_whatever_is_in_it() {
        let env = [("A", "1"), ("EMPTY", ""), ("NUL", "a\0b"), ("LINES", "a\nB=2")];
        let message = run(env);
        for cut in 0..=message.len() {
            let (first, mut rest) = message.split_at(cut);
            let heard = read_run(first, &mut rest).unwrap();
            assert!(
                heard.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(env),
                "cut at {cut}"
            );
        }
        assert_eq!(read_run(&run([]), &mut io::empty()).unwrap(), []);
    }

    #[test]
    fn a_listener_arrives_and_a_host_that_hangs_up_is_told_from_one_that_raves() {
        let longest = "/".repeat(PATH as usize);
        for listener in [
            Listener::Port(8080),
            Listener::Socket("/tmp/iofs/lsnr.sock".into()),
            Listener::Socket(longest.clone()),
        ] {
            assert_eq!(read_connect(&mut &connect(&listener)[..]).unwrap(), Some(listener));
        }
        assert_eq!(read_connect(&mut io::empty()).unwrap(), None);
        let too_long = connect(&Listener::Socket(longest + "/"));
        for raving in [&[3, 0, 0, 0, 9, 1, 1][..], &[1, 0, 0, 0, 3], &[2, 0, 0, 0, 3, 255], &too_long] {
            assert!(read_connect(&mut &raving[..]).is_err(), "{raving:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &[0; 5][..],
            &[255; 8],
            &[1, 0, 0, 0, 9],
            &[2, 0, 0, 0, 2, 0],
            &[7, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0],
        ] {
            assert!(Said::parse(bytes).is_err(), "{bytes:?}");
        }
        for bytes in [&[0; 5][..], &[255; 8], &[1, 0, 0, 0, 9], &[5, 0, 0, 0, 1, 4, 0, 0, 0]] {
            assert!(read_run(bytes, &mut io::empty()).is_err(), "{bytes:?}");
        }
    }
}
