//! Bodies that come a piece at a time, both ways at once.

use crate::harness::{HANG, begin, proxy, serve};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A body whose pieces are sent by hand.
pub struct ByHand(mpsc::Receiver<Bytes>);

impl Body for ByHand {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

pub fn by_hand() -> (mpsc::Sender<Bytes>, ByHand) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, ByHand(receiver))
}

#[tokio::test]
async fn a_piece_comes_back_before_the_next_is_sent() {
    let bed = serve([proxy()]).await;
    let (sender, body) = by_hand();
    let request = Request::post(bed.url("/echo")).body(body).unwrap();
    // What is read ahead before a function is called; from then on each piece is the function's at once.
    let first = vec![0; kiln::host::STREAM_ABOVE + 1];
    let sent = tokio::spawn(begin(request));
    sender.send(first.clone().into()).await.unwrap();
    let mut answer = tokio::time::timeout(HANG, sent).await.unwrap().unwrap().into_body();
    let mut due = first.len();
    for round in 1..20_u8 {
        while due > 0 {
            let frame = tokio::time::timeout(HANG, answer.frame()).await.expect("what was sent comes back");
            due -= frame.unwrap().unwrap().into_data().unwrap().len();
        }
        sender.send(vec![round; 1000].into()).await.unwrap();
        due = 1000;
    }
    drop(sender);
    let rest = tokio::time::timeout(HANG, answer.collect()).await.unwrap().unwrap().to_bytes();
    assert_eq!(rest, vec![19; 1000]);
    bed.end().await;
}

#[tokio::test]
async fn a_component_is_not_ahead_of_a_caller_that_reads_nothing() {
    let mut long = proxy();
    long.limits.max_reply = 1 << 30;
    let bed = serve([long]).await;
    let (sender, body) = by_hand();
    let answer = tokio::spawn(begin(Request::post(bed.url("/echo")).body(body).unwrap()));
    let piece = Bytes::from(vec![7; 1 << 20]);
    // Sockets and buffers on the way hold some of it, and then no more is taken.
    let mut taken = 0_u64;
    while let Ok(sent) =
        tokio::time::timeout(std::time::Duration::from_secs(2), sender.send(piece.clone())).await
    {
        sent.unwrap();
        taken += 1;
        assert!(taken < 200, "all is taken though nobody reads");
    }
    let mut answer = tokio::time::timeout(HANG, answer).await.unwrap().unwrap().into_body();
    drop(sender);
    let mut came = 0;
    while let Some(frame) = tokio::time::timeout(HANG, answer.frame()).await.unwrap() {
        came += frame.unwrap().into_data().map_or(0, |data| data.len() as u64);
    }
    assert_eq!(came, taken << 20);
    bed.end().await;
}
