//! Vectors that are not dense.

use super::{ROWS, damaged};
use nigh_index::bitmap::Bitmap;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::Found;
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::sparse::search::search;
use nigh_index::sparse::stored::{self, SparseVectors};
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::multi::{MultiSpec, MultiVector, MultiVectors};
use std::sync::LazyLock;

/// Opens damaged sparse vectors and searches them.
pub fn sparse(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut out = SectionsWriter::new(Vec::new());
        let mut vector = |row: Row| {
            let indices = vec![0, 1 + row.0 % 7, 100 + row.0];
            (!row.0.is_multiple_of(11))
                .then(|| SparseVector::new(indices, vec![1.0, row.0 as f32, -0.5]).expect("it is sound"))
        };
        stored::write(ROWS, &mut vector, 4_000, &mut out).expect("memory takes it");
        out.finish().expect("memory takes it")
    });
    let Ok(part) = SparseVectors::open(damaged(data, &WHOLE).into(), ROWS) else { return };
    let query = [(0, 1.0), (3, 0.5), (120, 7.0), (121, -1.0)];
    ask(|allowed| search(&part, &query, 10, allowed));
    let indices = query.iter().map(|(index, _)| *index).collect();
    let query = SparseVector::new(indices, vec![1.0; query.len()]).expect("it is sound");
    let _ = part.statistics(&query, &Bitmap::from_rows([0, 5, 200]));
    (0..ROWS).for_each(|row| drop(part.vector(Row(row))));
}

/// Opens damaged rows of several vectors and searches them.
pub fn multi(data: &[u8]) {
    const SPEC: MultiSpec = MultiSpec { size: 3, metric: Metric::Cosine };
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut out = SectionsWriter::new(Vec::new());
        let mut vectors = |row: Row| {
            let one = |at: u32| [row.0 as f32, at as f32, 0.25];
            (!row.0.is_multiple_of(11)).then(|| MultiVector::of((0..1 + row.0 % 4).map(one)))
        };
        MultiVectors::write(&SPEC, ROWS, &mut vectors, &mut out).expect("memory takes it");
        out.finish().expect("memory takes it")
    });
    let Ok(part) = MultiVectors::open(&SPEC, ROWS, damaged(data, &WHOLE).into()) else { return };
    ask(|allowed| part.search(&MultiVector::of([[1.0, 2.0, 3.0], [0.0, -1.0, 0.5]]), 10, allowed, &|| true));
    (0..ROWS).for_each(|row| drop(part.vectors(Row(row))));
}

fn ask(search: impl Fn(Option<&Selection>) -> Found) {
    let some = |every| Selection::new(Bitmap::from_rows((0..ROWS).step_by(every)), ROWS);
    for allowed in [None, Some(&some(3)), Some(&some(90))] {
        let found = search(allowed);
        assert!(found.hits.len() <= 10 && found.hits.iter().all(|hit| hit.row.0 < ROWS));
    }
}
