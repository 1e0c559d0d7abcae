//! Who is next: a line for each function, in turns. Pure: the time is an argument, and work is a number.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Namespace and name of a function.
pub(super) type Of = Arc<(String, String)>;

/// Work that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) of: Of,
    pub(super) bytes: u64,
    /// Attempts that are counted.
    pub(super) attempts: u32,
    /// Found at the start: it may have been under way when the process died, so that its next attempt is written down before
    /// it begins.
    pub(super) found: bool,
}

#[derive(Debug, Default)]
struct Line {
    ready: VecDeque<Entry>,
    running: usize,
}

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<Of, Line>,
    /// Functions with ready work; the first is next.
    turns: VecDeque<Of>,
    /// By the moment from which they are ready.
    later: BTreeMap<(u64, u64), Entry>,
    running: HashMap<u64, Entry>,
    /// All credit there is: the most that was under way and asked for together.
    credit: usize,
    running_bytes: u64,
    pub(super) works: usize,
    pub(super) bytes: u64,
}

impl Lines {
    /// Counts work that comes; false if there would be too much.
    pub(super) fn reserve(&mut self, bytes: u64, max_works: usize, max_bytes: u64) -> bool {
        let fits = self.works < max_works && self.bytes.saturating_add(bytes) <= max_bytes;
        if fits {
            self.works += 1;
            self.bytes += bytes;
        }
        fits
    }

    /// Work that was reserved didn't come.
    pub(super) fn forget(&mut self, bytes: u64) {
        self.works = self.works.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Work that was reserved is there, ready from this moment on.
    pub(super) fn add(&mut self, entry: Entry, from: u64) {
        if from > 0 {
            self.later.insert((from, entry.number), entry);
        } else {
            self.ready(entry, false);
        }
    }

    fn ready(&mut self, entry: Entry, first: bool) {
        let line = self.lines.entry(entry.of.clone()).or_default();
        if line.ready.is_empty() {
            self.turns.push_back(entry.of.clone());
        }
        if first { line.ready.push_front(entry) } else { line.ready.push_back(entry) }
    }

    /// Takes up to `credit` works, one of each function in turn. While `n` functions have work, each has at most one part in
    /// `n + 1` of all credit under way, so that one that is stuck leaves some to the next that comes. What is under way takes at
    /// most `max_bytes`, unless it is one work alone.
    pub(super) fn take(&mut self, now: u64, credit: usize, max_bytes: u64) -> Vec<Entry> {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let entry = first.remove();
            self.ready(entry, false);
        }
        self.credit = self.credit.max(self.running.len() + credit);
        let share = (self.credit / (self.lines.len() + 1)).max(1);
        let mut taken = Vec::new();
        let mut held_back = Vec::new();
        while taken.len() < credit
            && let Some(of) = self.turns.pop_front()
        {
            let Some(line) = self.lines.get_mut(&of) else { continue };
            if line.running >= share {
                held_back.push(of);
                continue;
            }
            let bytes = line.ready.front().map_or(0, |entry| entry.bytes);
            if !self.running.is_empty() && self.running_bytes.saturating_add(bytes) > max_bytes {
                // Nothing smaller goes before it, or it would never go.
                held_back.push(of);
                break;
            }
            let Some(entry) = line.ready.pop_front() else { continue };
            line.running += 1;
            self.running_bytes += entry.bytes;
            if !line.ready.is_empty() {
                self.turns.push_back(of);
            }
            self.running.insert(entry.number, entry.clone());
            taken.push(entry);
        }
        for of in held_back.into_iter().rev() {
            self.turns.push_front(of);
        }
        taken
    }

    /// Work under way has ended; `None` if it wasn't.
    pub(super) fn end(&mut self, number: u64) -> Option<Entry> {
        let entry = self.leave(number)?;
        self.forget(entry.bytes);
        Some(entry)
    }

    /// Work under way waits again, with so many attempts counted; `None` if it wasn't under way.
    pub(super) fn again(&mut self, number: u64, attempts: u32, from: u64) -> Option<()> {
        let entry = self.leave(number)?;
        self.add(Entry { attempts, found: false, ..entry }, from.max(1));
        Some(())
    }

    /// Work under way goes back to where it was: nobody came for it.
    pub(super) fn put_back(&mut self, number: u64) {
        if let Some(entry) = self.leave(number) {
            self.ready(entry, true);
        }
    }

    fn leave(&mut self, number: u64) -> Option<Entry> {
        let entry = self.running.remove(&number)?;
        self.running_bytes = self.running_bytes.saturating_sub(entry.bytes);
        if let Some(line) = self.lines.get_mut(&entry.of) {
            line.running = line.running.saturating_sub(1);
            if line.running == 0 && line.ready.is_empty() {
                self.lines.remove(&entry.of);
            }
        }
        Some(entry)
    }

    /// Attempts of work under way that are counted.
    pub(super) fn attempts(&self, number: u64) -> u32 {
        self.running.get(&number).map_or(0, |entry| entry.attempts)
    }

    /// When the next work that pauses is ready.
    pub(super) fn next(&self) -> Option<u64> {
        self.later.keys().next().map(|(from, _)| *from)
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn pausing(&self) -> usize {
        self.later.len()
    }
}
