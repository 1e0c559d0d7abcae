//! Pieces of stdout become one body: a single piece stays where it lies, more are copied together.

use bytes::{Bytes, BytesMut};

/// A body being gathered. Holds no memory while empty.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// All of it, while it is one piece.
    single: Bytes,
    /// All of it, from the second piece on.
    joined: BytesMut,
}

impl Gather {
    /// Bytes gathered.
    pub(super) fn len(&self) -> usize {
        self.single.len() + self.joined.len()
    }

    /// Adds a piece. `total` is what there will be in all, or 0 where that isn't known.
    pub(super) fn push(&mut self, piece: Bytes, total: usize) {
        if piece.is_empty() {
            return;
        }
        if self.len() == 0 {
            self.single = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(total.max(self.single.len() + piece.len()));
            self.joined.extend_from_slice(&std::mem::take(&mut self.single));
        }
        self.joined.extend_from_slice(&piece);
    }

    /// What was gathered; nothing is left.
    pub(super) fn take(&mut self) -> Bytes {
        if self.joined.is_empty() {
            std::mem::take(&mut self.single)
        } else {
            std::mem::take(&mut self.joined).freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let mut gather = Gather::default();
        gather.push(Bytes::new(), 100);
        gather.push(piece.clone(), 100);
        assert_eq!(gather.take().as_ptr(), piece.as_ptr());
        assert_eq!(gather.len(), 0);
    }

    #[test]
    fn many_pieces_keep_their_order_and_leave_nothing() {
        let mut gather = Gather::default();
        for n in 0..200u8 {
            gather.push(Bytes::from(vec![n; usize::from(n) % 3]), 0);
        }
        let expected: Vec<u8> = (0..200u8).flat_map(|n| vec![n; usize::from(n) % 3]).collect();
        assert_eq!(gather.len(), expected.len());
        assert_eq!(gather.take(), expected);
        assert_eq!((gather.len(), gather.joined.capacity()), (0, 0));
    }
}
