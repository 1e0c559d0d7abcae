//! A `kiln serve` over a folder of the test's, with the runtimes that are there.

pub use crate::process::Serve;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with a manifest and a state folder in it.
pub struct Home {
    folder: tempfile::TempDir,
    /// The JavaScript runtime's module, where it is built.
    pub js: Option<PathBuf>,
}

/// The key of namespace `guest`.
pub const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:a-key-for-tests";

const PYTHON: &str = "kiln-runtime-python:1";

/// What a manifest says of the Python runtime; none where its image isn't there, unless `KILN_REQUIRE_RUNTIMES=1`.
pub fn python() -> Option<String> {
    let required = std::env::var("KILN_REQUIRE_RUNTIMES").is_ok_and(|value| value == "1");
    let has = Command::new("docker")
        .args(["image", "inspect", PYTHON])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has {
        assert!(!required, "KILN_REQUIRE_RUNTIMES=1, but there is no image {PYTHON}");
        eprintln!("skipped: actions in Python (no {PYTHON})");
        return None;
    }
    Some(format!("[runtime.python]\nimage = \"{PYTHON}\"\nmemory = \"128MiB\"\n"))
}

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
        let state = self.path("state");
        Serve::new(&self.path("kiln.toml"), &["--state".as_ref(), state.as_os_str()])
    }
}
