//! What a runtime's sandbox is given, once, to become a function's (`SEEDS.md W22`).

use crate::invocation::{Caller, InvocationId};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// A function's source and all else that its runtime has to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// Whose the function is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What of the code is called with each request's parameters.
    pub main: String,
    /// The code's name in errors.
    pub file: String,
    /// The code, as its author wrote it; empty where the sandbox has it already.
    pub code: Bytes,
    /// Whether the code is an archive or a program, and not text.
    pub binary: bool,
    /// Its environment. It is set before the code is loaded.
    pub env: BTreeMap<String, String>,
}

/// The request that a sandbox gets its function for. A snapshot is taken for none.
#[derive(Clone, Copy, Debug)]
pub struct First<'a> {
    /// The invocation's id.
    pub id: InvocationId,
    /// When its time will be up, as far as that is known.
    pub deadline: SystemTime,
    /// Who asks, where that is known.
    pub caller: Option<Caller<'a>>,
}
