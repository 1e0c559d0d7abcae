//! An entity's version: three numbers, the last of which goes up by one with each update.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `major.minor.patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Version(u32, u32, u32);

impl Default for Version {
    fn default() -> Self {
        Self(0, 0, 1)
    }
}

impl Version {
    /// The next one.
    pub(super) fn up(self) -> Self {
        Self(self.0, self.1, self.2.saturating_add(1))
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("bad semantic version {text}");
        let mut parts = [0; 3];
        let mut given = text.split('.');
        for (to, from) in parts.iter_mut().zip(given.by_ref()) {
            *to = from.parse().map_err(|_| bad())?;
        }
        let [major, minor, patch] = parts;
        if given.next().is_some() || parts == [0; 3] { Err(bad()) } else { Ok(Self(major, minor, patch)) }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        let read = |text: &str| Version::try_from(text.to_owned());
        assert_eq!(read("1.2.3").unwrap().up().to_string(), "1.2.4");
        assert_eq!(read("2").unwrap().to_string(), "2.0.0");
        assert_eq!(Version::default().to_string(), "0.0.1");
        for bad in ["", "0.0.0", "1.2.3.4", "a.b.c", "-1.0.0", "1..2"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
