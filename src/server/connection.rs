//! Connections: HTTP on each, none kept that says nothing, all finished at the end.

use super::face::Face;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a caller may take for a request's head, and a kept connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How often a silent HTTP/2 peer is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// The open connections of a server. Dropping it closes them.
pub(super) struct Connections {
    face: Arc<Face>,
    http: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(super) fn new(face: Arc<Face>) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // E10: a caller that closes its side is gone. With half-close allowed hyper would not look until it writes. It
        // doesn't look either while bytes of a next request are there: one who sends ahead isn't seen to hang up.
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).half_close(false);
        http.http2().timer(TokioTimer::new()).keep_alive_interval(PING.0).keep_alive_timeout(PING.1);
        Self { face, http, graceful: GracefulShutdown::new(), tasks: JoinSet::new() }
    }

    /// Serves one more, on a task of its own: what is asked on it is polled there, and dropped when the caller hangs up.
    pub(super) fn serve(&mut self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
        let spoke = Arc::new(AtomicBool::new(false));
        // One that is gone by now asks nothing.
        let caller = stream.peer_addr().map(|address| address.ip()).ok();
        let service = {
            let (face, spoke) = (Arc::clone(&self.face), Arc::clone(&spoke));
            service_fn(move |request| {
                spoke.store(true, Ordering::Relaxed);
                let face = Arc::clone(&face);
                async move { Ok::<_, Infallible>(face.answer(request, caller).await) }
            })
        };
        let connection = self.http.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = self.graceful.watch(connection);
        self.tasks.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error = &*error, "a connection ended early");
                },
                // hyper's own limit for heads begins only when it knows which HTTP it is.
                () = silence(&spoke) => tracing::debug!("a connection asked nothing and was closed"),
            }
        });
    }

    /// Forgets those that have ended; waits until there is one.
    pub(super) async fn reap(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Takes no more requests on any, and waits until those under way are answered.
    pub(super) async fn finish(mut self) {
        self.graceful.shutdown().await;
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn silence(spoke: &AtomicBool) {
    tokio::time::sleep(HEAD).await;
    if spoke.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}
