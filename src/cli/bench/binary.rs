//! What the running binary says about how it was built: the compiler's note, and the sources that its messages name.
//!
//! A build script could say it, too, but only of a build that ran it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The most that is read of a section.
const MOST: u64 = 64 << 20;
/// The most sections that a file may have to be looked at.
const SECTIONS: u64 = 4096;

/// The compiler's version, as `1.95.0 (59807616e 2026-04-14)`.
pub(super) fn rustc() -> Option<String> {
    let comment = own_section(b".comment")?;
    let note = comment.split(|byte| *byte == 0).find_map(|note| note.strip_prefix(b"rustc version "))?;
    Some(String::from_utf8_lossy(note).into_owned())
}

/// A dependency's version, where the binary names one of its sources as Cargo lays them out.
pub(super) fn dependency(name: &str) -> Option<String> {
    version_after(&own_section(b".rodata")?, &format!("/{name}-"))
}

fn version_after(bytes: &[u8], lead: &str) -> Option<String> {
    let lead = lead.as_bytes();
    bytes.windows(lead.len()).enumerate().filter(|(_, window)| *window == lead).find_map(|(at, _)| {
        let rest = bytes.get(at + lead.len()..)?;
        let version = rest.split(|byte| *byte == b'/').next().filter(|version| version.len() < 32)?;
        let version = std::str::from_utf8(version).ok()?;
        let is_one = version.starts_with(|c: char| c.is_ascii_digit()) && version.matches('.').count() >= 2;
        is_one.then(|| version.to_owned())
    })
}

fn own_section(name: &[u8]) -> Option<Vec<u8>> {
    section(&mut File::open(std::env::current_exe().ok()?).ok()?, name)
}

/// A section of a 64-bit little-endian ELF file. `None` for any other file, and for one that doesn't have it.
fn section(file: &mut (impl Read + Seek), name: &[u8]) -> Option<Vec<u8>> {
    let head = piece(file, 0, 64)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, entry, count) = (number(&head, 0x28, 8)?, number(&head, 0x3a, 2)?, number(&head, 0x3c, 2)?);
    if entry < 64 || count > SECTIONS {
        return None;
    }
    let headers = piece(file, table, entry.checked_mul(count)?)?;
    let headers: Vec<&[u8]> = headers.chunks_exact(usize::try_from(entry).ok()?).collect();
    let names = headers.get(usize::try_from(number(&head, 0x3e, 2)?).ok()?)?;
    let names = content(file, names)?;
    let named = |header: &&&[u8]| {
        let at = number(header, 0, 4).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| names.get(at..)?.split(|byte| *byte == 0).next()) == Some(name)
    };
    content(file, headers.iter().find(named)?)
}

fn content(file: &mut (impl Read + Seek), header: &[u8]) -> Option<Vec<u8>> {
    piece(file, number(header, 0x18, 8)?, number(header, 0x20, 8)?)
}

fn piece(file: &mut (impl Read + Seek), at: u64, length: u64) -> Option<Vec<u8>> {
    if length > MOST {
        return None;
    }
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == length).then_some(bytes)
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    #[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
    fn this_binary_says_what_built_it() {
        assert!(rustc().unwrap().starts_with("1."));
    }

    #[test]
    fn a_version_follows_its_name() {
        let found = |text: &str| version_after(text.as_bytes(), "/wasmtime-");
        assert_eq!(
            found("x/wasmtime-wasi-48.0.8/src y/wasmtime-48.0.8/src/lib.rs").as_deref(),
            Some("48.0.8")
        );
        assert_eq!(found("/wasmtime-internal/1.2.3 /wasmtime-4"), None);
    }

    #[test]
    fn what_is_no_binary_says_nothing() {
        for bytes in [
            &b""[..],
            b"#!/bin/sh",
            b"\x7fELF\x02\x01",
            &[b"\x7fELF\x02\x01".as_slice(), &[0xff; 100]].concat(),
        ] {
            assert_eq!(section(&mut Cursor::new(bytes.to_vec()), b".comment"), None);
        }
    }
}
