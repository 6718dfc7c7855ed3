//! The wing as a whole, held against a scan.

use crate::bitmap::Bitmap;
use crate::effort::LADDER;
use crate::layout::SectionsWriter;
use crate::params::{Found, Plan, Route, Standing};
use crate::row::{Hit, Kept, Row};
use crate::selection::Selection;
use crate::vector::calibrate::Trial;
use crate::vector::live::LiveVectors;
use crate::vector::metric::Metric;
use crate::vector::nearest::Nearest;
use crate::vector::sealed::{BuildParams, Built, Extended, SealedVectors};
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

const METRICS: [Metric; 4] = [Metric::Cosine, Metric::Dot, Metric::Euclid, Metric::Manhattan];

/// Rows enough for a graph.
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

    fn vector(&mut self, size: u32) -> Vec<f32> {
        (0..size).map(|_| self.number()).collect()
    }
}

struct Sample {
    spec: VectorSpec,
    vectors: Vec<Option<Vec<f32>>>,
    full: Bytes,
    built: Built,
}

impl Sample {
    /// Vectors around a few centres, as real ones stand; some twice, some zeros, and some missing.
    fn new(seed: u64, rows: u32, size: u32, metric: Metric, missing: bool) -> Self {
        let mut dice = Dice(seed);
        let centres: Vec<Vec<f32>> = (0..10).map(|_| dice.vector(size)).collect();
        let mut vectors: Vec<Option<Vec<f32>>> = Vec::new();
        for _ in 0..rows {
            let kind = dice.roll() % 50;
            let centre = &centres[dice.roll() as usize % centres.len()];
            let vector = match kind {
                0 => vec![0.0; size as usize],
                1 if !vectors.is_empty() => {
                    let twin = dice.roll() as usize % vectors.len();
                    vectors[twin].clone().unwrap_or_else(|| vec![1.0; size as usize])
                }
                2 => dice.vector(size).iter().map(|value| value * 2.0).collect(),
                _ => centre.iter().map(|value| value + dice.number()).collect(),
            };
            vectors.push((!missing || !kind.is_multiple_of(3)).then_some(vector));
        }
        Self::of(VectorSpec::new(size, metric), vectors)
    }

    fn of(spec: VectorSpec, vectors: Vec<Option<Vec<f32>>>) -> Self {
        let mut out = SectionsWriter::new(Vec::new());
        let mut vector = |row: Row| vectors[row.at()].as_deref().map(Cow::Borrowed);
        SealedVectors::write_full(&spec, vectors.len() as u32, &mut vector, &mut out).unwrap();
        let full = Bytes::from(out.finish().unwrap());
        let built = build(&spec, vectors.len() as u32, &full, 2);
        Self { spec, vectors, full, built }
    }

    fn rows(&self) -> u32 {
        self.vectors.len() as u32
    }

    fn live(&self) -> LiveVectors {
        LiveVectors::build(&self.spec, self.vectors.iter().map(Option::as_deref))
    }

    fn sealed(&self) -> SealedVectors {
        let Built { codes, route } = self.built.clone();
        SealedVectors::open(&self.spec, self.rows(), self.full.clone(), codes.into(), route.into()).unwrap()
    }
}

fn build(spec: &VectorSpec, rows: u32, full: &Bytes, threads: usize) -> Built {
    let stop = AtomicBool::new(false);
    SealedVectors::build(spec, rows, full, &BuildParams::new(threads, &stop)).unwrap().unwrap()
}

fn by(route: Route, ef: u32) -> Plan {
    Plan::by(route, ef)
}

/// What anyone would compute, in double precision.
fn naive(sample: &Sample, query: &[f32], row: usize) -> Option<f64> {
    let vector = sample.vectors[row].as_ref()?;
    let pairs = || query.iter().zip(vector).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let length = |values: &[f32]| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    Some(match sample.spec.metric {
        Metric::Cosine if dot == 0.0 => 0.0,
        Metric::Cosine => dot / (length(query) * length(vector)),
        Metric::Dot => dot,
        Metric::Euclid => -pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>(),
        Metric::Manhattan => -pairs().map(|(a, b)| (a - b).abs()).sum::<f64>(),
    })
}

/// Hits are right if they are allowed rows, in order, with true scores that no row left out beats.
fn is_right(sample: &Sample, query: &[f32], k: usize, allowed: Option<&Bitmap>, hits: &[Hit]) {
    let mut scores: Vec<f64> = (0..sample.vectors.len())
        .filter(|row| allowed.is_none_or(|allowed| allowed.has(Row(*row as u32))))
        .filter_map(|row| naive(sample, query, row))
        .collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    assert_eq!(hits.len(), k.min(scores.len()), "as many hits as there can be");
    assert!(hits.is_sorted_by(|a, b| a > b), "best first");
    for (hit, score) in hits.iter().zip(&scores) {
        assert!(allowed.is_none_or(|allowed| allowed.has(hit.row)));
        let own = naive(sample, query, hit.row.at()).unwrap();
        for want in [own, *score] {
            assert!((f64::from(hit.score) - want).abs() <= 1e-4 * (1.0 + want.abs()), "{hit:?} but {want}");
        }
    }
}

/// Skimmed by one bit a number, then by code: all rows, half of them, and so many hits that little can be left out.
#[test]
fn a_scan_of_codes_misses_next_to_nothing() {
    for metric in METRICS {
        for (size, missing) in [(130, false), (300, true)] {
            let sample = Sample::new(11, ROWS, size, metric, missing);
            let (sealed, mut dice) = (sample.sealed(), Dice(5));
            let half = Selection::new(Bitmap::from_rows((0..ROWS).filter(|row| row % 2 == 1)), ROWS);
            let (mut found, mut wanted) = (0, 0);
            for at in 0..20 {
                let query = dice.vector(size);
                let (k, allowed) = ([10, 10, 100, 500][at % 4], [None, Some(&half)][at % 2]);
                let exact = sealed.search(&query, k, allowed, &by(Route::Exact, 0)).hits;
                let Found { hits, work, route, .. } = sealed.search(&query, k, allowed, &by(Route::Codes, 0));
                assert_eq!(hits.len(), exact.len(), "{metric:?}: neither more hits nor fewer");
                assert!(hits.iter().all(|hit| allowed.is_none_or(|allowed| allowed.rows().has(hit.row))));
                assert!(route == Route::Codes && work.distances_coded > 0, "{metric:?}: {route:?}");
                found += hits.iter().filter(|hit| hit.score >= exact[exact.len() - 1].score).count();
                wanted += exact.len();
            }
            assert!(found as f64 >= 0.995 * wanted as f64, "{metric:?}, {size} numbers: {found} of {wanted}");
        }
    }
}

/// At random and together; however few rows are asked for, there are never fewer hits than there are to find.
#[test]
fn the_nearest_cells_hold_what_they_are_said_to() {
    for (metric, missing) in [(Metric::Cosine, true), (Metric::Dot, false), (Metric::Euclid, true)] {
        let sample = Sample::new(6, ROWS, 130, metric, missing);
        let (sealed, mut dice) = (sample.sealed(), Dice(3));
        let near = sealed.search(&dice.vector(130), 900, None, &by(Route::Exact, 0)).hits;
        let together = Bitmap::from_rows(near.into_iter().map(|hit| hit.row.0));
        let mut eases = Vec::new();
        for rows in [Bitmap::from_rows((0..ROWS).filter(|row| row % 4 == 1)), together] {
            let selection = Selection::new(rows, ROWS);
            let outline = sealed.outline();
            let ease = sealed.standing(Standing::Ease, &selection);
            eases.push(ease);
            let of = (selection.count(), outline.rows);
            let enough = outline.reach.unwrap().rows(0.9, of, 10, || ease).unwrap();
            let (mut found, mut wanted) = (0, 0);
            for at in 0..60 {
                // As the rows are: queries that are not come to less.
                let Some(row) = &sample.vectors[at * 53] else { continue };
                let query: Vec<f32> = row.iter().map(|value| value + 0.5 * dice.number()).collect();
                let exact = sealed.search(&query, 10, Some(&selection), &by(Route::Exact, 0)).hits;
                let some = Plan { recall: Some(0.9), ..by(Route::Codes, enough as u32) };
                let hits = sealed.search(&query, 10, Some(&selection), &some).hits;
                assert!(hits.len() == exact.len() && hits.iter().all(|hit| selection.rows().has(hit.row)));
                found += hits.iter().filter(|hit| hit.score >= exact[exact.len() - 1].score).count();
                wanted += exact.len();
                let few = sealed.search(&query, 10, Some(&selection), &by(Route::Codes, 1));
                let all = sealed.search(&query, 10, None, &by(Route::Codes, u32::MAX));
                assert_eq!([few.hits.len(), all.hits.len()], [exact.len(); 2]);
            }
            assert!(found as f64 >= 0.88 * f64::from(wanted as u32), "{metric:?}: {found} of {wanted}");
        }
        assert!(
            eases[0] > eases[1],
            "{metric:?}: rows at random are easier to reach than rows that stand together: {eases:?}"
        );
    }
    let sums = Sample::new(6, ROWS, 130, Metric::Manhattan, false).sealed();
    assert!(sums.outline().reach.is_none(), "sums of differences have no means");
}

#[test]
fn scans_of_live_and_sealed_parts_find_the_nearest() {
    for metric in METRICS {
        for seed in 0..3 {
            let sample = Sample::new(seed, ROWS, 24, metric, seed % 2 == 1);
            let (live, sealed) = (sample.live(), sample.sealed());
            let mut dice = Dice(seed + 1000);
            for (round, k) in [1, 3, 10, 100].into_iter().enumerate() {
                let query = dice.vector(24);
                let every = Bitmap::from_rows((0..ROWS).filter(|row| row % (round as u32 * 3 + 1) == 0));
                let selection = Selection::new(every.clone(), ROWS);
                for (allowed, selection) in [(None, None), (Some(&every), Some(&selection))] {
                    let of_live = live.search(&query, k, selection, &by(Route::Exact, 0));
                    let of_sealed = sealed.search(&query, k, selection, &by(Route::Exact, 0));
                    is_right(&sample, &query, k, allowed, &of_live.hits);
                    assert_eq!(of_live.hits, of_sealed.hits, "{metric:?} {seed}");
                }
            }
        }
    }
}

#[test]
fn full_effort_finds_what_a_scan_finds() {
    for metric in METRICS {
        for seed in 0..4 {
            let sample = Sample::new(seed, ROWS, 12 + seed as u32, metric, seed % 2 == 1);
            let sealed = sample.sealed();
            let mut dice = Dice(seed + 2000);
            for _ in 0..5 {
                let query = dice.vector(sample.spec.size);
                let found = sealed.search(&query, 10, None, &by(Route::Graph, ROWS));
                assert_eq!(found.route, Route::Graph);
                assert_eq!(found.hits, sealed.search(&query, 10, None, &by(Route::Exact, 0)).hits, "{metric:?} {seed}");
            }
        }
    }
}

#[test]
fn modest_effort_finds_nearly_everything() {
    for metric in METRICS {
        let sample = Sample::new(77, 4_000, 24, metric, false);
        let sealed = sample.sealed();
        let mut dice = Dice(5);
        let (mut found, mut wanted) = (0, 0);
        for at in 0..100 {
            let query: Vec<f32> =
                sample.vectors[at * 17].iter().flatten().map(|value| value + 0.3 * dice.number()).collect();
            let truth = sealed.search(&query, 10, None, &by(Route::Exact, 0)).hits;
            let hits = sealed.search(&query, 10, None, &by(Route::Graph, 96)).hits;
            found += hits.iter().filter(|hit| hit.score >= truth[9].score).count();
            wanted += truth.len();
        }
        assert!(found * 100 >= wanted * 97, "{metric:?}: {found} of {wanted}");
        let curves = sealed.outline().efforts.unwrap().curves();
        assert!(curves.iter().filter(|curve| curve.k <= 10).all(|curve| curve.rungs[6].recall > 0.6), "{curves:?}");
    }
}

/// Of three parts and of one, with and without dead rows: as good as a graph built anew.
#[test]
fn a_graph_goes_on_from_those_before_it() {
    for metric in METRICS {
        for (parts, dead) in [(vec![3_000, 2_400], 0), (vec![5_000, 3_200, 3_300], 10), (vec![5_000], 30)] {
            let parts: Vec<Sample> =
                parts.iter().zip(8..).map(|(rows, seed)| Sample::new(seed, *rows, 24, metric, dead == 10)).collect();
            let sealed: Vec<SealedVectors> = parts.iter().map(Sample::sealed).collect();
            let mut dice = Dice(4);
            let kept: Vec<Vec<Row>> = parts
                .iter()
                .map(|part| (0..part.rows()).filter(|_| dice.roll() % 100 >= dead).map(Row).collect())
                .collect();
            let vectors =
                parts.iter().zip(&kept).flat_map(|(part, kept)| kept.iter().map(|row| part.vectors[row.at()].clone()));
            let anew = Sample::of(parts[0].spec.clone(), vectors.collect());
            let from: Vec<Extended<'_>> =
                sealed.iter().zip(&kept).map(|(part, rows)| Extended { part: Some(part), rows }).collect();
            let stop = AtomicBool::new(false);
            let extend = |threads, budget_bytes| {
                let how = BuildParams { budget_bytes, ..BuildParams::new(threads, &stop) };
                SealedVectors::extend(&anew.spec, anew.rows(), &anew.full, &from, &how).unwrap().unwrap()
            };
            let built = extend(2, 256 << 20);
            assert!(built == extend(1, 256 << 20), "the same bytes for any number of threads");
            assert!(built == extend(2, 1 << 20), "and of passes");
            assert!(built != anew.built, "what was known was used");
            let Built { codes, route } = built;
            let extended =
                SealedVectors::open(&anew.spec, anew.rows(), anew.full.clone(), codes.into(), route.into()).unwrap();
            let fresh = anew.sealed();
            let (mut of_extended, mut of_fresh) = (0, 0);
            for at in 0..100 {
                let query: Vec<f32> = anew
                    .vectors
                    .iter()
                    .flatten()
                    .nth(at * 17)
                    .unwrap()
                    .iter()
                    .map(|value| value + 0.3 * dice.number())
                    .collect();
                let truth = fresh.search(&query, 10, None, &by(Route::Exact, 0)).hits;
                let right = |part: &SealedVectors| {
                    let hits = part.search(&query, 10, None, &by(Route::Graph, 40)).hits;
                    hits.iter().filter(|hit| hit.score >= truth[9].score).count()
                };
                of_extended += right(&extended);
                of_fresh += right(&fresh);
                let all = extended.search(&query, 10, None, &by(Route::Graph, anew.rows())).hits;
                assert_eq!(all, truth, "everything is within reach");
            }
            assert!(of_extended + 10 >= of_fresh, "{metric:?}: {of_extended} of 1000 against {of_fresh}");
        }
    }
}

/// What efforts come to is learned from one walk that goes through all of them: at each it has done what a search does.
#[test]
fn a_trial_of_all_efforts_does_what_searches_do() {
    for metric in [Metric::Cosine, Metric::Manhattan] {
        let mut sample = Sample::new(31, ROWS, 24, metric, false);
        sample.vectors[77] = None;
        // Of so few links all are looked at with any effort, as in the trial.
        sample.spec.hnsw.m = 16;
        let sample = Sample::of(sample.spec, sample.vectors);
        let (sealed, mut dice) = (sample.sealed(), Dice(5));
        for k in [1, 10, 40] {
            let query: Vec<f32> = dice.vector(24);
            let truth: Vec<Row> = sealed.exact(&query, k, None).hits.iter().map(|hit| hit.row).collect();
            let trial = Trial { without: Row(77), query: &query, k, truth: &truth, whole: true };
            let trace = sealed.trial(&trial, Route::Graph, None);
            assert_eq!(trace.len(), LADDER.len());
            for ((found, work), ef) in trace.into_iter().zip(LADDER).filter(|(_, ef)| *ef as usize >= k) {
                let searched = sealed.search(&query, k, None, &by(Route::Graph, ef));
                let of_search = searched.hits.iter().filter(|hit| truth.contains(&hit.row)).count();
                let asked = (of_search, searched.work.distances_coded, searched.work.expanded);
                assert_eq!((found, work.distances_coded, work.expanded), asked, "{metric:?}, {k} by {ef}");
            }
        }
    }
}

/// A few rows are several times as long as the others, and inner products mostly want those.
#[test]
fn inner_products_of_rows_of_unequal_length_are_found() {
    let mut dice = Dice(12);
    let vectors: Vec<Option<Vec<f32>>> = (0..6_000)
        .map(|row| {
            let by = if row % 50 == 0 { 5.0 } else { 1.0 };
            Some(dice.vector(32).iter().map(|value| value * by).collect())
        })
        .collect();
    let sample = Sample::of(VectorSpec::new(32, Metric::Dot), vectors);
    let sealed = sample.sealed();
    let mut found = 0;
    for _ in 0..100 {
        let query = dice.vector(32);
        let truth = sealed.search(&query, 10, None, &by(Route::Exact, 0)).hits;
        let hits = sealed.search(&query, 10, None, &by(Route::Graph, 96)).hits;
        found += hits.iter().filter(|hit| hit.score >= truth[9].score).count();
    }
    assert!(found >= 950, "{found} of 1000");
}

/// A basis for vectors of 65,536 numbers would take 17 GB.
#[test]
fn very_long_vectors_are_scanned_without_a_graph() {
    let mut dice = Dice(9);
    let start = dice.vector(4_097);
    let vectors = (0..2_001).map(|row| {
        let mut vector = start.clone();
        vector[row % 4_097] += row as f32;
        Some(vector)
    });
    let sample = Sample::of(VectorSpec::new(4_097, Metric::Euclid), vectors.collect());
    assert!(sample.built.codes.len() < 64 && sample.built.route.len() < 64, "no codes, no graph");
    let sealed = sample.sealed();
    let hits = sealed.search(&start, 3, None, &by(Route::Graph, 64)).hits;
    assert_eq!(hits.iter().map(|hit| hit.row.0).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for (metric, size) in METRICS.into_iter().zip([16; 4]).chain([(Metric::Euclid, 80)]) {
        let sample = Sample::new(3, ROWS, size, metric, true);
        for threads in [1, 2, 7] {
            assert_eq!(build(&sample.spec, ROWS, &sample.full, threads), sample.built, "{metric:?}, {threads} threads");
        }
    }
}

#[test]
fn every_filter_gets_all_the_hits_there_are() {
    for (metric, missing) in METRICS.into_iter().zip([false, true, false, true]) {
        let sample = Sample::new(11, ROWS, 16, metric, missing);
        let sealed = sample.sealed();
        let mut dice = Dice(9);
        for matching in [0, 1, 2, 9, 10, 11, 50, 300, 1_000, 2_000, ROWS as usize] {
            for clustered in [false, true] {
                let offset = dice.roll() as u32 % ROWS;
                let stride = if clustered { 1 } else { 1_009 };
                let rows = (0..matching as u32).map(|at| (offset + at * stride) % ROWS);
                let allowed = Bitmap::from_rows(rows);
                let selection = Selection::new(allowed.clone(), ROWS);
                let query = dice.vector(16);
                for route in [Route::Exact, Route::Graph, Route::GraphFiltered] {
                    let found = sealed.search(&query, 10, Some(&selection), &by(route, 64));
                    let there =
                        (0..ROWS).filter(|row| allowed.has(Row(*row)) && sample.vectors[*row as usize].is_some());
                    assert_eq!(found.hits.len(), there.count().min(10), "{route:?} of {matching}");
                    assert!(found.hits.iter().all(|hit| allowed.has(hit.row)));
                    if found.route == Route::Exact {
                        is_right(&sample, &query, 10, Some(&allowed), &found.hits);
                    }
                }
            }
        }
    }
}

#[test]
fn vectors_come_back_bit_by_bit() {
    let sample = Sample::new(4, 300, 7, Metric::Cosine, true);
    let (live, sealed) = (sample.live(), sample.sealed());
    for (row, vector) in sample.vectors.iter().enumerate() {
        assert_eq!(live.vector(Row(row as u32)).as_deref(), vector.as_deref());
        assert_eq!(sealed.vector(Row(row as u32)).as_deref(), vector.as_deref());
    }
    assert!(live.vector(Row(300)).is_none() && sealed.vector(Row(300)).is_none());
    let some = sample.vectors.iter().flatten().count() as u64;
    assert_eq!([live.outline().rows, sealed.outline().rows], [some, some]);
    assert!(sealed.outline().efforts.is_none(), "a small part has no graph");
}

#[test]
fn live_parts_become_one() {
    let (one, other) = (Sample::new(1, 40, 5, Metric::Dot, true), Sample::new(2, 30, 5, Metric::Dot, false));
    let kept: Vec<Row> = (0..40).filter(|row| row % 3 > 0).map(Row).collect();
    let all: Vec<Row> = (0..30).map(Row).collect();
    let (a, b) = (one.live(), other.live());
    let both = LiveVectors::concat(&one.spec, &[Kept { part: &a, rows: &kept }, Kept { part: &b, rows: &all }]);
    let want: Vec<_> = kept.iter().map(|row| &one.vectors[row.at()]).chain(&other.vectors).collect();
    for (row, vector) in want.iter().enumerate() {
        assert_eq!(both.vector(Row(row as u32)).as_deref(), vector.as_deref());
    }
    assert!(both.vector(Row(want.len() as u32)).is_none() && both.memory_bytes() > 0);
}

#[test]
fn equal_vectors_stay_within_reach() {
    let vectors = (0..ROWS).map(|row| Some(vec![if row < 40 { 1.0 } else { 2.0 }; 8])).collect();
    let sample = Sample::of(VectorSpec::new(8, Metric::Euclid), vectors);
    let found = sample.sealed().search(&[1.1; 8], 50, None, &by(Route::Graph, ROWS));
    assert_eq!(found.hits.iter().map(|hit| hit.row.0).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_stopped_build_gives_nothing() {
    let sample = Sample::new(1, ROWS, 8, Metric::Dot, false);
    let stop = AtomicBool::new(true);
    let how = BuildParams::new(2, &stop);
    assert!(SealedVectors::build(&sample.spec, ROWS, &sample.full, &how).unwrap().is_none());
}

#[test]
fn no_vector_at_all_is_no_trouble() {
    for rows in [0, 5] {
        let sample = Sample::of(VectorSpec::new(3, Metric::Cosine), vec![None; rows]);
        for found in [Route::Exact, Route::Graph, Route::Empty].map(|route| {
            let plan = by(route, 10);
            [sample.live().search(&[1.0; 3], 4, None, &plan), sample.sealed().search(&[1.0; 3], 4, None, &plan)]
        }) {
            assert_eq!(found, [Found::nothing(), Found::nothing()]);
        }
    }
}

#[test]
fn no_damage_panics() {
    let sample = Sample::new(8, ROWS, 60, Metric::Cosine, true);
    let mut dice = Dice(1);
    let allowed = Selection::new(Bitmap::from_rows((0..ROWS).step_by(3)), ROWS);
    for round in 0..400 {
        let (mut full, mut built) = (sample.full.to_vec(), sample.built.clone());
        let body = [&mut full, &mut built.codes, &mut built.route].into_iter().nth(round % 3).unwrap();
        match round % 5 {
            0 => body.truncate(dice.roll() as usize % body.len()),
            _ => {
                // The table at the end is hit often, though it is small.
                let at = dice.roll() as usize % if round % 2 == 0 { body.len() } else { 300 };
                let at = body.len() - 1 - at;
                body[at] ^= 1 << (dice.roll() % 8);
            }
        }
        let opened = SealedVectors::open(&sample.spec, ROWS, Bytes::from(full), built.codes.into(), built.route.into());
        let Ok(sealed) = opened else { continue };
        for route in [Route::Exact, Route::Codes, Route::Graph, Route::GraphFiltered] {
            for allowed in [None, Some(&allowed)] {
                sealed.search(&[0.5; 60], 10, allowed, &by(route, 64));
            }
        }
    }
}
