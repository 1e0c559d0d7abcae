//! Frames out of a stream that comes in any pieces.

use crate::bare::HEADER;

/// What was read but not taken.
#[derive(Default)]
pub(super) struct Frames(pub(super) Vec<u8>);

impl Frames {
    /// The first frame, once all of it is there.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let [a, b, c, d, ..] = *self.0.first_chunk::<HEADER>()?;
        let whole = HEADER + u32::from_le_bytes([a, b, c, d]) as usize;
        // The buffer stays for the next one.
        (self.0.len() >= whole).then(|| self.0.drain(..whole).collect())
    }
}
