//! HTTP: Kiln's server in front of a warm instance against bare hyper that answers a constant, under the same load.
//!
//! Each server has a runtime and a port of its own, in this process; the client has its own process and takes turns.

use crate::Result;
use crate::load;
use crate::ours;
use crate::plan::Plan;
use crate::stats::{Rounds, Unit};
use crate::table::{Promise, Table};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kiln::Format;
use kiln::server::Server;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

const CASE: &str = "HTTP /r/echo, warm wasm, 32 connections";
const SLICE: Duration = Duration::from_millis(100);

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(CASE) {
        return Ok(());
    }
    let (of_floor, of_kiln) = (ours::all_cores()?, ours::all_cores()?);
    let floor = of_floor.block_on(constant())?;
    let kiln = of_kiln.block_on(async {
        let host = ours::host(ours::config(ours::SLOTS), ours::echo(Format::Frame)).await?;
        let server = Server::bind(([127, 0, 0, 1], 0).into(), host).await?;
        let address = server.local_addr();
        tokio::spawn(server.run(std::future::pending()));
        crate::Result::Ok(address)
    })?;
    let mut rounds = Rounds::new();
    for (floor, kiln) in load::run([floor, kiln], plan.rounds(5, 61), SLICE)? {
        rounds.add(floor, kiln);
    }
    table.row(CASE, Unit::Rate, &rounds, Promise::AtLeast(0.8));
    Ok(())
}

/// Bare hyper on a port of its own.
async fn constant() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            tokio::spawn(async move {
                let answer = service_fn(|_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(load::BODY.as_bytes()))))
                });
                // A client that hangs up is none of ours.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    Ok(address)
}
