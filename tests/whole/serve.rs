//! A `kiln serve` of a manifest written for the test, ended with it.

use crate::http::Http;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub struct Serve {
    child: Child,
    pub http: Http,
    pub manifest: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

/// Where a committed fixture is.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

impl Serve {
    /// Serves a manifest on a port of the system's choice.
    pub fn new(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiln.toml");
        std::fs::write(&file, manifest).unwrap();
        let mut serve = Self::file(&file);
        serve._folder = Some(folder);
        serve
    }

    /// Serves a manifest that is there.
    pub fn file(manifest: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg(manifest)
            .env("KILN_LOG", "warn")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, url) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stderr = stderr;
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                match line.split_whitespace().find(|word| word.starts_with("http://")) {
                    Some(url) => {
                        let _ = sender.send(url.trim_end_matches('/').to_owned());
                        break;
                    }
                    None => eprint!("serve: {line}"),
                }
                line.clear();
            }
            let mut rest = [0; 4096];
            while let Ok(bytes @ 1..) = stderr.read(&mut rest) {
                eprint!("serve: {}", String::from_utf8_lossy(&rest[..bytes]));
            }
        });
        let url = url.recv_timeout(Duration::from_secs(120)).expect("serve says where it listens");
        Self { child, http: Http::new(&url), manifest: manifest.to_owned(), _folder: None }
    }

    /// Changes the manifest's text.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.manifest).unwrap();
        assert!(text.contains(from), "the manifest has {from:?}");
        std::fs::write(&self.manifest, text.replace(from, to)).unwrap();
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
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "serve ends after SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            // Gently first, so that a failing test leaves no container behind.
            self.signal("TERM");
            let began = Instant::now();
            while self.child.try_wait().unwrap().is_none() {
                if began.elapsed() > Duration::from_secs(30) {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
