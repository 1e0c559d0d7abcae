//! Code by its SHA-256. It is kept for as long as a document refers to it.

use super::Store;
use super::tables::CODE;
use crate::error::{Error, Result};
use bytes::Bytes;
use sha2::Digest as _;
use std::fmt;
use std::str::FromStr;

/// The SHA-256 of code; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// That of bytes. Takes milliseconds for megabytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(format!("{text:?} is no digest: give 64 hexadecimal digits"));
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits =
                text.get(at * 2..at * 2 + 2).filter(|digits| !digits.starts_with('+')).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Store {
    /// The code with a digest; `None` if no document refers to it.
    pub async fn code(&self, digest: Digest) -> Result<Option<Bytes>> {
        self.read(move |snapshot| {
            let row = snapshot.open_table(CODE)?.get_owned(digest.as_bytes())?;
            Ok(row.map(|code| Bytes::copy_from_slice(code.value())))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let (sign, plus) = ("é".repeat(32), format!("+{}", &digest.to_string()[1..]));
        for text in ["", "ba", sign.as_str(), plus.as_str(), &"g".repeat(64)] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
