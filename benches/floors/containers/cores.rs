//! Which cores the two ends of a call are on. The kernel moves them as it likes, and waking another core costs several
//! times what a switch on the same one does: a comparison that leaves it to the kernel is one of luck.

use crate::Result;
use bollard::Docker;
use bollard::models::ContainerUpdateBody;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the caller and its containers run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cores {
    /// All of them on one.
    One,
    /// The caller on one, its containers on another.
    Two,
}

/// The calling thread on its core. Dropped, it may run where it could before.
pub(super) struct Pinned {
    before: CpuSet,
    containers: usize,
}

impl Cores {
    pub(super) fn pin(self) -> Result<Pinned> {
        let before = sched_getaffinity(None)?;
        let mut all = (0..CpuSet::MAX_CPU).filter(|core| before.is_set(*core));
        let first = all.next().ok_or("there is no core to run on")?;
        let containers = match self {
            Self::One => first,
            Self::Two => all.next().ok_or("there is only one core")?,
        };
        let mut own = CpuSet::new();
        own.set(first);
        sched_setaffinity(None, &own)?;
        Ok(Pinned { before, containers })
    }
}

impl Pinned {
    /// Has a container run on the core that is meant for them.
    pub(super) async fn container(&self, client: &Docker, id: &str) -> Result<()> {
        let cpuset_cpus = Some(self.containers.to_string());
        Ok(client.update_container(id, ContainerUpdateBody { cpuset_cpus, ..Default::default() }).await?)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It could before.
        let _ = sched_setaffinity(None, &self.before);
    }
}
