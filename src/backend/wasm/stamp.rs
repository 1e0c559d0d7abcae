//! Whether a file is still the one that was read before, without reading it again.
//!
//! As version control does it: inode, size and times together change whenever the content does. Only a file that hasn't changed
//! for a while gets a stamp, since two changes within one tick of a file system's clock have the same time.

use std::fmt;
use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// Longer than a tick of the clock of any file system that has nanoseconds, and of one that has seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// What tells one content of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub(super) fn of(file: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        file.is_file().then(|| Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    /// Without inodes a file that was replaced can't be told.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether a change that comes now would be seen.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = |(seconds, nanos): (i64, i64)| {
            Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
        };
        now.checked_sub(SETTLED).is_some_and(|past| at(self.changed) < past && at(self.modified) < past)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, inode, size, modified, changed } = self;
        write!(f, "{device}.{inode}.{size}.{}.{}.{}.{}", modified.0, modified.1, changed.0, changed.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &std::path::Path) -> Stamp {
        Stamp::of(&std::fs::metadata(path).unwrap()).unwrap()
    }

    #[test]
    fn whatever_replaces_a_file_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let first = stamp(&path);
        assert_eq!(first, stamp(&path));
        let kept = std::fs::metadata(&path).unwrap().modified().unwrap();
        // The same size and the same time of modification, as a careful tool leaves them.
        std::fs::rename(&path, dir.path().join("b")).unwrap();
        std::fs::write(&path, "two").unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(kept).unwrap();
        assert_ne!(first, stamp(&path));
        assert!(Stamp::of(&std::fs::metadata(dir.path()).unwrap()).is_none());
    }

    #[test]
    fn what_has_just_changed_may_change_again_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let (stamp, now) = (stamp(&path), SystemTime::now());
        assert!(!stamp.is_settled(now));
        assert!(stamp.is_settled(now + 2 * SETTLED));
        // A clock that was set back, and a file from the future.
        assert!(!stamp.is_settled(SystemTime::UNIX_EPOCH));
    }
}
