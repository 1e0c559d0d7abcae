//! The wasm backend, driven through the backend contract with small guests in text form.

#![cfg(feature = "wasm")]

#[cfg(test)]
mod cache;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod component;
#[cfg(test)]
#[path = "../common/components.rs"]
mod components;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod heap;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod prepare;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod support;
#[cfg(test)]
mod time;
#[cfg(test)]
mod world;
