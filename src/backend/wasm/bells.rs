//! Who is to be woken on either side of a guest's buffers, where the guest runs on a task of its own. Any other runs in its
//! caller's polls, and has none of them.

use std::task::{Context, Waker};

/// The bells, if there are any.
#[derive(Default)]
pub(super) struct Bells(Option<Box<Hung>>);

#[derive(Default)]
struct Hung {
    /// The guest, when there is more of stdin.
    input: Option<Waker>,
    /// The guest, when there is room in stdout.
    room: Option<Waker>,
    /// The caller, when there is more of stdout, or the guest is at rest.
    output: Option<Waker>,
}

#[cfg_attr(not(feature = "preview3"), allow(dead_code, reason = "there are no such guests"))]
impl Bells {
    pub(super) fn hung() -> Self {
        Self(Some(Box::default()))
    }

    /// The guest waits for more of stdin.
    pub(super) fn await_input(&mut self, cx: &Context<'_>) {
        self.hang(|hung| &mut hung.input, cx);
    }

    /// The guest waits for room in stdout.
    pub(super) fn await_room(&mut self, cx: &Context<'_>) {
        self.hang(|hung| &mut hung.room, cx);
    }

    /// The caller waits for stdout, or for the guest to be at rest.
    pub(super) fn await_output(&mut self, cx: &Context<'_>) {
        self.hang(|hung| &mut hung.output, cx);
    }

    pub(super) fn more_input(&mut self) {
        self.ring(|hung| &mut hung.input);
    }

    pub(super) fn more_room(&mut self) {
        self.ring(|hung| &mut hung.room);
    }

    /// There is more of stdout, or the guest has come to rest.
    pub(super) fn more_output(&mut self) {
        self.ring(|hung| &mut hung.output);
    }

    #[inline]
    fn hang(&mut self, which: impl FnOnce(&mut Hung) -> &mut Option<Waker>, cx: &Context<'_>) {
        if let Some(hung) = &mut self.0 {
            match which(hung) {
                Some(waker) => waker.clone_from(cx.waker()),
                bell => *bell = Some(cx.waker().clone()),
            }
        }
    }

    #[inline]
    fn ring(&mut self, which: impl FnOnce(&mut Hung) -> &mut Option<Waker>) {
        if let Some(hung) = &mut self.0
            && let Some(waker) = which(hung).take()
        {
            waker.wake();
        }
    }
}
