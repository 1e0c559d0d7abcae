//! Source code, and the runtime that loads it.

use super::Module;
use std::path::Path;

/// What `main` is where nobody says.
const MAIN: &str = "main";

/// Source of a function. A sandbox of the runtime, a stem cell, is given it once, and serves that function from then on.
/// Beside an image of format `openwhisk` it is what that image's own sandboxes are given, and names no runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The runtime's name, or one of its kinds: `js`, `nodejs:default`. Empty beside an image.
    pub runtime: String,
    /// The code, as its author wrote it.
    pub code: Module,
    /// Whether the code is an archive or a program, as its runtime takes them, and not text.
    pub binary: bool,
    /// What of it is called with each request's parameters.
    pub main: String,
    /// Whether a snapshot of the runtime with this code loaded may be taken, so that later sandboxes start from there.
    pub snapshot: bool,
    /// The name that errors show, as `hello.js`. Empty: the file's own name, or else the function's.
    pub file: String,
}

impl Source {
    /// Source for a runtime, with `main` as its entry.
    pub fn new(runtime: impl Into<String>, code: Module) -> Self {
        Self {
            runtime: runtime.into(),
            code,
            binary: false,
            main: MAIN.into(),
            snapshot: true,
            file: String::new(),
        }
    }

    /// The name of the runtime that files like this one are meant for, by its extension.
    pub fn runtime_of(file: &Path) -> Option<&'static str> {
        match file.extension()?.to_str()? {
            "js" | "mjs" | "cjs" => Some("js"),
            "py" => Some("python"),
            _ => None,
        }
    }

    /// The name that errors show of a function called `function`.
    pub fn shown<'a>(&'a self, function: &'a str) -> &'a str {
        let named = match &self.code {
            _ if !self.file.is_empty() => Some(self.file.as_str()),
            Module::File(file) => file.file_name().and_then(|name| name.to_str()),
            Module::Bytes(_) => None,
        };
        named.unwrap_or(function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_the_name_given_else_the_files_else_the_functions() {
        let mut source = Source::new("js", Module::File("a/hello.js".into()));
        assert_eq!(source.shown("greet"), "hello.js");
        source.file = "x.js".into();
        assert_eq!(source.shown("greet"), "x.js");
        assert_eq!(Source::new("js", Module::Bytes(Default::default())).shown("greet"), "greet");
    }

    #[test]
    fn an_extension_names_its_runtime() {
        let of = |file: &str| Source::runtime_of(Path::new(file));
        assert_eq!((of("a.js"), of("b/c.mjs"), of("d.py")), (Some("js"), Some("js"), Some("python")));
        assert_eq!((of("a.wasm"), of("js")), (None, None));
    }
}
