//! Bytes that wait for a container's stdin, whichever way they go there.

use bytes::{Buf, Bytes};
use std::collections::{VecDeque, vec_deque};

/// Pieces, none of them empty, and how many bytes they are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes = self.bytes.saturating_add(piece.len());
            self.pieces.push_back(piece);
        }
    }

    /// The bytes in it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The pieces, the first to go first.
    pub(super) fn pieces(&self) -> vec_deque::Iter<'_, Bytes> {
        self.pieces.iter()
    }

    /// So many bytes have gone.
    pub(super) fn advance(&mut self, mut count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.pieces.front_mut() {
            let part = count.min(front.len());
            front.advance(part);
            count -= part;
            if !front.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_is_not_there_and_the_rest_is_in_order() {
        let mut queue = Queue::default();
        for piece in ["abc", "", "d", "efg"] {
            queue.push(Bytes::from(piece));
        }
        assert_eq!((queue.pieces().count(), queue.bytes()), (3, 7));
        queue.advance(5);
        assert_eq!((queue.pieces().next().unwrap(), queue.bytes()), (&Bytes::from("fg"), 2));
        queue.advance(2);
        assert_eq!((queue.pieces().count(), queue.bytes()), (0, 0));
        queue.push(Bytes::from("h"));
        queue.clear();
        assert_eq!((queue.pieces().count(), queue.bytes()), (0, 0));
    }
}
