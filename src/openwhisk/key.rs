//! New keys, from the system's own randomness.

use super::auth::Namespace;
use crate::error::{Error, Result};
use std::fmt::Write;

/// Characters of a key's secret part.
const SECRET: usize = 64;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Namespace {
    /// A namespace with a new key: a random UUID and 384 random bits.
    pub fn generate(name: impl Into<String>) -> Result<Self> {
        let mut bytes = [0; 16 + SECRET];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::internal(format!("the system gives no random bytes: {error}")))?;
        let (uuid, secret) = bytes.split_at_mut(16);
        let mut key = String::with_capacity(37 + SECRET);
        for (at, byte) in uuid.iter_mut().enumerate() {
            match at {
                4 | 10 => key.push('-'),
                // Version 4, variant 1 (RFC 9562).
                6 => {
                    key.push('-');
                    *byte = *byte & 0x0f | 0x40;
                }
                8 => {
                    key.push('-');
                    *byte = *byte & 0x3f | 0x80;
                }
                _ => {}
            }
            let _ = write!(key, "{byte:02x}");
        }
        key.push(':');
        let letters = secret.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte & 63)));
        key.extend(letters.map(|letter| char::from(*letter)));
        Ok(Self { name: name.into(), key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_new_and_a_uuid_with_a_secret() {
        let (one, two) = (Namespace::generate("guest").unwrap(), Namespace::generate("guest").unwrap());
        assert_ne!(one.key, two.key);
        let (uuid, secret) = one.key.split_once(':').unwrap();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!((lengths, secret.len()), (vec![8, 4, 4, 4, 12], SECRET));
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(crate::openwhisk::auth::Keys::new(&[one]).is_ok());
    }
}
