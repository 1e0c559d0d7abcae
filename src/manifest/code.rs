//! What functions and runtimes are made of: files that have to be there, and images.

use super::section::{Entry, Section, show};
use crate::function::{Image, Module, PullPolicy, Source};
use std::path::{Path, PathBuf};

/// A module's file.
pub(super) fn wasm(section: &mut Section<'_>, folder: &Path) -> Option<PathBuf> {
    file(section, "wasm", "the path of a .wasm or .wat file, relative to the manifest's folder", folder)
}

/// Source, with the runtime that loads it and what of it is called.
pub(super) fn source(section: &mut Section<'_>, folder: &Path) -> Option<Source> {
    let at = section.place("source");
    let file = file(
        section,
        "source",
        "the path of a file, as \"hello.js\", relative to the manifest's folder",
        folder,
    );
    let (runtime_at, main_at) = (section.place("runtime"), section.place("main"));
    let runtime = section.text("runtime", "a runtime's name or kind, as \"js\"");
    let main = section.text("main", "the name of the function to call, as \"main\"");
    let snapshot_at = section.place("snapshot");
    let snapshot = section.flag("snapshot");
    let Some(file) = file else {
        for (key, at) in [("runtime", runtime_at), ("main", main_at), ("snapshot", snapshot_at)] {
            if let Some(at) = at {
                section
                    .faults
                    .add(at, format!("`{key}` is for source functions: give `source`, or leave it out"));
            }
        }
        return None;
    };
    let runtime = runtime.or_else(|| Source::runtime_of(&file));
    // Of a file that couldn't be told it has been said already.
    if runtime.is_none()
        && runtime_at.is_none()
        && !file.as_os_str().is_empty()
        && let Some(at) = at
    {
        section.faults.add(
            at,
            format!("`source` is {file:?}, whose name doesn't say its language: give `runtime`, as \"js\""),
        );
    }
    // Reported or not, it was given: that it has no code isn't what is wrong.
    let mut source = Source::new(runtime.unwrap_or("unknown"), Module::File(file));
    source.snapshot = snapshot.unwrap_or(source.snapshot);
    if let Some(main) = main {
        source.main = main.into();
    }
    Some(source)
}

/// A missing file is reported and kept: the function has code, if not there.
fn file(section: &mut Section<'_>, key: &'static str, right: &str, folder: &Path) -> Option<PathBuf> {
    let entry = section.take(key)?;
    let Some(text) = entry.value.as_str().filter(|text| !text.is_empty()) else {
        let found = show(entry.value);
        section.faults.add(entry.at, format!("`{key}` is {found}: give {right}"));
        return Some(PathBuf::new());
    };
    let file = folder.join(text);
    if !file.is_file() {
        let message = format!("`{key}` is {text:?}, but there is no file {}: give {right}", file.display());
        section.faults.add(entry.at, message);
    }
    Some(file)
}

pub(super) fn image(section: &mut Section<'_>) -> Option<Image> {
    let named = section.take("image");
    let policies =
        [("never", PullPolicy::Never), ("if-missing", PullPolicy::IfMissing), ("always", PullPolicy::Always)];
    let pull = section.choice("pull", &policies).unwrap_or_default();
    let Entry { value, at, .. } = named?;
    let reference = value.as_str().filter(|text| !text.is_empty());
    if reference.is_none() {
        section.faults.add(at, format!("`image` is {}: give an image's name, as \"echo:1\"", show(value)));
    }
    // Reported or not, it was given: that it has no code isn't what is wrong.
    Some(Image { reference: reference.unwrap_or_default().into(), pull })
}
