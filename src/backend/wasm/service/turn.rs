//! One turn of an instance's task: as many polls as its guests give themselves more to do.
//!
//! What they do goes from hand to hand inside of wasmtime (a body's piece alone three times), each waking the whole. Only
//! when no hand is left do they wait, and only then are their callers told what there is of their replies.

use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// Polls in one turn at most: others have their turns, too.
const POLLS: usize = 64;

const WAITING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

/// Tells a wake that comes while it is polled from one that comes later.
pub(super) struct Turns {
    state: Arc<State>,
    waker: Waker,
}

struct State {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, SeqCst) == WAITING {
            self.task.wake();
        }
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        let state = Arc::new(State { state: AtomicU8::new(WAITING), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&state)), state }
    }

    /// Polls it until it waits for others, or has had its turn.
    pub(super) fn poll<F: Future>(&self, mut future: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        self.state.task.register(cx.waker());
        for _ in 0..POLLS {
            self.state.state.store(POLLED, SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                return Poll::Ready(output);
            }
            if self.state.state.compare_exchange(POLLED, WAITING, SeqCst, SeqCst).is_ok() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn what_wakes_itself_is_polled_on_and_its_task_left_alone() {
        let (count, turns) = (Arc::<Count>::default(), Turns::new());
        let waker = Waker::from(Arc::clone(&count));
        let mut polls = 0;
        let mut future = pin!(poll_fn(|cx| {
            polls += 1;
            if polls < 5 {
                cx.waker().wake_by_ref();
            }
            if polls < 6 { Poll::Pending } else { Poll::Ready(polls) }
        }));
        let cx = Context::from_waker(&waker);
        assert!(turns.poll(future.as_mut(), &cx).is_pending());
        assert_eq!(count.0.load(SeqCst), 0);
        // From elsewhere, twice: its task is woken once.
        turns.waker.wake_by_ref();
        turns.waker.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(turns.poll(future, &cx), Poll::Ready(6));
    }

    #[test]
    fn what_never_waits_gives_others_their_turn() {
        let (count, turns) = (Arc::<Count>::default(), Turns::new());
        let waker = Waker::from(Arc::clone(&count));
        let mut polls = 0;
        let future = pin!(poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        assert!(turns.poll(future, &Context::from_waker(&waker)).is_pending());
        assert_eq!((polls, count.0.load(SeqCst)), (POLLS, 1));
    }
}
