//! What `kiln bench` makes of its measurements: statistics, the result's schema, comparison, CSV and the report page.
//!
//! Pure: no clock, no host, no terminal, no file. The commands that measure are in `cli`, and hand their figures over
//! as a [`Document`].
//!
//! ```text
//!   cli: start · load · density ──► Document ──► JSON · csv · report (one HTML page)
//!                                      │
//!   cli: compare a.json b.json ────────┴──► compare ──► ratios of medians and verdicts
//! ```

pub mod arrivals;
pub mod bootstrap;
pub mod compare;
pub mod csv;
pub mod density;
pub mod distribution;
pub mod document;
pub mod fit;
pub mod load;
pub mod report;
pub mod rng;
pub mod start;
pub mod units;

pub use distribution::{Distribution, Summary};
pub use document::{About, Document, Machine, Results, Versions};
