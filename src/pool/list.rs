//! Lists threaded through the values of a slab: in and out at any place, without allocation.

use super::slab::Slab;

/// No index.
const NIL: u32 = u32::MAX;

/// An index or none, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) const NONE: Self = Self(NIL);

    pub(super) const fn of(index: u32) -> Self {
        Self(index)
    }

    pub(super) fn get(self) -> Option<u32> {
        (self.0 != NIL).then_some(self.0)
    }
}

/// A value's neighbours in the one list that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NIL, after: NIL }
    }
}

/// What can be in a list.
pub(super) trait Linked {
    fn links(&mut self) -> &mut Links;
    fn after(&self) -> Links;
}

/// A list of a slab's values.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    front: u32,
    back: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { front: NIL, back: NIL, len: 0 }
    }
}

impl List {
    /// A list of one value, which is in no other.
    pub(super) const fn of(index: u32) -> Self {
        Self { front: index, back: index, len: 1 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn front(&self) -> Option<u32> {
        (self.front != NIL).then_some(self.front)
    }

    pub(super) fn back(&self) -> Option<u32> {
        (self.back != NIL).then_some(self.back)
    }

    #[inline]
    pub(super) fn push_front<T: Linked + Copy>(&mut self, slab: &mut Slab<T>, index: u32) {
        self.put_links(slab, index, Links { before: NIL, after: self.front });
        match slab.get_mut(self.front) {
            Some(next) => next.links().before = index,
            None => self.back = index,
        }
        self.front = index;
        self.len += 1;
    }

    pub(super) fn push_back<T: Linked + Copy>(&mut self, slab: &mut Slab<T>, index: u32) {
        self.put_links(slab, index, Links { before: self.back, after: NIL });
        match slab.get_mut(self.back) {
            Some(previous) => previous.links().after = index,
            None => self.front = index,
        }
        self.back = index;
        self.len += 1;
    }

    /// Puts a value before one that is in this list.
    pub(super) fn insert_before<T: Linked + Copy>(&mut self, slab: &mut Slab<T>, at: u32, index: u32) {
        let Some(next) = slab.get_mut(at) else { return };
        let before = std::mem::replace(&mut next.links().before, index);
        self.put_links(slab, index, Links { before, after: at });
        match slab.get_mut(before) {
            Some(previous) => previous.links().after = index,
            None => self.front = index,
        }
        self.len += 1;
    }

    /// Takes a value out that is in this list.
    #[inline]
    pub(super) fn remove<T: Linked + Copy>(&mut self, slab: &mut Slab<T>, index: u32) {
        let Some(value) = slab.get_mut(index) else { return };
        let links = std::mem::take(value.links());
        match slab.get_mut(links.before) {
            Some(previous) => previous.links().after = links.after,
            None => self.front = links.after,
        }
        match slab.get_mut(links.after) {
            Some(next) => next.links().before = links.before,
            None => self.back = links.before,
        }
        self.len -= 1;
    }

    /// The indices from the front on.
    pub(super) fn iter<T: Linked + Copy>(&self, slab: &Slab<T>) -> impl Iterator<Item = u32> {
        std::iter::successors(self.front(), |&index| {
            let after = slab.get(index)?.after().after;
            (after != NIL).then_some(after)
        })
    }

    fn put_links<T: Linked + Copy>(&self, slab: &mut Slab<T>, index: u32, links: Links) {
        if let Some(value) = slab.get_mut(index) {
            *value.links() = links;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Bead(Links);

    impl Linked for Bead {
        fn links(&mut self) -> &mut Links {
            &mut self.0
        }
        fn after(&self) -> Links {
            self.0
        }
    }

    #[test]
    fn beads_come_and_go_at_any_place() {
        let mut slab = Slab::default();
        for _ in 0..4 {
            slab.insert(Bead::default());
        }
        let mut list = List::default();
        for index in [1, 2, 3] {
            list.push_back(&mut slab, index);
        }
        list.push_front(&mut slab, 0);
        list.remove(&mut slab, 2);
        list.insert_before(&mut slab, 3, 2);
        list.remove(&mut slab, 0);
        list.insert_before(&mut slab, 1, 0);
        assert_eq!(list.iter(&slab).collect::<Vec<_>>(), [0, 1, 2, 3]);
        list.remove(&mut slab, 1);
        list.remove(&mut slab, 3);
        list.remove(&mut slab, 0);
        assert_eq!((list.front(), list.back(), list.len()), (Some(2), Some(2), 1));
        list.remove(&mut slab, 2);
        assert!(list.is_empty() && list.front().is_none() && list.back().is_none());
    }
}
