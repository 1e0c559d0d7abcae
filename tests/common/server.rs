//! A server of HTTP/1.1 that does what its path says, well and badly. The tests compile it alone: standard library only,
//! linked statically. It listens on `PORT`, with a thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::thread::sleep;
use std::time::Duration;

static ASKED: AtomicU64 = AtomicU64::new(0);
/// How many requests are at the barrier, and how many have ever come there.
static BARRIER: (Mutex<(u64, u64)>, Condvar) = (Mutex::new((0, 0)), Condvar::new());

/// A request's head.
struct Asked {
    line: String,
    path: String,
    query: String,
    headers: String,
    length: Option<u64>,
    chunked: bool,
}

fn main() {
    let port = std::env::var("PORT").unwrap_or_default();
    match std::env::var("HOW").unwrap_or_default().as_str() {
        "deaf" => sleep(Duration::from_secs(600)),
        "dead" => exit(3),
        _ => {}
    }
    let server = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    println!("listening");
    for (connection, caller) in server.incoming().enumerate() {
        let caller = caller.unwrap();
        std::thread::spawn(move || serve(caller, connection as u64 + 1));
    }
}

fn serve(mut to: TcpStream, connection: u64) {
    let mut from = BufReader::with_capacity(64 << 10, to.try_clone().unwrap());
    while let Some(asked) = head(&mut from) {
        if answer(&asked, &mut from, &mut to, connection).is_none() {
            return;
        }
    }
}

fn head(from: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    if from.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let target = line.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (mut headers, mut length, mut chunked) = (String::new(), None, false);
    loop {
        let mut header = String::new();
        from.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        let lower = header.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        chunked |= lower.starts_with("transfer-encoding:");
        headers.push_str(&header);
    }
    let (path, query) = (path.to_owned(), query.to_owned());
    Some(Asked { line: line.trim().to_owned(), path, query, headers, length, chunked })
}

/// Answers; `None` if the connection is to be closed.
fn answer(asked: &Asked, from: &mut BufReader<TcpStream>, to: &mut TcpStream, connection: u64) -> Option<()> {
    let number = ASKED.fetch_add(1, SeqCst) + 1;
    let (what, which) = asked.path[1..].split_once('/').unwrap_or((&asked.path[1..], ""));
    match what {
        // As much of the body as comes goes back as it comes.
        "echo" => {
            match asked.length {
                Some(length) => write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").ok()?,
                None => write!(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?,
            }
            body(asked, from, |piece| match asked.length {
                Some(_) => to.write_all(piece).ok(),
                None => {
                    write!(to, "{:x}\r\n", piece.len()).ok()?;
                    to.write_all(piece).ok()?;
                    to.write_all(b"\r\n").ok()
                }
            })?;
            if asked.length.is_none() {
                to.write_all(b"0\r\n\r\n").ok()?;
            }
            return Some(());
        }
        "generate" => {
            let mut left = number_of(&asked.query, "bytes");
            write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n").ok()?;
            let piece = vec![b'g'; 64 << 10];
            while left > 0 {
                let now = left.min(piece.len() as u64);
                to.write_all(&piece[..now as usize]).ok()?;
                left -= now;
                if !which.is_empty() {
                    // How far it has come, for whoever looks.
                    std::fs::write(which_file(which), left.to_string()).unwrap();
                }
            }
            return Some(());
        }
        // Reads nothing before there is a file of that name.
        "hold" => {
            while !Path::new(&which_file(which)).exists() {
                sleep(Duration::from_millis(5));
            }
        }
        "early" => {
            reply(to, "413 Too Large", "Connection: close\r\n", "too much");
            return None;
        }
        // What wasn't read breaks the connection as it closes.
        "reset" => {
            write!(to, "HTTP/1.1 200 OK\r\n\r\nhalf").ok()?;
            // It has to have come by then: else it is only an end.
            to.peek(&mut [0]).ok()?;
            return None;
        }
        "early-kept" => {
            reply(to, "413 Too Large", "", "too much");
            // What is still to come is nobody's request.
            let _ = std::io::copy(from, &mut std::io::sink());
            return None;
        }
        _ => {}
    }
    let mut length = 0;
    body(asked, from, |piece| {
        length += piece.len();
        Some(())
    })?;
    match what {
        "sink" | "hold" => reply(to, "200 OK", "", &length.to_string()),
        "status" => reply(to, &format!("{which} Whatever"), "X-Mine: yes\r\n", which),
        "bodyless" => write!(to, "HTTP/1.1 {which} X\r\nContent-Length: 99\r\nX-Mine: yes\r\n\r\n").ok()?,
        "silent" => return None,
        "close" => {
            reply(to, "200 OK", "Connection: close\r\n", &connection.to_string());
            // It is said, and not done before the next request could come.
            sleep(Duration::from_millis(300));
            return None;
        }
        "until-end" => {
            write!(to, "HTTP/1.1 200 OK\r\nX-Mine: yes\r\n\r\n").ok()?;
            let piece = vec![b'u'; 64 << 10];
            let mut left = number_of(&asked.query, "bytes") as usize;
            while left > 0 {
                let now = left.min(piece.len());
                to.write_all(&piece[..now]).ok()?;
                left -= now;
            }
            return None;
        }
        // All that was said is said, and then it dies: nobody can tell that this was all.
        "until-death" => {
            write!(to, "HTTP/1.1 200 OK\r\n\r\nhalf").ok()?;
            exit(7);
        }
        "half" => {
            write!(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf").ok()?;
            return None;
        }
        "interim" => {
            write!(to, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").ok()?;
            reply(to, "200 OK", "", "after all");
        }
        "garbage" => to.write_all(b"no HTTP at all\n").ok()?,
        "switch" => write!(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").ok()?,
        "more" => {
            reply(to, "200 OK", "", &connection.to_string());
            reply(to, "408 Request Timeout", "Connection: close\r\n", "nobody asks");
        }
        "exit" => exit(7),
        "hang" => sleep(Duration::from_secs(600)),
        "log" => {
            println!("out {which}");
            eprintln!("err {which}");
            reply(to, "200 OK", "", "logged");
        }
        "env" => reply(to, "200 OK", "", &std::env::var(which).unwrap_or_default()),
        "ready" => {
            let after: u64 = std::env::var("READY_AFTER").unwrap_or_default().parse().unwrap_or(0);
            reply(to, if number > after { "204 Ready" } else { "503 Not Yet" }, "", "");
        }
        "barrier" => {
            let (all, came) = (number_of(&asked.query, "n"), &BARRIER);
            let mut inside = came.0.lock().unwrap();
            inside.0 += 1;
            inside.1 += 1;
            let most = inside.1;
            came.1.notify_all();
            drop(came.1.wait_while(inside, |inside| inside.1 < all).unwrap());
            reply(to, "200 OK", "", &most.to_string());
        }
        "interfaces" => {
            let names = std::fs::read_dir("/sys/class/net").unwrap();
            let mut names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            reply(to, "200 OK", "", &names.join(","));
        }
        _ => {
            let told = format!("{}\r\n{}\r\nconnection {connection}, request {number}", asked.line, asked.headers);
            reply(to, "200 OK", "Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n", &told);
        }
    }
    Some(())
}

fn which_file(name: &str) -> String {
    format!("/told/{name}")
}

fn number_of(query: &str, name: &str) -> u64 {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn reply(to: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    let body = if status.starts_with("204") { "" } else { body };
    let head = if status.starts_with("204") { format!("HTTP/1.1 {status}\r\n{headers}\r\n") } else { head };
    let _ = to.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}

/// Reads a body, piece by piece.
fn body(
    asked: &Asked,
    from: &mut BufReader<TcpStream>,
    mut take: impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    if !asked.chunked {
        return pieces(from, asked.length.unwrap_or(0), &mut take);
    }
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim(), 16).ok()?;
        pieces(from, size, &mut take)?;
        let mut end = [0; 2];
        from.read_exact(&mut end).ok()?;
        if end != *b"\r\n" {
            return None;
        }
        if size == 0 {
            return Some(());
        }
    }
}

fn pieces(
    from: &mut BufReader<TcpStream>,
    mut left: u64,
    take: &mut impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    while left > 0 {
        let there = from.fill_buf().ok()?;
        let now = left.min(there.len() as u64) as usize;
        if now == 0 {
            return None;
        }
        take(&there[..now])?;
        from.consume(now);
        left -= now as u64;
    }
    Some(())
}
