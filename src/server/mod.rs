//! The HTTP face: requests in, [`Host::stream`], replies out.
//!
//! | path | answer |
//! | --- | --- |
//! | `ANY /r/<function>[/path][?query]` | the function's own status, headers and body |
//! | `GET /healthz` | 200 as long as the process lives |
//! | `GET /readyz` | 200 while it takes requests and a backend answers, else 503; says which backends do |
//! | `GET /metrics` | figures in the OpenMetrics text format |
//! | `GET /_kiln/functions` | what is deployed ([`FunctionView`]) |
//! | `GET /_kiln/pool` | the pool in figures ([`PoolView`]) |
//! | `/api/v1/...`, `/` | OpenWhisk's REST API, where one is given (`Server::openwhisk`) |
//!
//! Every reply of `/r/` carries `Kiln-Invocation-Id`, and once a function was found `Kiln-Backend`, `Kiln-Start` (how it
//! got its sandbox, `SEEDS.md W9`) and `Kiln-Duration-Us: wait=12, start=0, run=345` (microseconds). Where the reply
//! is Kiln's and not the function's, `Kiln-Error` names the [`ErrorKind`](crate::ErrorKind), and the body is
//! `{"error": "...", "kind": "...", "invocation": "...", "logs": ["..."]}`. A function can't set any of these itself.
//!
//! ```no_run
//! # async fn example() -> kiln::Result<()> {
//! let host = kiln::Host::builder().build()?;
//! let server = kiln::server::Server::bind("127.0.0.1:0".parse().unwrap(), host).await?;
//! println!("listening on {}", server.local_addr());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! # Ok(()) }
//! ```
//!
//! A body above [`STREAM_ABOVE`](crate::host::STREAM_ABOVE) goes through as it comes, in both directions; what is said of a
//! reply's time is then what it took until it began. One that fails after that ends its connection, or its HTTP/2 stream.
//!
//! Nothing here asks who calls: whoever reaches the address may call every function and see the names of all. Bind it
//! to where only the callers are, or put a proxy before it.

mod body;
mod connection;
mod face;
mod headers;
mod health;
mod invoke;
mod metrics;
#[cfg(feature = "openwhisk")]
mod openwhisk;
mod reload;
mod reply;
mod route;
#[cfg(feature = "openwhisk")]
mod source;
mod value;
mod views;
mod watch;

pub use reload::Reloader;
pub use views::{FunctionView, PoolView, Share};

use crate::error::{Error, Result};
use crate::host::Host;
use connection::Connections;
use face::Face;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long nothing is accepted after the machine had no room for one more connection.
const BREATH: Duration = Duration::from_millis(50);

/// A host behind HTTP/1.1 and HTTP/2 (with prior knowledge) on one address.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    host: Host,
    face: Face,
}

impl Server {
    /// Binds an address; port 0 takes a free one. From now on callers can connect, and are answered once it runs.
    /// `InvalidInput` where the address can't be had.
    pub async fn bind(address: SocketAddr, host: Host) -> Result<Self> {
        let refused =
            |error| Error::invalid(format!("can't listen on {address}: {error}; give another address"));
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let face = Face::new(host.clone());
        Ok(Self { listener, address, host, face })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The same server, which answers OpenWhisk's API at `/api/v1`, too.
    #[cfg(feature = "openwhisk")]
    #[must_use]
    pub fn openwhisk(mut self, api: crate::openwhisk::OpenWhisk) -> Self {
        self.face.serve_openwhisk(api);
        self
    }

    /// Serves until `shutdown` completes, then stops accepting, finishes what was asked, and drains the host
    /// (`SEEDS.md I8`): when this returns, no sandbox is left. Dropping it closes every connection at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let face = Arc::new(self.face);
        let mut connections = Connections::new(Arc::clone(&face));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = connections.reap() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => connections.serve(stream),
                    Err(error) if is_the_callers(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "can't accept a connection");
                        tokio::time::sleep(BREATH).await;
                    }
                },
            }
        }
        drop(self.listener);
        face.drain();
        connections.finish().await;
        face.finish().await;
        self.host.drain().await;
    }
}

/// Whether a connection failed before it was accepted, which is no reason to wait with the next.
fn is_the_callers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
