//! Density: what one more idle sandbox takes of the machine.

use super::distribution::Distribution;
use super::fit;
use crate::function::{BackendKind, Format};
use serde::{Deserialize, Serialize};

/// What was resident with so many idle sandboxes. Bytes, unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Idle sandboxes.
    pub count: u32,
    /// Kiln's process: resident.
    pub rss: u64,
    /// Kiln's process: its own pages and its share of those that others have, too.
    pub pss: u64,
    /// Kiln's process: page tables.
    pub page_tables: u64,
    /// Kiln's process: memory maps, a number.
    pub maps: u64,
    /// Kiln's process: threads, a number.
    pub threads: u64,
    /// The containers, as the engine counts them, without what the page cache could give back.
    pub containers: Option<u64>,
    /// The processes that the engine runs for each container, where they can be seen: their share of pages.
    pub shims: Option<u64>,
}

impl Point {
    /// All that is resident for them, in bytes.
    pub fn resident(&self) -> u64 {
        self.pss + self.page_tables + self.containers.unwrap_or(0) + self.shims.unwrap_or(0)
    }
}

/// What each sandbox more adds: slopes of straight lines through the points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerSandbox {
    /// Everything, in bytes.
    pub resident: f64,
    /// Kiln's process, in bytes: resident.
    pub rss: f64,
    /// Kiln's process, in bytes: its share of pages.
    pub pss: f64,
    /// Kiln's process, in bytes: page tables.
    pub page_tables: f64,
    /// Kiln's process: memory maps.
    pub maps: f64,
    /// Containers, in bytes.
    pub containers: Option<f64>,
    /// Shims, in bytes.
    pub shims: Option<f64>,
}

/// One function on one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityCase {
    /// The function.
    pub function: String,
    /// Its backend.
    pub backend: BackendKind,
    /// Its format.
    pub format: Format,
    /// What one sandbox is charged while it runs, in bytes.
    pub limit: Option<u64>,
    /// What was seen, from none on.
    pub points: Vec<Point>,
    /// What each sandbox more adds; `None` for fewer than two points.
    pub per_sandbox: Option<PerSandbox>,
    /// Why there are no points, or fewer than were asked for.
    pub absent: Option<String>,
}

/// What `kiln bench density` saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DensityResults {
    /// The cases.
    pub cases: Vec<DensityCase>,
}

impl DensityCase {
    /// A case that nothing was seen of yet.
    pub fn new(function: &str, backend: BackendKind, format: Format) -> Self {
        Self {
            function: function.to_owned(),
            backend,
            format,
            limit: None,
            points: Vec::new(),
            per_sandbox: None,
            absent: None,
        }
    }

    /// Adds what was seen.
    pub fn push(&mut self, point: Point) {
        self.points.push(point);
        self.per_sandbox = per_sandbox(&self.points);
    }

    /// Resident bytes for each sandbox, step by step.
    pub fn steps(&self) -> Distribution {
        let pairs = self.points.iter().zip(self.points.iter().skip(1));
        pairs
            .filter_map(|(before, after)| {
                let more = u64::from(after.count.checked_sub(before.count)?);
                after.resident().saturating_sub(before.resident()).checked_div(more)
            })
            .collect()
    }
}

/// The slopes; `None` for fewer than two different counts.
pub fn per_sandbox(points: &[Point]) -> Option<PerSandbox> {
    let slope = |of: &dyn Fn(&Point) -> u64| {
        let points: Vec<_> = points.iter().map(|point| (f64::from(point.count), of(point) as f64)).collect();
        fit::line(&points).map(|line| line.slope)
    };
    let partial = |of: fn(&Point) -> Option<u64>| {
        let all = points.iter().all(|point| of(point).is_some());
        if all { slope(&|point| of(point).unwrap_or(0)) } else { None }
    };
    Some(PerSandbox {
        resident: slope(&Point::resident)?,
        rss: slope(&|point| point.rss)?,
        pss: slope(&|point| point.pss)?,
        page_tables: slope(&|point| point.page_tables)?,
        maps: slope(&|point| point.maps)?,
        containers: partial(|point| point.containers),
        shims: partial(|point| point.shims),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_share_is_not_the_cost_of_one() {
        let mut case = DensityCase::new("a", BackendKind::Wasm, Format::Frame);
        for count in [0, 10, 20] {
            let each = u64::from(count);
            case.push(Point {
                count,
                rss: 9_000 + 50 * each,
                pss: 5_000 + 40 * each,
                page_tables: 3 * each,
                maps: 100 + 6 * each,
                ..Point::default()
            });
        }
        let found = case.per_sandbox.unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(found.resident, 43.0) && close(found.rss, 50.0) && close(found.maps, 6.0), "{found:?}");
        assert_eq!((found.containers, found.shims), (None, None));
        assert_eq!(case.steps(), Distribution::from(vec![(43, 2)]));
    }
}
