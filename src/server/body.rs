//! A request's body, read whole within the host's limit.

use crate::error::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// How long a caller may pause within its body.
const PAUSE: Duration = Duration::from_secs(30);
/// What is made ready for a body before it came, at most: what a caller announces needn't be true.
const AHEAD: u64 = 1 << 20;

/// Reads a body of at most `limit` bytes. `TooLarge` as soon as it is known to be longer, before the rest is read.
pub(super) async fn read<B>(mut body: B, limit: u64) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(too_large(announced, limit));
    }
    // Most bodies come in one piece, which is passed on without a copy.
    let first = next(&mut body).await?.unwrap_or_default();
    if first.len() as u64 > limit {
        return Err(too_large(first.len() as u64, limit));
    }
    let Some(second) = (if body.is_end_stream() { None } else { next(&mut body).await? }) else {
        return Ok(first);
    };
    let ahead = usize::try_from(announced.min(AHEAD)).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(ahead.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        let length = whole.len() as u64 + bytes.len() as u64;
        if length > limit {
            return Err(too_large(length, limit));
        }
        whole.extend_from_slice(&bytes);
        piece = next(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of it; trailers are left out.
async fn next<B>(body: &mut B) -> Result<Option<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    loop {
        // Most often it is there: only then is no timer made.
        let frame = match poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
            Poll::Ready(frame) => frame,
            Poll::Pending => tokio::time::timeout(PAUSE, body.frame()).await.map_err(|_| {
                Error::invalid(format!("the body stopped coming for {} s: send it whole", PAUSE.as_secs()))
            })?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Error::invalid(format!("the body broke off: {error}"))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large(length: u64, limit: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!(
            "the body has {length} bytes or more, and at most {limit} are taken: send less, or raise `max_body`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::Context;

    /// A body in pieces, which counts how many were taken.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            Poll::Ready(
                self.0.pop_front().map(|piece| Ok(hyper::body::Frame::data(Bytes::from_static(piece)))),
            )
        }
    }

    async fn of(pieces: &[&'static [u8]], limit: u64) -> (Result<Bytes>, usize) {
        let mut body = Pieces(pieces.iter().copied().collect());
        let read = read(&mut body, limit).await;
        (read, body.0.len())
    }

    #[tokio::test]
    async fn pieces_become_one() {
        for (pieces, whole) in
            [(vec![], ""), (vec!["ab"], "ab"), (vec!["a", "b"], "ab"), (vec!["a", "", "bc", "d"], "abcd")]
        {
            let pieces: Vec<_> = pieces.into_iter().map(str::as_bytes).collect();
            assert_eq!(of(&pieces, 4).await.0.unwrap(), whole);
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read_to_its_end() {
        for (pieces, left) in
            [(vec!["abcde", "f"], 1), (vec!["ab", "cde", "f"], 1), (vec!["ab", "c", "de", "f"], 1)]
        {
            let pieces: Vec<_> = pieces.into_iter().map(str::as_bytes).collect();
            let (read, unread) = of(&pieces, 4).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::TooLarge);
            assert_eq!(unread, left);
        }
    }

    #[tokio::test]
    async fn what_says_that_it_is_too_large_is_not_read_at_all() {
        let mut body = http_body_util::Full::new(Bytes::from_static(b"abcde"));
        let error = read(&mut body, 4).await.unwrap_err();
        assert!(error.message().starts_with("the body has 5 bytes or more, and at most 4"), "{error}");
        assert!(!body.is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_given_up() {
        struct Stuck;
        impl Body for Stuck {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
                Poll::Pending
            }
        }
        let error = read(Stuck, 4).await.unwrap_err();
        assert_eq!(error.message(), "the body stopped coming for 30 s: send it whole");
    }
}
