//! Finds where a JSON object ends, however its text is cut in pieces.
//!
//! It reads each byte once and knows only strings and brackets; serde_json then reads the whole. What can't be
//! JSON any more is refused at the byte that shows it (`SEEDS.md E1`): a wrong bracket, a control character in
//! a string, a letter that no literal has.

/// Brackets that may be open at once; serde_json's own limit is 128.
const MAX_DEPTH: u32 = 100;

/// How far an object has been read.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Open brackets.
    depth: u32,
    /// For each of them whether it is `[`, the innermost in the lowest bit.
    arrays: u128,
    in_string: bool,
    escaped: bool,
    /// Bytes read before this piece.
    before: usize,
}

impl Scan {
    /// Reads a piece; how many of its bytes belong to the object, if it ends here.
    pub(super) fn read(&mut self, piece: &[u8]) -> Result<Option<usize>, String> {
        for (at, &byte) in piece.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if byte < b' ' => return Err(self.breach(at, byte, "inside a string")),
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth == MAX_DEPTH {
                        return Err(format!("its JSON is nested deeper than {MAX_DEPTH} levels"));
                    }
                    self.depth += 1;
                    self.arrays = self.arrays << 1 | u128::from(byte == b'[');
                }
                b'}' | b']' => {
                    if self.depth == 0 || (self.arrays & 1 == 1) != (byte == b']') {
                        return Err(self.breach(at, byte, "which nothing opened"));
                    }
                    self.depth -= 1;
                    self.arrays >>= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'0'..=b'9' | b'+' | b'-' | b'.' => {}
                // true, false, null, exponents
                b't' | b'r' | b'u' | b'e' | b'f' | b'a' | b'l' | b's' | b'n' | b'E' => {}
                _ => return Err(self.breach(at, byte, "outside a string")),
            }
        }
        self.before += piece.len();
        Ok(None)
    }

    fn breach(&self, at: usize, byte: u8, place: &str) -> String {
        format!("invalid JSON at byte {}: '{}' {place}", self.before + at + 1, byte.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_text_is_cut() {
        for text in [
            r#"{}"#,
            r#"{"a":[{"}":"\"}"},[]],"b":"\\","c":-1.5E+3,"d":[true,false,null]}"#,
            "{ \t\r\n\"\u{e9}\\u007d\" : \"}}}]]]\" }",
        ] {
            for cut in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                let mut scan = Scan::default();
                let b = [b, b"}{stray"].concat();
                match scan.read(a).unwrap() {
                    Some(end) => assert_eq!((end, cut), (text.len(), text.len())),
                    None => assert_eq!(scan.read(&b).unwrap(), Some(text.len() - cut), "{text} at {cut}"),
                }
            }
        }
    }

    #[test]
    fn e1_what_cannot_be_json_is_refused_at_its_byte() {
        for (text, at) in
            [("{hello", 2), ("{\"a\": [}", 8), ("{]", 2), ("{\"a\n", 4), ("{\"a\\\n", 5), ("{'", 2)]
        {
            let why = Scan::default().read(text.as_bytes()).unwrap_err();
            assert!(why.contains(&format!("at byte {at}:")), "{text}: {why}");
        }
        assert!(
            Scan::default().read("{\"a\":".repeat(101).as_bytes()).unwrap_err().contains("deeper than 100")
        );
        assert_eq!(Scan::default().read("{\"a\":".repeat(100).as_bytes()), Ok(None));
    }
}
