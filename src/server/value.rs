//! Header values that Kiln writes for each reply: on the stack first, so that each costs the one allocation it lives in.

use crate::invocation::{InvocationId, Timings};
use http::header::HeaderValue;
use std::fmt::{self, Write};

/// Enough for three 20-digit numbers with their names.
const ROOM: usize = 96;

/// Text on the stack. What is beyond its room is an error.
struct Stack {
    bytes: [u8; ROOM],
    len: usize,
}

impl Write for Stack {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A value of formatted text; `None` where it is longer than a value of ours can be, or isn't visible ASCII.
fn value(text: fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut stack = Stack { bytes: [0; ROOM], len: 0 };
    stack.write_fmt(text).ok()?;
    HeaderValue::from_bytes(stack.bytes.get(..stack.len)?).ok()
}

/// An invocation's id.
pub(super) fn id(id: InvocationId) -> Option<HeaderValue> {
    value(format_args!("{id}"))
}

/// Where the time went: a dictionary in structured-field syntax (RFC 8941), in whole microseconds.
pub(super) fn microseconds(timings: Timings) -> Option<HeaderValue> {
    // 64 bits of microseconds are half a million years.
    let [wait, start, run] = [timings.wait, timings.start, timings.run]
        .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    value(format_args!("wait={wait}, start={start}, run={run}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_longest_times_have_room() {
        let timings = Timings { wait: Duration::MAX, start: Duration::MAX, run: Duration::MAX };
        let max = u64::MAX;
        assert_eq!(microseconds(timings).unwrap(), format!("wait={max}, start={max}, run={max}"));
    }

    #[test]
    fn what_has_no_room_is_no_value() {
        assert_eq!(value(format_args!("{:97}", 1)), None);
        assert!(value(format_args!("{:96}", 1)).is_some());
        assert_eq!(value(format_args!("a\nb")), None);
    }
}
