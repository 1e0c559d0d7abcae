//! A function that goes wrong as its request's path tells it to.

use super::wire::{Reply, Request, Wire};
use super::{Setup, hog, trap};
use crate::backend::Exit;
use crate::backend::fake::process::Process;
use crate::function::BackendKind;
use bytes::Bytes;
use std::time::Duration;

/// What no format reads.
const GARBAGE: &[u8] = b"this is not a reply in any format\n";

/// Answers one request, or doesn't.
pub(super) async fn answer(
    process: &Process,
    setup: &Setup,
    wire: &Wire<'_>,
    request: &Request,
) -> Result<(), Exit> {
    let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let (name, argument) = path.split_once('/').unwrap_or((path, ""));
    let number = argument.parse::<u32>().unwrap_or(0);
    let echo = Reply::ok(request.body.clone());
    let reply = wire.encode(request, &echo);
    match name {
        "exit" => return Err(Exit::Code(i32::try_from(number).unwrap_or(1))),
        "trap" => return Err(trap(setup.kind)),
        "signal" => {
            return Err(match setup.kind {
                // A module has no signals: the shell's convention stands for one.
                BackendKind::Wasm => Exit::Code(i32::try_from(number).map_or(1, |signal| 128 + signal)),
                BackendKind::Docker => Exit::Signal(i32::try_from(number).unwrap_or(9)),
            });
        }
        "loop" | "silence" => std::future::pending().await,
        "hog" => return Err(hog(process)),
        "flood" => {
            let (head, piece) = wire.endless(request);
            process.write(head).await;
            loop {
                process.write(piece.clone()).await;
            }
        }
        "stray" => {
            process.write(reply).await;
            process.write(Bytes::from_static(b"stray")).await;
        }
        "double" => {
            process.write(reply.clone()).await;
            process.write(reply).await;
        }
        "late" => {
            tokio::time::sleep(Duration::from_millis(number.into())).await;
            process.write(reply).await;
        }
        "chatter" => {
            let line = format!("{}\n", "chatter".repeat(9));
            for _ in 0..(u64::from(number) << 10).div_ceil(line.len() as u64) {
                process.log(&line);
            }
            process.write(reply).await;
        }
        "garbage" => process.write(Bytes::from_static(GARBAGE)).await,
        "half" => {
            process.write(reply.slice(..reply.len() / 2)).await;
            return Err(Exit::Code(0));
        }
        "wrong-id" => {
            let other = Request { frame: request.frame.wrapping_add(1), ..request.clone() };
            process.write(wire.encode(&other, &echo)).await;
        }
        "error" => match wire.error(request, argument) {
            Some(error) => process.write(error).await,
            None => {
                process.log(&format!("{argument}\n"));
                return Err(Exit::Code(1));
            }
        },
        _ => process.write(reply).await,
    }
    Ok(())
}
