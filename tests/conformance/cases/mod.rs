//! The cases, by topic. Each is written once and knows no backend.

pub mod bodies;
pub mod faults;
pub mod metadata;
pub mod reuse;
pub mod runtimes;
pub mod starts;
