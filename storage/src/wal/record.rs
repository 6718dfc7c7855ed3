//! How one record is laid down and read (drawn in [`crate::wal`]).

use bytes::Bytes;

/// A record's bytes before its payload.
pub(crate) const HEAD_BYTES: usize = 40;
/// Records begin at multiples of this many bytes.
pub(crate) const ALIGN: usize = 8;
/// A payload has at most this many bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// A batch of operations, as it stands in the log; one of no operations is a mark (see [`crate::wal`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The sequence number of its first operation.
    pub first_seq: u64,
    /// How many operations it holds; the last one is `first_seq + ops - 1`.
    pub ops: u32,
    /// When it was committed, in Unix milliseconds; never below the record before.
    pub time_ms: u64,
    /// The operations, encoded.
    pub payload: Bytes,
}

impl Record {
    /// Says that all operations before this one are on disk, and holds none itself, nor a time.
    pub(crate) fn mark(next_seq: u64) -> Self {
        Self { first_seq: next_seq, ops: 0, time_ms: 0, payload: Bytes::new() }
    }

    /// The sequence number of the operation behind its last one.
    pub fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.ops))
    }
}

/// A record that was read, with what chains it.
pub(crate) struct Framed {
    pub(crate) record: Record,
    pub(crate) crc: u32,
    pub(crate) link: u32,
    pub(crate) synced_upto: u64,
    /// Where the next one begins.
    pub(crate) end: usize,
}

/// Lays a record down; gives its checksum, the next one's link.
pub(crate) fn encode(record: &Record, salt: u64, link: u32, synced_upto: u64, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&record.first_seq.to_le_bytes());
    out.extend_from_slice(&record.ops.to_le_bytes());
    out.extend_from_slice(&link.to_le_bytes());
    out.extend_from_slice(&synced_upto.to_le_bytes());
    out.extend_from_slice(&record.time_ms.to_le_bytes());
    out.extend_from_slice(&record.payload);
    out.resize(start + (out.len() - start).next_multiple_of(ALIGN), 0);
    let crc = checksum(&out[start..], salt);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// The record that begins here, if one does.
pub(crate) fn read(file: &Bytes, at: usize, salt: u64) -> Option<Framed> {
    let framed = peek(file, at)?;
    (checksum(&file[at..framed.end], salt) == framed.crc).then_some(framed)
}

/// As [`read`], without the checksum: cheap, and wrong for nearly no bytes that are not a record.
pub(crate) fn peek(file: &Bytes, at: usize) -> Option<Framed> {
    let head = file.get(at..at.checked_add(HEAD_BYTES)?)?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let length = word(0) as usize;
    let end = at.checked_add((HEAD_BYTES + length).next_multiple_of(ALIGN))?;
    let (first_seq, ops, synced_upto, time_ms) = (long(8), word(16), long(24), long(32));
    let mark = ops == 0 && length == 0 && synced_upto.checked_add(1) == Some(first_seq);
    let sound = length <= PAYLOAD_BYTES_MAX && end <= file.len() && (ops > 0 && synced_upto < first_seq || mark);
    if !sound || first_seq.checked_add(u64::from(ops)).is_none() {
        return None;
    }
    let payload = file.slice(at + HEAD_BYTES..at + HEAD_BYTES + length);
    let record = Record { first_seq, ops, time_ms, payload };
    Some(Framed { record, crc: word(4), link: word(20), synced_upto, end })
}

fn checksum(bytes: &[u8], salt: u64) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&salt.to_le_bytes());
    hash.update(&bytes[..4]);
    hash.update(&bytes[8..]);
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(payload: &'static [u8]) -> Record {
        Record { first_seq: 42, ops: 3, time_ms: 1_700_000_000_000, payload: Bytes::from_static(payload) }
    }

    #[test]
    fn what_was_laid_down_is_read() {
        for payload in [&b""[..], b"1", b"12345678", b"123456789"] {
            let mut out = vec![0; 64];
            let crc = encode(&sample(payload), 7, 9, 41, &mut out);
            let framed = read(&out.clone().into(), 64, 7).unwrap();
            assert_eq!((framed.record, framed.crc, framed.link), (sample(payload), crc, 9));
            assert_eq!((framed.synced_upto, framed.end), (41, out.len()));
            assert!(read(&out.clone().into(), 64, 8).is_none(), "another file's salt");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let mut out = Vec::new();
        encode(&sample(b"payload"), 7, 9, 41, &mut out);
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped.into(), 0, 7).is_none(), "bit {bit}");
        }
        for cut in 0..out.len() {
            assert!(read(&Bytes::copy_from_slice(&out[..cut]), 0, 7).is_none(), "{cut} bytes");
        }
    }
}
