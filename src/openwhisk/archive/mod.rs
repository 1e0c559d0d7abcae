//! Source that comes as a ZIP archive, for runtimes that take one text: its files become that text, which finds them in itself.
//!
//! What is kept and shown is the archive; the text is made each time that it is deployed, so that all backends get the same.

mod js;
mod python;

use super::refusal::{Refusal, Result};
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
use rawzip::{CompressionMethod, ZipArchive};
use serde_json::json;
use std::collections::BTreeMap;

/// Files of an archive at most.
const MOST: usize = 10_000;

/// Files by their paths, as `lib/a.js`: relative, with `/` between their parts.
type Files = BTreeMap<String, Vec<u8>>;

/// Whether bytes begin as an archive's.
pub(super) fn is_one(code: &[u8]) -> bool {
    code.starts_with(b"PK\x03\x04")
}

/// Whether archives are taken for a runtime.
pub(super) fn is_taken_by(runtime: &str) -> bool {
    matches!(runtime, "js" | "python")
}

/// The text that an archive is for a runtime. `most` is how many bytes its files may have in all.
pub(super) fn text(runtime: &str, archive: &[u8], most: u64) -> Result<String> {
    let files = files(archive, most)?;
    match runtime {
        "js" => js::bundle(&files),
        _ => python::bundle(&files),
    }
}

fn files(archive: &[u8], most: u64) -> Result<Files> {
    let broken = |error: rawzip::Error| unfit(format!("it can't be read: {error}"));
    let archive = ZipArchive::from_slice(archive).map_err(broken)?;
    let (mut files, mut left) = (Files::new(), usize::try_from(most).unwrap_or(usize::MAX));
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        let path = entry.file_path();
        let Some(path) = within(path.as_bytes()).filter(|_| !entry.is_dir()) else { continue };
        if files.len() == MOST {
            return Err(unfit(format!("it has more than {MOST} files, which is all that are taken")));
        }
        let found = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let long =
            || unfit(format!("its files have more than {most} bytes in all, which is all that is taken"));
        // What it says of its length needn't be true.
        let bytes = match entry.compression_method() {
            CompressionMethod::STORE => found.data().to_vec(),
            CompressionMethod::DEFLATE => {
                decompress_to_vec_with_limit(found.data(), left).map_err(|error| match error.status {
                    TINFLStatus::HasMoreOutput => long(),
                    status => unfit(format!("{path:?} in it can't be read: {status:?}")),
                })?
            }
            other => {
                return Err(unfit(format!("{path:?} in it is packed by method {other:?}: give DEFLATE")));
            }
        };
        if rawzip::crc32(&bytes) != entry.crc32() {
            return Err(unfit(format!("{path:?} in it is damaged")));
        }
        left = left.checked_sub(bytes.len()).ok_or_else(long)?;
        files.insert(path, bytes);
    }
    Ok(files)
}

/// A file's path, where it is one within the archive: nobody finds what leads out of it.
fn within(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?.replace('\\', "/");
    let leads_out = path.starts_with('/') || path.split('/').any(|part| part == "..");
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!leads_out && !parts.is_empty()).then(|| parts.join("/"))
}

/// A refusal of an archive.
fn unfit(why: impl std::fmt::Display) -> Refusal {
    Refusal::malformed(format!("'code' is an archive, and {why}"))
}

/// A text as JavaScript and Python write it, too.
fn quoted(text: &str) -> String {
    // Line separators end a line in old JavaScript.
    json!(text).to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;
    use rawzip::ZipArchiveWriter;
    use std::io::Write;

    /// Every other file is compressed.
    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        let mut writer = ZipArchiveWriter::new(&mut archive);
        for (at, (name, text)) in files.iter().enumerate() {
            let (method, packed) = match at % 2 {
                0 => (CompressionMethod::STORE, text.as_bytes().to_vec()),
                _ => (CompressionMethod::DEFLATE, compress_to_vec(text.as_bytes(), 6)),
            };
            let (mut entry, config) = writer.new_file(*name).compression_method(method).start().unwrap();
            let mut sum = config.wrap(std::io::sink());
            sum.write_all(text.as_bytes()).unwrap();
            let (_, sum) = sum.finish().unwrap();
            entry.write_all(&packed).unwrap();
            entry.finish(sum).unwrap();
        }
        writer.finish().unwrap();
        archive
    }

    #[test]
    fn files_are_read_and_none_leads_out() {
        let archive = zip(&[("a/b.js", "x"), ("é.js", "zzz"), ("./c", "y")]);
        assert!(is_one(&archive));
        let found = files(&archive, 5).unwrap();
        let texts: Vec<_> = found.iter().map(|(path, text)| (path.as_str(), text.as_slice())).collect();
        assert_eq!(texts, [("a/b.js", &b"x"[..]), ("c", b"y"), ("é.js", b"zzz")]);
        for most in 0..5 {
            let long = files(&archive, most).unwrap_err();
            assert!(long.text.contains(&format!("more than {most} bytes")), "{}", long.text);
        }
        for path in ["/etc/passwd", "../x", "a/../../x", "..\\x", "", "."] {
            assert_eq!(within(path.as_bytes()), None, "{path}");
        }
        let broken = files(archive.get(..40).unwrap(), 100).unwrap_err();
        assert!(broken.status == 400 && broken.text.contains("can't be read"), "{}", broken.text);
    }

    #[test]
    fn what_has_no_beginning_is_refused_with_what_would_be_right() {
        let archive = zip(&[("other.txt", "x")]);
        for (runtime, said) in [("js", "package.json"), ("python", "__main__.py")] {
            let refusal = text(runtime, &archive, 1000).unwrap_err();
            assert!(refusal.text.contains(said), "{}", refusal.text);
        }
    }
}
