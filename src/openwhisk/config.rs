//! What the API is set up with.

use super::auth::Namespace;
use super::limits::Ranges;
use crate::intake::IntakeConfig;

/// Settings of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenWhiskConfig {
    /// The namespaces and their keys.
    pub namespaces: Vec<Namespace>,
    /// Limits of actions and requests.
    pub ranges: Ranges,
    /// Where actions find the API, as `http://host:port`: their `__OW_API_HOST`.
    pub api_host: Option<String>,
    /// How long accepted work is tried, and how often.
    pub intake: IntakeConfig,
}
