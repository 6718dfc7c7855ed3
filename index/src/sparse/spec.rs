//! What a sparse field holds and how it is weighed.

use serde::{Deserialize, Serialize};

/// A sparse vector field. Its vectors are compared by their dot product.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SparseSpec {
    /// Whether the numbers of a query are multiplied by how rare their indices are at that time, in everything that is
    /// searched: what writes the vectors then need not know the corpus.
    #[serde(default)]
    pub idf: bool,
}
