//! A time limit that can be held: it goes on only while the function is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What is left of a time limit. It doesn't go on until it is told to.
pub(super) struct Limit {
    left: Duration,
    /// When it was last told to go on, unless it is held.
    since: Option<Instant>,
    /// Made when something is waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Limit {
    pub(super) fn new(left: Duration) -> Self {
        Self { left, since: None, sleep: None }
    }

    /// Lets it go on. True if it is over: a function that always has something to say is never waited for.
    pub(super) fn go_on(&mut self) -> bool {
        match self.since {
            Some(since) => since.elapsed() >= self.left,
            None => {
                self.since = Some(Instant::now());
                self.left.is_zero()
            }
        }
    }

    /// Holds it.
    pub(super) fn hold(&mut self) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.left.saturating_sub(self.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Ready when it is over. Never while it is held.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.since else { return Poll::Pending };
        // One too long to be told is as good as none.
        let Some(end) = since.checked_add(self.left) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_only_while_it_is_not_held() {
        let mut limit = Limit::new(Duration::from_secs(10));
        assert!(!limit.go_on());
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(!limit.go_on());
        limit.hold();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(limit.left(), Duration::from_secs(4));
        assert!(poll_fn(|cx| Poll::Ready(limit.poll(cx))).await.is_pending(), "it is held");
        assert!(!limit.go_on());
        let began = Instant::now();
        poll_fn(|cx| limit.poll(cx)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(4));
        assert_eq!(limit.left(), Duration::ZERO);
        assert!(limit.go_on());
    }
}
