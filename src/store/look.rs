//! A file that is looked at and never touched: what redb writes to it stays in memory.
//!
//! redb marks a file as open, repairs it, and may panic over one that something else has written to. So each file is
//! opened here first, all of it checked, and refused or opened in earnest after that.

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;

const BLOCK: u64 = 4096;

/// A file with what was written over it.
#[derive(Debug)]
pub(super) struct Untouched {
    file: FileBackend,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// What of the file has never been cut off.
    original: u64,
    /// Whole blocks, by their number.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Untouched {
    pub(super) fn new(file: File) -> Result<Self, redb::DatabaseError> {
        let file = FileBackend::new(file)?;
        let len = file.len()?;
        Ok(Self { file, over: Mutex::new(Over { len, original: len, blocks: BTreeMap::new() }) })
    }

    /// Reads a piece of one block.
    fn piece(&self, over: &Over, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if let Some(block) = over.blocks.get(&(offset / BLOCK)) {
            let from = (offset % BLOCK) as usize;
            let bytes = block.get(from..from + out.len()).ok_or_else(beyond)?;
            out.copy_from_slice(bytes);
            return Ok(());
        }
        let there =
            usize::try_from(over.original.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (old, new) = out.split_at_mut(there);
        new.fill(0);
        if old.is_empty() { Ok(()) } else { self.file.read(offset, old) }
    }
}

/// Each piece of a range that lies in one block: where it begins, and how long it is.
fn pieces(mut offset: u64, len: usize) -> impl Iterator<Item = (u64, usize)> {
    let mut left = len;
    std::iter::from_fn(move || {
        let here = left.min((BLOCK - offset % BLOCK) as usize);
        let piece = (here > 0).then_some((offset, here));
        offset += here as u64;
        left -= here;
        piece
    })
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "read beyond the end of the file")
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > over.len) {
            return Err(beyond());
        }
        let mut rest = out;
        for (at, len) in pieces(offset, rest.len()) {
            let (piece, after) = rest.split_at_mut(len);
            self.piece(&over, at, piece)?;
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over.lock();
        if len < over.len {
            over.blocks.split_off(&len.div_ceil(BLOCK));
            if let Some(last) = over.blocks.get_mut(&(len / BLOCK))
                && let Some(cut) = last.get_mut((len % BLOCK) as usize..)
            {
                cut.fill(0);
            }
        }
        over.original = over.original.min(len);
        over.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock();
        let mut rest = data;
        for (at, len) in pieces(offset, data.len()) {
            let (piece, after) = rest.split_at(len);
            let number = at / BLOCK;
            if !over.blocks.contains_key(&number) {
                let mut block = vec![0; BLOCK as usize];
                self.piece(&over, number * BLOCK, &mut block)?;
                over.blocks.insert(number, block);
            }
            let from = (at % BLOCK) as usize;
            let to = over.blocks.get_mut(&number).and_then(|block| block.get_mut(from..from + len));
            to.ok_or_else(beyond)?.copy_from_slice(piece);
            rest = after;
        }
        over.len = over.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Read(u64, usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..20_000_u64, proptest::collection::vec(any::<u8>(), 0..9000))
                .prop_map(|(at, bytes)| Op::Write(at, bytes)),
            (0..30_000_u64).prop_map(Op::SetLen),
            (0..30_000_u64, 0..9000_usize).prop_map(|(at, len)| Op::Read(at, len)),
        ]
    }

    proptest! {
        #[test]
        fn it_reads_as_a_file_that_was_written_to(ops in proptest::collection::vec(op(), 1..40)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut model: Vec<u8> = (0..12_345_u32).map(|at| at as u8).collect();
            std::fs::write(file.path(), &model).unwrap();
            let original = model.clone();
            let looked = Untouched::new(File::open(file.path()).unwrap()).unwrap();
            for op in ops {
                match op {
                    Op::Write(at, bytes) => {
                        looked.write(at, &bytes).unwrap();
                        let end = at as usize + bytes.len();
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&bytes);
                    }
                    Op::SetLen(len) => {
                        looked.set_len(len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Op::Read(at, len) => {
                        let mut out = vec![0xee; len];
                        let is_there = looked.read(at, &mut out).is_ok();
                        prop_assert_eq!(is_there, at as usize + len <= model.len());
                        if is_there {
                            prop_assert_eq!(&out[..], &model[at as usize..at as usize + len]);
                        }
                    }
                }
                prop_assert_eq!(looked.len().unwrap(), model.len() as u64);
            }
            prop_assert_eq!(std::fs::read(file.path()).unwrap(), original);
        }
    }
}
