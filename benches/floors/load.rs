//! A client that costs as little as it can: this program again, in a process of its own, with raw sockets.
//!
//! It takes its targets in turn, slice by slice, and prints a line for each slice: how many replies each gave in it.

use crate::Result;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The argument that makes this program a client.
pub(crate) const ROLE: &str = "load";
/// Connections to each target.
const CONNECTIONS: usize = 32;
/// What is sent, and has to come back.
pub(crate) const BODY: &str = "hello kiln\n";
/// Longer than any reply takes: it turns a hang into an error.
const HANG: Duration = Duration::from_secs(30);

/// Replies in a second of each of two targets, round by round. To be called while both are being served.
pub(crate) fn run(targets: [SocketAddr; 2], slices: usize, slice: Duration) -> Result<Vec<(f64, f64)>> {
    let [first, second] = targets.map(|target| target.to_string());
    let (slices, slice) = (slices.to_string(), slice.as_millis().to_string());
    let output = Command::new(std::env::current_exe()?)
        .args([ROLE, &first, &second, &slices, &slice])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the load client ended with {}", output.status).into());
    }
    let mut rounds = Vec::new();
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let (first, second) = line.split_once(' ').ok_or("the load client's line has no two figures")?;
        rounds.push((first.parse()?, second.parse()?));
    }
    Ok(rounds)
}

/// The client.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [first, second, slices, slice] = args else { return Err("the load client takes 4 arguments".into()) };
    let (slices, slice): (usize, _) = (slices.parse()?, Duration::from_millis(slice.parse()?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut first = Target::connect(first.parse()?).await?;
        let mut second = Target::connect(second.parse()?).await?;
        // The first round warms both up.
        for round in 0..=slices {
            let (of_first, of_second) = if round % 2 == 0 {
                let of_first = first.slice(slice).await?;
                (of_first, second.slice(slice).await?)
            } else {
                let of_second = second.slice(slice).await?;
                (first.slice(slice).await?, of_second)
            };
            if round > 0 {
                println!("{of_first} {of_second}");
            }
        }
        Ok(())
    })
}

/// Connections to one server.
struct Target {
    connections: Vec<TcpStream>,
    request: Arc<[u8]>,
}

impl Target {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let length = BODY.len();
        let request =
            format!("POST /r/echo HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{BODY}");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = TcpStream::connect(address).await?;
            connection.set_nodelay(true)?;
            connections.push(connection);
        }
        Ok(Self { connections, request: request.into_bytes().into() })
    }

    /// Replies in a second, over all connections.
    async fn slice(&mut self, slice: Duration) -> Result<f64> {
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for connection in self.connections.drain(..) {
            tasks.spawn(ask(connection, Arc::clone(&self.request), Arc::clone(&over)));
        }
        tokio::time::sleep(slice).await;
        over.store(true, Ordering::Relaxed);
        let mut replies = 0_u64;
        let all = async {
            while let Some(done) = tasks.join_next().await {
                let (connection, count) = done??;
                self.connections.push(connection);
                replies += count;
            }
            crate::Result::Ok(())
        };
        tokio::time::timeout(HANG, all).await.map_err(|_| "a reply didn't come")??;
        Ok(replies as f64 / began.elapsed().as_secs_f64())
    }
}

/// Asks, reads the whole reply, and asks again.
async fn ask(
    mut connection: TcpStream,
    request: Arc<[u8]>,
    over: Arc<AtomicBool>,
) -> Result<(TcpStream, u64)> {
    let mut buffer = [0; 4096];
    let mut replies = 0;
    while !over.load(Ordering::Relaxed) {
        connection.write_all(&request).await?;
        let mut have = 0;
        loop {
            let read = connection.read(buffer.get_mut(have..).unwrap_or_default()).await?;
            have += read;
            let reply = buffer.get(..have).unwrap_or_default();
            // The body is known, so its end is the reply's.
            if reply.ends_with(BODY.as_bytes()) && reply.starts_with(b"HTTP/1.1 200 ") {
                break;
            }
            if read == 0 {
                return Err(format!("a reply is wrong: {}", String::from_utf8_lossy(reply)).into());
            }
        }
        replies += 1;
    }
    Ok((connection, replies))
}
