//! Calls on an FDK's socket by hand: what Fn's agent does, and nothing else.

use crate::{BODY, Result, TOLD};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) struct Direct {
    stream: UnixStream,
    request: String,
    answer: Vec<u8>,
}

impl Direct {
    /// A connection that has served a call.
    pub(crate) async fn new(listener: &Path) -> Result<Self> {
        let request = format!(
            "POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nFn-Call-Id: 0123456789abcdef0123456789abcdef\r\n\
             Fn-Deadline: 2099-01-01T00:00:00.000Z\r\nContent-Type: application/json\r\n\r\n{BODY}",
            BODY.len()
        );
        let mut direct = Self { stream: UnixStream::connect(listener).await?, request, answer: Vec::new() };
        direct.call().await?;
        Ok(direct)
    }

    pub(crate) async fn call(&mut self) -> Result<()> {
        self.stream.write_all(self.request.as_bytes()).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the FDK closed its connection".into());
            }
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(begins) = head.parse(&self.answer)? else { continue };
            let length =
                head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length: usize =
                std::str::from_utf8(length.ok_or("a reply without a length")?.value)?.parse()?;
            let Some(body) = self.answer.get(begins..begins + length) else { continue };
            let told = std::str::from_utf8(body)?;
            return if told.contains(TOLD) { Ok(()) } else { Err(format!("the reply is {told}").into()) };
        }
    }
}
