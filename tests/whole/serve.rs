//! A `kiln serve` of a manifest written for the test, ended with it.

use crate::http::Http;
use crate::process::Serve as Process;
use std::path::{Path, PathBuf};

pub struct Serve {
    process: Process,
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
        let process = Process::new(manifest, &[]);
        let http = Http::new(&process.url);
        Self { process, http, manifest: manifest.to_owned(), _folder: None }
    }

    /// Changes the manifest's text.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.manifest).unwrap();
        assert!(text.contains(from), "the manifest has {from:?}");
        std::fs::write(&self.manifest, text.replace(from, to)).unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM, and then its exit code.
    pub fn terminate(self) -> Option<i32> {
        self.process.terminate()
    }
}
