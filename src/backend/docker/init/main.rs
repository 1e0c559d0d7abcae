//! kiln-init: process 1 of a container whose stdio is Kiln's own pipes.
//!
//! ```text
//!   kiln-init run program [argument]...     connect, wait for the word, run the program, tell how it ended
//!   kiln-init hold                          connect, keep a container's namespaces until its host hangs up
//! ```
//! The crate's `build.rs` compiles it alone, with the standard library only and linked statically, so it runs in an image
//! that has nothing in it. It is the engine's to start it as the image's user, in its directory, with its environment;
//! `wire` says what it and its host tell each other. Besides, it does what process 1 has to: it takes in processes that
//! lost their parent, and passes signals on.

mod oom;
mod run;
mod socket;
mod sys;
mod wire;

use std::io::Read;
use std::process::exit;

/// What an engine's client exits with where the container itself can't be run.
const BROKEN: i32 = 125;

fn main() {
    // Its program runs as the same user, and may be anybody's.
    sys::close_off().unwrap_or_else(|error| broken(&format!("can't be closed off: {error}")));
    let mut args = std::env::args_os().skip(1);
    let mode = args.next();
    match (mode.as_ref().and_then(|mode| mode.to_str()), args.next()) {
        (Some("run"), Some(program)) => run::run(program, args.collect()),
        (Some("hold"), None) => hold(),
        _ => broken("usage: kiln-init run program [argument]... | kiln-init hold"),
    }
}

/// Does nothing, for as long as its container is to be there: a host that dies takes it along.
fn hold() -> ! {
    const TO_END: [i32; 4] = [1, 2, 3, 15];
    let mut signals = sys::signals().unwrap_or_else(|error| broken(&format!("can't take signals: {error}")));
    let host = run::connect();
    loop {
        let (signalled, gone) = sys::either(&signals, &host);
        match if signalled { next(&mut signals) } else { 0 } {
            sys::SIGCHLD => while sys::reap().is_some() {},
            signal if gone || TO_END.contains(&signal) => exit(0),
            _ => {}
        }
    }
}

/// The number of the next signal; 0 where there is none.
fn next(signals: &mut impl Read) -> i32 {
    let mut info = [0; 128];
    match signals.read(&mut info) {
        Ok(_) => i32::from_ne_bytes([info[0], info[1], info[2], info[3]]),
        Err(_) => 0,
    }
}

fn broken(why: &str) -> ! {
    // Nobody may be there to read it.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("kiln-init: {why}\n").as_bytes());
    exit(BROKEN)
}
