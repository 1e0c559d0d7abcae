//! What the pool is told if a backend panics in the middle: no charge outlives the sandbox that it was for.

use super::Shared;
use super::state::State;
use crate::pool::Time;
use std::sync::Arc;

/// An event that the pool waits for. Dropped before it is kept, as by a panic that unwinds, `otherwise` is the event.
pub(super) struct Promise<F: FnOnce(&mut State, Time)> {
    host: Arc<Shared>,
    otherwise: Option<F>,
}

impl<F: FnOnce(&mut State, Time)> Promise<F> {
    pub(super) fn new(host: &Arc<Shared>, otherwise: F) -> Self {
        Self { host: host.clone(), otherwise: Some(otherwise) }
    }

    /// It went as it should: the pool is told so by the caller.
    pub(super) fn kept(mut self) {
        self.otherwise = None;
    }
}

impl<F: FnOnce(&mut State, Time)> Drop for Promise<F> {
    fn drop(&mut self) {
        if let Some(otherwise) = self.otherwise.take() {
            self.host.event(otherwise);
        }
    }
}
