//! A guest's side of the four formats.

use crate::backend::Exit;
use crate::backend::fake::process::Process;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a guest that can't read its request ends (`EX_DATAERR`).
const UNREADABLE: Exit = Exit::Code(65);

/// One request, as the guest understood it.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Below `/r/<function>`, with the query.
    pub(super) path: String,
    pub(super) call_id: String,
    pub(super) deadline: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The frame's id.
    pub(super) frame: u64,
    /// The invocation's, where a runtime is told it.
    pub(super) id: String,
}

/// What a runtime is given to become a function.
#[derive(Clone, Debug, Default)]
pub(super) struct Init {
    frame: u64,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) main: String,
    pub(super) file: String,
    pub(super) code: String,
    pub(super) env: BTreeMap<String, String>,
}

impl Init {
    /// Says that the code is loaded.
    pub(super) fn loaded(&self) -> Bytes {
        frame(1, self.frame, b"", b"")
    }

    /// Says what is wrong with it.
    pub(super) fn failed(&self, why: &str) -> Bytes {
        frame(4, self.frame, b"", why.as_bytes())
    }
}

/// One reply.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Default,
    Http,
    Json,
    Frame,
}

/// Stdin, read by a format.
pub(super) struct Wire<'a> {
    process: &'a Process,
    env: &'a BTreeMap<String, String>,
    format: Format,
    buffer: Vec<u8>,
}

impl<'a> Wire<'a> {
    /// The format is what `FN_FORMAT` says, as for any function.
    pub(super) fn open(process: &'a Process, env: &'a BTreeMap<String, String>) -> Result<Self, Exit> {
        let format = match env.get("FN_FORMAT").map(String::as_str) {
            None | Some("default") => Format::Default,
            Some("http") => Format::Http,
            Some("json") => Format::Json,
            Some("frame") => Format::Frame,
            Some(other) => {
                process.log(&format!("FN_FORMAT is {other:?}: give default, http, json or frame\n"));
                return Err(Exit::Code(64));
            }
        };
        Ok(Self { process, env, format, buffer: Vec::new() })
    }

    /// Stdin begins with this.
    pub(super) fn preload(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn is_oneshot(&self) -> bool {
        self.format == Format::Default
    }

    /// Says that the initialisation is done, where the format has a word for it.
    pub(super) async fn ready(&self) {
        if self.format == Format::Frame {
            self.process.write(frame(1, 0, b"", b"")).await;
        }
    }

    /// The next request; `None` at the end of stdin between two.
    pub(super) async fn request(&mut self) -> Result<Option<Request>, Exit> {
        match self.format {
            Format::Default => self.default_request().await.map(Some),
            Format::Http => self.http_request().await,
            Format::Json => self.json_request().await,
            Format::Frame => self.frame_request().await,
        }
    }

    /// A reply to a request, as it goes to stdout.
    pub(super) fn encode(&self, request: &Request, reply: &Reply) -> Bytes {
        match self.format {
            Format::Default => reply.body.clone(),
            Format::Http => {
                let mut head = format!("HTTP/1.1 {} Kiln\r\n", reply.status);
                for (name, value) in &reply.headers {
                    head += &format!("{name}: {value}\r\n");
                }
                head += &format!("Content-Length: {}\r\n\r\n", reply.body.len());
                join(head.as_bytes(), &reply.body)
            }
            Format::Json => {
                let headers: serde_json::Map<_, _> =
                    reply.headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
                let reply = json!({
                    "body": String::from_utf8_lossy(&reply.body),
                    "content_type": header(&reply.headers, "content-type"),
                    "protocol": { "status_code": reply.status, "headers": headers },
                });
                join(reply.to_string().as_bytes(), b"\n")
            }
            Format::Frame => {
                let headers: serde_json::Map<_, _> =
                    reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let meta = json!({ "status": reply.status, "headers": headers });
                frame(3, request.frame, meta.to_string().as_bytes(), &reply.body)
            }
        }
    }

    /// The function's own error; `None` where the format has no word for it.
    pub(super) fn error(&self, request: &Request, text: &str) -> Option<Bytes> {
        match self.format {
            Format::Default => None,
            Format::Frame => Some(frame(4, request.frame, b"", text.as_bytes())),
            Format::Http | Format::Json => {
                let reply = Reply { status: 500, ..Reply::ok(text.to_owned()) };
                Some(self.encode(request, &reply))
            }
        }
    }

    /// The beginning of a reply, and the piece that follows it over and over without the reply ever ending.
    pub(super) fn endless(&self, request: &Request) -> (Bytes, Bytes) {
        let piece = [b'x'; 16 << 10];
        let plain = Bytes::copy_from_slice(&piece);
        match self.format {
            Format::Default => (Bytes::new(), plain),
            Format::Http => {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                (Bytes::from_static(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), chunk.into())
            }
            Format::Json => (Bytes::from_static(b"{\"body\":\""), plain),
            Format::Frame => {
                let head = frame(3, request.frame, b"", b"");
                (join(&[0xff; 4], head.get(4..).unwrap_or_default()), plain)
            }
        }
    }

    async fn default_request(&mut self) -> Result<Request, Exit> {
        while self.more().await {}
        let var = |name: &str| self.env.get(name).cloned().unwrap_or_default();
        let headers = self.env.iter().filter_map(|(name, value)| {
            Some((name.strip_prefix("FN_HEADER_")?.replace('_', "-").to_lowercase(), value.clone()))
        });
        Ok(Request {
            method: var("FN_METHOD"),
            // FN_PATH is the function's route alone, as Fn has it.
            path: below_function(&var("FN_REQUEST_URL")).into(),
            call_id: var("FN_CALL_ID"),
            deadline: var("FN_DEADLINE"),
            headers: headers.collect(),
            body: std::mem::take(&mut self.buffer).into(),
            frame: 0,
            id: String::new(),
        })
    }

    async fn http_request(&mut self) -> Result<Option<Request>, Exit> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(self.unreadable(&format!("no request line: {line:?}")));
        };
        let mut request =
            Request { method: method.into(), path: below_function(target).into(), ..Request::default() };
        let mut length = None;
        loop {
            let Some(line) = self.line().await? else { return Err(self.unreadable("stdin ended in a head")) };
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(": ") else {
                return Err(self.unreadable(&format!("no header: {line:?}")));
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok(),
                "fn_call_id" => request.call_id = value.into(),
                "fn_deadline" => request.deadline = value.into(),
                "host" | "task-id" | "method" | "route" | "request_url" | "fn_method" | "fn_request_url" => {}
                _ => request.headers.push((name.into(), value.into())),
            }
        }
        let Some(length) = length else { return Err(self.unreadable("no Content-Length")) };
        request.body = self.exactly(length).await?;
        Ok(Some(request))
    }

    async fn json_request(&mut self) -> Result<Option<Request>, Exit> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            return Err(self.unreadable("no JSON on one line"));
        };
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let headers = value.pointer("/protocol/headers").and_then(Value::as_object).into_iter().flatten();
        Ok(Some(Request {
            method: text("/protocol/method").into(),
            path: below_function(text("/protocol/request_url")).into(),
            call_id: text("/call_id").into(),
            deadline: text("/deadline").into(),
            headers: headers
                .flat_map(|(name, values)| {
                    values.as_array().into_iter().flatten().map(move |value| (name, value))
                })
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().into()))
                .collect(),
            body: text("/body").to_owned().into(),
            frame: 0,
            id: String::new(),
        }))
    }

    /// A function's source, for a runtime; `None` at the end of stdin before it.
    pub(super) async fn init(&mut self) -> Result<Option<Init>, Exit> {
        let Some((kind, id, meta, body)) = self.frame().await? else { return Ok(None) };
        if kind != 5 {
            return Err(self.unreadable(&format!("a frame of kind {kind} came before any code")));
        }
        let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let env = meta.get("env").and_then(Value::as_object).into_iter().flatten();
        Ok(Some(Init {
            frame: id,
            namespace: text("namespace"),
            name: text("name"),
            main: text("main"),
            file: text("file"),
            code: String::from_utf8_lossy(&body).into_owned(),
            env: env.flat_map(|(name, value)| pairs(name, value)).collect(),
        }))
    }

    async fn frame_request(&mut self) -> Result<Option<Request>, Exit> {
        let Some((kind, id, meta, body)) = self.frame().await? else { return Ok(None) };
        if kind != 2 {
            return Err(self.unreadable(&format!("a frame of kind {kind} isn't a request")));
        }
        let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default();
        let headers = meta.get("headers").and_then(Value::as_object).into_iter().flatten();
        let mut headers: Vec<_> = headers.flat_map(|(name, value)| pairs(name, value)).collect();
        if let Some(kind) = meta.get("content_type").and_then(Value::as_str)
            && header(&headers, "content-type").is_empty()
        {
            headers.push(("content-type".into(), kind.into()));
        }
        Ok(Some(Request {
            method: text("method").into(),
            path: below_function(text("path")).into(),
            call_id: id.to_string(),
            deadline: meta.get("deadline_ms").map(Value::to_string).unwrap_or_default(),
            headers,
            body,
            frame: id,
            id: text("id").into(),
        }))
    }

    /// The next frame: its kind, id, metadata and body.
    async fn frame(&mut self) -> Result<Option<(u8, u64, Value, Bytes)>, Exit> {
        if self.buffer.is_empty() && !self.more().await {
            return Ok(None);
        }
        let head = self.exactly(16).await?;
        let [a, b, c, d, kind, flags, e, f, id @ ..] = &head[..] else {
            return Err(self.unreadable("half a frame's head"));
        };
        let id = <[u8; 8]>::try_from(id).map_or(0, u64::from_le_bytes);
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let meta_length = usize::from(u16::from_le_bytes([*e, *f]));
        if *flags != 0 || meta_length > length {
            return Err(self.unreadable(&format!("no frame: {head:?}")));
        }
        let meta = self.exactly(meta_length).await?;
        let body = self.exactly(length - meta_length).await?;
        let meta: Value = if meta.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&meta).map_err(|error| self.unreadable(&format!("frame meta: {error}")))?
        };
        Ok(Some((*kind, id, meta, body)))
    }

    /// Reads one more piece of stdin; false at its end.
    async fn more(&mut self) -> bool {
        match self.process.read().await {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece);
                true
            }
            None => false,
        }
    }

    /// The next line without its end; `None` at the end of stdin before one.
    async fn line(&mut self) -> Result<Option<String>, Exit> {
        let mut seen = 0;
        loop {
            let fresh = self.buffer.get(seen..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.exactly(seen + at + 1).await?;
                let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(&line);
                return match std::str::from_utf8(line) {
                    Ok(line) => Ok(Some(line.into())),
                    Err(error) => Err(self.unreadable(&format!("a line isn't text: {error}"))),
                };
            }
            seen = self.buffer.len();
            if !self.more().await {
                return if seen == 0 { Ok(None) } else { Err(self.unreadable("stdin ended in a line")) };
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes, Exit> {
        while self.buffer.len() < length {
            if !self.more().await {
                return Err(self.unreadable("stdin ended in a request"));
            }
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest).into())
    }

    fn unreadable(&self, why: &str) -> Exit {
        self.process.log(&format!("unreadable request: {why}\n"));
        UNREADABLE
    }
}

/// A frame: `len | kind | flags | meta_len | id`, meta, body.
fn frame(kind: u8, id: u64, meta: &[u8], body: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(16 + meta.len() + body.len());
    frame.extend(u32::try_from(meta.len() + body.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend([kind, 0]);
    frame.extend(u16::try_from(meta.len()).unwrap_or(u16::MAX).to_le_bytes());
    frame.extend(id.to_le_bytes());
    frame.extend(meta);
    frame.extend(body);
    frame.into()
}

fn join(head: &[u8], body: &[u8]) -> Bytes {
    [head, body].concat().into()
}

pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

/// A header's value or values.
fn pairs(name: &str, value: &Value) -> Vec<(String, String)> {
    let pair = |value: &Value| (name.to_owned(), value.as_str().unwrap_or_default().to_owned());
    match value {
        Value::Array(values) => values.iter().map(pair).collect(),
        one => vec![pair(one)],
    }
}

/// What comes after `/r/<function>` in a URL or a path; the whole path where it has no such lead.
fn below_function(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => url,
    };
    let Some(below) = path.strip_prefix("/r/") else { return path };
    below.find(['/', '?']).and_then(|at| below.get(at..)).unwrap_or("/")
}
