//! A `kiln serve` over a folder of the test's, with the runtimes that are there.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub struct Serve {
    child: Child,
    pub url: String,
}

/// A folder with a manifest and a state folder in it.
pub struct Home {
    folder: tempfile::TempDir,
    /// The JavaScript runtime's module, where it is built.
    pub js: Option<PathBuf>,
}

/// The key of namespace `guest`.
pub const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:a-key-for-tests";

pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Home {
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, with more in its manifest.
    pub fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let js = std::env::var_os("KILN_JS_WASM")
            .map(PathBuf::from)
            .unwrap_or_else(|| root("runtimes/js/js.wasm"));
        let js = js.is_file().then_some(js);
        let mut manifest = format!("[host]\nmemory = \"2GiB\"\n[namespace.guest]\nkey = \"{KEY}\"\n");
        if let Some(js) = &js {
            manifest.push_str(&format!("[runtime.js]\nwasm = \"{}\"\n", js.display()));
        }
        manifest.push_str(more);
        std::fs::write(folder.path().join("kiln.toml"), manifest).unwrap();
        Self { folder, js }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn serve(&self) -> Serve {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["serve", "--listen", "127.0.0.1:0", "--state"])
            .arg(self.path("state"))
            .arg(self.path("kiln.toml"))
            .env("KILN_LOG", "error")
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
                    Some(url) => drop(sender.send(url.trim_end_matches('/').to_owned())),
                    None => eprint!("serve: {line}"),
                }
                line.clear();
            }
            let _ = stderr.read_to_end(&mut Vec::new());
        });
        let url = url.recv_timeout(Duration::from_secs(120)).expect("serve says where it listens");
        Serve { child, url }
    }
}

impl Serve {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        // Gently first, so that no container is left behind.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        for _ in 0..1500 {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
