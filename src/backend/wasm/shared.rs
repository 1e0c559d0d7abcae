//! The buffers between a guest and whoever polls it.
//!
//! The guest runs inside its caller's poll, so the lock is never waited for: it is there because the guest's store
//! and the sandbox's handle both own the buffers. One that runs on a task of its own (`service/`) has [`Bells`] beside: whoever
//! waits is woken by the other side.

use super::bells::Bells;
use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;

/// Bytes of stdout that a guest may be ahead of its reader, unless a longer piece is expected.
pub(super) const WATERMARK: usize = 64 << 10;

/// Bytes of one write to stdout that are taken whole, however far that is ahead: what comes in two pieces has to be joined,
/// which costs a copy of all of it.
const WHOLE: usize = 2 << 20;

/// Bytes of stdout's buffer that a resting sandbox keeps, part of its fixed overhead.
const KEPT: usize = 16 << 10;

/// What a guest and its sandbox share.
#[derive(Default)]
pub(super) struct Shared {
    io: Mutex<Io>,
    memory: AtomicU64,
    refused: AtomicBool,
}

/// Stdin and stdout.
#[derive(Default)]
pub(super) struct Io {
    input: VecDeque<Bytes>,
    closed: bool,
    pub(super) out: BytesMut,
    /// What is expected, if that is more than the watermark.
    ahead: usize,
    /// What stdout holds with a write that is taken whole, until it is read.
    whole: usize,
    /// The largest piece since the last rest.
    largest: usize,
    waits: Waits,
    /// What the guest waited for has come since it last ran to an epoch's end.
    resumed: bool,
    /// Who waits, where the two sides run on tasks of their own.
    pub(super) bells: Bells,
    /// Whether its caller has gone: what the guest still writes is nobody's.
    #[cfg(feature = "preview3")]
    abandoned: bool,
    /// Why nothing more will come, though the guest lives on.
    #[cfg(feature = "preview3")]
    broken: Option<String>,
}

/// What the guest waits for, as far as it is ours to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Waits {
    /// Nothing, or something else.
    #[default]
    No,
    /// Stdin, in `fd_read` or `blocking-read`.
    Read,
    /// Stdin, in `poll_oneoff` or `poll`, perhaps beside a clock.
    Poll,
    /// Room in stdout.
    Room,
}

impl Shared {
    /// For two sides that run on tasks of their own.
    #[cfg(feature = "preview3")]
    pub(super) fn apart() -> Self {
        Self { io: Mutex::new(Io { bells: Bells::hung(), ..Io::default() }), ..Self::default() }
    }

    pub(super) fn io(&self) -> parking_lot::MutexGuard<'_, Io> {
        self.io.lock()
    }

    /// The guest in a read of stdin: ready where stdin has bytes or has ended.
    pub(super) fn poll_read(&self) -> Poll<()> {
        let mut io = self.io.lock();
        if io.readable() {
            io.waits = Waits::No;
            return Poll::Ready(());
        }
        io.waits = Waits::Read;
        self.forget_refusal();
        Poll::Pending
    }

    /// The guest in a poll of stdin.
    pub(super) fn poll_readable(&self) -> Poll<()> {
        let mut io = self.io.lock();
        if io.readable() {
            return Poll::Ready(());
        }
        io.waits = Waits::Poll;
        self.forget_refusal();
        Poll::Pending
    }

    /// The guest in a write with stdout full.
    pub(super) fn poll_room(&self) -> Poll<()> {
        let mut io = self.io.lock();
        if io.room() > 0 {
            io.waits = Waits::No;
            return Poll::Ready(());
        }
        io.waits = Waits::Room;
        Poll::Pending
    }

    /// Bytes of memory and table that the guest has now.
    pub(super) fn holds(&self, bytes: u64) {
        self.memory.store(bytes, Relaxed);
    }

    pub(super) fn held(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// The guest asked for more memory than it may have.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Relaxed);
    }

    /// The request is served; what was refused during it killed nobody.
    pub(super) fn forget_refusal(&self) {
        self.refused.store(false, Relaxed);
    }

    pub(super) fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }
}

impl Io {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() && !self.is_abandoned() {
            self.input.push_back(bytes);
            self.bells.more_input();
        }
    }

    /// The caller has gone.
    #[cfg(feature = "preview3")]
    pub(super) fn abandon(&mut self) {
        (self.abandoned, self.closed) = (true, true);
        self.input.clear();
        self.out = BytesMut::new();
        self.bells.more_input();
        self.bells.more_room();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        #[cfg(feature = "preview3")]
        return self.abandoned;
        #[cfg(not(feature = "preview3"))]
        false
    }

    /// Nothing more will come, and why.
    #[cfg(feature = "preview3")]
    pub(super) fn break_off(&mut self, why: String) {
        self.broken = Some(why);
        self.bells.more_output();
    }

    #[cfg(feature = "preview3")]
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Bytes of stdin that the guest hasn't taken.
    pub(super) fn queued(&self) -> usize {
        self.input.iter().map(Bytes::len).sum()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.bells.more_input();
    }

    pub(super) fn readable(&self) -> bool {
        self.closed || !self.input.is_empty()
    }

    pub(super) fn ended(&self) -> bool {
        self.closed && self.input.is_empty()
    }

    /// Fills `to` from stdin, over as many queued pieces as it takes: the one copy on the way in.
    pub(super) fn take(&mut self, to: &mut [u8]) -> usize {
        let mut filled = 0;
        while let (Some(piece), Some(rest)) = (self.input.front_mut(), to.get_mut(filled..)) {
            let count = piece.len().min(rest.len());
            if count == 0 {
                break;
            }
            piece.copy_to_slice(rest.get_mut(..count).unwrap_or_default());
            filled += count;
            if piece.is_empty() {
                self.input.pop_front();
            }
        }
        filled
    }

    /// The next bytes of stdin, `most` at most; none where there are none. A piece that is asked for whole, or a part of one, isn't copied.
    pub(super) fn take_piece(&mut self, most: usize) -> Bytes {
        let alone = self.input.len() == 1;
        match self.input.front_mut() {
            Some(front) if most <= front.len() || alone => {
                let piece = front.split_to(most.min(front.len()));
                if front.is_empty() {
                    self.input.pop_front();
                }
                piece
            }
            Some(_) => {
                let mut joined = BytesMut::zeroed(most.min(self.queued()));
                let count = self.take(&mut joined);
                joined.truncate(count);
                joined.freeze()
            }
            None => Bytes::new(),
        }
    }

    /// The guest has what it waited for, perhaps after many epochs.
    pub(super) fn resume(&mut self) {
        self.resumed = true;
    }

    /// An epoch has ended while the guest ran: whatever it asked about before, it waits for nothing. Says whether it is
    /// to go on: if it was resumed since, the epoch began while it waited.
    pub(super) fn epoch_ended(&mut self) -> bool {
        self.waits = Waits::No;
        std::mem::take(&mut self.resumed)
    }

    /// Bytes that stdout takes now.
    pub(super) fn room(&self) -> usize {
        self.ahead.max(self.whole).max(WATERMARK).saturating_sub(self.out.len())
    }

    /// A piece of this many bytes is awaited: it may come whole.
    pub(super) fn expect(&mut self, bytes: usize) {
        if bytes > self.ahead {
            self.ahead = bytes;
            self.out.reserve(bytes.saturating_sub(self.out.len()));
        }
    }

    /// The guest is about to write this many bytes in one call. One such write goes beyond the watermark; the next waits.
    pub(super) fn offer(&mut self, bytes: usize) {
        let whole = self.out.len().saturating_add(bytes);
        if self.out.len() < WATERMARK && bytes > self.room() && whole <= WHOLE {
            self.whole = whole;
            self.out.reserve(bytes);
        }
    }

    /// Before the guest is entered: what it waited for is to be said anew.
    pub(super) fn enter(&mut self) -> bool {
        let in_vain = match self.waits {
            Waits::Read => !self.readable(),
            Waits::Room => self.room() == 0,
            Waits::No | Waits::Poll => false,
        };
        if !in_vain {
            self.waits = Waits::No;
        }
        !in_vain
    }

    /// Whether the guest waits for more of stdin than there is.
    pub(super) fn parked(&self) -> bool {
        matches!(self.waits, Waits::Read | Waits::Poll) && !self.readable()
    }

    /// What has been written to stdout; `None` if nothing.
    pub(super) fn piece(&mut self) -> Option<Bytes> {
        self.largest = self.largest.max(self.out.len());
        self.whole = 0;
        if self.out.is_empty() {
            return None;
        }
        self.bells.more_room();
        Some(self.out.split().freeze())
    }

    /// At rest a large reply's buffer isn't kept: it would be memory that nobody is charged for.
    pub(super) fn rest(&mut self) {
        if self.largest.max(self.ahead) > KEPT && self.out.is_empty() {
            self.out = BytesMut::new();
        }
        (self.ahead, self.largest) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_much_of_stdin_as_is_there_and_asked_for() {
        let mut io = Io::default();
        assert_eq!(io.take_piece(9), "");
        for piece in ["head ", "body", ""] {
            io.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(io.take_piece(0), "");
        assert_eq!(io.take_piece(2), "he");
        assert_eq!(io.take_piece(5), "ad bo");
        assert_eq!((io.take_piece(100), io.queued()), (Bytes::from("dy"), 0));
    }

    #[test]
    fn a_guest_that_runs_into_an_epochs_end_waits_for_nothing() {
        let shared = Shared::default();
        assert!(shared.poll_readable().is_pending());
        assert!(shared.io().parked());
        assert!(!shared.io().epoch_ended());
        assert!(!shared.io().parked());
        shared.io().resume();
        assert!(shared.io().epoch_ended());
        assert!(!shared.io().epoch_ended());
    }
}
