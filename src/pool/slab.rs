//! Things at indices that are used again, with generations that aren't: a stale id finds nothing (`SEEDS.md D6`).
//!
//! In a table of a million each look costs what its cache lines cost, so each value begins a line of its own, which it
//! shares with its generation: 56 bytes at its beginning are had for one miss. What was free last is used first.

/// A table of `T`.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    holes: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), holes: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a value in, and says at which index and generation.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        self.len += 1;
        if let Some(index) = self.holes.pop()
            && let Some(entry) = self.entries.get_mut(index as usize)
        {
            entry.value = Some(value);
            return (index, entry.generation);
        }
        self.entries.push(Entry { generation: 0, value: Some(value) });
        ((self.entries.len() - 1) as u32, 0)
    }

    /// Takes the value at an index out; its id is stale from now on.
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.entries.get_mut(index as usize)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.holes.push(index);
        self.len -= 1;
        Some(value)
    }

    /// The value at an index.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize)?.value.as_ref()
    }

    /// The value at an index.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.value.as_mut()
    }

    /// The value that an index and a generation name.
    pub(super) fn find_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let entry = self.entries.get_mut(index as usize)?;
        if entry.generation == generation { entry.value.as_mut() } else { None }
    }

    /// The generation of the value at an index.
    pub(super) fn generation(&self, index: u32) -> u32 {
        self.entries.get(index as usize).map_or(0, |entry| entry.generation)
    }

    /// Whether an index and a generation name a value that is here.
    pub(super) fn has(&self, index: u32, generation: u32) -> bool {
        self.entries
            .get(index as usize)
            .is_some_and(|entry| entry.generation == generation && entry.value.is_some())
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All values with their indices. A walk: for rare events and checks only.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(index, entry)| Some((index, entry.value.as_ref()?)))
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
