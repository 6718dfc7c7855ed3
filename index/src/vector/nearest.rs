//! What live and sealed vectors have in common.

use crate::bitmap::Bitmap;
use crate::params::{Found, Outline, Plan, Standing};
use crate::row::Row;
use crate::selection::Selection;
use std::borrow::Cow;
use std::sync::LazyLock;

/// The vectors of one field in one part.
pub trait Nearest: Send + Sync {
    /// What the planner needs to know.
    fn outline(&self) -> Outline<'_>;

    /// How the selected rows stand.
    fn standing(&self, of: Standing, selection: &Selection) -> f32;

    /// The rows that have a vector; `None` where every row has one.
    fn present(&self) -> Option<&Bitmap>;

    /// A row's vector as it was written, bit by bit.
    fn vector(&self, row: Row) -> Option<Cow<'_, [f32]>>;

    /// The `k` nearest rows of `allowed` (of all rows where it is `None`), by the given plan. A plan
    /// whose route the field does not have is served exactly. `query` has the field's size.
    fn search(&self, query: &[f32], k: usize, allowed: Option<&Selection>, plan: &Plan) -> Found;
}

/// The vectors of a field that a part knows nothing of: no row has one.
pub fn absent() -> &'static dyn Nearest {
    static ABSENT: LazyLock<Absent> = LazyLock::new(|| Absent(Bitmap::new()));
    &*ABSENT
}

struct Absent(Bitmap);

impl Nearest for Absent {
    fn outline(&self) -> Outline<'_> {
        Outline { rows: 0, size: 1, code_bytes: 4, gist_bytes: 0, reach: None, efforts: None, lists: None }
    }

    fn standing(&self, of: Standing, _selection: &Selection) -> f32 {
        of.unknown()
    }

    fn present(&self) -> Option<&Bitmap> {
        Some(&self.0)
    }

    fn vector(&self, _row: Row) -> Option<Cow<'_, [f32]>> {
        None
    }

    fn search(&self, _query: &[f32], _k: usize, _allowed: Option<&Selection>, _plan: &Plan) -> Found {
        Found::nothing()
    }
}
