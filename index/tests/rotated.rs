//! Inverted lists of rotated codes on real vectors: the abstracts of SciFact, against exact neighbours.
//!
//! The data lies outside the repository (`../shared/data`, or where NIGH_DATA says); without it the
//! test says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads its data and may fail where it stands"
)]

use half::f16;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::{Plan, Route};
use nigh_index::vector::metric::Metric;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::{IvfCode, IvfSpec, VectorSpec};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Numbers of a vector.
const SIZE: usize = 384;

const LISTS: u32 = 80;

fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("NIGH_DATA").map_or(root, PathBuf::from).join("scifact");
    folder.is_dir().then_some(folder)
}

/// What follows the head of a `.npy` file.
fn body(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[head..].to_vec()
}

fn vectors(path: &Path) -> Vec<f32> {
    body(path).as_chunks().0.iter().map(|two| f16::from_le_bytes(*two).to_f32()).collect()
}

/// The share of the ten nearest that are found in so many lists.
fn recall(sealed: &SealedVectors, queries: &[f32], truth: &[[u8; 4]], lists: u32) -> f64 {
    let plan = Plan::by(Route::Ivf, lists);
    let (mut found, mut wanted) = (0, 0);
    for (query, truth) in queries.chunks_exact(SIZE).zip(truth.chunks_exact(100)).take(300) {
        let hits = sealed.search(query, 10, None, &plan).hits;
        found += truth[..10].iter().filter(|row| hits.iter().any(|hit| hit.row.0 == u32::from_le_bytes(**row))).count();
        wanted += 10;
    }
    f64::from(found as u32) / f64::from(wanted)
}

#[test]
fn rotated_codes_find_the_neighbours_of_real_vectors() {
    let Some(folder) = data() else {
        println!("skipped: there is no scifact data");
        return;
    };
    let (base, queries) = (vectors(&folder.join("corpus.npy")), vectors(&folder.join("queries.npy")));
    let truth = body(&folder.join("neighbors.npy"));
    let rows = (base.len() / SIZE) as u32;
    for (bits, least) in [(1, 0.97), (2, 0.985), (4, 0.985), (8, 0.985)] {
        let ivf = IvfSpec { lists: LISTS, code: IvfCode::Bits(bits), rerank: 8 };
        let spec = VectorSpec { ivf: Some(ivf), ..VectorSpec::new(SIZE as u32, Metric::Cosine) };
        let mut out = SectionsWriter::new(Vec::new());
        let mut vector = |row: nigh_index::row::Row| Some(Cow::Borrowed(&base[row.at() * SIZE..][..SIZE]));
        SealedVectors::write_full(&spec, rows, &mut vector, &mut out).unwrap();
        let full = bytes::Bytes::from(out.finish().unwrap());
        let stop = AtomicBool::new(false);
        let built = SealedVectors::build(&spec, rows, &full, &BuildParams::new(2, &stop)).unwrap().unwrap();
        let sealed = SealedVectors::open(&spec, rows, full, built.codes.into(), built.route.into()).unwrap();
        let (all, some) =
            (recall(&sealed, &queries, truth.as_chunks().0, LISTS), recall(&sealed, &queries, truth.as_chunks().0, 24));
        println!("{bits} bits: recall@10 {all:.4} in all lists, {some:.4} in 24");
        assert!(all >= least, "{bits} bits: recall@10 is {all:.4}, not {least}");
        assert!(some >= 0.85, "{bits} bits: recall@10 in 24 lists is {some:.4}");
    }
}
