//! The hot loops of the index one by one: how long a distance takes, and how near that is to what memory gives.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin kernels [-- --json FILE]
//! ```
//!
//! Rows are compared in lists of 32 random ones, as a search does: once in a set that fits the second cache, once in
//! one that fits none. Beside every kernel stands a loop that only reads rows of the same size in the same order, from
//! pages of the same size (codes lie on huge pages, full vectors on small ones), and simsimd's own kernels, a pair a
//! call. Times are those of the processor; medians. `peers/kernels.py` does the same with faiss.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use clap::Parser;
use nigh_benches::clock::{Whose, timed};
use nigh_benches::error::Result;
use nigh_benches::measure::median;
use nigh_index::vector::bench::{KERNELS, Kernel, Pages, reader};
use serde::Serialize;
use simsimd::SpatialSimilarity;
use std::hint::black_box;
use std::path::PathBuf;

/// Numbers in a vector.
const SIZES: [usize; 4] = [128, 384, 784, 1536];

/// Rows of a list.
const LIST: usize = 32;

/// What fits the second cache with room to spare, and what fits no cache.
const CACHED_BYTES: usize = 256 << 10;
const MEMORY_BYTES: usize = 256 << 20;

/// Bytes that one measurement reads, at least; and how often it is made.
const READ_BYTES: usize = 192 << 20;
const ROUNDS: usize = 7;

#[derive(Parser)]
struct Args {
    /// The numbers as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    size: usize,
    row_bytes: usize,
    cached_ns: f64,
    memory_ns: f64,
    /// Of a loop that only reads rows of this size in this order.
    reader_ns: f64,
    /// Distances computed for each row.
    distances: usize,
}

#[derive(Copy, Clone)]
struct Shape {
    size: usize,
    row_bytes: usize,
    /// Distances for each row of a list.
    distances: usize,
    pages: Pages,
}

impl Line {
    fn gigabytes(&self, ns: f64) -> f64 {
        self.row_bytes as f64 / (ns * self.distances as f64)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let sequential = sequential_gigabytes();
    println!("One core reads memory in order at {sequential:.1} GB/s.\n");
    println!(
        "| numbers | kernel | bytes | in cache: ns | GB/s | from memory, random: ns | GB/s | of reading alone | of reading in order |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut lines = Vec::new();
    for size in SIZES {
        let made = KERNELS.iter().map(|(name, make)| ((*name).to_owned(), *make));
        for (name, make) in made {
            let one = make(size, 4);
            let shape = Shape { size, row_bytes: one.row_bytes, distances: one.distances, pages: one.pages };
            lines.push(measure(name, shape, |rows| {
                let mut kernel = make(size, rows);
                Box::new(move |list: &[u32]| kernel.run(list))
            }));
            show(&lines[lines.len() - 1], sequential);
        }
        for (name, row_bytes, make) in simsimd(size) {
            lines.push(measure(name.to_owned(), Shape { size, row_bytes, distances: 1, pages: Pages::Small }, make));
            show(&lines[lines.len() - 1], sequential);
        }
    }
    if let Some(path) = args.json {
        std::fs::write(
            path,
            serde_json::to_string_pretty(&serde_json::json!({
                "sequential_gb_s": sequential, "kernels": lines,
            }))?,
        )?;
    }
    Ok(())
}

fn show(line: &Line, sequential: f64) {
    println!(
        "| {} | {} | {} | {:.2} | {:.0} | {:.2} | {:.1} | {:.0} % | {:.0} % |",
        line.size,
        line.name,
        line.row_bytes,
        line.cached_ns,
        line.gigabytes(line.cached_ns),
        line.memory_ns,
        line.gigabytes(line.memory_ns),
        100.0 * line.reader_ns / line.memory_ns,
        100.0 * line.gigabytes(line.memory_ns) / sequential
    );
}

/// Something that compares with a list of rows.
type List = Box<dyn FnMut(&[u32])>;

fn measure(name: String, shape: Shape, make: impl Fn(usize) -> List) -> Line {
    let Shape { size, row_bytes, distances, pages } = shape;
    // A list at least, so that there is something to be in disorder.
    let (few, many) = ((CACHED_BYTES / row_bytes).max(LIST), (MEMORY_BYTES / row_bytes).max(LIST));
    let each = |list: List, rows: usize| ns_a_row(list, row_bytes, &random(rows)) / distances as f64;
    let (cached_ns, memory_ns) = (each(make(few), few), each(make(many), many));
    Line { cached_ns, memory_ns, reader_ns: each(read(row_bytes, many, pages), many), distances, name, size, row_bytes }
}

fn read(row_bytes: usize, rows: usize, pages: Pages) -> List {
    let mut kernel: Kernel = reader(row_bytes, rows, pages);
    Box::new(move |list| kernel.run(list))
}

fn sequential_gigabytes() -> f64 {
    let rows = MEMORY_BYTES / 4096;
    let order: Vec<u32> = (0..rows as u32).collect();
    4096.0 / ns_a_row(read(4096, rows, Pages::Huge), 4096, &order)
}

fn ns_a_row(mut list: List, row_bytes: usize, rows: &[u32]) -> f64 {
    let lists = (READ_BYTES / row_bytes / LIST).max(1);
    let mut at = rows.chunks_exact(LIST).cycle();
    let mut round = || {
        let ((), took) = timed(Whose::Thread, || {
            for rows in at.by_ref().take(lists) {
                list(rows);
            }
        });
        took.cpu_seconds * 1e9 / (lists * LIST) as f64
    };
    round();
    median((0..ROUNDS).map(|_| round()))
}

/// Every row once, in an order that nothing foresees.
fn random(rows: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut state = 88_172_645_463_325_252_u64;
    for at in (1..rows).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}

/// simsimd's kernels as they come, a pair a call and nothing asked for ahead.
fn simsimd(size: usize) -> Vec<(&'static str, usize, fn_make::Make)> {
    vec![
        ("simsimd f32 dot", size * 4, fn_make::of(size, |a: &[f32], b| f32::dot(a, b))),
        ("simsimd f32 euclid", size * 4, fn_make::of(size, |a: &[f32], b| f32::sqeuclidean(a, b))),
        ("simsimd i8 dot", size, fn_make::of(size, |a: &[i8], b| i8::dot(a, b))),
        ("simsimd i8 euclid", size, fn_make::of(size, |a: &[i8], b| i8::sqeuclidean(a, b))),
    ]
}

mod fn_make {
    use super::{List, black_box};

    pub(super) type Make = Box<dyn Fn(usize) -> List>;

    /// A pairwise kernel over rows of small numbers.
    pub(super) fn of<T: Copy + From<i8> + 'static>(size: usize, score: fn(&[T], &[T]) -> Option<f64>) -> Make {
        Box::new(move |rows| {
            let numbers = |len: usize| -> Vec<T> { (0..len).map(|at| T::from((at * 31 % 127) as i8)).collect() };
            let (block, query) = (numbers(size * rows), numbers(size));
            Box::new(move |list: &[u32]| {
                for row in list {
                    black_box(score(&query, &block[*row as usize * size..][..size]));
                }
            })
        })
    }
}
