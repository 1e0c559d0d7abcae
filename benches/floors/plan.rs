//! Which rows run, and for how long.

/// What the environment asks for.
pub(crate) struct Plan {
    /// As little as shows that every row works.
    pub(crate) short: bool,
    only: Option<String>,
    times: usize,
}

impl Plan {
    pub(crate) fn from_env() -> Self {
        let short = std::env::var("KILN_BENCH_SHORT").is_ok_and(|value| value == "1");
        let only = std::env::var("KILN_BENCH_ONLY").ok().filter(|text| !text.is_empty());
        let times = std::env::var("KILN_BENCH_TIMES").ok().and_then(|text| text.parse().ok());
        Self { short, only, times: times.unwrap_or(1) }
    }

    /// Whether a row of this name is to run.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|text| case.contains(text.as_str()))
    }

    /// Whether a row is asked for that runs only where it is named.
    pub(crate) fn names(&self, case: &str) -> bool {
        self.only.is_some() && self.wants(case)
    }

    /// So many rounds: the first in the short form, else the second, and that as often as is asked for.
    pub(crate) fn rounds(&self, short: usize, long: usize) -> usize {
        self.pick(short, long) * self.times
    }

    /// The first in the short form, else the second.
    pub(crate) fn pick<T>(&self, short: T, long: T) -> T {
        if self.short { short } else { long }
    }
}
