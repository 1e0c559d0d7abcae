//! A time limit that costs nothing where the answer comes at once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Why a future was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Its time is over.
    TimedOut,
    /// The host stops.
    Stopped,
}

/// Awaits `future` until the deadline, or until the host stops. The first poll comes before the clock is looked at and
/// any timer is made: a warm wasm call is over by then.
pub(super) async fn within<F: Future + ?Sized>(
    deadline: impl FnOnce() -> Instant,
    stop: &watch::Receiver<bool>,
    mut future: Pin<&mut F>,
) -> Result<F::Output, GivenUp> {
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Ok(output);
    }
    // Waiting is boxed, here as elsewhere on the way of a call: a future is moved as a whole before its first poll, with the
    // room for all that it may ever wait for.
    Box::pin(waited(deadline(), stop.clone(), future)).await
}

async fn waited<F: Future + ?Sized>(
    deadline: Instant,
    mut stop: watch::Receiver<bool>,
    mut future: Pin<&mut F>,
) -> Result<F::Output, GivenUp> {
    let stopped = async {
        // A closed channel is a host without a master: nobody can stop it any more.
        if stop.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut stopped = pin!(stopped);
    let mut sleep = pin!(tokio::time::sleep_until(deadline));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A guest that yields in a loop keeps its worker from the timers for a while: look at the clock here, too.
        if sleep.as_mut().poll(cx).is_ready() || Instant::now() >= deadline {
            return Poll::Ready(Err(GivenUp::TimedOut));
        }
        stopped.as_mut().poll(cx).map(|()| Err(GivenUp::Stopped))
    })
    .await
}

/// A moment that doesn't come.
pub(super) fn never() -> Instant {
    after(Duration::from_secs(86_400 * 365))
}

/// The moment this long from now; a very long time ahead where it can't be told.
pub(super) fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_given() {
        let (_stop, stopped) = watch::channel(false);
        assert_eq!(within(|| after(Duration::ZERO), &stopped, pin!(async { 1 })).await, Ok(1));
        let soon = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            2
        };
        assert_eq!(within(|| after(Duration::from_secs(1)), &stopped, pin!(soon)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_is_given_up() {
        let (stop, stopped) = watch::channel(false);
        let never = std::future::pending::<()>();
        assert_eq!(
            within(|| after(Duration::from_secs(1)), &stopped, pin!(never)).await,
            Err(GivenUp::TimedOut)
        );
        stop.send_replace(true);
        let never = std::future::pending::<()>();
        assert_eq!(
            within(|| after(Duration::from_secs(1)), &stopped, pin!(never)).await,
            Err(GivenUp::Stopped)
        );
    }

    #[tokio::test]
    async fn a_future_that_always_yields_is_given_up() {
        let (_stop, stopped) = watch::channel(false);
        let busy = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(
            within(|| after(Duration::from_millis(5)), &stopped, pin!(busy)).await,
            Err(GivenUp::TimedOut)
        );
    }
}
