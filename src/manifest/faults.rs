//! What is wrong with a file, and where: collected while it is read, shown together.

use crate::error::{Error, Result};
use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

/// The mistakes found so far in one file.
pub(super) struct Faults<'a> {
    file: &'a Path,
    text: &'a str,
    found: RefCell<Vec<(usize, String)>>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    /// Notes one: lower case, what was found, then what would be right.
    pub(super) fn add(&self, at: Range<usize>, message: impl Into<String>) {
        self.found.borrow_mut().push((at.start, message.into()));
    }

    /// All of them as one error, in the file's order, a line each.
    pub(super) fn check(&self) -> Result<()> {
        let mut found = self.found.take();
        if found.is_empty() {
            return Ok(());
        }
        found.sort();
        let lines: Vec<_> = found
            .iter()
            .map(|(at, message)| {
                let (line, column) = position(self.text, *at);
                format!("{}:{line}:{column}: {message}", self.file.display())
            })
            .collect();
        Err(Error::invalid(lines.join("\n")))
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before.get(line_start..).unwrap_or("").chars().count() + 1)
}

/// The known word that is nearest to an unknown one, if any is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let far = word.chars().count().max(4) / 2;
    let best = known.iter().map(|other| (distance(word, other), *other)).min()?;
    (best.0 <= far.min(3)).then_some(best.1)
}

/// How many characters must be added, removed, changed or swapped with their neighbour to make one word the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let (mut before_last, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=to.len()).collect());
    let mut previous = None;
    for (row, a) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &b) in to.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (get(&last, column) + usize::from(a != b))
                .min(get(&last, column + 1) + 1)
                .min(get(&current, column) + 1);
            let swapped = column > 0 && Some(b) == previous && to.get(column - 1) == Some(&a);
            if swapped {
                cost = cost.min(get(&before_last, column - 1) + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(a);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// Words as a reader takes them in: `a`, `b` or `c`.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let text = "a\nüb c\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('c').unwrap()), (2, 4));
        assert_eq!(position(text, 1000), (3, 1));
    }

    #[test]
    fn a_slip_finds_its_word_and_nonsense_none() {
        let known = ["memory", "timeout", "env", "format"];
        for (word, meant) in [
            ("memroy", Some("memory")),
            ("tiemout", Some("timeout")),
            ("envs", Some("env")),
            ("fromat", Some("format")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
        assert_eq!((distance("ab", "ba"), distance("kitten", "sitting")), (1, 3));
    }
}
