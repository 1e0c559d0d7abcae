//! What a component may ask for, and what is said of the rest when it is deployed.

use super::{Preview, split};
use crate::error::{Error, Result};
use std::fmt::Write;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The packages that are there, each in its versions 0.2 and 0.3.
#[cfg(not(feature = "http-components"))]
const OFFERED: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];
#[cfg(feature = "http-components")]
const OFFERED: [&str; 7] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];

/// Packages that components in the wild ask for, and what does instead. A name ends with `:` where it is a whole namespace.
const INSTEAD: [(&str, &str); 5] = [
    ("wasi:config", "read settings with `wasi:cli/environment`, and give them as the function's `env`"),
    ("wasi:keyvalue", "keep state in a service, and name its host in the function's `outbound`"),
    ("wasi:blobstore", "keep files in a service, or in a folder given as the function's `dirs`"),
    (
        "fermyon:",
        "build it for `wasi:http` without Spin's own interfaces, or compose it with what provides them (`wac plug`)",
    ),
    (
        "spin:",
        "build it for `wasi:http` without Spin's own interfaces, or compose it with what provides them (`wac plug`)",
    ),
];

/// Checks that all it imports is there; else each missing interface is named, and what does instead.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<()> {
    let of_component = component.component_type();
    let missing: Vec<&str> =
        of_component.imports(engine).map(|(name, _)| name).filter(|name| !is_offered(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::invalid(refusal(&missing))) }
}

fn refusal(missing: &[&str]) -> String {
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let offered: Vec<&str> = OFFERED.iter().map(|name| name.trim_start_matches("wasi:")).collect();
    let mut text = format!(
        "it imports {}, which nothing provides: only {} of WASI 0.2{} are there",
        names.join(", "),
        offered.join(", "),
        if cfg!(feature = "preview3") { " and 0.3" } else { "" },
    );
    for (package, instead) in INSTEAD {
        if missing.iter().any(|name| belongs(name, package)) {
            let _ = write!(text, "; instead of `{package}`, {instead}");
        }
    }
    text
}

fn belongs(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| package.ends_with(':') || rest.starts_with('/'))
}

fn is_offered(name: &str) -> bool {
    let (interface, preview) = split(name);
    let is_there =
        preview == Some(Preview::Two) || cfg!(feature = "preview3") && preview == Some(Preview::Three);
    is_there && interface.split_once('/').is_some_and(|(package, _)| OFFERED.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_told_by_package_and_version() {
        for name in ["wasi:io/streams@0.2.0", "wasi:sockets/tcp@0.2.12", "wasi:cli/exit@0.2.3"] {
            assert!(is_offered(name), "{name}");
        }
        assert_eq!(is_offered("wasi:http/types@0.2.0"), cfg!(feature = "http-components"));
        assert_eq!(is_offered("wasi:cli/stdout@0.3.0"), cfg!(feature = "preview3"));
        for name in ["wasi:io/streams@0.4.0", "wasi:io/streams", "wasi:clock/x@0.2.0", "run", "a/b"] {
            assert!(!is_offered(name), "{name}");
        }
    }

    #[test]
    fn each_missing_interface_is_named_and_what_does_instead() {
        let text =
            refusal(&["wasi:config/store@0.2.0-rc.1", "fermyon:spin/key-value@2.0.0", "wasi:configure/x"]);
        for part in [
            "it imports `wasi:config/store@0.2.0-rc.1`, `fermyon:spin/key-value@2.0.0`, `wasi:configure/x`, which",
            "instead of `wasi:config`, read settings",
            "instead of `fermyon:`, build it",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("keyvalue"), "{text}");
    }
}
