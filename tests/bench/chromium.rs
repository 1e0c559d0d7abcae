//! A real browser, without a window and without a network.
//!
//! Where there is none, a test says by name that it is skipped; with `KILN_REQUIRE_CHROMIUM=1` it fails instead.

use crate::docker::skip;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A browser, with an empty profile.
pub struct Chromium {
    binary: String,
    profile: TempDir,
}

/// The browser, or `None` after saying that the test `name` is skipped. `KILN_CHROMIUM` names another binary.
pub fn chromium_or_skip(name: &str) -> Option<Chromium> {
    let binary = std::env::var("KILN_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    match Command::new(&binary).arg("--version").output() {
        Ok(said) if said.status.success() => Some(Chromium { binary, profile: tempfile::tempdir().unwrap() }),
        found => {
            let why =
                format!("{name}: `{binary} --version` doesn't answer ({found:?}); run scripts/test-browser");
            assert!(std::env::var("KILN_REQUIRE_CHROMIUM").is_err(), "KILN_REQUIRE_CHROMIUM=1, but {why}");
            skip(&why);
            None
        }
    }
}

impl Chromium {
    /// The page as it stands after its script has run.
    pub fn dom(&self, page: &Path, width: u32) -> String {
        String::from_utf8(self.open(page, width, &["--dump-dom"]).stdout).unwrap()
    }

    /// A picture of the page, as PNG.
    pub fn picture(&self, page: &Path, width: u32) -> Vec<u8> {
        let file = self.profile.path().join("picture.png");
        self.open(page, width, &[&format!("--screenshot={}", file.display())]);
        std::fs::read(file).unwrap()
    }

    fn open(&self, page: &Path, width: u32, more: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        // Only against a browser that hangs.
        command.arg("120").arg(&self.binary);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ]);
        command.arg(format!("--user-data-dir={}", self.profile.path().join("profile").display()));
        command.arg(format!("--window-size={width},1200")).args(more);
        let said = command.arg(format!("file://{}", page.display())).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        said
    }
}
