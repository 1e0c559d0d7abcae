//! Things at indices that are used again, with generations that aren't: a stale id finds nothing (`SEEDS.md D6`).
//!
//! In a table of a million each look costs what its cache lines cost, so each value begins a line of its own, which it
//! shares with its generation: 56 bytes at its beginning are had for one miss. What was free last is used first.

/// A table of `T`.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    holes: Vec<u32>,
}

/// A value that stays where it was when it is taken out: an `Option` would keep its mark somewhere in the value, and cost
/// the line that that is in.
#[derive(Debug)]
#[repr(C, align(64))]
struct Entry<T> {
    generation: u32,
    there: bool,
    value: T,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), holes: Vec::new() }
    }
}

impl<T: Copy> Slab<T> {
    /// Puts a value in, and says at which index and generation.
    #[inline]
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(index) = self.holes.pop()
            && let Some(entry) = self.entries.get_mut(index as usize)
        {
            entry.value = value;
            entry.there = true;
            return (index, entry.generation);
        }
        self.entries.push(Entry { generation: 0, there: true, value });
        ((self.entries.len() - 1) as u32, 0)
    }

    /// Takes the value at an index out; its id is stale from now on.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.there)?;
        entry.there = false;
        entry.generation = entry.generation.wrapping_add(1);
        self.holes.push(index);
        Some(entry.value)
    }

    /// Takes the value at an index out where nobody wants it.
    #[inline]
    pub(super) fn discard(&mut self, index: u32) {
        if let Some(entry) = self.entries.get_mut(index as usize).filter(|entry| entry.there) {
            entry.there = false;
            entry.generation = entry.generation.wrapping_add(1);
            self.holes.push(index);
        }
    }

    /// Reads the line of an index and does nothing with it, so that it is on its way when it is needed.
    pub(super) fn touch(&self, index: u32) {
        std::hint::black_box(self.generation(index));
    }

    /// The value at an index.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize).filter(|entry| entry.there).map(|entry| &entry.value)
    }

    /// The value at an index.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize).filter(|entry| entry.there).map(|entry| &mut entry.value)
    }

    /// The value that an index and a generation name.
    pub(super) fn find_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        self.entries
            .get_mut(index as usize)
            .filter(|entry| entry.generation == generation && entry.there)
            .map(|entry| &mut entry.value)
    }

    /// The generation of the value at an index.
    pub(super) fn generation(&self, index: u32) -> u32 {
        self.entries.get(index as usize).map_or(0, |entry| entry.generation)
    }

    /// Whether an index and a generation name a value that is here.
    pub(super) fn has(&self, index: u32, generation: u32) -> bool {
        self.entries.get(index as usize).is_some_and(|entry| entry.generation == generation && entry.there)
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.holes.len()
    }

    /// All values with their indices. A walk: for rare events and checks only.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.there)
            .map(|(index, entry)| (index, &entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut slab = Slab::default();
        let (index, generation) = slab.insert('a');
        assert!(slab.has(index, generation));
        assert_eq!(slab.remove(index), Some('a'));
        assert_eq!(slab.remove(index), None);
        let (again, younger) = slab.insert('b');
        assert_eq!(again, index);
        assert!(!slab.has(index, generation) && slab.has(again, younger));
        assert!(!slab.has(7, 0));
        assert_eq!(slab.len(), 1);
    }
}
