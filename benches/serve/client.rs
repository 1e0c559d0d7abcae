//! A client that costs as little as it can: this program again, in a process of its own, with raw sockets.
//!
//! It takes its two targets in turn, slice by slice, and prints a line for each round: of each target the replies in a second
//! and the time below which 99 of 100 of them came.

use crate::servers::Target;
use crate::{Error, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The argument that makes this program a client.
pub(crate) const ROLE: &str = "load";
/// What every reply's body is.
const BODY: &str = "hello\n";
/// Longer than any reply takes: it turns a hang into an error.
const HANG: Duration = Duration::from_secs(60);

/// What one target did in one slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Replies in a second.
    pub(crate) rate: f64,
    /// Nanoseconds.
    pub(crate) p99: f64,
}

/// Asks two targets in turn over so many connections.
pub(crate) fn run(
    targets: [Target; 2],
    connections: usize,
    rounds: usize,
    slice: Duration,
) -> Result<Vec<[Slice; 2]>> {
    let [first, second] = targets;
    let output = Command::new(std::env::current_exe()?)
        .args([ROLE, &first.address.to_string(), &first.path, &second.address.to_string(), &second.path])
        .args([connections.to_string(), rounds.to_string(), slice.as_millis().to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the load client ended with {}", output.status).into());
    }
    let text = std::str::from_utf8(&output.stdout)?;
    text.lines()
        .map(|line| round(line).ok_or_else(|| format!("the load client said {line:?}").into()))
        .collect()
}

fn round(line: &str) -> Option<[Slice; 2]> {
    let mut figures = line.split(' ').map(str::parse::<f64>);
    let mut slice = || Some(Slice { rate: figures.next()?.ok()?, p99: figures.next()?.ok()? });
    Some([slice()?, slice()?])
}

/// The client.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [first, of_first, second, of_second, connections, rounds, slice] = args else {
        return Err("the load client takes 7 arguments".into());
    };
    let (connections, rounds, slice) =
        (connections.parse()?, rounds.parse()?, Duration::from_millis(slice.parse()?));
    let mut first = Connections::open(first.parse()?, of_first, connections)?;
    let mut second = Connections::open(second.parse()?, of_second, connections)?;
    // The first round warms both up.
    for round in 0..=rounds {
        let (of_first, of_second) = if round % 2 == 0 {
            let of_first = first.slice(slice)?;
            (of_first, second.slice(slice)?)
        } else {
            let of_second = second.slice(slice)?;
            (first.slice(slice)?, of_second)
        };
        if round > 0 {
            println!("{} {} {} {}", of_first.rate, of_first.p99, of_second.rate, of_second.p99);
        }
    }
    Ok(())
}

/// Connections to one server.
struct Connections {
    open: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Connections {
    fn open(address: SocketAddr, path: &str, count: usize) -> Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
        let open = (0..count).map(|_| {
            let connection = TcpStream::connect(address)?;
            connection.set_nodelay(true)?;
            connection.set_read_timeout(Some(HANG))?;
            Ok::<_, Error>(connection)
        });
        Ok(Self { open: open.collect::<Result<_>>()?, request })
    }

    /// Each connection asks, reads the whole reply, and asks again, until time is up.
    fn slice(&mut self, slice: Duration) -> Result<Slice> {
        let began = Instant::now();
        let request = &self.request;
        let taken: Vec<Result<Vec<Duration>>> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .open
                .iter_mut()
                .map(|connection| scope.spawn(move || ask(connection, request, began, slice)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("the load client panicked".into())))
                .collect()
        });
        let elapsed = began.elapsed();
        let mut all = Vec::new();
        for taken in taken {
            all.extend(taken?);
        }
        all.sort_unstable();
        let p99 = all.get(all.len().saturating_sub(1) * 99 / 100).ok_or("no reply came in a slice")?;
        Ok(Slice { rate: all.len() as f64 / elapsed.as_secs_f64(), p99: p99.as_nanos() as f64 })
    }
}

/// How long each reply took.
fn ask(connection: &mut TcpStream, request: &[u8], began: Instant, slice: Duration) -> Result<Vec<Duration>> {
    let mut buffer = [0; 4096];
    let mut taken = Vec::new();
    while began.elapsed() < slice {
        let asked = Instant::now();
        connection.write_all(request)?;
        let mut have = 0;
        loop {
            let read = connection.read(buffer.get_mut(have..).unwrap_or_default())?;
            have += read;
            let reply = buffer.get(..have).unwrap_or_default();
            if is_whole(reply) {
                break;
            }
            if read == 0 {
                return Err(format!("a reply is wrong: {}", String::from_utf8_lossy(reply)).into());
            }
        }
        taken.push(asked.elapsed());
    }
    Ok(taken)
}

/// Whether it is the reply that is due, and all of it: with a length or in one chunk.
fn is_whole(reply: &[u8]) -> bool {
    let chunks = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    reply.starts_with(b"HTTP/1.1 200 ")
        && (reply.ends_with(format!("\r\n\r\n{chunks}").as_bytes())
            || reply.ends_with(format!("\r\n\r\n{BODY}").as_bytes()))
}
