//! How a host's containers are named and labelled, so that a later life of the same host knows them again.

use super::create::{LIFE, OWNER};
use crate::backend::StartSpec;
use crate::function::Function;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Names and labels of one life of a host.
pub(super) struct Names {
    owner: String,
    life: String,
}

impl Names {
    pub(super) fn new(owner: String) -> Self {
        Self { owner, life: format!("{:016x}", RandomState::new().build_hasher().finish()) }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// What tells this life from the host's others.
    pub(super) fn life(&self) -> &str {
        &self.life
    }

    /// A container's name. The life in it keeps it apart from what an earlier life left behind.
    pub(super) fn name(&self, number: u64) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
        let owner: String = self.owner.chars().map(plain).take(32).collect();
        format!("kiln-{owner}-{}-{number}", self.life)
    }

    /// The name of the container that holds a network namespace.
    pub(super) fn holder(&self, number: u64) -> String {
        format!("{}-network", self.name(number))
    }

    /// The labels of the container that holds a network namespace for a function.
    pub(super) fn holder_labels(&self, function: &Function) -> HashMap<String, String> {
        [
            (OWNER, self.owner.clone()),
            (LIFE, self.life.clone()),
            ("kiln.namespace", function.namespace.clone()),
            ("kiln.holds", "network".to_owned()),
            ("kiln.for", function.name.clone()),
        ]
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
    }

    pub(super) fn labels(&self, function: &Function, spec: &StartSpec) -> HashMap<String, String> {
        [
            (OWNER, self.owner.clone()),
            (LIFE, self.life.clone()),
            ("kiln.namespace", function.namespace.clone()),
            ("kiln.function", function.name.clone()),
            ("kiln.revision", spec.revision.to_string()),
            ("kiln.number", spec.number.to_string()),
        ]
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_engines_and_differ_between_lives() {
        let (one, two) = (Names::new("a b/c:8080".into()), Names::new("a b/c:8080".into()));
        assert!(
            one.name(7).starts_with("kiln-a-b-c-8080-") && one.name(7).ends_with("-7"),
            "{}",
            one.name(7)
        );
        assert_ne!(one.name(7), two.name(7));
    }
}
