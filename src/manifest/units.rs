//! Sizes, durations and directories as people write them, in a manifest or on the command line.

use crate::function::Dir;
use std::path::Path;
use std::time::Duration;

/// A size with its unit, in bytes: `64MiB`, `2GiB`, `1.5GB`, `512B`. The error says what is wrong and would be right.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') && !text.is_empty() {
        return Err(format!("without a unit: give one, as \"{text}MiB\""));
    }
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "which is no size: give one such as \"64MiB\" or \"2GiB\"".into())
}

/// A duration with its unit: `250ms`, `10s`, `1h 30m`. The error says what is wrong and would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    // humantime takes a bare 0, and only that.
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') && !text.is_empty() {
        return Err(format!("without a unit: give one, as \"{text}s\""));
    }
    humantime::parse_duration(text)
        .map_err(|_| "which is no duration: give one such as \"250ms\", \"10s\" or \"5m\"".into())
}

/// A directory as `host:guest`, `host:guest:ro` or `host:guest:rw`; a relative host path is taken from `folder`.
/// The error says what is wrong and would be right.
pub fn parse_dir(text: &str, folder: &Path) -> Result<Dir, String> {
    let parts: Vec<_> = text.split(':').collect();
    let (host, guest, writable) = match *parts.as_slice() {
        [host, guest] | [host, guest, "ro"] => (host, guest, false),
        [host, guest, "rw"] => (host, guest, true),
        _ => return Err("which is no directory: give \"host:guest\" or \"host:guest:rw\"".into()),
    };
    if host.is_empty() || guest.is_empty() {
        return Err("where a part is empty: give \"host:guest\" or \"host:guest:rw\"".into());
    }
    Ok(Dir { host: folder.join(host), guest: guest.into(), writable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::MIB;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("64MiB"), Ok(64 * MIB));
        assert_eq!(parse_size(" 1.5 GB "), Ok(1_500_000_000));
        assert_eq!(parse_size("512B"), Ok(512));
        assert_eq!(parse_size("64").unwrap_err(), "without a unit: give one, as \"64MiB\"");
        for text in ["", "MiB", "64 parsecs", "-1MiB"] {
            assert!(parse_size(text).unwrap_err().starts_with("which is no size"), "{text:?}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["10", "0"] {
            let right = format!("without a unit: give one, as \"{text}s\"");
            assert_eq!(parse_duration(text).unwrap_err(), right);
        }
        assert!(parse_duration("soon").unwrap_err().starts_with("which is no duration"));
    }

    #[test]
    fn directories_are_read_only_unless_said() {
        let folder = Path::new("/srv");
        let dir = |host: &str, writable| Dir { host: host.into(), guest: "/data".into(), writable };
        assert_eq!(parse_dir("data:/data", folder), Ok(dir("/srv/data", false)));
        assert_eq!(parse_dir("/abs:/data:ro", folder), Ok(dir("/abs", false)));
        assert_eq!(parse_dir("data:/data:rw", folder), Ok(dir("/srv/data", true)));
        for text in ["data", "a:b:c", "a:b:rw:x", ":/data", "data:"] {
            assert!(parse_dir(text, folder).is_err(), "{text:?}");
        }
    }
}
