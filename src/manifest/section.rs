//! One table of a manifest: keys are taken out of it by type, and what is left at the end is unknown.

use super::faults::{Faults, nearest, one_of};
use super::units;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, its key, and where each stands.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_at: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) at: Range<usize>,
}

/// A table that is being read.
pub(super) struct Section<'a> {
    name: String,
    left: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    pub(super) faults: &'a Faults<'a>,
}

impl<'a> Section<'a> {
    /// `name` is how mistakes call it: `[host]`.
    pub(super) fn new(name: impl Into<String>, table: &'a DeTable<'a>, faults: &'a Faults<'a>) -> Self {
        let left = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().as_ref(),
                key_at: key.span(),
                value: value.get_ref(),
                at: value.span(),
            })
            .collect();
        Self { name: name.into(), left, known: Vec::new(), faults }
    }

    /// Every entry, whatever its key: for tables whose keys are the user's.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        self.left.into_iter()
    }

    /// Takes a key out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        let at = self.left.iter().position(|entry| entry.key == key)?;
        Some(self.left.swap_remove(at))
    }

    /// Where a key's value stands, if the key is there.
    pub(super) fn place(&self, key: &str) -> Option<Range<usize>> {
        self.left.iter().find(|entry| entry.key == key).map(|entry| entry.at.clone())
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        right: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, Option<String>>,
    ) -> Option<T> {
        let entry = self.take(key)?;
        match read(entry.value) {
            Ok(value) => Some(value),
            Err(why) => {
                let why = why.unwrap_or_else(|| format!("is {}: give {right}", show(entry.value)));
                self.faults.add(entry.at, format!("`{key}` {why}"));
                None
            }
        }
    }

    /// A size with its unit, in bytes.
    pub(super) fn size(&mut self, key: &'static str) -> Option<u64> {
        self.read(key, "a size with its unit, as \"64MiB\"", |value| {
            let text = value.as_str().ok_or(None)?;
            units::parse_size(text).map_err(|why| Some(format!("is {text:?}, {why}")))
        })
    }

    /// A duration with its unit.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.read(key, "a duration with its unit, as \"10s\"", |value| {
            let text = value.as_str().ok_or(None)?;
            units::parse_duration(text).map_err(|why| Some(format!("is {text:?}, {why}")))
        })
    }

    /// A whole number from 0.
    pub(super) fn count(&mut self, key: &'static str) -> Option<u32> {
        self.read(key, "a whole number from 0 to 4294967295", |value| {
            let number = value.as_integer().ok_or(None)?;
            u32::from_str_radix(number.as_str(), number.radix()).map_err(|_| None)
        })
    }

    /// A TCP port.
    pub(super) fn port(&mut self, key: &'static str) -> Option<u16> {
        self.read(key, "a port, from 1 to 65535", |value| {
            let number = value.as_integer().ok_or(None)?;
            u16::from_str_radix(number.as_str(), number.radix()).map_err(|_| None)
        })
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str, right: &str) -> Option<&'a str> {
        self.read(key, right, |value| value.as_str().filter(|text| !text.is_empty()).ok_or(None))
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| value.as_bool().ok_or(None))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let right = one_of(&words).replace('`', "\"");
        self.read(key, &right, |value| {
            let text = value.as_str().ok_or(None)?;
            choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or(None)
        })
    }

    /// A list of strings.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a list of strings, as [\"a\", \"b\"]", |value| {
            let list = value.as_array().ok_or(None)?;
            list.iter().map(|item| item.get_ref().as_str().map(str::to_owned).ok_or(None)).collect()
        })
    }

    /// A list, its items with their places.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        right: &str,
    ) -> Option<impl Iterator<Item = &'a Spanned<DeValue<'a>>> + use<'a>> {
        self.read(key, right, |value| Ok(value.as_array().ok_or(None)?.iter()))
    }

    /// A table of strings.
    pub(super) fn map(&mut self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let right = "a table of strings, as { NAME = \"value\" }";
        let entries: Vec<_> = self
            .read(key, right, |value| Ok(Section::new("", value.as_table().ok_or(None)?, self.faults)))?
            .entries()
            .collect();
        let mut map = BTreeMap::new();
        for Entry { key: name, value, at, .. } in entries {
            match value.as_str() {
                Some(text) => drop(map.insert(name.to_owned(), text.to_owned())),
                None => self.faults.add(
                    at,
                    format!("`{key}.{name}` is {}: give a string, as \"{}\"", show(value), plain(value)),
                ),
            }
        }
        Some(map)
    }

    /// A table within.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let faults = self.faults;
        let name = match self.name.strip_suffix(']') {
            Some(outer) => format!("{outer}.{key}]"),
            None => format!("[{key}]"),
        };
        self.read(key, &format!("a table, as {name}"), |value| {
            Ok(Section::new(&name, value.as_table().ok_or(None)?, faults))
        })
    }

    /// Reports what nobody took.
    pub(super) fn finish(mut self) {
        self.known.sort_unstable();
        for entry in &self.left {
            let right = match nearest(entry.key, &self.known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("give {}", one_of(&self.known)),
            };
            let message = format!("unknown key `{}` in {}: {right}", entry.key, self.name);
            self.faults.add(entry.key_at.clone(), message);
        }
    }
}

/// A value as a mistake names it.
pub(super) fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => {
            format!("the {} {}", value.type_str(), plain(value))
        }
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Array(list) if list.is_empty() => "an empty list".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => "...".into(),
    }
}
