//! A sandbox's stdin and stdout, and the guest behind them: polling one runs the other, on the caller's own task.

use super::core::{Core, Slot};
use super::entry::{Entry, Run};
use super::shared::Shared;
use super::state::State;
use super::trap;
use crate::backend::{Exit, Stdio};
use crate::error::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::Store;

/// A guest through its life.
pub(super) enum Guest {
    /// Instantiated, not begun.
    Made(Box<(Store<State>, Entry)>),
    /// It runs, suspended wherever it is, with the store that it runs in.
    Runs(Run),
    /// It has ended, and all it held is freed.
    Ended(Exit),
}

impl Guest {
    pub(super) fn made(store: Store<State>, entry: Entry) -> Self {
        Self::Made(Box::new((store, entry)))
    }
}

/// The guest, its buffers and its slot.
pub(super) struct Channel {
    // Dropped in this order: the slot is free only when the guest is gone.
    guest: Guest,
    slot: Option<Slot>,
    shared: Arc<Shared>,
    core: Arc<Core>,
    /// Bytes of stdout that are buffered at most, whatever the guest says is to come.
    most: usize,
}

impl Channel {
    pub(super) fn new(core: Arc<Core>, shared: Arc<Shared>, guest: Guest, slot: Slot, most: usize) -> Self {
        Self { guest, slot: Some(slot), shared, core, most }
    }

    /// The store of a guest that hasn't begun.
    pub(super) fn store(&mut self) -> Option<&mut Store<State>> {
        match &mut self.guest {
            Guest::Made(made) => Some(&mut made.0),
            Guest::Runs(_) | Guest::Ended(_) => None,
        }
    }

    /// Lets the guest begin at the next poll.
    pub(super) fn run(&mut self) {
        self.guest = match std::mem::replace(&mut self.guest, Guest::Ended(Exit::Killed)) {
            Guest::Made(made) => {
                let (mut store, entry) = *made;
                // Epochs may have passed since it was made: without this it would yield at its first loop.
                store.set_epoch_deadline(1);
                Guest::Runs(entry.run(store))
            }
            begun => begun,
        };
    }

    /// Why the guest ended, if it has.
    pub(super) fn ended(&self) -> Option<&Exit> {
        match &self.guest {
            Guest::Ended(exit) => Some(exit),
            Guest::Made(_) | Guest::Runs(_) => None,
        }
    }

    /// Bytes of linear memory and table that the guest has now.
    pub(super) fn held(&self) -> u64 {
        if self.ended().is_some() { 0 } else { self.shared.held() }
    }

    /// Runs the guest until it waits or ends. Where it waits for anything but its stdio, `cx` is woken.
    #[inline]
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Guest::Runs(guest) = &mut self.guest else { return };
        if !self.shared.io().enter() {
            return;
        }
        self.core.ticker.touch();
        if let Poll::Ready(result) = guest.as_mut().poll(cx) {
            // The future has dropped the store by now; with it the slot is free.
            self.guest = Guest::Ended(trap::exit(result, self.shared.refused()));
            self.slot = None;
        }
    }

    /// Ready when the guest waits for more of stdin, or has ended, or has filled stdout.
    pub(super) fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.drive(cx);
        let io = self.shared.io();
        let rests = self.ended().is_some() || io.parked() || io.room() == 0;
        if rests { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready when the guest has ended. Its stdin ends, and what it still writes to stdout is nobody's.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.shared.io().close();
        loop {
            self.drive(cx);
            if let Some(exit) = self.ended() {
                return Poll::Ready(exit.clone());
            }
            let mut io = self.shared.io();
            let full = io.room() == 0;
            io.out.clear();
            if !full {
                return Poll::Pending;
            }
        }
    }
}

impl Stdio for Channel {
    fn write(&mut self, bytes: Bytes) {
        self.shared.io().push(bytes);
    }

    fn close(&mut self) {
        self.shared.io().close();
    }

    fn queued(&self) -> usize {
        self.shared.io().queued()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if let Guest::Made(_) = self.guest {
            return Poll::Ready(Err(Error::internal("the sandbox is read before it was launched")));
        }
        self.drive(cx);
        if let Some(piece) = self.shared.io().piece() {
            return Poll::Ready(Ok(Some(piece)));
        }
        if self.ended().is_some() { Poll::Ready(Ok(None)) } else { Poll::Pending }
    }

    fn expect(&mut self, bytes: usize) {
        self.shared.io().expect(bytes.min(self.most));
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rest = self.poll_parked(cx);
        if rest.is_ready() {
            self.shared.io().rest();
        }
        rest
    }

    fn stray(&mut self) -> Option<Bytes> {
        self.shared.io().piece()
    }
}
