//! Python files as one program: `__main__.py` is run, and `import` finds the others in it.

use super::{Files, quoted, unfit};
use crate::openwhisk::refusal::Result;
use std::fmt::Write;

/// The entry of an archive.
const MAIN: &str = "__main__.py";

/// An importer of files that are texts. It needs nothing but what is in every interpreter from its start.
const IMPORTER: &str = r#"

class _Archive:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        base = name.replace(".", "/")
        for file, package in ((base + "/__init__.py", True), (base + ".py", False)):
            if file in _FILES:
                spec = _spec(name, cls, origin=file, is_package=package)
                spec.has_location = False
                return spec
        folder = base + "/"
        if any(file.startswith(folder) for file in _FILES):
            return _spec(name, cls, origin=base, is_package=True)
        return None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        file = module.__spec__.origin
        if file in _FILES:
            module.__file__ = file
            exec(_code(file), module.__dict__)


def _spec(*args, **named):
    import _frozen_importlib
    return _frozen_importlib.ModuleSpec(*args, **named)


def _code(file):
    import linecache
    text = _FILES[file]
    # For the lines of code in tracebacks.
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    return compile(text, file, "exec", dont_inherit=True)


def _install():
    import sys
    # Before all others: a file of the archive's wins, as it would from the folder that a program is run in.
    sys.meta_path.insert(0, _Archive)


_install()
"#;

/// The program of an archive.
pub(super) fn bundle(files: &Files) -> Result<String> {
    if !files.contains_key(MAIN) {
        return Err(unfit(format!("there is no {MAIN} in it: give the file with the function that name")));
    }
    let mut text = String::from("_FILES = {\n");
    for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(".py")) {
        let file = std::str::from_utf8(bytes).map_err(|_| unfit(format!("{path:?} in it isn't UTF-8")))?;
        let file = file.strip_prefix('\u{feff}').unwrap_or(file);
        let written = writeln!(text, "    {}: {},", quoted(path), quoted(file));
        written.map_err(|error| unfit(format!("it can't be written as a program: {error}")))?;
    }
    text.push('}');
    text.push_str(IMPORTER);
    let last = writeln!(text, "exec(_code({}), globals())", quoted(MAIN));
    last.map_err(|error| unfit(format!("it can't be written as a program: {error}")))?;
    Ok(text)
}
