//! What live and sealed field indexes have in common, and what a filter needs of its part.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::filter::condition::Test;
pub use crate::filter::extract::Seen;
use crate::id::PointId;
use crate::row::Row;
use crate::value::Path;
use serde_json::Value;

/// The field indexes of one part.
pub trait Fields: Send + Sync {
    /// The rows whose value at `path` passes `test`, exactly; `None` where no index can tell, so
    /// that the payloads have to be scanned.
    fn lookup(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>>;

    /// Rows outside of which none passes, where the index cannot tell more; `None`: any may.
    fn candidates(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>>;

    /// Every distinct string, number and bool at `path` with every row that has it, kind by kind; false, and nothing
    /// seen, where no index can tell all of them.
    fn each_scalar(&self, path: &Path, see: &mut dyn FnMut(Seen<'_>, Row)) -> Result<bool>;
}

/// What a filter needs of its part beside the indexes.
pub trait Rows {
    /// How many rows, the dead ones included.
    fn rows(&self) -> u32;

    /// The row of an id, dead or not.
    fn find(&self, id: &PointId) -> Option<Row>;

    /// The id of a row.
    fn id(&self, row: Row) -> PointId;

    /// The rows that have a vector of the field of this name, dead or not; none where nothing is known of vectors.
    fn with_vector(&self, _name: &str) -> Bitmap {
        Bitmap::new()
    }

    /// A row's payload, for fields without an index.
    fn payload(&self, row: Row) -> Result<Value>;

    /// Whether somebody still waits: asked for every condition, and every few hundred payloads. Where nobody does the
    /// evaluation ends with [`Error::CalledOff`](crate::error::Error::CalledOff).
    fn go_on(&self) -> bool {
        true
    }
}
