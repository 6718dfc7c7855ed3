//! What a collection of a given size will take: memory, disk and the time to build its indexes.
//!
//! Nothing is looked up in tables of some other machine: two small parts of made-up vectors are built here and now, and
//! what they took is carried on to the size that was asked for. Real vectors code and link a little better or worse
//! than made-up ones; docs/memory.md says how near the answers came to what was measured.

use crate::error::{Error, Result};
use crate::memory::Budget;
use crate::schema::CollectionSpec;
use crate::store::Options;
use nigh_index::layout::SectionsWriter;
use nigh_index::row::Row;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::VectorSpec;
use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A collection of more points is not one machine's.
pub const POINTS_MAX: u64 = 100_000_000_000;
/// A payload has at most this many bytes.
pub const PAYLOAD_BYTES_MAX: u64 = 16 << 20;

/// Rows of the larger of the two parts that are built, at most and at least; the smaller one has a third of them.
const TRIAL_ROWS: [u64; 2] = [96, 6_144];
/// Numbers that the larger parts of all fields hold together, where that leaves each of them its rows.
const TRIAL_NUMBERS: u64 = 6_144 * 2_048;

/// Bytes of the indexes over a payload's fields, for each byte of payload that is not text: values of several keys,
/// each with the rows that have it.
const FIELD_SHARE: f64 = 0.8;
/// Bytes of inverted lists for each byte of text.
const TEXT_SHARE: f64 = 0.15;
/// Bytes of a point's id, of its version and of the place where its payload begins.
const POINT_BYTES: u64 = 8 + 10 + 8;
/// Bytes that a live row takes beside its vectors and its payload.
const LIVE_BYTES: u64 = 400;
/// What a process takes before it holds anything.
const PROCESS_BYTES: u64 = 48 << 20;
/// The time that a byte of payload takes in a seal and in each merge: parsed, its words found, written.
const PAYLOAD_BYTE: Duration = Duration::from_nanos(70);
/// What a merge takes for each row, as a share of building it anew.
const MERGE_SHARE: f64 = 0.55;
/// Segments of one size that become one of the next.
const MERGED: f64 = 4.0;

/// A collection that is thought of.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its points.
    pub points: u64,
    /// Bytes of a payload, in the mean.
    pub payload_bytes: u64,
    /// How many of them are text that a text field reads.
    pub text_bytes: u64,
}

/// What it will take.
#[derive(Clone, PartialEq, Debug)]
pub struct Estimate {
    /// Memory that is held when all is indexed: codes and links, and the process itself.
    pub memory_bytes: u64,
    /// The most that is held while it is loaded at full speed: live rows and the largest merge on top. With a smaller
    /// limit (never below [`Self::memory_bytes`]) loading is slower.
    pub memory_peak_bytes: u64,
    /// Bytes of files that are mapped and not held; searches are fastest while they stay in the page cache.
    pub mapped_bytes: u64,
    /// Bytes on disk when all is indexed.
    pub disk_bytes: u64,
    /// The most on disk: a merge lays its segment down before those that it replaces go.
    pub disk_peak_bytes: u64,
    /// The time that building takes on this machine's cores when nobody else uses them.
    pub build: Duration,
    /// The same, counted for one core.
    pub build_cpu: Duration,
}

/// What a vector field takes, of the rows and for each further one.
struct Trial {
    fixed: f64,
    each: f64,
    /// Bytes that an open part makes of each row and holds, beside what is on disk.
    made: f64,
    /// Processor seconds of a row, in a part of the larger trial's rows.
    row_seconds: f64,
    rows: u32,
}

/// Builds the small parts and carries on from them. It takes the cores for about a second; fields that are alike are
/// built once, and many share what one may take. `None` where it was stopped.
///
/// # Errors
///
/// [`Error::Invalid`] for a spec that no collection could have, or sizes beyond the limits.
pub fn estimate(spec: &CollectionSpec, load: &Load, options: &Options, stop: &AtomicBool) -> Result<Option<Estimate>> {
    spec.validate()?;
    within("points", load.points, POINTS_MAX)?;
    within("payload_bytes", load.payload_bytes, PAYLOAD_BYTES_MAX)?;
    within("text_bytes", load.text_bytes, load.payload_bytes)?;
    let (points, rows) = (load.points as f64, load.points.max(2) as f64);
    let (mut indexes, mut made, mut full, mut build_seconds) = (0.0, 0.0, 0.0, 0.0);
    let sealed = rows.min(options.seal_rows as f64);
    let levels = (rows / sealed).log(MERGED).max(0.0);
    let kinds = kinds(spec);
    let mut trials: Vec<Trial> = Vec::with_capacity(kinds.len());
    for kind in &kinds {
        let rows = trial_rows(kind.size, kinds.len());
        let Some(trial) = Trial::of(kind, rows, options.build_threads, stop)? else { return Ok(None) };
        trials.push(trial);
    }
    for field in &spec.vectors {
        let Some(trial) = kinds.iter().position(|kind| **kind == field.spec).map(|at| &trials[at]) else { continue };
        indexes += trial.fixed + trial.each * points;
        made += trial.made * points;
        full += points * (f64::from(field.spec.size) * 4.0 + 4.0);
        // A row of a larger part has more to be compared with.
        let grown = rows.ln() / f64::from(trial.rows).ln();
        build_seconds += points * trial.row_seconds * grown.max(0.5) * (1.0 + MERGE_SHARE * levels);
    }
    build_seconds += points * load.payload_bytes as f64 * PAYLOAD_BYTE.as_secs_f64() * (1.0 + levels);
    let text = load.text_bytes as f64;
    let fields = (load.payload_bytes as f64 - text) * FIELD_SHARE;
    let others = points * (load.payload_bytes as f64 + fields + text * TEXT_SHARE) + points * POINT_BYTES as f64;
    let disk = indexes + full + others;
    let live_row = full / points.max(1.0) + (load.payload_bytes * 2 + LIVE_BYTES) as f64;
    let live = (2.0 * sealed * live_row).min(4.0 * options.seal_bytes as f64);
    let memory = indexes + made + PROCESS_BYTES as f64;
    let scratch = Budget::build_bytes(spec, load.points) as f64;
    let threads = options.build_threads.max(1) as f64;
    Ok(Some(Estimate {
        memory_bytes: memory as u64,
        memory_peak_bytes: (memory + live + scratch) as u64,
        mapped_bytes: (disk - indexes) as u64,
        disk_bytes: disk as u64,
        disk_peak_bytes: (disk * 2.0 + live) as u64,
        build: Duration::from_secs_f64(build_seconds / threads),
        build_cpu: Duration::from_secs_f64(build_seconds),
    }))
}

/// The fields of vectors that differ in more than their names.
fn kinds(spec: &CollectionSpec) -> Vec<&VectorSpec> {
    let mut kinds: Vec<&VectorSpec> = Vec::new();
    for field in &spec.vectors {
        if !kinds.contains(&&field.spec) {
            kinds.push(&field.spec);
        }
    }
    kinds
}

/// Rows of the larger part, of vectors of this size among so many kinds.
fn trial_rows(size: u32, kinds: usize) -> u32 {
    let [least, most] = TRIAL_ROWS;
    let rows = TRIAL_NUMBERS / kinds.max(1) as u64 / u64::from(size.max(1));
    rows.clamp(least, most) as u32
}

fn within(field: &str, value: u64, most: u64) -> Result<()> {
    match value <= most {
        true => Ok(()),
        false => Err(Error::invalid(field, value.to_string(), format!("it is at most {most}"))),
    }
}

impl Trial {
    fn of(spec: &VectorSpec, more: u32, threads: usize, stop: &AtomicBool) -> Result<Option<Self>> {
        let less = more / 3;
        let Some(Built { bytes: few, seconds: soon, .. }) = built(spec, less, threads, stop)? else { return Ok(None) };
        let Some(Built { bytes: many, seconds: later, made }) = built(spec, more, threads, stop)? else {
            return Ok(None);
        };
        let each = (many - few).max(0.0) / f64::from(more - less);
        let fixed = (few - each * f64::from(less)).max(0.0);
        // Some of the time is the same for any number of rows: what efforts come to is measured with as many queries.
        let grows = (later - soon) / f64::from(more - less);
        let seconds = grows.max(later / f64::from(more) / 8.0);
        Ok(Some(Self { fixed, each, made, row_seconds: seconds * threads.max(1) as f64, rows: more }))
    }
}

/// What a part of so many rows came to.
struct Built {
    /// Bytes of codes and route.
    bytes: f64,
    /// What building them took.
    seconds: f64,
    /// Bytes that are made of each row when it is opened.
    made: f64,
}

/// Builds a part of so many rows; `None` where it was stopped.
fn built(spec: &VectorSpec, rows: u32, threads: usize, stop: &AtomicBool) -> Result<Option<Built>> {
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let made_up = |source| Error::of_index(Path::new("made-up vectors"), source);
    let mut out = SectionsWriter::new(Vec::new());
    let mut vector = |row: Row| Some(Cow::Owned(made_up_vector(spec.size, row)));
    let written = SealedVectors::write_full(spec, rows, &mut vector, &mut out).and_then(|()| out.finish());
    let full = written.map_err(|err| Error::invalid("spec", err.to_string(), "its vectors can be laid down"))?;
    let begin = Instant::now();
    let how = BuildParams::new(threads, stop);
    let full = bytes::Bytes::from(full);
    let Some(built) = SealedVectors::build(spec, rows, &full, &how).map_err(made_up)? else { return Ok(None) };
    let (bytes, seconds) = ((built.codes.len() + built.route.len()) as f64, begin.elapsed().as_secs_f64());
    let opened = SealedVectors::open(spec, rows, full, built.codes.into(), built.route.into()).map_err(made_up)?;
    Ok(Some(Built { bytes, seconds, made: f64::from(opened.outline().gist_bytes) }))
}

/// A vector of a cluster of its own kind: like an embedding it has most of its length in some of its numbers, here 95 %
/// of the variance in six tenths of them. Always the same for a row.
fn made_up_vector(size: u32, row: Row) -> Vec<f32> {
    let mut state = (u64::from(row.0) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut centre = (u64::from(row.0 % 64) + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    let number = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let fall = -2.5 / size.max(1) as f32;
    let near = |at: u32| (fall * at as f32).exp();
    (0..size).map(|at| near(at) * (number(&mut state) + number(&mut centre))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::VectorField;
    use nigh_index::vector::metric::Metric;

    fn of(size: u32, points: u64) -> Estimate {
        let field = VectorField { name: "v".into(), spec: VectorSpec::new(size, Metric::Cosine) };
        let spec = CollectionSpec { vectors: vec![field], ..CollectionSpec::default() };
        let load = Load { points, payload_bytes: 200, text_bytes: 100 };
        let options = Options { build_threads: 2, ..Options::default() };
        estimate(&spec, &load, &options, &AtomicBool::new(false)).unwrap().unwrap()
    }

    #[test]
    fn more_points_and_longer_vectors_take_more() {
        let (small, large, long) = (of(64, 10_000), of(64, 1_000_000), of(256, 10_000));
        for more in [&large, &long] {
            assert!(more.disk_bytes > small.disk_bytes && more.memory_peak_bytes > small.memory_peak_bytes);
            assert!(more.mapped_bytes > small.mapped_bytes);
        }
        assert!(large.build > small.build && large.build_cpu >= large.build);
        // A link has 4 bytes, a node 64 of them; a code of 64 numbers is a line or two of 64 bytes.
        let each = (large.memory_bytes - small.memory_bytes) as f64 / 990_000.0;
        assert!((300.0..420.0).contains(&each), "{each} bytes a point");
        assert!(large.memory_peak_bytes >= large.memory_bytes && large.disk_peak_bytes >= 2 * large.disk_bytes);
    }

    #[test]
    fn what_nobody_could_have_is_refused() {
        let load = |points, payload_bytes, text_bytes| Load { points, payload_bytes, text_bytes };
        for load in [load(POINTS_MAX + 1, 0, 0), load(1, PAYLOAD_BYTES_MAX + 1, 0), load(1, 10, 11)] {
            let refused = empty(&load);
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{load:?}: {refused:?}");
        }
        assert_eq!(empty(&load(0, 0, 0)).unwrap().unwrap().disk_bytes, 0);
    }

    fn empty(load: &Load) -> Result<Option<Estimate>> {
        estimate(&CollectionSpec::default(), load, &Options::default(), &AtomicBool::new(false))
    }

    #[test]
    fn many_fields_share_what_one_may_take_and_whoever_went_away_stops_it() {
        assert_eq!(trial_rows(64, 1), 6_144);
        for (size, kinds) in [(1_536, 1), (4_096, 2), (1_024, 64), (65_536, 1)] {
            let numbers = u64::from(trial_rows(size, kinds)) * u64::from(size) * kinds as u64;
            assert!(numbers <= TRIAL_NUMBERS, "{size} numbers in {kinds} fields: {numbers}");
        }
        let field = |at: u32| {
            // Two kinds of vectors under many names.
            VectorField { name: format!("v{at}"), spec: VectorSpec::new(64 + at % 2, Metric::Cosine) }
        };
        let spec = CollectionSpec { vectors: (0..64).map(field).collect(), ..CollectionSpec::default() };
        assert_eq!(kinds(&spec).len(), 2);
        let load = Load { points: 1_000, payload_bytes: 0, text_bytes: 0 };
        assert_eq!(estimate(&spec, &load, &Options::default(), &AtomicBool::new(true)).unwrap(), None);
    }
}
