//! An action's server that keeps OpenWhisk's container contract to the letter, and breaks it where it is asked to. The
//! tests compile it alone: standard library only, linked statically.
//!
//! What it does is in `WHISK_INIT` for `/init`, and in the argument `do` for `/run`. `tell` is answered with all that it was
//! told: `/init`'s body, `/run`'s, and what its environment says of the API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

static INITIALISED: AtomicBool = AtomicBool::new(false);
/// What it was told by `/init`.
static TOLD: Mutex<String> = Mutex::new(String::new());
static RUNS: AtomicU32 = AtomicU32::new(0);
/// How many have come that wait for each other, and word of it.
static TOGETHER: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());

fn main() {
    let how = std::env::var("WHISK_INIT").unwrap_or_default();
    match how.as_str() {
        "deaf" => sleep(Duration::from_secs(600)),
        "dead" => exit(3),
        "late" => sleep(Duration::from_millis(300)),
        _ => {}
    }
    let server = TcpListener::bind("0.0.0.0:8080").unwrap();
    for (connection, caller) in server.incoming().enumerate() {
        let (caller, how) = (caller.unwrap(), how.clone());
        spawn(move || serve(caller, connection + 1, &how));
    }
}

fn serve(mut to: TcpStream, connection: usize, how: &str) {
    let mut from = BufReader::new(to.try_clone().unwrap());
    while let Some((path, body)) = request(&mut from) {
        if path == "/init" {
            println!("init {body}");
            match (how, INITIALISED.load(Ordering::SeqCst)) {
                ("slow", false) => {
                    sleep(Duration::from_millis(300));
                    reply(&mut to, 200, r#"{"ok":true}"#);
                }
                ("exit", _) => exit(4),
                ("hang", _) => sleep(Duration::from_secs(600)),
                ("fail", _) => reply(&mut to, 502, r#"{"error":"there is no main"}"#),
                (_, true) => reply(&mut to, 403, r#"{"error":"Cannot initialize the action more than once."}"#),
                _ => reply(&mut to, 200, r#"{"ok":true}"#),
            }
            *TOLD.lock().unwrap() = body;
            INITIALISED.store(true, Ordering::SeqCst);
            continue;
        }
        let runs = RUNS.fetch_add(1, Ordering::SeqCst) + 1;
        let asked = body.split(r#""do":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("echo");
        println!("out {runs}");
        eprintln!("err {runs}");
        match asked {
            "exit" => exit(5),
            "hang" => sleep(Duration::from_secs(600)),
            "together" => {
                let wanted = body.split(r#""wanted":"#).nth(1).and_then(|rest| rest.split([',', '}']).next());
                let wanted: u32 = wanted.unwrap().parse().unwrap();
                let mut inside = TOGETHER.0.lock().unwrap();
                *inside += 1;
                TOGETHER.1.notify_all();
                drop(TOGETHER.1.wait_while(inside, |inside| *inside < wanted).unwrap());
                reply(&mut to, 200, &format!(r#"{{"run":{runs}}}"#));
            }
            "hog" => {
                let mut all: Vec<Vec<u8>> = vec![];
                loop {
                    all.push(vec![1; 1 << 20]);
                }
            }
            "late" => {
                sleep(Duration::from_millis(1500));
                reply(&mut to, 200, &format!(r#"{{"run":{runs}}}"#));
            }
            "fail" => reply(&mut to, 502, r#"{"error":"it threw"}"#),
            "text" => reply(&mut to, 200, "no JSON"),
            "long" => reply(&mut to, 200, &format!(r#"{{"long":"{}"}}"#, "x".repeat(1 << 20))),
            "tell" => {
                let init = TOLD.lock().unwrap().clone();
                let host = std::env::var("__OW_API_HOST").unwrap_or_default();
                reply(&mut to, 200, &format!(r#"{{"init":{init},"run":{body},"host":"{host}"}}"#));
            }
            "own" => reply(&mut to, 200, r#"{"error":"an application's own"}"#),
            _ => {
                let told = format!(r#"{{"connection":{connection},"run":{runs},"asked":{body}}}"#);
                reply(&mut to, 200, &told);
            }
        }
        if asked == "close" {
            to.shutdown(std::net::Shutdown::Both).unwrap();
        }
        match asked {
            "mute" => {}
            "flood" => loop {
                println!("{}", "flood ".repeat(100));
            },
            _ => {
                println!("{SENTINEL}");
                eprintln!("{SENTINEL}");
            }
        }
        if asked == "close" {
            return;
        }
    }
}

fn request(from: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    if from.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        from.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

fn reply(to: &mut TcpStream, status: u16, body: &str) {
    let head = format!("HTTP/1.1 {status} Kiln\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = to.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}
