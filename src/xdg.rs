//! The user's own folders, as the XDG Base Directory specification names them: a path that isn't absolute counts as none.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder that a variable names, if it is absolute.
pub(crate) fn absolute(variables: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variables(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// `kiln` in the folder that a variable names, else in `below` the user's home; `None` where there is neither.
pub(crate) fn own(variables: impl Fn(&str) -> Option<OsString>, name: &str, below: &str) -> Option<PathBuf> {
    let of_home = || absolute(&variables, "HOME").map(|home| home.join(below));
    absolute(&variables, name).or_else(of_home).map(|folder| folder.join("kiln"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_variables_if_that_is_absolute_else_below_home() {
        let of = |known: &[(&str, &str)]| {
            let named =
                |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into());
            own(named, "XDG_CACHE_HOME", ".cache")
        };
        for (variables, folder) in [
            (&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")][..], Some("/c/kiln")),
            (&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")], Some("/h/.cache/kiln")),
            (&[("XDG_CACHE_HOME", "/c")], Some("/c/kiln")),
            (&[("HOME", "h")], None),
            (&[], None),
        ] {
            assert_eq!(of(variables), folder.map(PathBuf::from), "{variables:?}");
        }
    }
}
