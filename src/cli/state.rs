//! What outlives a server: its state folder, and in it the store and the key of namespace `guest`.
//!
//! The folder is `--state`, else `[host] state`, else `$STATE_DIRECTORY` (systemd), else `kiln` in `$XDG_STATE_HOME` or
//! `~/.local/state`. A server on a port of the system's choice is one of a moment: unless it is given a folder, it keeps its
//! state in memory.

use crate::error::{Error, Result};
use crate::intake::IntakeConfig;
use crate::manifest::{IntakeSettings, MEMORY, Manifest, StoreSettings};
use crate::openwhisk::{Namespace, OpenWhiskConfig, Ranges};
use crate::store::{Store, StoreConfig};
use crate::xdg;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The namespace that there is where none is declared.
const GUEST: &str = "guest";
const KEY_FILE: &str = "guest.key";
const STORE_FILE: &str = "kiln.redb";

/// Where state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    Folder(PathBuf),
}

impl Place {
    /// Where it is said to be, by the command line before the manifest.
    pub(super) fn given(argument: Option<&Path>, manifest: Option<&Path>) -> Option<Self> {
        argument.or(manifest).map(|path| match path.to_str() {
            Some(MEMORY) => Self::Memory,
            _ => Self::Folder(path.to_owned()),
        })
    }

    /// Where it is unless said.
    pub(super) fn usual() -> Self {
        usual(|name| std::env::var_os(name)).map_or(Self::Memory, Self::Folder)
    }

    /// The key of namespace `guest`, where a server has made one here.
    pub(super) fn guest_key(&self) -> Option<String> {
        let Self::Folder(folder) = self else { return None };
        std::fs::read_to_string(folder.join(KEY_FILE)).ok().map(|key| key.trim().to_owned())
    }

    /// Opens the store; makes the folder, for its owner alone, where there is none.
    pub(super) fn open(&self, settings: &StoreSettings) -> Result<Store> {
        let usual = StoreConfig::default();
        let limits = StoreConfig {
            max_bytes: settings.max_bytes.unwrap_or(usual.max_bytes),
            max_age: settings.max_age.unwrap_or(usual.max_age),
            ..usual
        };
        match self {
            Self::Memory => Store::memory_with(limits),
            Self::Folder(folder) => {
                make(folder).map_err(|error| {
                    let shown = folder.display();
                    Error::invalid(format!(
                        "can't make the state folder {shown}: {error}; give another with --state, or --state {MEMORY}"
                    ))
                })?;
                let opened = Store::open_with(folder.join(STORE_FILE), limits);
                opened.map_err(|error| error.context("give another folder with --state"))
            }
        }
    }
}

fn usual(variables: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let users = || xdg::own(&variables, "XDG_STATE_HOME", ".local/state");
    xdg::absolute(&variables, "STATE_DIRECTORY").or_else(users)
}

fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The namespaces of a manifest, or `guest` with the key that is kept in the state folder, made there at the first start.
/// With it, where a key that isn't declared can be read: a file, or what to say.
pub(super) fn namespaces(manifest: &Manifest, place: &Place) -> Result<(Vec<Namespace>, Option<String>)> {
    if !manifest.namespaces.is_empty() {
        let declared = manifest.namespaces.iter();
        let declared = declared.map(|one| Namespace { name: one.name.clone(), key: one.key.clone() });
        return Ok((declared.collect(), None));
    }
    if let Some(key) = place.guest_key() {
        return Ok((vec![Namespace { name: GUEST.into(), key }], said(place, "")));
    }
    let guest = Namespace::generate(GUEST)?;
    if let Place::Folder(folder) = place {
        write(&folder.join(KEY_FILE), &guest.key)?;
    }
    let said = said(place, &guest.key);
    Ok((vec![guest], said))
}

fn said(place: &Place, key: &str) -> Option<String> {
    Some(match place {
        Place::Memory => format!("the key of namespace {GUEST} is {key} until it ends"),
        Place::Folder(folder) => {
            format!("the key of namespace {GUEST} is in {}", folder.join(KEY_FILE).display())
        }
    })
}

/// Writes a key that nobody else may read.
fn write(file: &Path, key: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut to| {
        to.write_all(format!("{key}\n").as_bytes())?;
        to.sync_all()
    });
    match written {
        // Whoever was first has written it.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::invalid(format!("can't write the key {}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// The API's settings from a manifest's.
pub(super) fn config(namespaces: Vec<Namespace>, manifest: &Manifest) -> Result<OpenWhiskConfig> {
    let settings = &manifest.openwhisk;
    let mut ranges = Ranges::default();
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    for (to, from) in [
        (&mut ranges.memory.default, settings.memory.map(megabytes)),
        (&mut ranges.memory.min, settings.min_memory.map(megabytes)),
        (&mut ranges.memory.max, settings.max_memory.map(megabytes)),
        (&mut ranges.timeout.default, settings.timeout.map(millis)),
        (&mut ranges.timeout.max, settings.max_timeout.map(millis)),
        (&mut ranges.max_payload, settings.max_payload),
        (&mut ranges.max_result, settings.max_result),
        (&mut ranges.max_code, settings.max_code),
    ] {
        *to = from.unwrap_or(*to);
    }
    ranges.max_wait = settings.max_wait.unwrap_or(ranges.max_wait);
    // A default that nobody gave follows the range that somebody did.
    if settings.memory.is_none() {
        ranges.memory.default =
            ranges.memory.default.clamp(ranges.memory.min, ranges.memory.max.max(ranges.memory.min));
    }
    if settings.timeout.is_none() {
        ranges.timeout.default = ranges.timeout.default.min(ranges.timeout.max);
    }
    for (key, range) in [("memory", ranges.memory), ("timeout", ranges.timeout)] {
        if !(range.min..=range.max).contains(&range.default) {
            return Err(Error::invalid(format!(
                "[openwhisk] has a {key} of {} that isn't from {} to {}: give one within, or move the range",
                range.default, range.min, range.max
            )));
        }
    }
    let (api_host, intake) = (settings.api_host.clone(), intake(&manifest.intake));
    Ok(OpenWhiskConfig { namespaces, ranges, api_host, intake })
}

fn intake(settings: &IntakeSettings) -> IntakeConfig {
    let count = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    let usual = IntakeConfig::default();
    IntakeConfig {
        credit: count(settings.at_once).unwrap_or(usual.credit),
        max_attempts: settings.max_attempts.unwrap_or(usual.max_attempts),
        max_age: settings.max_age.unwrap_or(usual.max_age),
        max_works: count(settings.max_waiting).unwrap_or(usual.max_works),
        max_bytes: settings.max_bytes.unwrap_or(usual.max_bytes),
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_folder_is_systemds_else_the_users() {
        let of = |known: &[(&str, &str)]| {
            usual(|name| known.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into()))
        };
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(of(&[("STATE_DIRECTORY", "/var/lib/kiln"), ("HOME", "/h")]), path("/var/lib/kiln"));
        assert_eq!(of(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), path("/s/kiln"));
        assert_eq!(of(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), path("/h/.local/state/kiln"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().join("state"));
        drop(place.open(&StoreSettings::default()).unwrap());
        let manifest = Manifest::parse("kiln.toml", "").unwrap();
        let (first, said) = namespaces(&manifest, &place).unwrap();
        let (second, _) = namespaces(&manifest, &place).unwrap();
        assert_eq!((first[0].name.as_str(), &first[0].key), ("guest", &second[0].key));
        assert!(said.unwrap().contains("guest.key"));
        #[cfg(unix)]
        for (file, mode) in [("", 0o700), (KEY_FILE, 0o600), (STORE_FILE, 0o600)] {
            use std::os::unix::fs::PermissionsExt;
            let found = std::fs::metadata(folder.path().join("state").join(file)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode, "{file:?}");
        }
        let declared = Manifest::parse("kiln.toml", "[namespace.mine]\nkey = \"u:12345678\"").unwrap();
        let (found, said) = namespaces(&declared, &place).unwrap();
        assert_eq!((found[0].name.as_str(), said), ("mine", None));
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let of = |text: &str| config(Vec::new(), &Manifest::parse("k", text).unwrap());
        let ranges = of("[openwhisk]\nmax_memory = \"2GiB\"\nmax_wait = \"5s\"").unwrap().ranges;
        assert_eq!((ranges.memory.max, ranges.memory.default), (2048, 256));
        assert_eq!(of("[openwhisk]\nmax_memory = \"200MiB\"").unwrap().ranges.memory.default, 200);
        let error = of("[openwhisk]\nmemory = \"1GiB\"").unwrap_err();
        assert!(error.message().contains("memory of 1024 that isn't from 128 to 512"), "{error}");
    }
}
