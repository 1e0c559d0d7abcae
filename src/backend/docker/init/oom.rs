//! Whether the kernel killed something in this container for lack of memory: its own count, from the container's cgroup.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where a container sees its cgroup's count: version 2, and 1.
const FILES: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// The count as it was, and where it stands.
pub(crate) struct Kills {
    file: File,
    before: u64,
}

impl Kills {
    /// `None` where it can't be read.
    pub(crate) fn count() -> Option<Self> {
        let file = FILES.iter().find_map(|path| File::open(path).ok())?;
        let before = kills(&file)?;
        Some(Self { file, before })
    }

    /// Whether there were more since. The kernel counts before it kills, so a death that is known is counted.
    pub(crate) fn more(&self) -> Option<bool> {
        kills(&self.file).map(|now| now > self.before)
    }
}

fn kills(file: &File) -> Option<u64> {
    let mut buffer = [0; 512];
    let read = file.read_at(&mut buffer, 0).ok()?;
    let text = std::str::from_utf8(buffer.get(..read)?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
