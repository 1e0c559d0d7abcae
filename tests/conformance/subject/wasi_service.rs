//! The same as a component of WASI 0.3.

use super::Open;

pub const OPEN: Open = |_| super::wasi_http::open("service/service.wasm");
