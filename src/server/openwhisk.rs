//! Hands a request to OpenWhisk's API: its key is looked at before its body is read.

use super::body;
use super::reply::{Answer, AnswerBody, without_body};
use crate::openwhisk::OpenWhisk;
use bytes::Bytes;
use http::Request;
use hyper::body::Body;

pub(super) async fn answer<B>(api: &OpenWhisk, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display,
{
    let (head, body) = request.into_parts();
    let answer = match api.begin(&head) {
        Err(refused) => *refused,
        Ok(asked) => {
            let most = asked.max_body;
            let announced = body.size_hint().lower().max(most.saturating_add(1));
            let read = match body::read(body, most).await {
                Ok(upload) => upload.into_whole(most).await,
                Err(error) => Err(error),
            };
            match read {
                Ok(body) => api.answer(asked, &head, body).await,
                Err(error) => api.unread(&asked, &error, announced),
            }
        }
    };
    without_body(&head.method, answer.map(AnswerBody::whole))
}
