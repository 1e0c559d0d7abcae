//! The Docker backend, against a real engine and against ones that misbehave.
#![cfg(feature = "docker")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[cfg(target_os = "linux")]
#[path = "../common/compiled.rs"]
mod compiled;
#[path = "../common/docker.rs"]
mod docker;
#[path = "../common/driver.rs"]
mod driver;
#[path = "../common/engines.rs"]
mod engines;

#[cfg(target_os = "linux")]
mod action;
mod calls;
mod ends;
mod faults;
#[cfg(target_os = "linux")]
mod guests;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod init;
mod networks;
mod rights;
mod scripted;
#[cfg(target_os = "linux")]
mod shared;
mod starts;
#[cfg(target_os = "linux")]
mod whisk;
