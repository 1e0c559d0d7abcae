//! A folder with modules and manifests, and `kiln` run in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than anything here takes: it only turns a hang into a failure.
const HANG: Duration = Duration::from_secs(60);

/// A folder of its own; what is cached is cached there.
pub struct Folder(TempDir);

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(args).current_dir(self.0.path()).env("XDG_CACHE_HOME", self.0.path().join("cache"));
        command.env_remove("KILN_LOG").env_remove("KILN_URL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command with this on stdin.
    pub fn kiln(&self, args: &[&str], stdin: &str) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        // One that doesn't read it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let said = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: said.status.code(), out: text(said.stdout), err: text(said.stderr) }
    }

    /// Starts a command, to be ended by a signal.
    pub fn start(&self, args: &[&str]) -> Started {
        let mut child = self.command(args).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Started { child, stderr }
    }

    /// Starts `kiln serve` on a free port, and waits until it says where.
    pub fn serve(&self, args: &[&str]) -> (Started, String) {
        let mut started = self.start(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let line = started.line_with("http://");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        (started, url)
    }
}

/// A command that runs.
pub struct Started {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Started {
    /// Waits for a line on stderr.
    pub fn line_with(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let begins = all.len();
            let bytes = self.stderr.read_line(&mut all).unwrap();
            assert!(bytes > 0, "no line with {text:?} in\n{all}");
            if all[begins..].contains(text) {
                return all[begins..].to_owned();
            }
        }
    }

    pub fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; what it said since is returned with its exit code.
    pub fn end(mut self) -> Said {
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < HANG, "it doesn't end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = self.child.wait().unwrap().code();
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.stderr.read_to_string(&mut err).unwrap();
        Said { code, out, err }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
