//! What a runtime's sandbox is given, once, to become a function's (`SEEDS.md W22`).

use bytes::Bytes;
use std::collections::BTreeMap;

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
    /// The code, as its author wrote it.
    pub code: Bytes,
    /// Its environment. It is set before the code is loaded.
    pub env: BTreeMap<String, String>,
}
