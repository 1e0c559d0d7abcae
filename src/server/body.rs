//! A request's body within the host's limit: a short one is read whole, of a long one the rest is left to come.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Rest;
use crate::host::{BodySource, STREAM_ABOVE, Upload};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// How long a caller may pause within its body.
const PAUSE: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes; of a long one only the start, if anything. `TooLarge` as soon as it is known to
/// be longer, before the rest is read.
pub(super) async fn read<B>(mut body: B, limit: u64) -> Result<Upload>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display,
{
    let hint = body.size_hint();
    let announced = hint.lower();
    if announced > limit {
        return Err(too_large(announced, limit));
    }
    if announced > STREAM_ABOVE as u64 && hint.exact().is_some() {
        return Ok(Upload::new(Bytes::new(), Rest::Bytes(announced), Coming::new(body)));
    }
    // Most bodies come in one piece, which is passed on without a copy.
    let first = next(&mut body).await?.unwrap_or_default();
    if first.len() as u64 > limit {
        return Err(too_large(first.len() as u64, limit));
    }
    let Some(second) = (if body.is_end_stream() { None } else { next(&mut body).await? }) else {
        return Ok(first.into());
    };
    let ahead = usize::try_from(announced).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(ahead.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        let length = whole.len() as u64 + bytes.len() as u64;
        if length > limit {
            return Err(too_large(length, limit));
        }
        whole.extend_from_slice(&bytes);
        if whole.len() > STREAM_ABOVE {
            return Ok(Upload::new(whole, Rest::Unknown, Coming::new(body)));
        }
        piece = next(&mut body).await?;
    }
    Ok(whole.freeze().into())
}

/// The rest of a body, as its caller sends it.
struct Coming<B> {
    body: B,
    /// Made when there is nothing to read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<B> Coming<B> {
    fn new(body: B) -> Self {
        Self { body, pause: None }
    }
}

impl<B> BodySource for Coming<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
                return pause.as_mut().poll(cx).map(|()| Some(Err(stalled())));
            };
            self.pause = None;
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(broken_off(&error)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
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
            Poll::Pending => tokio::time::timeout(PAUSE, body.frame()).await.map_err(|_| stalled())?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken_off(&error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn stalled() -> Error {
    Error::invalid(format!("the body stopped coming for {} s: send it whole", PAUSE.as_secs()))
}

fn broken_off(error: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("the body broke off: {error}"))
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A body in pieces, which counts how many were taken.
    struct Pieces(VecDeque<&'static [u8]>, Arc<AtomicUsize>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            let piece = self.0.pop_front();
            self.1.store(self.0.len(), Ordering::Relaxed);
            Poll::Ready(piece.map(|piece| Ok(hyper::body::Frame::data(Bytes::from_static(piece)))))
        }
    }

    /// What a body of pieces is read as, and how many of them were left alone.
    async fn of(pieces: &[&'static [u8]], limit: u64) -> (Result<Upload>, usize) {
        let left = Arc::new(AtomicUsize::new(0));
        let body = Pieces(pieces.iter().copied().collect(), left.clone());
        let read = read(body, limit).await;
        (read, left.load(Ordering::Relaxed))
    }

    /// All of it.
    async fn whole(upload: Upload) -> Result<Bytes> {
        upload.into_whole(u64::MAX).await
    }

    #[tokio::test]
    async fn pieces_become_one() {
        for (pieces, whole) in
            [(vec![], ""), (vec!["ab"], "ab"), (vec!["a", "b"], "ab"), (vec!["a", "", "bc", "d"], "abcd")]
        {
            let pieces: Vec<_> = pieces.into_iter().map(str::as_bytes).collect();
            assert_eq!(self::whole(of(&pieces, 4).await.0.unwrap()).await.unwrap(), whole);
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
        let body = http_body_util::Full::new(Bytes::from_static(b"abcde"));
        let error = read(body, 4).await.unwrap_err();
        assert!(error.message().starts_with("the body has 5 bytes or more, and at most 4"), "{error}");
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
        let error = poll_fn(|cx| Coming::new(Stuck).poll_piece(cx).map(Option::unwrap));
        assert!(tokio::time::timeout(PAUSE / 2, error).await.is_err(), "each new one has its time");
        let mut coming = Coming::new(Stuck);
        let error = poll_fn(|cx| coming.poll_piece(cx)).await.unwrap().unwrap_err();
        assert_eq!(error.message(), "the body stopped coming for 30 s: send it whole");
    }

    #[tokio::test]
    async fn of_a_long_body_no_more_is_read_than_tells_that_it_is_long() {
        static LONG: [u8; STREAM_ABOVE] = [7; STREAM_ABOVE];
        let (read, left) = of(&[&LONG, b"a", b"b", b"c"], 1 << 20).await;
        assert_eq!(left, 2);
        assert_eq!(whole(read.unwrap()).await.unwrap().len(), STREAM_ABOVE + 3);
        let announced = http_body_util::Full::new(Bytes::from(vec![7; STREAM_ABOVE + 1]));
        let upload = super::read(announced, 1 << 20).await.unwrap();
        assert_eq!(format!("{upload:?}"), format!("Upload(0 bytes, then Bytes({}))", STREAM_ABOVE + 1));
        assert_eq!(whole(upload).await.unwrap().len(), STREAM_ABOVE + 1);
    }
}
