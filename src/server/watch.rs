//! Waits until files change, whichever way an editor or a deployment writes them.
//!
//! Editors replace a file by renaming another over it, and deployments swap a link to a folder: a watch on the file
//! itself would be left with the old one. So the folders are watched, and whatever happens there is only a reason to
//! look: what counts is whether the files' fingerprints differ.

use notify::{EventKind, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// How long files must have been the same before they count as written.
const QUIET: Duration = Duration::from_millis(200);
/// How often files are looked at where the machine can't tell of changes.
const LOOK: Duration = Duration::from_secs(2);

/// What tells one state of a file from another; `None` where there is no such file.
type Fingerprint = Option<(SystemTime, u64, u64)>;

/// Some files, and how they were when they were last looked at.
pub(super) struct Files {
    files: Vec<PathBuf>,
    seen: Vec<Fingerprint>,
    changed: Arc<Notify>,
    /// Held for as long as its events are wanted; `None` where the machine can't tell of changes.
    watcher: Option<notify::RecommendedWatcher>,
}

impl Files {
    /// Watches files as they are now.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watch(&files, Arc::clone(&changed))
            .inspect_err(
                |error| tracing::warn!(%error, "can't watch the manifest; looking every {LOOK:?} instead"),
            )
            .ok();
        let seen = fingerprints(&files);
        Self { files, seen, changed, watcher }
    }

    /// Watches other files from now on. One that was watched before counts as changed if it has been since it was last
    /// looked at, so that no change falls between.
    pub(super) fn follow(&mut self, files: Vec<PathBuf>) {
        if files == self.files {
            return;
        }
        let mut next = Self::new(files);
        for (file, seen) in next.files.iter().zip(&mut next.seen) {
            let before = self.files.iter().zip(&self.seen).find(|(before, _)| *before == file);
            *seen = before.map_or(*seen, |(_, fingerprint)| *fingerprint);
        }
        // Nothing will tell of a change that came before the watch.
        next.changed.notify_one();
        *self = next;
    }

    /// Waits until they differ from when they were last looked at and have been quiet for a moment.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.watcher {
                Some(_) => self.changed.notified().await,
                None => tokio::time::sleep(LOOK).await,
            }
            let mut now = fingerprints(&self.files);
            loop {
                tokio::time::sleep(QUIET).await;
                let later = fingerprints(&self.files);
                if later == now {
                    break;
                }
                now = later;
            }
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn watch(files: &[PathBuf], changed: Arc<Notify>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // That somebody opens or reads a file, as we do ourselves, changes nothing; an error may hide anything.
        if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
            changed.notify_one();
        }
    })?;
    let folders: BTreeSet<&Path> = files.iter().map(|file| folder(file)).collect();
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn fingerprints(files: &[PathBuf]) -> Vec<Fingerprint> {
    files.iter().map(|file| fingerprint(file)).collect()
}

fn fingerprint(file: &Path) -> Fingerprint {
    let found = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&found);
    #[cfg(not(unix))]
    let inode = 0;
    Some((found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len(), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far longer than any of this takes: it only turns a hang into a failure.
    const HANG: Duration = Duration::from_secs(30);

    async fn notices(files: &mut Files) {
        tokio::time::timeout(HANG, files.changed()).await.expect("the change was not noticed");
    }

    #[tokio::test]
    async fn writes_renames_removals_and_swapped_links_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("kiln.toml"), "a").unwrap();
        let mut files = Files::new(vec![at("kiln.toml")]);

        std::fs::write(at("kiln.toml"), "written").unwrap();
        notices(&mut files).await;

        std::fs::write(at("other"), "renamed").unwrap();
        std::fs::rename(at("other"), at("kiln.toml")).unwrap();
        notices(&mut files).await;

        std::fs::remove_file(at("kiln.toml")).unwrap();
        notices(&mut files).await;

        #[cfg(unix)]
        {
            std::fs::write(at("one"), "one").unwrap();
            std::os::unix::fs::symlink(at("one"), at("kiln.toml")).unwrap();
            notices(&mut files).await;
        }
    }

    /// A change between two watches is noticed by the second.
    #[tokio::test]
    async fn no_change_falls_between_two_watches() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("kiln.toml"), "a").unwrap();
        std::fs::write(at("echo.wasm"), "a").unwrap();
        let mut files = Files::new(vec![at("kiln.toml")]);
        std::fs::write(at("kiln.toml"), "changed").unwrap();
        files.follow(vec![at("kiln.toml"), at("echo.wasm")]);
        notices(&mut files).await;
        std::fs::write(at("echo.wasm"), "changed").unwrap();
        notices(&mut files).await;
    }

    #[tokio::test]
    async fn what_happens_beside_them_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("kiln.toml"), "a").unwrap();
        let mut files = Files::new(vec![at("kiln.toml")]);
        std::fs::write(at("other"), "beside").unwrap();
        std::fs::read(at("kiln.toml")).unwrap();
        let changed = tokio::time::timeout(QUIET * 5, files.changed()).await;
        assert!(changed.is_err(), "nothing had changed");
        std::fs::write(at("kiln.toml"), "changed").unwrap();
        notices(&mut files).await;
    }
}
