//! Kiln's frames on stdin and stdout: a header of 16 bytes, metadata in JSON, a body.
//!
//! ```text
//! u32 len (meta + body) | u8 kind | u8 flags = 0 | u16 meta_len | u64 call id     little-endian
//! ```

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

const HEADER: usize = 16;

/// Read at once where less is known to come: most requests in one call.
const BUFFER: usize = 16 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ready = 1,
    Request = 2,
    Response = 3,
    Error = 4,
    Init = 5,
}

/// What came in.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) meta: Vec<u8>,
    /// With room for one more byte, which the interpreter's parsers want behind it.
    pub(crate) body: Vec<u8>,
    /// The payload was more than memory holds: it was passed over.
    pub(crate) lost: Option<usize>,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum End {
    /// The host closed the stream between two frames.
    Closed,
    /// What came was no frame.
    Broken(String),
}

/// Stdin, and what has been read of it but not taken.
#[derive(Debug)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    /// The part of `buffer` that is still to be taken.
    from: usize,
    to: usize,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER], from: 0, to: 0 }
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Result<Frame, End> {
        let mut header = [0; HEADER];
        match self.fill(&mut header) {
            HEADER => {}
            0 => return Err(End::Closed),
            have => {
                return Err(End::Broken(format!("stdin ended within a header: {have} of {HEADER} bytes")));
            }
        }
        let bits = u128::from_le_bytes(header);
        let (length, meta_len, call) =
            (bits as u32 as usize, usize::from((bits >> 48) as u16), (bits >> 64) as u64);
        let kind = match (bits >> 32) as u16 {
            2 => Kind::Request,
            5 => Kind::Init,
            other => {
                return Err(End::Broken(format!("no kind of frame that a sandbox is sent: {other:#06x}")));
            }
        };
        let Some(body_len) = length.checked_sub(meta_len) else {
            return Err(End::Broken(format!("a frame of {length} bytes with {meta_len} bytes of metadata")));
        };
        let mut frame = Frame { kind, call, meta: Vec::new(), body: Vec::new(), lost: None };
        let reserved = frame
            .meta
            .try_reserve_exact(meta_len)
            .and(frame.body.try_reserve_exact(body_len.saturating_add(1)));
        if reserved.is_err() {
            frame.lost = Some(length);
            frame.meta = Vec::new();
            return if self.pass_over(length) { Ok(frame) } else { Err(ended(length)) };
        }
        frame.meta.resize(meta_len, 0);
        frame.body.resize(body_len, 0);
        if self.fill(&mut frame.meta) < meta_len || self.fill(&mut frame.body) < body_len {
            return Err(ended(length));
        }
        Ok(frame)
    }

    /// Fills `target` and says how much of it: less than all only at stdin's end.
    fn fill(&mut self, target: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = target.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let direct = self.from == self.to && rest.len() >= BUFFER;
            if self.from == self.to && !direct {
                self.refill();
            }
            // What is longer than the buffer goes straight where it belongs.
            let count = if direct { read(rest) } else { self.take(rest) };
            if count == 0 {
                break;
            }
            done += count;
        }
        done
    }

    fn take(&mut self, target: &mut [u8]) -> usize {
        let mut held = self.buffer.get(self.from..self.to).unwrap_or_default();
        // Reading from memory doesn't fail.
        let count = held.read(target).unwrap_or(0);
        self.from += count;
        count
    }

    fn refill(&mut self) -> usize {
        (self.from, self.to) = (0, read(&mut self.buffer));
        self.to
    }

    /// Reads and forgets. False at stdin's end.
    fn pass_over(&mut self, mut count: usize) -> bool {
        while count > 0 {
            if self.from == self.to && self.refill() == 0 {
                return false;
            }
            let taken = count.min(self.to - self.from);
            self.from += taken;
            count -= taken;
        }
        true
    }
}

fn ended(length: usize) -> End {
    End::Broken(format!("stdin ended within a frame of {length} bytes"))
}

/// Writes a frame to stdout, in one call where the host takes it so. Ends the process where stdout is gone.
pub(crate) fn write(kind: Kind, call: u64, meta: &[u8], body: &[u8]) {
    let Ok(length) = u32::try_from(meta.len() + body.len()) else {
        return write(Kind::Error, call, &[], b"the result has more bytes than a frame carries (4 GiB)");
    };
    let meta_len = meta.len() as u16;
    let header = u128::from(length)
        | u128::from(kind as u8) << 32
        | u128::from(meta_len) << 48
        | u128::from(call) << 64;
    let header = header.to_le_bytes();
    let mut slices = [IoSlice::new(&header), IoSlice::new(meta), IoSlice::new(body)];
    let (mut slices, mut left) = (slices.as_mut_slice(), HEADER + meta.len() + body.len());
    let mut stdout = descriptor(1);
    while left > 0 {
        match stdout.write_vectored(slices) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => std::process::exit(1),
            Ok(written) => {
                left -= written;
                IoSlice::advance_slices(&mut slices, written);
            }
        }
    }
}

/// Reads once from stdin; 0 at its end.
fn read(target: &mut [u8]) -> usize {
    let mut stdin = descriptor(0);
    loop {
        match stdin.read(target) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.unwrap_or(0),
        }
    }
}

#[allow(unsafe_code, reason = "std has no other way to stdin and stdout without its buffers")]
fn descriptor(number: RawFd) -> ManuallyDrop<File> {
    // SAFETY: 0 and 1 stay open as long as the process lives: nothing here closes them, and ManuallyDrop keeps
    // this from doing so.
    ManuallyDrop::new(unsafe { File::from_raw_fd(number) })
}
