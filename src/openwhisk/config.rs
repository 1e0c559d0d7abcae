//! What the API is set up with.

use super::auth::Namespace;
use super::limits::Ranges;

/// Settings of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenWhiskConfig {
    /// The namespaces and their keys.
    pub namespaces: Vec<Namespace>,
    /// Limits of actions and requests.
    pub ranges: Ranges,
}
