//! Real data: the sample in the repository, and the larger sets beside it.
//!
//! The larger sets lie in the folder that `NIGH_DATA` names, else in `../shared/data` beside the workspace. Where they
//! are not there a test says that it was skipped ([`shared`]).

use half::f16;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The sample that comes with the repository.
pub fn sample() -> PathBuf {
    workspace().join("server/assets/sample")
}

/// A set of the larger data; `None`, after saying so, where it is not there.
pub fn shared(set: &str) -> Option<PathBuf> {
    let data = std::env::var_os("NIGH_DATA").map_or_else(|| workspace().join("../shared/data"), PathBuf::from);
    let folder = data.join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not there (set NIGH_DATA)", folder.display());
    None
}

/// Rows of numbers, from an `.npy` file.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// Numbers in a row.
    pub columns: usize,
    values: Vec<T>,
}

impl<T: Copy> Table<T> {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// One row.
    pub fn row(&self, at: usize) -> &[T] {
        &self.values[at * self.columns..][..self.columns]
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks_exact(self.columns)
    }
}

/// The first `rows` rows of a file of float16 or float32.
pub fn floats(path: &Path, rows: usize) -> Table<f32> {
    let (kind, columns, body) = npy(path, rows);
    let values = match &kind[..] {
        "<f2" => body.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        "<f4" => body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        other => panic!("{} holds {other}", path.display()),
    };
    Table { columns, values }
}

/// All rows of a file of bytes, each byte as the number that it is.
pub fn bytes(path: &Path) -> Table<f32> {
    let (kind, columns, body) = npy(path, usize::MAX);
    assert_eq!(kind, "|u1", "{}", path.display());
    Table { columns, values: body.into_iter().map(f32::from).collect() }
}

/// A file of int32.
pub fn integers(path: &Path) -> Table<i32> {
    let (kind, columns, body) = npy(path, usize::MAX);
    assert_eq!(kind, "<i4", "{}", path.display());
    let values = body.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Table { columns, values }
}

/// Kind of number, columns, and the bytes of the first rows of a two-dimensional `.npy` file in C order.
fn npy(path: &Path, rows_max: usize) -> (String, usize, Vec<u8>) {
    let mut file = BufReader::new(File::open(path).unwrap_or_else(|err| panic!("{}: {err}", path.display())));
    let mut start = [0; 10];
    file.read_exact(&mut start).unwrap();
    assert_eq!(&start[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let mut head = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    file.read_exact(&mut head).unwrap();
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains("'fortran_order': False"), "{head}");
    let after = |key: &str| head.split_once(key).unwrap().1;
    let kind = after("'descr': '").split('\'').next().unwrap().to_owned();
    let shape: Vec<usize> =
        after("'shape': (").split(')').next().unwrap().split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let [rows, columns] = shape[..] else { panic!("{}: {head}", path.display()) };
    let width: usize = kind[2..].parse().unwrap();
    let mut body = vec![0; rows.min(rows_max) * columns * width];
    file.read_exact(&mut body).unwrap();
    (kind, columns, body)
}

/// The first lines of a `.jsonl.gz` file, as text.
pub fn lines(path: &Path, most: usize) -> Vec<String> {
    let file = File::open(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    lines.take(most).map(Result::unwrap).collect()
}

/// The first lines of a `.jsonl.gz` file, parsed.
pub fn objects(path: &Path, most: usize) -> Vec<Value> {
    lines(path, most).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap()
}
