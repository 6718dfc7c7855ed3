//! A part: rows that never change. Live parts stand in memory, segments in mapped files.

use crate::disk::Disk;
use crate::error::Result;
use crate::expiry::Expiries;
use crate::kinds::OtherVectors;
use bytes::Bytes;
use nigh_index::filter::field::Fields;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::text::bm25::TextPart;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::SealedVectors;

/// Rows that never change; deleting happens beside them, in the snapshot.
pub trait Part: Send + Sync {
    /// The segment's number; 0 for a live part.
    fn segment(&self) -> u64;

    /// How many rows, the dead ones included.
    fn rows(&self) -> u32;

    /// The id of a row.
    fn id(&self, row: Row) -> PointId;

    /// The operation that last wrote a row.
    fn version(&self, row: Row) -> u64;

    /// Which rows expire; `None` where none does.
    fn expiries(&self) -> Option<&Expiries>;

    /// When a row expires, in Unix milliseconds; `None`: never.
    fn expires_at_ms(&self, row: Row) -> Option<u64> {
        self.expiries()?.of(row)
    }

    /// The row of an id, dead or not. An id stands at most once in a part.
    fn find(&self, id: &PointId) -> Option<Row>;

    /// The rows from this id on, in rising order of id.
    fn ids_from(&self, from: &PointId) -> Box<dyn Iterator<Item = (PointId, Row)> + '_>;

    /// The payload of a row: the text of a JSON object, as it was written.
    fn payload(&self, row: Row) -> Result<Bytes>;

    /// Bytes of all payloads, those of dead rows among them.
    fn payload_bytes(&self) -> u64;

    /// Whether all that was read of it until now was what had been written. What a segment holds is checked as it is
    /// touched: whoever answers from vectors asks this before the answer leaves.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::error::Error::Corrupt), with the file and the place.
    fn sound(&self) -> Result<()> {
        Ok(())
    }

    /// The field indexes.
    fn fields(&self) -> &dyn Fields;

    /// The vectors of a field, by its place in the spec.
    fn nearest(&self, field: usize) -> &dyn Nearest;

    /// The vectors that are not dense.
    fn others(&self) -> &OtherVectors;

    /// The dense ones where they stand in files, with an index that a merge may go on from.
    fn sealed(&self, field: usize) -> Option<&SealedVectors>;

    /// The text of a field, by its place in the spec.
    fn text(&self, field: usize) -> &dyn TextPart;

    /// Whether texts were read for the field; not where it was added after the part was made.
    fn has_text(&self, field: usize) -> bool;

    /// Bytes on disk, or in memory for a live part.
    fn bytes(&self) -> u64;

    /// Bytes that are held in memory beside mapped files.
    fn held_bytes(&self) -> u64;

    /// Lets go of the pages of mapped files, after all of them were read for once: what searches need
    /// comes back by itself.
    fn let_go(&self, _disk: &dyn Disk) {}
}
