//! Kinds of actions: which runtime takes which, and those that need none.

use crate::function::Format;

/// A module.
pub(super) const WASM: &str = "wasm";
/// An image.
pub(super) const BLACKBOX: &str = "blackbox";
/// Actions after each other.
pub(super) const SEQUENCE: &str = "sequence";

/// What OpenWhisk's clients call a language's runtime that have no other wish.
const USUAL: [(&str, &str); 3] =
    [("js", "nodejs:default"), ("python", "python:3"), ("python", "python:default")];

/// A language's runtime as actions name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuntimeKinds {
    /// The runtime's name on the host.
    pub(super) runtime: String,
    /// The kinds it serves, as `nodejs:20` and `nodejs:default`.
    pub(super) kinds: Vec<String>,
    /// How source goes in.
    pub(super) format: Format,
}

/// All kinds that a host serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    runtimes: Vec<RuntimeKinds>,
}

impl Kinds {
    /// Runtimes of languages that OpenWhisk has are called as they are there, too.
    pub(super) fn new(mut runtimes: Vec<RuntimeKinds>) -> Self {
        for (name, kind) in USUAL {
            let taken = runtimes.iter().any(|runtime| runtime.kinds.iter().any(|known| known == kind));
            if let (false, Some(runtime)) =
                (taken, runtimes.iter_mut().find(|runtime| runtime.runtime == name))
            {
                runtime.kinds.push(kind.to_owned());
            }
        }
        Self { runtimes }
    }

    /// The runtime of a kind, and the kind as it is kept: `x:default` becomes the first of that family that is named by
    /// its version, where there is one.
    pub(super) fn resolve(&self, kind: &str) -> Option<(&str, String)> {
        let runtime = self
            .runtimes
            .iter()
            .find(|runtime| runtime.runtime == kind || runtime.kinds.iter().any(|known| known == kind))?;
        let resolved = kind.strip_suffix(":default").and_then(|family| {
            let of_family = |known: &&String| {
                known.strip_prefix(family).is_some_and(|rest| rest.starts_with(':') && rest != ":default")
            };
            runtime.kinds.iter().find(of_family)
        });
        Some((&runtime.runtime, resolved.cloned().unwrap_or_else(|| kind.to_owned())))
    }

    /// All of them, to be shown.
    pub(super) fn all(&self) -> Vec<String> {
        let runtimes = self.runtimes.iter().flat_map(|runtime| runtime.kinds.iter().cloned());
        runtimes.chain([WASM.to_owned(), BLACKBOX.to_owned()]).collect()
    }

    /// Whether a runtime takes whatever it is given, as OpenWhisk's do, archives and programs included.
    pub(super) fn takes_any_code(&self, runtime: &str) -> bool {
        let mut all = self.runtimes.iter();
        all.any(|known| known.runtime == runtime && known.format == Format::Openwhisk)
    }

    pub(super) fn runtimes(&self) -> &[RuntimeKinds] {
        &self.runtimes
    }
}

#[cfg(test)]
impl RuntimeKinds {
    pub(super) fn new(runtime: &str, kinds: &[&str]) -> Self {
        let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
        Self { runtime: runtime.into(), kinds, format: Format::Frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_leads_to_its_runtime() {
        let js = RuntimeKinds::new("js", &["js", "nodejs:default", "nodejs:20"]);
        let python = RuntimeKinds::new("python", &["python:default"]);
        let kinds = Kinds::new(vec![js, python]);
        assert_eq!(kinds.resolve("nodejs:default"), Some(("js", "nodejs:20".into())));
        assert_eq!(kinds.resolve("js"), Some(("js", "js".into())));
        assert_eq!(kinds.resolve("python:default"), Some(("python", "python:3".into())));
        assert_eq!(kinds.resolve("python"), Some(("python", "python".into())));
        assert_eq!(kinds.resolve("nodejs:6"), None);
        assert!(kinds.all().contains(&"blackbox".to_owned()));
    }
}
