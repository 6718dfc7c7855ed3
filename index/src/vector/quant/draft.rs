//! Codes that only live while a graph is built: 8 bits a number, of which every pair can be compared.

use crate::vector::kernel::codes8::Codes8;
pub(in crate::vector) use crate::vector::kernel::tile::SIDE;
use crate::vector::kernel::tile::{Laid, Tiles};
use crate::vector::kernel::{self, Block, LINE};
use rayon::prelude::*;
use std::ops::Range;

/// What belongs to a code.
#[derive(Copy, Clone, Debug, Default)]
struct Own {
    /// The square of the vector's length.
    norm: f32,
    /// What one step stands for.
    unit: f32,
    /// Sum of the code, as signed numbers.
    sum: i32,
}

/// A vector to be drafted.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Draft<'a> {
    /// Its projection.
    pub(in crate::vector) turned: &'a [f32],
    /// The square of the whole vector's length.
    pub(in crate::vector) norm: f32,
}

/// The codes of a build, by place.
#[derive(Debug)]
pub(in crate::vector) struct Drafts {
    codes: Block,
    stride: usize,
    /// Squared distances by products; empty where distances are sums of absolute differences.
    own: Vec<Own>,
    places: u32,
    kernel: Codes8,
    tiles: Tiles,
}

/// A stretch of drafts that is being filled.
#[derive(Debug)]
pub(in crate::vector) struct DraftsMut<'a> {
    codes: &'a mut [u8],
    own: &'a mut [Own],
    stride: usize,
}

impl DraftsMut<'_> {
    /// Drafts the vector at a place of the stretch.
    pub(in crate::vector) fn set(&mut self, at: usize, draft: Draft<'_>) {
        let code = &mut self.codes[at * self.stride..][..self.stride];
        let unit = kernel::signed_bytes(draft.turned, 127.0, code);
        let sum = code.iter().map(|byte| i32::from(*byte as i8)).sum();
        code.iter_mut().for_each(|byte| *byte ^= 0x80);
        let norm = if draft.norm.is_finite() { draft.norm } else { f32::MAX / 4.0 };
        let unit = if unit.is_finite() { unit } else { 0.0 };
        self.own[at] = Own { norm, unit, sum };
    }
}

/// What a comparison of one with many needs for a while.
#[derive(Debug, Default)]
pub(in crate::vector) struct Comparison {
    one: Vec<u8>,
    dots: Vec<u32>,
}

/// Some codes side by side, whose pairs are compared.
#[derive(Debug, Default)]
pub(in crate::vector) struct Leaf {
    codes: Laid,
    own: Vec<Own>,
    all: Vec<u32>,
}

impl Drafts {
    /// Room for vectors of `dims` numbers, to be filled by [`Self::chunks_mut`].
    pub(in crate::vector) fn of_products(places: usize, dims: usize) -> Self {
        let stride = dims.next_multiple_of(LINE);
        Self {
            codes: Block::zeroed(places * stride),
            stride,
            own: vec![Own::default(); places],
            places: places as u32,
            kernel: Codes8::detect(),
            tiles: Tiles::detect(),
        }
    }

    /// Codes whose distance is the sum of absolute differences.
    pub(in crate::vector) fn of_differences(codes: Block, stride: usize) -> Self {
        let places = (codes.len() / stride) as u32;
        Self { codes, stride, own: Vec::new(), places, kernel: Codes8::detect(), tiles: Tiles::detect() }
    }

    /// Stretches of so many places, to be filled side by side.
    pub(in crate::vector) fn chunks_mut(
        &mut self,
        places: usize,
    ) -> impl IndexedParallelIterator<Item = DraftsMut<'_>> {
        let stride = self.stride;
        let own = self.own.par_chunks_mut(places);
        let codes = self.codes.bytes_mut().par_chunks_mut(places * stride);
        codes.zip(own).map(move |(codes, own)| DraftsMut { codes, own, stride })
    }

    /// How many places.
    pub(in crate::vector) fn len(&self) -> u32 {
        self.places
    }

    /// Numbers of a code, those that pad it included.
    pub(in crate::vector) fn dims(&self) -> usize {
        self.stride
    }

    /// What a code stands for, which has [`Self::dims`] numbers; the square of the whole vector's length. Not of sums of
    /// absolute differences.
    pub(in crate::vector) fn read(&self, place: u32, values: &mut [f32]) -> f32 {
        let own = self.own[place as usize];
        for (value, code) in values.iter_mut().zip(self.code(place)) {
            *value = own.unit * f32::from((code ^ 0x80) as i8);
        }
        own.norm
    }

    fn code(&self, place: u32) -> &[u8] {
        &self.codes[place as usize * self.stride..][..self.stride]
    }

    /// Asks for the codes of some places.
    #[inline]
    pub(in crate::vector) fn prefetch(&self, places: &[u32]) {
        kernel::prefetch_rows(&self.codes, self.stride, places);
    }

    /// The distances of one place from a list of others; never NaN, never negative.
    pub(in crate::vector) fn distances(&self, of: u32, list: &[u32], with: &mut Comparison, out: &mut Vec<f32>) {
        let Comparison { one, dots } = with;
        one.clear();
        out.clear();
        if self.own.is_empty() {
            one.extend_from_slice(self.code(of));
            self.kernel.sads(&self.codes, one, list, dots);
            out.extend(dots.iter().map(|sum| *sum as f32));
            return;
        }
        one.extend(self.code(of).iter().map(|byte| byte ^ 0x80));
        self.kernel.dots(&self.codes, one, list, dots);
        let of = self.own[of as usize];
        let product = |dot: u32| (dot as i32).wrapping_sub(of.sum.wrapping_mul(128));
        out.extend(dots.iter().zip(list).map(|(dot, to)| apart(of, self.own[*to as usize], product(*dot))));
    }

    /// Puts some places side by side.
    pub(in crate::vector) fn gather(&self, places: &[u32], leaf: &mut Leaf) {
        let padded = places.len().next_multiple_of(SIDE);
        let all = || (0..padded).map(|at| places[at.min(places.len() - 1)]);
        self.tiles.lay(all().map(|place| self.code(place)), &mut leaf.codes);
        leaf.own.clear();
        leaf.own.extend(all().filter_map(|place| self.own.get(place as usize)));
        leaf.all.clear();
        leaf.all.extend(0..padded as u32);
    }

    /// The distances of [`SIDE`] neighbouring codes of some, from `of` on, to all of others, padding included; infinite to whole
    /// groups of [`SIDE`] inside `but`.
    pub(in crate::vector) fn rows(
        &self,
        (some, of): (&Leaf, usize),
        others: &Leaf,
        but: &Range<usize>,
        with: &mut Comparison,
        out: &mut [Vec<f32>; SIDE],
    ) {
        if others.own.is_empty() {
            for (at, out) in out.iter_mut().enumerate() {
                with.one.clear();
                with.one.extend_from_slice(&some.codes.bytes()[(of + at) * self.stride..][..self.stride]);
                self.kernel.sads(others.codes.bytes(), &with.one, &others.all, &mut with.dots);
                out.clear();
                out.extend(with.dots.iter().map(|sum| *sum as f32));
            }
            return;
        }
        let own: [Own; SIDE] = std::array::from_fn(|i| some.own[of + i]);
        out.iter_mut().for_each(|out| out.resize(others.own.len(), 0.0));
        for from in (0..others.own.len()).step_by(SIDE) {
            if but.start <= from && from + SIDE <= but.end {
                out.iter_mut().for_each(|out| out[from..from + SIDE].fill(f32::INFINITY));
                continue;
            }
            let products =
                self.tiles.products((&some.codes, of), (&others.codes, from), self.stride, own.map(|own| own.sum));
            for ((out, own), products) in out.iter_mut().zip(own).zip(products) {
                let of_others = others.own[from..].iter().zip(products);
                for (out, (other, product)) in out[from..].iter_mut().zip(of_others) {
                    *out = apart(own, *other, product);
                }
            }
        }
    }
}

/// The squared distance of two vectors, from the product of their codes as signed numbers.
#[inline(always)]
fn apart(one: Own, other: Own, product: i32) -> f32 {
    (one.norm + other.norm - 2.0 * (one.unit * other.unit) * product as f32).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafts(places: usize, dims: usize) -> (Drafts, Vec<Vec<f32>>) {
        let value = |at: usize| ((at * 7919 % 1009) as f32 / 504.0 - 1.0) * (1.0 + (at % 3) as f32);
        let vectors: Vec<Vec<f32>> =
            (0..places).map(|place| (0..dims).map(|at| value(place * dims + at)).collect()).collect();
        let mut drafts = Drafts::of_products(places, dims);
        drafts.chunks_mut(5).enumerate().for_each(|(chunk, mut drafts)| {
            for (at, vector) in vectors[chunk * 5..].iter().take(5).enumerate() {
                drafts.set(at, Draft { turned: vector, norm: kernel::squares(vector) });
            }
        });
        (drafts, vectors)
    }

    #[test]
    fn drafts_tell_distances_from_either_side_alike() {
        let (drafts, vectors) = drafts(23, 80);
        let all: Vec<u32> = (0..23).collect();
        let (mut with, mut out, mut leaf) = (Comparison::default(), Vec::new(), Leaf::default());
        drafts.gather(&all, &mut leaf);
        let mut rows: [Vec<f32>; SIDE] = Default::default();
        for of in 0..23u32 {
            drafts.distances(of, &all, &mut with, &mut out);
            if of % SIDE as u32 == 0 {
                drafts.rows((&leaf, of as usize), &leaf, &(0..0), &mut with, &mut rows);
            }
            assert_eq!(out, rows[of as usize % SIDE][..23]);
            let own = out.clone();
            for to in 0..23u32 {
                let (a, b) = (&vectors[of as usize], &vectors[to as usize]);
                let want: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                let most = 0.01 * (kernel::squares(a) + kernel::squares(b));
                assert!((own[to as usize] - want).abs() < most, "{} is not {want}", own[to as usize]);
                drafts.distances(to, &[of], &mut with, &mut out);
                assert_eq!(out[0], own[to as usize]);
            }
        }
    }

    #[test]
    fn sums_of_differences_are_whole() {
        let codes: Vec<u8> = (0..640).map(|at| (at * 31 % 251) as u8).collect();
        let drafts = Drafts::of_differences(Block::copy_of(&codes), 64);
        let (mut with, mut out, mut leaf) = (Comparison::default(), Vec::new(), Leaf::default());
        let places = [3, 1, 9, 4, 0];
        drafts.gather(&places, &mut leaf);
        let mut rows: [Vec<f32>; SIDE] = Default::default();
        drafts.rows((&leaf, 0), &leaf, &(0..0), &mut with, &mut rows);
        for (of, row) in places.iter().zip(&rows) {
            drafts.distances(*of, &places, &mut with, &mut out);
            let want = places.map(|to| {
                let (a, b) = (&codes[*of as usize * 64..][..64], &codes[to as usize * 64..][..64]);
                a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>()
            });
            assert_eq!((&out[..], &row[..5]), (&want[..], &want[..]));
        }
    }
}
