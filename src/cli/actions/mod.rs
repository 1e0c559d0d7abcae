//! Commands that speak OpenWhisk's API: to a running server, or with `--local` to one made for the command alone over the
//! same state folder.

mod activations;
mod api;
pub(super) mod args;
mod call;
mod deploy;
mod logs;
mod manage;
mod pairs;

pub(super) use activations::activations;
pub(super) use api::key;
pub(super) use call::{Wanted, call};
pub(super) use deploy::deploy;
pub(super) use logs::logs;
pub(super) use manage::{delete, get};
