//! A `kiln serve` as a process of its own, on a port of the system's choice, ended with the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub struct Serve {
    child: Child,
    /// Where it listens, without a slash at its end.
    pub url: String,
}

impl Serve {
    /// Serves a manifest, with more arguments.
    pub fn new(manifest: &Path, args: &[&OsStr]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .arg(manifest)
            .env("KILN_LOG", "warn")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, url) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                match line.split_whitespace().find(|word| word.starts_with("http://")) {
                    Some(url) => {
                        let _ = sender.send(url.trim_end_matches('/').to_owned());
                    }
                    None => eprint!("serve: {line}"),
                }
                line.clear();
            }
            // What isn't text would end the loop above, and a full pipe would hold the server up.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
        let url = url.recv_timeout(Duration::from_secs(120)).expect("serve says where it listens");
        Self { child, url }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and then its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        assert!(self.ends_within(Duration::from_secs(60)), "serve ends after SIGTERM");
        self.child.wait().unwrap().code()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if began.elapsed() > time {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        // Gently first, so that a failing test leaves no container behind.
        self.signal("TERM");
        if !self.ends_within(Duration::from_secs(30)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
