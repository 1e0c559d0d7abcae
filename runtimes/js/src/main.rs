//! A JavaScript runtime's sandbox: source code in once, then requests, all as frames on stdin and stdout.
//!
//! The interpreter is QuickJS-ng. The same source is a WASI module and a static native program for an image.
//!
//! ```text
//! stream    frames in and out
//! sandbox   the interpreter and the function in it
//! host      what Rust does for prelude.js, which is what a function finds beside the language
//! ```

mod host;
mod sandbox;
mod stream;

use sandbox::Sandbox;
use std::cell::Cell;
use stream::{End, Input, Kind};

thread_local! {
    /// What [`load`] made, and a snapshot has kept.
    static LOADED: Cell<Option<Sandbox>> = const { Cell::new(None) };
}

fn main() {
    let mut sandbox = LOADED.take().map_or_else(Sandbox::new, Ok).unwrap_or_else(|why| fail(&why));
    sandbox.wake();
    stream::write(Kind::Ready, 0, &[], &[]);
    let mut input = Input::new();
    loop {
        match input.frame() {
            Ok(frame) => sandbox.answer(frame),
            // Ended here and not by returning: taking the interpreter apart is no use to anybody.
            Err(End::Closed) => std::process::exit(0),
            Err(End::Broken(why)) => fail(&why),
        }
    }
}

/// Loads the code of one init frame, for a snapshot that is taken then: its `main` goes on from here. Writes an error
/// frame where that fails, and nothing where it doesn't.
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "a host calls this by its name, so that name must be no other's")]
#[unsafe(export_name = "kiln.load")]
pub extern "C" fn load() {
    let frame = match Input::new().frame() {
        Ok(frame) => frame,
        Err(End::Closed) => fail("stdin ended before a frame"),
        Err(End::Broken(why)) => fail(&why),
    };
    let call = frame.call;
    let loaded = Sandbox::new().and_then(|mut sandbox| {
        let loaded = sandbox.initialise(frame);
        // Kept in any case, since an interpreter isn't taken apart.
        LOADED.set(Some(sandbox));
        loaded
    });
    if let Err(message) = loaded {
        stream::write(Kind::Error, call, &[], message.as_bytes());
    }
}

fn fail(why: &str) -> ! {
    eprintln!("kiln: {why}");
    std::process::exit(1)
}
