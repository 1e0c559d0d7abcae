//! `[store]` and `[intake]`: how much of what happened is kept, and how long accepted work is tried.

use super::section::Section;
use std::time::Duration;

/// `[store]`, as written: `None` where a key is absent and the store's own limit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// `max_bytes`: bytes of activations that are kept, their logs included; the oldest go first.
    pub max_bytes: Option<u64>,
    /// `max_age`: how long an activation is kept.
    pub max_age: Option<Duration>,
}

/// `[intake]`, as written: `None` where a key is absent and the intake's own limit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeSettings {
    /// `at_once`: accepted works that are run at once.
    pub at_once: Option<u32>,
    /// `max_attempts`: how often a work may begin to run, where what ended it wasn't the function's doing.
    pub max_attempts: Option<u32>,
    /// `max_age`: how long after it was accepted a work may begin.
    pub max_age: Option<Duration>,
    /// `max_waiting`: works that may be accepted and not ended at once.
    pub max_waiting: Option<u32>,
    /// `max_bytes`: bytes that those may take on disk.
    pub max_bytes: Option<u64>,
}

pub(super) fn store(mut section: Section<'_>) -> StoreSettings {
    let settings =
        StoreSettings { max_bytes: section.size("max_bytes"), max_age: section.duration("max_age") };
    section.finish();
    settings
}

pub(super) fn intake(mut section: Section<'_>) -> IntakeSettings {
    let settings = IntakeSettings {
        at_once: section.count("at_once"),
        max_attempts: section.count("max_attempts"),
        max_age: section.duration("max_age"),
        max_waiting: section.count("max_waiting"),
        max_bytes: section.size("max_bytes"),
    };
    section.finish();
    settings
}

#[cfg(test)]
mod tests {
    use crate::manifest::Manifest;
    use std::time::Duration;

    #[test]
    fn what_is_kept_and_how_long_it_is_tried_can_be_said() {
        let text = "[store]\nmax_bytes = \"1GiB\"\nmax_age = \"30d\"\n\
                    [intake]\nat_once = 8\nmax_attempts = 5\nmax_age = \"1h\"";
        let manifest = Manifest::parse("kiln.toml", text).unwrap();
        assert_eq!(manifest.store.max_bytes, Some(1 << 30));
        assert_eq!(manifest.store.max_age, Some(Duration::from_secs(30 * 86_400)));
        let intake = &manifest.intake;
        assert_eq!((intake.at_once, intake.max_attempts, intake.max_waiting), (Some(8), Some(5), None));
        let error = Manifest::parse("kiln.toml", "[store]\nmax_ages = \"1d\"").unwrap_err();
        assert!(error.message().contains("did you mean `max_age`"), "{error}");
    }
}
