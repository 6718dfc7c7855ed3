//! The log: what was written, in order, until it stands in a segment.
//!
//! ```text
//! wal/00000000000000000042.log      named by the first operation that it holds
//!
//! file   = | header, 64 bytes: first_seq u64 and salt u64 as its two words (see frame) | record ... |
//! record = | length u32 | crc u32 | first_seq u64 | ops u32 | link u32 | synced_upto u64 | time_ms u64 |
//!          payload | zeros to 8 |
//! ```
//!
//! One batch of a client is one record, so it is there whole or not at all. `crc` covers the file's
//! salt and all of the record but itself; `link` is the `crc` of the record before (0 for the first).
//! Nothing that lay in the file's blocks before, and no record of another place, fits in the chain.
//! `synced_upto` is the last operation that was known to be on disk when the record was written;
//! `time_ms` is when that was, and never below the record before: a clock that is set back is held.
//!
//! A record of no operations is a mark: its `synced_upto` is the operation before it. The writer sets
//! one behind what it has synced as soon as nobody waits for it. A mark is written, not synced, so it
//! costs no second sync: the end of the process leaves it, a power cut may take it until the system has
//! written it back by itself. With it a broken record at the very end of the log is known to be damage.
//!
//! A new file appears whole: it is written under another name, synced, renamed, and its folder is
//! synced. Whoever opens the log begins a new file, with a copy of those records at the end of the
//! last one that are not known to be on disk. So dead bytes behind a torn record cannot come to
//! life; and what was read from the page cache after a sync had failed cannot vanish later, from
//! under operations that were acknowledged since. The same is done while the log is open, after an
//! append or a sync of it failed: the file is broken off, and the log goes on in a new one. So from
//! the operation on with which a file begins, no file before it counts.
//!
//! Reading, the first record that does not hold is
//! - the end of the log, in the last file, if no record behind it says it was synced;
//! - of no account, if the next file begins no later than there: it was cut once before;
//! - corruption otherwise. A header that does not hold is always corruption.

mod piece;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use piece::read_some;
pub use piece::{piece, piece_records};
pub use reader::{Replayed, check, replay};
pub use record::{PAYLOAD_BYTES_MAX, Record};
pub use writer::Log;
