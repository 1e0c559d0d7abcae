//! `kiln.toml`: what a host runs.
