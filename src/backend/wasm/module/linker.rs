//! What a module may call: all of WASI preview 1 by wasmtime-wasi, but for the standard streams, the environment and
//! `proc_exit`.

use super::environ;
use super::stdio::{self, BADF, NOTSUP, SUCCESS, Vectors};
use crate::backend::wasm::state::{STDERR, STDIN, STDOUT, State};
use wasmtime::{AsContextMut, Caller, Engine, Linker};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wiggle::GuestMemory;

const WASI: &str = "wasi_snapshot_preview1";

/// The linker that every function's module is linked with.
pub(in crate::backend::wasm) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |state: &mut State| &mut state.wasi)?;
    linker.allow_shadowing(true);
    // The hot ones choose before they make a future: what can be done at once needs none that holds anything, and
    // wasmtime-wasi's, which are large, aren't part of ours.
    linker.func_wrap_async(WASI, "fd_read", |mut caller: Caller<'_, State>, (fd, at, count, out)| {
        if fd == STDIN && caller.data().is_standard(fd) {
            return Box::new(async move { stdio::read(&mut caller, Vectors::new(at, count, out)).await });
        }
        Box::new(async move {
            let (mut memory, wasi) = delegate(&mut caller)?;
            preview1::fd_read(wasi, &mut memory, fd, at, count, out).await
        })
    })?;
    linker.func_wrap_async(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, State>, (fd, at, count, out)| match (fd, caller.data().is_standard(fd)) {
            (STDOUT, true) => {
                let mut write = stdio::Write::new(Vectors::new(at, count, out));
                match write.step(&mut caller).transpose() {
                    Some(done) => Box::new(std::future::ready(done)),
                    None => Box::new(async move { write.rest(&mut caller).await }),
                }
            }
            (STDERR, true) => {
                Box::new(std::future::ready(stdio::log(&mut caller, Vectors::new(at, count, out))))
            }
            _ => Box::new(async move {
                let (mut memory, wasi) = delegate(&mut caller)?;
                preview1::fd_write(wasi, &mut memory, fd, at, count, out).await
            }),
        },
    )?;
    linker.func_wrap_async(WASI, "fd_close", |mut caller: Caller<'_, State>, (fd,): (i32,)| {
        Box::new(async move {
            let standard = caller.data().is_standard(fd);
            let (mut memory, wasi) = delegate(&mut caller)?;
            let errno = preview1::fd_close(wasi, &mut memory, fd).await?;
            if standard && errno == SUCCESS {
                caller.data_mut().close(fd);
            }
            Ok(errno)
        })
    })?;
    linker.func_wrap_async(
        WASI,
        "fd_renumber",
        |mut caller: Caller<'_, State>, (from, to): (i32, i32)| {
            Box::new(async move {
                // A standard stream is known by its number: moved, it would be wasmtime-wasi's, which leads nowhere.
                if caller.data().is_standard(from) || caller.data().is_standard(to) {
                    return Ok(NOTSUP);
                }
                let (mut memory, wasi) = delegate(&mut caller)?;
                preview1::fd_renumber(wasi, &mut memory, from, to).await
            })
        },
    )?;
    linker.func_wrap(WASI, "args_sizes_get", |mut caller: Caller<'_, State>, count: i32, size: i32| {
        environ::sizes(&mut caller, |all| &all.args, (count, size))
    })?;
    linker.func_wrap(WASI, "args_get", |mut caller: Caller<'_, State>, starts: i32, bytes: i32| {
        environ::get(&mut caller, |all| &all.args, (starts, bytes))
    })?;
    linker.func_wrap(WASI, "environ_sizes_get", |mut caller: Caller<'_, State>, count: i32, size: i32| {
        environ::sizes(&mut caller, |all| &all.env, (count, size))
    })?;
    linker.func_wrap(WASI, "environ_get", |mut caller: Caller<'_, State>, starts: i32, bytes: i32| {
        environ::get(&mut caller, |all| &all.env, (starts, bytes))
    })?;
    linker.func_wrap(WASI, "fd_prestat_get", |mut caller: Caller<'_, State>, fd: i32, at: i32| {
        // Every guest asks this as it begins. An error of wasmtime-wasi's may carry a whole host backtrace.
        if !caller.data().has_dirs {
            return Ok(BADF);
        }
        let (mut memory, wasi) = delegate(&mut caller)?;
        preview1::fd_prestat_get(wasi, &mut memory, fd, at)
    })?;
    // wasmtime-wasi takes codes below 126 only, but a container's process may end with any.
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) })?;
    Ok(linker)
}

/// What wasmtime-wasi's own function takes: the guest's memory and context, as its linker would give them.
fn delegate<'a>(caller: &'a mut Caller<'_, State>) -> wasmtime::Result<(GuestMemory<'a>, &'a mut WasiP1Ctx)> {
    let memory = stdio::memory(caller)?;
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (data, state) = memory.data_and_store_mut(caller);
    state.wasi.set_hostcall_fuel(fuel);
    Ok((GuestMemory::Unshared(data), &mut state.wasi))
}
