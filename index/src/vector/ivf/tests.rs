//! Lists as a whole, held against a scan.

use crate::bitmap::Bitmap;
use crate::layout::SectionsWriter;
use crate::params::{Plan, Route};
use crate::row::Row;
use crate::selection::Selection;
use crate::vector::metric::Metric;
use crate::vector::nearest::Nearest;
use crate::vector::sealed::{BuildParams, Built, SealedVectors};
use crate::vector::spec::{IvfCode, IvfSpec, VectorSpec};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::Euclid];
const CODES: [IvfCode; 6] =
    [IvfCode::Pq4, IvfCode::Pq8, IvfCode::Bits(1), IvfCode::Bits(2), IvfCode::Bits(4), IvfCode::Bits(8)];

/// Rows enough for lists.
const ROWS: u32 = 3_200;

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn number(&mut self) -> f32 {
        (0..4).map(|_| self.roll() as f32 / 2f32.powi(31) - 0.5).sum()
    }
}

struct Sample {
    spec: VectorSpec,
    rows: u32,
    full: Bytes,
    centres: Vec<Vec<f32>>,
    dice: Dice,
}

impl Sample {
    /// Vectors around many centres; some twice, some zeros, and some missing.
    fn new(seed: u64, rows: u32, size: u32, metric: Metric, ivf: IvfSpec, missing: bool) -> Self {
        let mut dice = Dice(seed);
        let centres: Vec<Vec<f32>> = (0..60).map(|_| (0..size).map(|_| 2.0 * dice.number()).collect()).collect();
        let mut vectors: Vec<Option<Vec<f32>>> = Vec::new();
        for _ in 0..rows {
            let (kind, centre) = (dice.roll() % 50, dice.roll() as usize % centres.len());
            let vector: Vec<f32> = match kind {
                0 => vec![0.0; size as usize],
                1 if !vectors.is_empty() => {
                    vectors[dice.roll() as usize % vectors.len()].clone().unwrap_or_else(|| vec![1.0; size as usize])
                }
                _ => centres[centre].iter().map(|value| value + dice.number()).collect(),
            };
            vectors.push((!missing || !kind.is_multiple_of(3)).then_some(vector));
        }
        let spec = VectorSpec { ivf: Some(ivf), ..VectorSpec::new(size, metric) };
        let mut out = SectionsWriter::new(Vec::new());
        let mut vector = |row: Row| vectors[row.at()].as_deref().map(Cow::Borrowed);
        SealedVectors::write_full(&spec, rows, &mut vector, &mut out).unwrap();
        Self { spec, rows, full: out.finish().unwrap().into(), centres, dice }
    }

    fn build(&self, threads: usize, budget_bytes: u64) -> Built {
        let stop = AtomicBool::new(false);
        let how = BuildParams { budget_bytes, ..BuildParams::new(threads, &stop) };
        SealedVectors::build(&self.spec, self.rows, &self.full, &how).unwrap().unwrap()
    }

    fn open(&self, built: Built) -> SealedVectors {
        let Built { codes, route } = built;
        SealedVectors::open(&self.spec, self.rows, self.full.clone(), codes.into(), route.into()).unwrap()
    }

    /// A query near a centre.
    fn query(&mut self) -> Vec<f32> {
        let centre = self.dice.roll() as usize % self.centres.len();
        self.centres[centre].clone().iter().map(|value| value + 0.7 * self.dice.number()).collect()
    }
}

fn by(route: Route, ef: u32) -> Plan {
    Plan::by(route, ef)
}

/// Of the ten nearest, how many are found.
fn recall(sample: &mut Sample, sealed: &SealedVectors, nprobe: u32, allowed: Option<&Selection>) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for _ in 0..100 {
        let query = sample.query();
        let truth = sealed.search(&query, 10, allowed, &by(Route::Exact, 0)).hits;
        let hits = sealed.search(&query, 10, allowed, &by(Route::Ivf, nprobe)).hits;
        found += hits.iter().filter(|hit| hit.score >= truth[truth.len() - 1].score).count();
        wanted += truth.len();
    }
    f64::from(found as u32) / f64::from(wanted as u32)
}

#[test]
fn all_lists_find_nearly_what_a_scan_finds_and_a_few_not_much_less() {
    for metric in METRICS {
        for code in CODES {
            let ivf = IvfSpec { lists: 60, code, rerank: 6 };
            let mut sample = Sample::new(5, ROWS, 48, metric, ivf, true);
            let sealed = sample.open(sample.build(2, 256 << 20));
            let all = recall(&mut sample, &sealed, 60, None);
            assert!(all >= 0.97, "{metric:?}, {code:?}: {all}");
            let known = sealed.outline().lists.unwrap().calibrated;
            assert!(known.is_sorted_by_key(|rung| rung.1) && known[15].1 == 60 && known[15].0 > 0.9, "{known:?}");
            let few = recall(&mut sample, &sealed, 10, None);
            assert!(few >= 0.85, "{metric:?}, {code:?}: {few}");
        }
    }
}

#[test]
fn a_rerank_of_everything_finds_what_a_scan_finds() {
    for metric in METRICS {
        let ivf = IvfSpec { lists: 40, code: IvfCode::Pq4, rerank: 1_000 };
        let mut sample = Sample::new(6, ROWS, 17, metric, ivf, false);
        let sealed = sample.open(sample.build(2, 256 << 20));
        for k in [1, 10, 100] {
            let query = sample.query();
            let found = sealed.search(&query, k, None, &by(Route::Ivf, 40));
            assert_eq!((found.route, found.work.expanded), (Route::Ivf, 40));
            if k * 1_000 >= ROWS as usize {
                assert_eq!(found.hits, sealed.search(&query, k, None, &by(Route::Exact, 0)).hits, "{metric:?}");
            }
        }
    }
}

#[test]
fn every_filter_gets_all_the_hits_there_are() {
    for (metric, missing) in METRICS.into_iter().zip([false, true, false]) {
        let mut sample = Sample::new(7, ROWS, 16, metric, IvfSpec::default(), missing);
        let sealed = sample.open(sample.build(2, 256 << 20));
        for matching in [0, 1, 2, 9, 10, 11, 50, 300, 1_000, 2_000, ROWS] {
            for stride in [1, 1_009] {
                let offset = sample.dice.roll() as u32 % ROWS;
                let allowed = Bitmap::from_rows((0..matching).map(|at| (offset + at * stride) % ROWS));
                let selection = Selection::new(allowed.clone(), ROWS);
                let query = sample.query();
                let there = sealed.present().map_or(allowed.len(), |present| allowed.and_len(present));
                for nprobe in [0, 1, 5, u32::MAX] {
                    let found = sealed.search(&query, 10, Some(&selection), &by(Route::Ivf, nprobe));
                    assert_eq!(found.hits.len() as u64, there.min(10), "{matching} match");
                    assert!(found.hits.iter().all(|hit| allowed.has(hit.row)));
                    assert!(found.hits.is_sorted_by(|a, b| a > b));
                }
            }
        }
        assert_eq!(sealed.search(&sample.query(), 0, None, &by(Route::Ivf, 3)).hits, []);
        let all = sealed.search(&sample.query(), 10_000, None, &by(Route::Ivf, 3)).hits;
        assert_eq!(all.len() as u64, sealed.outline().rows);
    }
}

#[test]
fn threads_and_passes_change_no_byte() {
    for metric in METRICS {
        for code in CODES {
            let ivf = IvfSpec { code, ..IvfSpec::default() };
            let sample = Sample::new(8, ROWS, 20, metric, ivf, true);
            let built = sample.build(1, 256 << 20);
            for threads in [2, 5] {
                assert_eq!(sample.build(threads, 256 << 20), built, "{metric:?}, {code:?}, {threads} threads");
            }
        }
    }
    // Samples that fit either budget, codes that take several passes under the smaller one.
    let ivf = IvfSpec { lists: 4, code: IvfCode::Pq4, rerank: 0 };
    let sample = Sample::new(9, ROWS, 32, Metric::Euclid, ivf, true);
    assert_eq!(sample.build(2, 60 << 10).route, sample.build(3, 60 << 10).route);
    let sealed = sample.open(sample.build(2, 60 << 10));
    assert_eq!(sealed.outline().lists.map(|lists| lists.lists), Some(4));
}

#[test]
fn queries_of_any_kind_are_answered() {
    for metric in METRICS {
        let sample = Sample::new(10, ROWS, 8, metric, IvfSpec::default(), false);
        let sealed = sample.open(sample.build(2, 1 << 20));
        for value in [0.0, 1e-40, 1e-20, 1.0, 1e19, f32::MAX, -f32::MAX] {
            let found = sealed.search(&[value; 8], 10, None, &by(Route::Ivf, 4));
            assert_eq!(found.hits.len(), 10, "{metric:?} of {value}");
        }
    }
}

#[test]
fn no_damage_panics() {
    let sample = Sample::new(11, ROWS, 8, Metric::Cosine, IvfSpec { lists: 16, ..IvfSpec::default() }, true);
    let built = sample.build(2, 256 << 20);
    let mut dice = Dice(1);
    let allowed = Selection::new(Bitmap::from_rows((0..ROWS).step_by(3)), ROWS);
    let (mut refused, mut served) = (0, 0);
    for round in 0..600 {
        let mut built = built.clone();
        let body = if round % 2 == 0 { &mut built.codes } else { &mut built.route };
        match round % 5 {
            0 => body.truncate(dice.roll() as usize % body.len()),
            _ => {
                // The table at the end and the head at the start are hit often, though they are small.
                let at = dice.roll() as usize % if round % 3 == 0 { body.len() } else { 400 };
                let at = if round % 7 < 3 { at } else { body.len() - 1 - at };
                body[at] ^= 1 << (dice.roll() % 8);
            }
        }
        let (codes, route) = (built.codes.into(), built.route.into());
        let Ok(sealed) = SealedVectors::open(&sample.spec, sample.rows, sample.full.clone(), codes, route) else {
            refused += 1;
            continue;
        };
        served += 1;
        for allowed in [None, Some(&allowed)] {
            let found = sealed.search(&[0.5; 8], 10, allowed, &by(Route::Ivf, 3));
            assert_eq!(found.hits.len(), 10);
        }
    }
    assert!(refused > 100 && served > 20, "{refused} refused, {served} served");
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let with = |metric, ivf| VectorSpec { ivf: Some(ivf), ..VectorSpec::new(8, metric) }.validate("v");
    assert!(with(Metric::Cosine, IvfSpec::default()).is_ok());
    let said = |result: crate::error::Result<()>| result.unwrap_err().to_string();
    assert!(said(with(Metric::Manhattan, IvfSpec::default())).starts_with("vectors.v.ivf is set for manhattan;"));
    let lists = IvfSpec { lists: u32::MAX, ..IvfSpec::default() };
    assert!(said(with(Metric::Dot, lists)).starts_with("vectors.v.ivf.lists is 4294967295;"));
    let rerank = IvfSpec { rerank: 1_001, ..IvfSpec::default() };
    assert!(said(with(Metric::Dot, rerank)).starts_with("vectors.v.ivf.rerank is 1001;"));
    let bits = IvfSpec { code: IvfCode::Bits(3), ..IvfSpec::default() };
    assert!(said(with(Metric::Dot, bits)).starts_with("vectors.v.ivf.code is bits3;"));
    for code in CODES {
        assert!(with(Metric::Dot, IvfSpec { code, ..IvfSpec::default() }).is_ok());
        assert_eq!(IvfCode::parse(&code.name()), Some(code));
    }
    assert!(["", "pq", "pq5", "bits", "bits300"].iter().all(|text| IvfCode::parse(text).is_none()));
}
