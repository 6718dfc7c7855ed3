//! Several segments become one: fewer places to ask, and the space of dead rows comes back.

use crate::collection::Inner;
use crate::error::{Error, Result};
use crate::memory::{Budget, Building};
use crate::part::Part;
use crate::schema::CollectionSpec;
use crate::seal::{self, Built, rows_without, save_dead, translate};
use crate::segment::build::Rows;
use crate::segment::{Segment, folder};
use crate::state::{Entry, Held, State};
use crate::upkeep::{Due, Lane, Task};
use nigh_index::bitmap::Bitmap;
use nigh_index::row::{Kept, Row};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long nobody has written, and how eagerly segments are merged then. The longer it is quiet,
/// the more of what was written before is worth writing again.
const PATIENCE: [Patience; 4] = [
    Patience { idle: Duration::ZERO, segments: 4, ratio: 1, dead_share: 0.25 },
    Patience { idle: A_WHILE, segments: 2, ratio: 3, dead_share: 0.25 },
    Patience { idle: Duration::from_secs(10), segments: 2, ratio: 10, dead_share: 0.1 },
    Patience { idle: Duration::from_secs(60), segments: 2, ratio: u64::MAX, dead_share: 0.02 },
];
/// After this time without a write few segments are wanted.
pub(crate) const A_WHILE: Duration = Duration::from_secs(2);
/// A merge of more rows than this is not worth what it takes.
const ROWS_MAX: u64 = 50_000_000;

/// What is put up with.
struct Patience {
    /// From this time without a write on.
    idle: Duration,
    /// Fewer segments than these are left alone.
    segments: usize,
    /// The smaller ones together, times this, are at least as large as the largest of the merge.
    ratio: u64,
    /// A segment with a greater share of dead rows is written anew.
    dead_share: f64,
}

/// A segment as the policy sees it.
#[derive(Copy, Clone, Debug)]
struct Size {
    place: usize,
    alive: u64,
    dead: u64,
    /// Whether fields were dropped that it holds vectors of, or were added whose texts it was not read for.
    stale: bool,
}

/// Merges once. False where there was nothing to do, or the collection is being closed.
pub(crate) fn merge(inner: &Inner, idle: Duration, reason: &str) -> Result<bool> {
    let _one = inner.merging.lock();
    if inner.poisoned().is_some() || inner.stop.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let inputs = inputs(inner, idle);
    if inputs.is_empty() {
        return Ok(false);
    }
    // Until there is room it waits; what it would join is searched side by side.
    let (budget, rows) = (&inner.options.memory, alive(&inputs));
    let needed = Budget::build_bytes(&inner.schema.load().spec, rows);
    let Some(room) = budget.try_build(needed) else {
        inner.chores.merge_waits(&inner.name, Some(wants(inputs.len(), rows, needed, budget.limit(), "are free")));
        return Ok(false);
    };
    inner.chores.merge_waits(&inner.name, None);
    merge_these(inner, &inputs, &room, reason)
}

/// Writes one segment anew that has dead rows, whatever their share: its number, and how many they were. `None` where
/// no segment has any that a checkpoint knows.
pub(crate) fn rewrite(inner: &Inner, reason: &str) -> Result<Option<(u64, u64)>> {
    let _one = inner.merging.lock();
    if inner.stop.load(Ordering::Relaxed) {
        return Err(Error::Closed { name: inner.name.clone() });
    }
    let input = inner.state.lock().entries.iter().filter_map(sealed).find(|(_, dead)| !dead.is_empty());
    let Some((segment, dead)) = input else { return Ok(None) };
    let (number, rows) = (segment.segment(), dead.len());
    let inputs = [(segment, dead)];
    let room = inner.options.memory.build(Budget::build_bytes(&inner.schema.load().spec, alive(&inputs)));
    match merge_these(inner, &inputs, &room, reason)? {
        true => Ok(Some((number, rows))),
        false => Err(inner.poisoned().unwrap_or(Error::Closed { name: inner.name.clone() })),
    }
}

/// Writes one segment anew that was made before a text field was added, so that it is read for it. False where there is none.
pub(crate) fn reread(inner: &Inner, reason: &str) -> Result<bool> {
    let _one = inner.merging.lock();
    if inner.stop.load(Ordering::Relaxed) {
        return Err(Error::Closed { name: inner.name.clone() });
    }
    let spec = inner.schema.load().spec.clone();
    let input = {
        let state = inner.state.lock();
        state.entries.iter().filter_map(sealed).find(|(segment, _)| lacks_text(&**segment, &spec))
    };
    let Some(input) = input else { return Ok(false) };
    let inputs = [input];
    let room = inner.options.memory.build(Budget::build_bytes(&spec, alive(&inputs)));
    match merge_these(inner, &inputs, &room, reason)? {
        true => Ok(true),
        false => Err(inner.poisoned().unwrap_or(Error::Closed { name: inner.name.clone() })),
    }
}

/// Whether texts of a field were never read for a part, for the field was added after it was made.
pub(crate) fn lacks_text(part: &dyn Part, spec: &CollectionSpec) -> bool {
    spec.text_fields().any(|(at, _)| !part.has_text(at))
}

/// False where it was called off.
fn merge_these(inner: &Inner, inputs: &[Input], room: &Building, reason: &str) -> Result<bool> {
    let running = inner.chores.begin(Lane::Merging, reason, alive(inputs));
    running.task.told(inner, merge_into_one(inner, inputs, room, &running.task))
}

fn merge_into_one(inner: &Inner, inputs: &[Input], room: &Building, task: &Task) -> Result<bool> {
    let rows: Vec<Vec<Row>> = inputs.iter().map(|(segment, dead)| rows_without(&**segment, dead)).collect();
    let parts = inputs.iter().map(|(segment, _)| &**segment as &dyn Part);
    let kept: Vec<Kept<'_, dyn Part + '_>> = parts.zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
    let rows_of = Rows::new(&kept);
    let gives_back: u64 = inputs.iter().map(|(segment, _)| segment.bytes()).sum();
    let share = |(segment, rows): (&Input, &Vec<Row>)| {
        segment.0.bytes().saturating_mul(rows.len() as u64) / u64::from(segment.0.rows().max(1))
    };
    inner.space.admit_merge(inputs.iter().zip(&rows).map(share).sum(), gives_back)?;
    let number = inner.new_segment_number();
    // What is laid down again is what was written.
    for (segment, _) in inputs {
        if !segment.read_rest(&*inner.disk, &|| !task.stop.load(Ordering::Relaxed))? {
            return Ok(false);
        }
    }
    let installed = install_built(inner, inputs, (&rows, &rows_of), number, (task, room));
    if !matches!(installed, Ok(true)) {
        inner.discard(number);
        return installed;
    }
    for (segment, _) in inputs.iter().filter(|(segment, _)| !inner.pins.name_segment(segment.segment())) {
        // Snapshots that still read the files hold their maps: the space comes back with the last one.
        if let Err(err) = inner.disk.remove_dir(&folder(&inner.folder, segment.segment()))
            && err.kind() != std::io::ErrorKind::NotFound
        {
            // Who dropped a pin of it meanwhile removed it too.
            tracing::warn!(collection = inner.name, %err, "a merged segment could not be removed");
        }
    }
    Ok(true)
}

fn install_built(
    inner: &Inner,
    inputs: &[Input],
    (rows, rows_of): (&[Vec<Row>], &Rows<'_>),
    number: u64,
    (task, room): (&Task, &Building),
) -> Result<bool> {
    let Some(built) = seal::build(inner, rows_of, number, (task, room))? else { return Ok(false) };
    install(inner, inputs, rows, built)?;
    Ok(true)
}

type Input = (Arc<Segment>, Arc<Bitmap>);

/// The rows that a merge lays down.
fn alive(inputs: &[Input]) -> u64 {
    inputs.iter().map(|(segment, dead)| u64::from(segment.rows()) - dead.len()).sum()
}

fn install(inner: &Inner, inputs: &[Input], rows: &[Vec<Row>], built: Built) -> Result<()> {
    // Only a checkpoint changes what is saved, and it needs this lock too.
    let mut manifest = inner.manifest.lock();
    let mut next = manifest.clone();
    let numbers: Vec<u64> = inputs.iter().map(|(segment, _)| segment.segment()).collect();
    next.segments.retain(|entry| !numbers.contains(&entry.number));
    if let Some((entry, _)) = &built {
        let mut entry = entry.clone();
        let saved = carried(inner, &numbers, rows, |input| &input.dead_saved);
        if !saved.is_empty() {
            entry.dead = Some(save_dead(inner, entry.number, next.replay_from.saturating_sub(1), &saved)?);
        }
        next.segments.push(entry);
    }
    inner.save_manifest(&mut manifest, next)?;

    let saved = carried(inner, &numbers, rows, |input| &input.dead_saved);
    let mut state = inner.state.lock();
    let dead = carried_in(&state.entries, &numbers, rows, |input| &input.dead);
    let frozen = carried_in(&state.entries, &numbers, rows, |input| &input.dead_frozen);
    let place = state.entries.iter().position(|entry| numbers.contains(&entry.held.part().segment())).unwrap_or(0);
    state.entries.retain(|entry| entry.is_live() || !numbers.contains(&entry.held.part().segment()));
    if let Some((_, segment)) = built {
        let entry = Entry {
            held: Held::Sealed(segment),
            dead: Arc::new(dead),
            selections: Arc::default(),
            dead_frozen: Arc::new(frozen),
            dead_saved: Arc::new(saved),
            frozen: false,
            melting: false,
        };
        state.entries.insert(place, entry);
    }
    inner.publish(&state);
    Ok(())
}

fn carried(inner: &Inner, numbers: &[u64], rows: &[Vec<Row>], of: impl Fn(&Entry) -> &Arc<Bitmap>) -> Bitmap {
    carried_in(&inner.state.lock().entries, numbers, rows, of)
}

/// The dead rows of the inputs at their places in the merged segment.
fn carried_in(entries: &[Entry], numbers: &[u64], rows: &[Vec<Row>], of: impl Fn(&Entry) -> &Arc<Bitmap>) -> Bitmap {
    let mut dead = Bitmap::new();
    let mut start = 0;
    for (number, rows) in numbers.iter().zip(rows) {
        let sealed = |entry: &&Entry| !entry.is_live() && entry.held.part().segment() == *number;
        if let Some(entry) = entries.iter().find(sealed) {
            translate(of(entry), rows, start, &mut dead);
        }
        start += rows.len() as u32;
    }
    dead
}

/// What a merge waits for. The same merge says the same.
fn wants(segments: usize, rows: u64, needed: u64, limit: u64, when: &str) -> String {
    format!("a merge of {segments} segments with {rows} rows waits until {needed} bytes of {limit} of memory {when}")
}

/// The segments to merge now. A merge that does not fit the memory limit beside the graphs that are held is not tried:
/// that is said once, and a smaller one may take its place.
fn chosen(inner: &Inner, sizes: &[Size], idle: Duration) -> Vec<usize> {
    let (places, wished) = (choose(sizes, idle, rows_max(inner)), choose(sizes, idle, ROWS_MAX));
    if wished != places {
        let rows = wished.iter().map(|place| sizes[*place].alive).sum();
        let (needed, limit) = (Budget::build_bytes(&inner.schema.load().spec, rows), inner.options.memory.limit());
        let why = wants(wished.len(), rows, needed, limit, "are not held by graphs");
        inner.chores.merge_waits(&inner.name, Some(why));
    } else if wished.is_empty() {
        inner.chores.merge_waits(&inner.name, None);
    }
    places
}

/// The merge that should be done now, if one should.
pub(crate) fn due(inner: &Inner, idle: Duration) -> Option<Due> {
    let sizes = sizes(&inner.state.lock());
    let places = chosen(inner, &sizes, idle);
    let chosen = || places.iter().map(|place| &sizes[*place]);
    let (alive, dead) = chosen().fold((0, 0), |(alive, dead), size| (alive + size.alive, dead + size.dead));
    let reason = match places.len() {
        0 => return None,
        1 if chosen().any(|size| size.stale) => "fields were added or dropped".to_owned(),
        1 => format!("{dead} of {} rows are dead", alive + dead),
        count => format!("{count} segments with {alive} rows can be one"),
    };
    // What is merged for the sake of writers goes first, and of that what costs least.
    let busy = !choose(&sizes, Duration::ZERO, rows_max(inner)).is_empty();
    Some(Due { urgency: f64::from(u8::from(busy)) + 1.0 / (2.0 + alive as f64), reason })
}

fn inputs(inner: &Inner, idle: Duration) -> Vec<Input> {
    let state = inner.state.lock();
    let places = chosen(inner, &sizes(&state), idle);
    places.into_iter().filter_map(|place| sealed(&state.entries[place])).collect()
}

/// Rows that a merge may lay down.
fn rows_max(inner: &Inner) -> u64 {
    inner.options.memory.build_rows_max(&inner.schema.load().spec).min(ROWS_MAX)
}

fn sealed(entry: &Entry) -> Option<Input> {
    match &entry.held {
        Held::Sealed(segment) => Some((segment.clone(), entry.dead_saved.clone())),
        Held::Live(_) => None,
    }
}

/// The segments, which stand before the live parts.
fn sizes(state: &State) -> Vec<Size> {
    let size = |(place, (segment, dead)): (usize, Input)| {
        let dead = dead.len();
        let spec = &state.schema.spec;
        let stale = segment.places().iter().any(|place| spec.is_dropped(*place)) || lacks_text(&*segment, spec);
        Size { place, alive: u64::from(segment.rows()) - dead, dead, stale }
    };
    state.entries.iter().map_while(sealed).enumerate().map(size).collect()
}

/// The segments to merge now: as many of the smallest as are, without the largest of them, about as
/// large as that one; or one that has too many dead rows. Together they have at most so many rows that go on.
fn choose(sizes: &[Size], idle: Duration, rows_max: u64) -> Vec<usize> {
    let patience = PATIENCE.iter().rfind(|patience| patience.idle <= idle).unwrap_or(&PATIENCE[0]);
    let mut rising = sizes.to_vec();
    rising.sort_by_key(|size| size.alive);
    let mut count = 0;
    let mut sum: u64 = 0;
    for (at, size) in rising.iter().enumerate() {
        if at > 0 && size.alive <= sum.saturating_mul(patience.ratio) && sum + size.alive <= rows_max {
            count = at + 1;
        }
        sum += size.alive;
    }
    if count >= patience.segments {
        let mut places: Vec<usize> = rising[..count].iter().map(|size| size.place).collect();
        places.sort_unstable();
        return places;
    }
    let dead = |size: &&Size| size.dead as f64 > patience.dead_share * (size.alive + size.dead) as f64;
    let stale = |size: &&Size| size.stale && idle >= A_WHILE;
    let mut fit = sizes.iter().filter(|size| size.alive <= rows_max);
    fit.clone().find(dead).or_else(|| fit.find(stale)).map(|size| size.place).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::CruelDisk;
    use crate::point::Point;
    use crate::schema::VectorField;
    use crate::store::{Options, Store};
    use crate::write::{Durability, Selector, Write};
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::spec::VectorSpec;
    use std::path::Path;

    const BUSY: Duration = Duration::ZERO;
    const QUIET: Duration = Duration::from_secs(11);

    fn check(idle: Duration, sizes: &[(u64, u64)], expected: &[usize]) {
        let size =
            |(place, (alive, dead)): (usize, &(u64, u64))| Size { place, alive: *alive, dead: *dead, stale: false };
        let sizes: Vec<Size> = sizes.iter().enumerate().map(size).collect();
        assert_eq!(choose(&sizes, idle, ROWS_MAX), expected, "{sizes:?}");
    }

    #[test]
    fn a_merge_takes_no_more_rows_than_fit() {
        let size = |(place, alive): (usize, u64)| Size { place, alive, dead: alive, stale: false };
        let sizes: Vec<Size> = [400, 100, 90, 80].into_iter().enumerate().map(size).collect();
        for (rows_max, expected) in
            [(670, &[0, 1, 2, 3][..]), (669, &[1, 2, 3]), (269, &[2, 3]), (169, &[1]), (79, &[])]
        {
            assert_eq!(choose(&sizes, A_WHILE, rows_max), expected, "{rows_max}");
        }
    }

    #[test]
    fn merges_take_what_is_of_a_size() {
        check(A_WHILE, &[], &[]);
        check(A_WHILE, &[(100, 0)], &[]);
        check(A_WHILE, &[(100, 0), (90, 0)], &[0, 1]);
        check(A_WHILE, &[(1000, 0), (90, 0)], &[]);
        check(QUIET, &[(1000, 0), (90, 0)], &[]);
        check(QUIET, &[(1000, 0), (110, 0)], &[0, 1]);
        check(Duration::MAX, &[(1_000_000, 0), (1, 0)], &[0, 1]);
        check(Duration::MAX, &[(ROWS_MAX, 0), (1, 0)], &[]);
        check(BUSY, &[(100, 0), (90, 0), (80, 0)], &[]);
        check(BUSY, &[(100, 0), (90, 0), (80, 0), (10, 0)], &[0, 1, 2, 3]);
        check(BUSY, &[(10_000, 0), (90, 0), (80, 0), (70, 0), (60, 0)], &[1, 2, 3, 4]);
    }

    #[test]
    fn a_segment_of_dead_rows_is_written_anew() {
        check(BUSY, &[(100, 10), (700, 300)], &[1]);
        check(BUSY, &[(0, 10)], &[0]);
        check(BUSY, &[(800, 200)], &[]);
        check(QUIET, &[(800, 200)], &[0]);
    }

    /// What never fits is not tried again and again: it is told, and done when less of it is left.
    #[test]
    fn a_merge_that_does_not_fit_the_memory_is_told_and_waits() {
        let field = VectorField { name: "v".into(), spec: VectorSpec::new(4, Metric::Dot) };
        let spec = CollectionSpec { vectors: vec![field], ..CollectionSpec::default() };
        let memory = Arc::new(Budget::new(Budget::build_bytes(&spec, 900)));
        let options = Options { background: false, memory, ..Options::default() };
        let store = Store::open(Arc::new(CruelDisk::new()), Path::new("/data"), options).unwrap();
        store.create("c", spec).unwrap();
        let collection = store.collection("c").unwrap();
        let point = |id: u64| Write::Upsert(Point { vectors: vec![(0, vec![id as f32; 4])], ..Point::new(id) });
        for half in [0..500, 500..1000] {
            collection.write(half.map(point).collect(), Durability::Durable).unwrap();
            collection.seal().unwrap();
        }
        assert!(!collection.merge().unwrap());
        let waits = collection.status().upkeep_waits.unwrap();
        assert!(waits.starts_with("a merge of 2 segments with 1000 rows waits until"), "{waits}");
        collection.settle().unwrap();
        assert_eq!(collection.status().segments.len(), 2, "neither when it is asked for");
        let delete = Write::Delete(Selector::Ids((0..300u64).map(Into::into).collect()));
        collection.write(vec![delete], Durability::Durable).unwrap();
        collection.seal().unwrap();
        assert!(collection.merge().unwrap());
        let status = collection.status();
        assert_eq!((status.segments.len(), status.points, status.upkeep_waits), (1, 700, None));
    }
}
