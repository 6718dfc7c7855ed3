use super::*;
use crate::layout::SectionsWriter;

struct Dice(u64);

impl Dice {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }

    /// Numbers of very unequal sizes, as those of real vectors may be.
    fn vector(&mut self, size: usize, scale: f32) -> Vec<f32> {
        (0..size).map(|at| (self.number() + self.number()) * scale * if at % 7 == 0 { 5.0 } else { 0.3 }).collect()
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A list: its centroid, its residuals, and their blocks.
struct List {
    rotated: Rotated,
    centroid: Vec<f32>,
    residuals: Vec<Vec<f32>>,
    blocks: Vec<u8>,
}

impl List {
    fn new(bits: u32, size: usize, by_product: bool, rows: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let rotated = Rotated::new(bits, size, by_product);
        let centroid = dice.vector(size, 3.0);
        let residuals: Vec<Vec<f32>> = (0..rows)
            .map(|row| if row % 50 == 49 { vec![0.0; size] } else { dice.vector(size, 1.0 + (row % 3) as f32) })
            .collect();
        let mut encoded = vec![0; rows * rotated.row_bytes()];
        for (values, out) in residuals.iter().zip(encoded.chunks_mut(rotated.row_bytes())) {
            rotated.encode(Residual { values, centroid: &centroid, by_product, extra: 0.0 }, out);
        }
        let mut blocks = vec![0; rows.div_ceil(LANES) * rotated.block_bytes()];
        rotated.pack(&encoded, &mut blocks);
        Self { rotated, centroid, residuals, blocks }
    }

    fn base(&self, query: &[f32]) -> f32 {
        if self.rotated.by_product {
            return -product(query, &self.centroid);
        }
        query.iter().zip(&self.centroid).map(|(q, c)| (q - c) * (q - c)).sum()
    }

    fn truth(&self, query: &[f32], row: usize) -> f32 {
        let vector: Vec<f32> = self.residuals[row].iter().zip(&self.centroid).map(|(r, c)| r + c).collect();
        if self.rotated.by_product {
            return -product(query, &vector);
        }
        query.iter().zip(&vector).map(|(q, x)| (q - x) * (q - x)).sum()
    }

    fn scan(&self, query: &[f32], limit: f32) -> Vec<f32> {
        let (mut prepared, mut out) = (Prepared::default(), Vec::new());
        self.rotated.prepare(query, &mut prepared);
        self.rotated.scan(&prepared, self.base(query), &self.blocks, (limit, usize::MAX), &mut out);
        out
    }

    /// How far from the truth an estimate is, in lengths of the residual and of what it is compared with.
    fn offs(&self, query: &[f32]) -> Vec<f64> {
        let by_product = self.rotated.by_product;
        let of_query = if by_product { product(query, query) } else { self.base(query) };
        let estimates = self.scan(query, f32::INFINITY);
        let off = |row: usize| {
            let residual = product(&self.residuals[row], &self.residuals[row]);
            let unit = (of_query * residual).sqrt() * if by_product { 1.0 } else { 2.0 };
            let off = f64::from(estimates[row] - self.truth(query, row)) / f64::from(unit);
            if residual > 0.0 { off } else { 0.0 }
        };
        (0..self.residuals.len()).map(off).collect()
    }
}

#[test]
fn estimates_are_right_on_average_and_more_bits_are_nearer() {
    for size in [50, 64, 100, 384] {
        for by_product in [false, true] {
            let mut last = f64::INFINITY;
            for bits in Rotated::BITS {
                let list = List::new(bits, size, by_product, 190, 3);
                let mut dice = Dice(77);
                let offs: Vec<f64> = (0..20).flat_map(|_| list.offs(&dice.vector(size, 1.5))).collect();
                let mean = offs.iter().sum::<f64>() / offs.len() as f64;
                let off = (offs.iter().map(|off| off * off).sum::<f64>() / offs.len() as f64).sqrt();
                assert!(mean.abs() < 0.25 * off, "{bits} bits of {size}: {mean} of {off}");
                // The tangent of a random vector with its code of B bits, over the root of the numbers.
                let want = [0.76, 0.37, 0.12, 0.011][Rotated::BITS.iter().position(|b| *b == bits).unwrap()];
                let most = 1.4 * want / (list.rotated.rotation.turned() as f64).sqrt();
                assert!(off < most, "{bits} bits of {size}: {off}, not {most}");
                assert!(off < last);
                last = off;
            }
        }
    }
}

#[test]
fn a_bound_is_broken_by_one_in_fifty_at_most() {
    for (size, by_product) in [(70, false), (70, true), (384, false), (384, true)] {
        for bits in [4, 8] {
            let list = List::new(bits, size, by_product, 320, 5);
            let mut dice = Dice(11);
            let (mut kept, mut lost, mut refined, mut all) = (0, 0, 0, 0);
            for _ in 0..40 {
                let near = &list.residuals[3];
                let query: Vec<f32> =
                    near.iter().zip(&list.centroid).map(|(r, c)| r + c + 0.3 * dice.number()).collect();
                let whole = list.scan(&query, f32::INFINITY);
                let mut order = whole[..320].to_vec();
                order.sort_unstable_by(f32::total_cmp);
                let limit = order[20];
                for (row, (estimate, whole)) in list.scan(&query, limit).iter().zip(&whole).enumerate().take(320) {
                    assert!(estimate == whole || estimate.is_infinite(), "{row}: {estimate} is not {whole}");
                    refined += usize::from(estimate.is_finite());
                    all += 1;
                    if *whole < limit {
                        kept += 1;
                        lost += usize::from(estimate.is_infinite());
                    }
                }
            }
            assert!(lost * 50 <= kept, "{bits} bits of {size}: {lost} of {kept}");
            assert!(refined < all, "{bits} bits of {size}: nothing was ruled out");
        }
    }
}

#[test]
fn the_nearest_of_a_first_list_are_kept() {
    for (bits, rows) in [(4, 100), (8, 100), (8, 65), (8, 128), (8, 12)] {
        let list = List::new(bits, 64, false, rows, 21);
        let mut dice = Dice(4);
        let (keep, mut lost) = (20, 0);
        for _ in 0..50 {
            let near = &list.residuals[3];
            let query: Vec<f32> = near.iter().zip(&list.centroid).map(|(r, c)| r + c + dice.number()).collect();
            let whole = list.scan(&query, f32::INFINITY);
            let (mut prepared, mut some) = (Prepared::default(), Vec::new());
            list.rotated.prepare(&query, &mut prepared);
            list.rotated.scan(&prepared, list.base(&query), &list.blocks, (f32::INFINITY, keep), &mut some);
            let mut order: Vec<usize> = (0..rows).collect();
            order.sort_by(|a, b| whole[*a].total_cmp(&whole[*b]));
            lost += order.iter().take(keep).filter(|row| some[**row].is_infinite()).count();
            assert!(rows <= 65 || some.iter().filter(|estimate| estimate.is_finite()).count() < rows);
        }
        assert!(lost * 50 <= 50 * keep.min(rows), "{bits} bits, {rows} rows: {lost} lost");
    }
}

#[test]
fn lanes_without_a_vector_are_nowhere() {
    for bits in Rotated::BITS {
        for by_product in [false, true] {
            let list = List::new(bits, 20, by_product, 33, 9);
            let out = list.scan(&Dice(2).vector(20, 1.0), f32::INFINITY);
            assert_eq!(out.len(), 64);
            assert!(out[33..].iter().all(|estimate| *estimate == f32::INFINITY));
            assert!(out[..33].iter().all(|estimate| estimate.is_finite()), "{bits}: {out:?}");
        }
    }
}

#[test]
fn extremes_panic_nowhere() {
    for bits in Rotated::BITS {
        let rotated = Rotated::new(bits, 5, false);
        for value in [0.0, f32::MAX, f32::MIN_POSITIVE, 1e-42, 1e20] {
            let mut row = vec![0; rotated.row_bytes()];
            let values = [value, -value, value, 0.0, value];
            rotated
                .encode(Residual { values: &values, centroid: &[value; 5], by_product: false, extra: 0.0 }, &mut row);
            let mut block = vec![0; rotated.block_bytes()];
            rotated.pack(&row, &mut block);
            for bytes in [block.clone(), vec![0xff; block.len()]] {
                let (mut prepared, mut out) = (Prepared::default(), Vec::new());
                rotated.prepare(&values, &mut prepared);
                rotated.scan(&prepared, value, &bytes, (f32::INFINITY, 3), &mut out);
                assert_eq!(out.len(), LANES);
            }
        }
    }
}

#[test]
fn what_was_laid_down_is_read_and_nothing_else() {
    let mut out = SectionsWriter::new(Vec::new());
    Rotated::new(4, 30, true).write(&mut out).unwrap();
    let sections = Sections::open(out.finish().unwrap().into()).unwrap();
    assert!(Rotated::open(4, 30, true, &sections).is_ok());
    for (bits, size, by_product) in [(3, 30, true), (8, 30, true), (4, 31, true), (4, 30, false)] {
        assert!(Rotated::open(bits, size, by_product, &sections).is_err());
    }
}
