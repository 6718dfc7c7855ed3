//! Products of matrices, for learning and encoding.
//!
//! Every number of a product is one sum in the order of the inner index, with a multiplication and an
//! addition a step and nothing fused: the same bits on every machine, with every instruction set.

/// The numbers of a row of the product are a multiple of this.
pub(in crate::vector) const COLUMNS: usize = 8;

/// Rows of the product that share the loads of the right side.
const ROWS: usize = 8;

/// `out = left x right`, all of them row by row: `left` is rows x `inner`, `right` is `inner` x `columns`,
/// `out` is rows x `columns`, and `columns` is a multiple of [`COLUMNS`].
pub(in crate::vector) fn multiply(left: &[f32], right: &[f32], inner: usize, columns: usize, out: &mut [f32]) {
    assert!(inner > 0 && columns > 0 && columns.is_multiple_of(COLUMNS), "{inner} x {columns} is no right side");
    assert!(right.len() == inner * columns && left.len() / inner * columns == out.len(), "the sizes fit");
    wide(left, right, inner, columns, out);
}

versions! {
    fn wide(left: &[f32], right: &[f32], inner: usize, columns: usize, out: &mut [f32]) = tiles;
}

#[inline(always)]
fn tiles(left: &[f32], right: &[f32], inner: usize, columns: usize, out: &mut [f32]) {
    for (left, out) in left.chunks(ROWS * inner).zip(out.chunks_mut(ROWS * columns)) {
        let wide = columns / (2 * COLUMNS) * (2 * COLUMNS);
        for column in (0..wide).step_by(2 * COLUMNS) {
            tile::<{ 2 * COLUMNS }>(left, right, inner, columns, column, out);
        }
        if wide < columns {
            tile::<COLUMNS>(left, right, inner, columns, wide, out);
        }
    }
}

#[inline(always)]
fn tile<const WIDTH: usize>(left: &[f32], right: &[f32], inner: usize, columns: usize, column: usize, out: &mut [f32]) {
    let rows = left.len() / inner;
    // A last group of fewer rows repeats its last one.
    let lefts: [&[f32]; ROWS] = std::array::from_fn(|at| &left[at.min(rows - 1) * inner..][..inner]);
    let mut sums = [[0f32; WIDTH]; ROWS];
    for at in 0..inner {
        let right: &[f32; WIDTH] = right[at * columns + column..].first_chunk().expect("columns are whole groups");
        for (sums, left) in sums.iter_mut().zip(&lefts) {
            let left = left[at];
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(columns)) {
        out[column..column + WIDTH].copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    #[test]
    fn products_are_sums_in_order_on_every_machine() {
        for &(rows, inner, columns) in few(&[(1, 1, 16), (7, 5, 32), (8, 100, 56), (19, 33, 120)], 2) {
            let (left, right) = (sample(1, rows * inner), sample(2, inner * columns));
            let mut want = vec![0f32; rows * columns];
            for row in 0..rows {
                for at in 0..inner {
                    for column in 0..columns {
                        want[row * columns + column] += left[row * inner + at] * right[at * columns + column];
                    }
                }
            }
            let mut got = vec![9.0; rows * columns];
            multiply(&left, &right, inner, columns, &mut got);
            assert_eq!(got, want);
            tiles(&left, &right, inner, columns, &mut got);
            assert_eq!(got, want);
        }
    }
}
