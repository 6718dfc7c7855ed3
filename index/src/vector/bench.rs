//! The hot loops, one by one, for `benches`: they are private to this wing, and this is the door that a
//! benchmark gets (feature `bench`). Rows are made up here; a kernel is called as a search calls it.

use crate::vector::kernel::codes8::Codes8;
use crate::vector::kernel::fastscan::{self, BESIDE_BYTES, Fastscan, LANES, PARTS};
use crate::vector::kernel::nibbles::Nibbles;
use crate::vector::kernel::packed::{Packed, Terms, Width};
use crate::vector::kernel::tile::{Laid, SIDE, Tiles};
use crate::vector::kernel::tile8::Tile8;
use crate::vector::kernel::{self, Block, LINE, read};
use std::fmt;
use std::hint::black_box;

/// Compares a query with a list of rows, in the order of the list.
type List = Box<dyn FnMut(&[u32])>;

/// Makes a kernel over rows: numbers in a vector, and how many rows.
type Make = fn(usize, usize) -> Kernel;

/// A hot loop with rows to run on.
pub struct Kernel {
    /// Bytes that a row takes in memory; what is compared together is one row.
    pub row_bytes: usize,
    /// Distances computed for each row of a list.
    pub distances: usize,
    /// How the rows lie in memory.
    pub pages: Pages,
    list: List,
}

/// How rows lie in memory, which decides what a read at random costs.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Pages {
    /// On small pages, as vectors in a mapped file.
    Small,
    /// On huge pages, as codes.
    Huge,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel(rows of {} bytes)", self.row_bytes)
    }
}

impl Kernel {
    /// Compares the query with these rows.
    pub fn run(&mut self, rows: &[u32]) {
        (self.list)(rows);
    }
}

/// The kernels by name.
pub const KERNELS: &[(&str, Make)] = &[
    ("f32 dot", |size, rows| full(size, rows, kernel::dot)),
    ("f32 euclid", |size, rows| full(size, rows, kernel::euclid_squared)),
    ("f32 manhattan", |size, rows| full(size, rows, kernel::manhattan)),
    ("4 bits and two numbers", |size, rows| packed(size, rows, Width::Four)),
    ("8 bits and two numbers", |size, rows| packed(size, rows, Width::Eight)),
    ("8 bits, dot", |size, rows| codes8(size, rows, Codes8::dots)),
    ("8 bits, manhattan", |size, rows| codes8(size, rows, Codes8::sads)),
    ("8 bits, four rows with four", tiles),
    ("8 bits, 32 rows with 32", tiles8),
    ("4 bits", nibbles),
    ("words of 4 bits for 4 numbers, 32 rows", words4),
    ("words of 8 bits for 8 numbers, 32 rows", words8),
];

/// A kernel of [`Codes8`].
type OfCodes8 = fn(&Codes8, &[u8], &[u8], &[u32], &mut Vec<u32>);

/// Reads rows of as many bytes and does nothing with them: what memory gives at best.
pub fn reader(row_bytes: usize, rows: usize, pages: Pages) -> Kernel {
    let row_bytes = row_bytes.next_multiple_of(LINE);
    let huge = bytes(if pages == Pages::Huge { row_bytes * rows } else { 0 });
    let small = vec![1; if pages == Pages::Huge { 0 } else { row_bytes * rows }];
    let list = move |list: &[u32]| {
        let block = if pages == Pages::Huge { &huge[..] } else { &small };
        black_box(read::read(block, row_bytes, list));
    };
    Kernel { row_bytes, distances: 1, pages, list: Box::new(list) }
}

fn full(size: usize, rows: usize, score: fn(&[f32], &[f32]) -> f32) -> Kernel {
    /// A rerank asks for the whole list first; beyond this many rows that would be too early.
    const AHEAD: usize = 8;
    let block: Vec<f32> = floats(size * rows);
    let query = floats(size);
    let list = move |list: &[u32]| {
        let row = |row: u32| &block[row as usize * size..][..size];
        for ahead in list.iter().take(AHEAD) {
            kernel::prefetch(row(*ahead));
        }
        for (at, here) in list.iter().enumerate() {
            if let Some(ahead) = list.get(at + AHEAD) {
                kernel::prefetch(row(*ahead));
            }
            black_box(score(&query, row(*here)));
        }
    };
    Kernel { row_bytes: size * size_of::<f32>(), distances: 1, pages: Pages::Small, list: Box::new(list) }
}

fn codes8(size: usize, rows: usize, kernel: OfCodes8) -> Kernel {
    let stride = size.next_multiple_of(LINE);
    let (block, query, codes) = (bytes(stride * rows), bytes(stride), Codes8::detect());
    let mut out = Vec::new();
    let list = move |list: &[u32]| {
        kernel(&codes, &block, &query, list, &mut out);
        black_box(&out);
    };
    Kernel { row_bytes: stride, distances: 1, pages: Pages::Huge, list: Box::new(list) }
}

fn packed(size: usize, rows: usize, width: Width) -> Kernel {
    let lines = (1..).find(|lines| width.numbers(*lines) >= size).expect("some number of lines holds them");
    let (block, query, kernel) = (bytes(lines * LINE * rows), bytes(lines * width.a_line()), Packed::detect(width));
    let terms = Terms { norm: 1.0, scale: 1e-3, offset: 0.0 };
    let mut out = Vec::new();
    let list = move |list: &[u32]| {
        kernel.distances(&block, &query, terms, list, &mut out);
        black_box(&out);
    };
    Kernel { row_bytes: lines * LINE, distances: 1, pages: Pages::Huge, list: Box::new(list) }
}

/// As a build compares the members of a leaf; the other four are always the same.
fn tiles(size: usize, rows: usize) -> Kernel {
    let stride = size.next_multiple_of(LINE);
    let (kernel, mut laid) = (Tiles::detect(), Laid::default());
    kernel.lay(bytes(stride * SIDE * rows).chunks(stride), &mut laid);
    let row_bytes = laid.bytes_a_code(stride) * SIDE;
    let list = move |list: &[u32]| {
        for row in list {
            black_box(kernel.products((&laid, *row as usize * SIDE), (&laid, 0), stride, [0; SIDE]));
        }
    };
    Kernel { row_bytes, distances: SIDE * SIDE, pages: Pages::Small, list: Box::new(list) }
}

/// As k-means compares rows with centroids; the centroids are always the same.
fn tiles8(size: usize, rows: usize) -> Kernel {
    const GROUP: usize = 32;
    let group = size.next_multiple_of(LINE) * GROUP;
    let (block, others, kernel) = (bytes(group * rows), bytes(group), Tile8::detect());
    let mut out = Vec::new();
    let list = move |list: &[u32]| {
        for row in list {
            kernel.dots(&block[*row as usize * group..][..group], &others, group / GROUP, &mut out);
            black_box(&out);
        }
    };
    Kernel { row_bytes: group, distances: GROUP * GROUP, pages: Pages::Huge, list: Box::new(list) }
}

fn nibbles(size: usize, rows: usize) -> Kernel {
    let query = bytes(size.next_multiple_of(2 * LINE));
    let (row_bytes, kernel) = (query.len() / 2, Nibbles::detect());
    let block = bytes(row_bytes * rows);
    let mut out = Vec::new();
    let list = move |list: &[u32]| {
        kernel.dots(&block, &query, list, &mut out);
        black_box(&out);
    };
    Kernel { row_bytes, distances: 1, pages: Pages::Huge, list: Box::new(list) }
}

/// A block of 32 rows at a time, as if every list had just one.
fn words4(size: usize, rows: usize) -> Kernel {
    let table = bytes((size / 4).next_multiple_of(PARTS) * 16);
    let row_bytes = table.len() + BESIDE_BYTES;
    words(row_bytes, rows, move |block, out| Fastscan::detect().scan4(block, &table, SCAN, out))
}

fn words8(size: usize, rows: usize) -> Kernel {
    let parts = size / 8;
    let table = bytes(parts * 256);
    words(parts * LANES + BESIDE_BYTES, rows, move |block, out| Fastscan::detect().scan8(block, &table, SCAN, out))
}

const SCAN: fastscan::Terms = fastscan::Terms { base: 1.0, offset: 0.0, step: 1e-3 };

fn words(row_bytes: usize, rows: usize, scan: impl Fn(&[u8], &mut Vec<f32>) + 'static) -> Kernel {
    let block = bytes(row_bytes * rows);
    let mut out = Vec::new();
    let list = move |list: &[u32]| {
        for row in list {
            scan(&block[*row as usize * row_bytes..][..row_bytes], &mut out);
            black_box(&out);
        }
    };
    Kernel { row_bytes, distances: LANES, pages: Pages::Huge, list: Box::new(list) }
}

/// Numbers from -1 to 1 that a processor cannot foresee; the same ones every time.
fn floats(len: usize) -> Vec<f32> {
    bytes(len * 2).as_chunks::<2>().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32768.0).collect()
}

fn bytes(len: usize) -> Block {
    let mut block = Block::zeroed(len);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for chunk in block.bytes_mut().chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::{KERNELS, Pages, reader};

    #[test]
    fn every_kernel_runs_over_its_rows() {
        for size in [128, 384, 784] {
            for (name, make) in KERNELS {
                let mut kernel = make(size, 8);
                assert!(kernel.row_bytes > 0 && kernel.distances > 0, "{name}");
                kernel.run(&[7, 0, 3, 3, 1]);
            }
            for pages in [Pages::Small, Pages::Huge] {
                reader(size, 8, pages).run(&[7, 0]);
            }
        }
    }
}
