//! A real HTTP client for the tests.

use crate::answer::Answer;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Http {
    pub fn new(base: &str) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), base: base.into() }
    }

    pub async fn try_post(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer, String> {
        let request =
            hyper::Request::post(format!("{}{path}", self.base)).body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        Answer::read(response).await.map_err(|error| format!("{error:?}"))
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_post(path, body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = hyper::Request::get(format!("{}{path}", self.base)).body(Full::default()).unwrap();
        Answer::read(self.client.request(request).await.unwrap()).await.unwrap()
    }
}
