//! Real vectors with exact neighbours.
//!
//! A hit counts as right if it is at least as good as the last true neighbour, so that ties do not matter.

use crate::error::Result;
use half::f16;
use nigh_index::vector::metric::Metric;
use std::fs;
use std::path::{Path, PathBuf};

/// Neighbours asked for.
pub const K: usize = 10;

/// A score may be this much below the last true neighbour's: both are sums of floats.
const TIE: f32 = 1e-5;

/// A matrix of numbers.
#[derive(Debug)]
pub struct Matrix {
    values: Vec<f32>,
    width: usize,
}

impl Matrix {
    /// A two-dimensional `.npy` file in C order.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|err| format!("{}: {err}", path.display()))?;
        let head_bytes = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let head = std::str::from_utf8(&bytes[10..10 + head_bytes])?;
        let body = &bytes[10 + head_bytes..];
        let after = |key: &str| head.split(key).nth(1).ok_or_else(|| format!("{}: no {key}", path.display()));
        let shape = after("'shape': (")?.split(')').next().unwrap_or_default();
        let width = shape.split(',').filter_map(|part| part.trim().parse().ok()).nth(1).unwrap_or(1);
        let values = match after("'descr': '")?.split('\'').next().unwrap_or_default() {
            "|u1" => body.iter().map(|byte| f32::from(*byte)).collect(),
            "<f2" => body.chunks_exact(2).map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32()).collect(),
            "<f4" => body.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
            "<i4" => body.as_chunks().0.iter().map(|four| i32::from_le_bytes(*four) as f32).collect(),
            other => return Err(format!("{}: numbers of type {other}", path.display()).into()),
        };
        Ok(Self { values, width })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }
}

/// Vectors, queries, and what the true neighbours score.
#[derive(Debug)]
pub struct Set {
    /// As the command line calls it.
    pub name: String,
    /// For headings.
    pub title: &'static str,
    /// How near two vectors are.
    pub metric: Metric,
    /// What is searched.
    pub base: Matrix,
    /// What is asked.
    pub queries: Matrix,
    /// The scores that hits have to reach.
    pub floors: Floors,
    /// Where its files lie.
    pub folder: PathBuf,
}

impl Set {
    /// Reads a set by name: `fashion` or `passages`.
    pub fn read(name: &str) -> Result<Self> {
        let root = std::env::var_os("NIGH_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
        let named = name.to_owned();
        match name {
            "fashion" => {
                let folder = root.join("fashion-mnist-784-euclidean");
                Ok(Self {
                    name: named,
                    title: "fashion-mnist, 784 numbers, euclid",
                    metric: Metric::Euclid,
                    base: Matrix::read(&folder.join("train.npy"))?,
                    queries: Matrix::read(&folder.join("test.npy"))?,
                    floors: Floors::of_distances(&Matrix::read(&folder.join("distances.npy"))?),
                    folder,
                })
            }
            "passages" => {
                let folder = root.join("passages");
                Ok(Self {
                    name: named,
                    title: "passages, 384 numbers, cosine",
                    metric: Metric::Cosine,
                    base: Matrix::read(&folder.join("base.npy"))?,
                    queries: Matrix::read(&folder.join("queries.npy"))?,
                    floors: Floors::of_scores(&Matrix::read(&folder.join("scores.npy"))?),
                    folder,
                })
            }
            other => Err(format!("no data set is called {other}; there are fashion and passages").into()),
        }
    }
}

/// For each query the score of its last true neighbour among the first [`K`], and how many there are.
#[derive(Debug)]
pub struct Floors(Vec<(f32, usize)>);

impl Floors {
    /// From Euclidean distances: a score is the negative square.
    pub fn of_distances(distances: &Matrix) -> Self {
        Self((0..distances.rows()).map(|query| (-distances.row(query)[K - 1].powi(2), K)).collect())
    }

    /// From cosines; below -1.5 stands for "nobody".
    pub fn of_scores(scores: &Matrix) -> Self {
        let floor = |query| {
            let there = scores.row(query)[..K].iter().take_while(|score| **score > -1.5);
            (there.clone().last().copied().unwrap_or(f32::INFINITY), there.count())
        };
        Self((0..scores.rows()).map(floor).collect())
    }

    /// How many true neighbours a query has, at most [`K`].
    pub fn wanted(&self, query: usize) -> usize {
        self.0[query].1
    }

    /// Whether a hit of this score belongs to the best.
    pub fn reached(&self, query: usize, score: f32) -> bool {
        let floor = self.0[query].0;
        score >= floor - TIE * floor.abs().max(1.0)
    }
}
