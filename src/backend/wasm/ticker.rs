//! The thread that makes guests yield: it moves the engine's epoch on about once a millisecond while any guest runs,
//! and sleeps while none does.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// How long an epoch is: what a guest may run before it yields.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a touch after which the thread goes to sleep. After it was entered a guest needs two at most: its
/// deadline is one epoch on, and one may pass before it is set.
const LINGER: u32 = 50;

/// The thread's handle. It ends when this is dropped.
pub(super) struct Ticker {
    state: Arc<State>,
}

struct State {
    tick: Duration,
    linger: u32,
    /// A guest was entered since the last tick.
    touched: AtomicBool,
    /// The thread sleeps, or is about to.
    asleep: AtomicBool,
    /// The handle is gone.
    stop: AtomicBool,
    ticks: AtomicU64,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        Self::start_with(engine, TICK, LINGER)
    }

    fn start_with(engine: &Engine, tick: Duration, linger: u32) -> std::io::Result<Self> {
        let state = Arc::new(State {
            tick,
            linger,
            touched: AtomicBool::new(false),
            // It sleeps until the first guest is entered.
            asleep: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let (of_thread, engine) = (Arc::clone(&state), engine.weak());
        std::thread::Builder::new().name("kiln-epoch".into()).spawn(move || of_thread.run(&engine))?;
        Ok(Self { state })
    }

    /// Called before each entry into a guest: makes sure that at least one epoch passes after it.
    ///
    /// While the thread ticks this is one load of a line that is written once a millisecond. It can't be missed:
    /// whoever finds `touched` set knows that the thread has yet to take that touch, and it doesn't sleep before it
    /// has; whoever sets it looks at `asleep` afterwards, while the thread sets `asleep` first and looks at
    /// `touched` afterwards, so that at least one of them sees the other (both orders are sequentially consistent).
    #[inline]
    pub(super) fn touch(&self) {
        if !self.state.touched.load(SeqCst) {
            self.state.touched.store(true, SeqCst);
            if self.state.asleep.load(SeqCst) {
                self.state.rouse();
            }
        }
    }

    /// Ticks so far.
    pub(super) fn ticks(&self) -> u64 {
        self.state.ticks.load(SeqCst)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stop.store(true, SeqCst);
        self.state.rouse();
    }
}

impl State {
    fn run(&self, engine: &EngineWeak) {
        let mut idle = self.linger;
        while !self.stop.load(SeqCst) {
            if idle >= self.linger {
                self.sleep();
                idle = 0;
            }
            std::thread::sleep(self.tick);
            let Some(engine) = engine.upgrade() else { return };
            // Taken before the tick, so that whoever sets it from here on has the next tick still before it.
            idle = if self.touched.swap(false, SeqCst) { 0 } else { idle + 1 };
            engine.increment_epoch();
            self.ticks.fetch_add(1, SeqCst);
        }
    }

    fn sleep(&self) {
        self.asleep.store(true, SeqCst);
        let mut lock = self.lock.lock();
        // Under the lock: a touch or a stop that comes after this look waits for the lock, then wakes the wait below.
        while !self.touched.load(SeqCst) && !self.stop.load(SeqCst) {
            self.wake.wait(&mut lock);
        }
        drop(lock);
        self.asleep.store(false, SeqCst);
    }

    #[cold]
    fn rouse(&self) {
        drop(self.lock.lock());
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks_on(ticker: &Ticker) {
        let before = ticker.ticks();
        ticker.touch();
        while ticker.ticks() == before {
            std::thread::yield_now();
        }
    }

    fn comes_to_rest(ticker: &Ticker) -> u64 {
        while !ticker.state.asleep.load(SeqCst) || ticker.state.touched.load(SeqCst) {
            std::thread::yield_now();
        }
        ticker.ticks()
    }

    #[test]
    fn it_ticks_after_each_touch_and_sleeps_after_that() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        for _ in 0..3 {
            ticks_on(&ticker);
            let at_rest = comes_to_rest(&ticker);
            assert_eq!(ticker.ticks(), at_rest);
        }
    }

    #[test]
    fn no_touch_is_missed_by_a_thread_about_to_sleep() {
        let engine = Engine::default();
        // It goes to sleep after each tick, so each touch meets it somewhere on its way there. A missed one hangs.
        let ticker = Ticker::start_with(&engine, Duration::ZERO, 0).unwrap();
        for _ in 0..200_000 {
            ticks_on(&ticker);
        }
    }

    #[test]
    fn the_thread_ends_with_its_handle_or_its_engine() {
        let (engine, gone) = (Engine::default(), Engine::default());
        let ticker = Ticker::start(&engine).unwrap();
        let of_gone = Ticker::start(&gone).unwrap();
        drop(gone);
        of_gone.touch();
        let states = [Arc::downgrade(&ticker.state), Arc::downgrade(&of_gone.state)];
        while states[1].strong_count() > 1 {
            std::thread::yield_now();
        }
        drop((ticker, of_gone));
        while states.iter().any(|state| state.strong_count() > 0) {
            std::thread::yield_now();
        }
    }
}
