//! The result of a bench as JSON: what it is, where it was measured, and all that was seen.

use super::density::DensityResults;
use super::load::LoadResults;
use super::start::StartResults;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// The schema's name, by which a result is told from any other JSON.
pub const SCHEMA: &str = "kiln-bench";
/// The schema's version. A change that an older reader would misread raises it.
pub const VERSION: u32 = 1;

/// One result, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// How and where it was measured.
    pub about: About,
    /// What was measured.
    pub results: Results,
}

/// How and where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The command line.
    pub command: Vec<String>,
    /// When it began, as RFC 3339 has it, in UTC.
    pub date: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What decided the order of cases or the arrivals.
    pub seed: u64,
    /// The machine.
    pub machine: Machine,
    /// The versions.
    pub versions: Versions,
}

/// The machine, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// The kernel's name and release.
    pub kernel: Option<String>,
    /// The processes that were running or waiting to on average in the minute before: what else kept it busy.
    pub load: Option<f64>,
}

/// Versions, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    /// Kiln's.
    pub kiln: String,
    /// How Kiln was built: `release` or `debug`.
    pub profile: String,
    /// The compiler that built it.
    pub rustc: Option<String>,
    /// wasmtime's.
    pub wasmtime: Option<String>,
    /// The container engine's.
    pub engine: Option<String>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Results {
    /// `kiln bench start`.
    Start(StartResults),
    /// `kiln bench load`.
    Load(Box<LoadResults>),
    /// `kiln bench density`.
    Density(DensityResults),
}

impl Results {
    /// The command that measures it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Load(_) => "load",
            Self::Density(_) => "density",
        }
    }
}

impl Document {
    /// A result of this version.
    pub fn new(about: About, results: Results) -> Self {
        Self { schema: SCHEMA.into(), version: VERSION, about, results }
    }

    /// Reads a result. `InvalidInput` with `place` and why where it is none, or one of another version.
    pub fn read(place: impl Display, json: &[u8]) -> Result<Self> {
        let wrong = |why: String| Error::invalid(format!("{place} {why}"));
        let what = "give a file that `kiln bench start|load|density -o json` wrote".to_string();
        let value: serde_json::Value =
            serde_json::from_slice(json).map_err(|error| wrong(format!("is not JSON: {error}; {what}")))?;
        if value.get("schema").and_then(|schema| schema.as_str()) != Some(SCHEMA) {
            return Err(wrong(format!("is not a bench result: it has no \"schema\": \"{SCHEMA}\"; {what}")));
        }
        let version = value.get("version").cloned().unwrap_or_default();
        if version != VERSION {
            return Err(wrong(format!(
                "is a bench result of version {version}, but this is Kiln {}, which reads version {VERSION}: measure again",
                env!("CARGO_PKG_VERSION")
            )));
        }
        serde_json::from_value(value)
            .map_err(|error| wrong(format!("is a damaged bench result: {error}; {what}")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::ErrorKind;

    pub(in crate::bench) fn about() -> About {
        About {
            command: ["kiln", "bench", "start"].map(str::to_owned).to_vec(),
            date: "2026-01-02T03:04:05Z".into(),
            seconds: 1.5,
            seed: 1,
            machine: Machine { cpu: Some("A <fast> & \"fine\" one".into()), cores: 2, ..Machine::default() },
            versions: Versions { kiln: "0.1.0".into(), profile: "debug".into(), ..Versions::default() },
        }
    }

    #[test]
    fn what_is_no_result_is_refused_with_its_name_and_why() {
        let message = |json: &str| {
            let error = Document::read("a.json", json.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            error.message().to_owned()
        };
        assert!(message("[1, 2").starts_with("a.json is not JSON: "));
        for other in ["{}", "[]", "3", "{\"schema\": \"junit\"}"] {
            assert!(message(other).starts_with("a.json is not a bench result: "), "{other}");
        }
        let newer = message("{\"schema\": \"kiln-bench\", \"version\": 2}");
        assert!(newer.contains("of version 2") && newer.contains("reads version 1"), "{newer}");
        assert!(message("{\"schema\": \"kiln-bench\", \"version\": 1}").contains("damaged"));
    }

    #[test]
    fn a_result_is_read_as_it_was_written() {
        let document = Document::new(about(), Results::Start(StartResults { rounds: 3, cases: Vec::new() }));
        let json = serde_json::to_vec(&document).unwrap();
        assert_eq!(Document::read("a.json", &json).unwrap(), document);
    }
}
