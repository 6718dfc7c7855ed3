//! Several segments become one: fewer places to ask, and the space of dead rows comes back.

use crate::collection::{Inner, Upkeep};
use crate::error::Result;
use crate::part::Part;
use crate::seal::{rows_without, save_dead, translate};
use crate::segment::build::Rows;
use crate::segment::{Segment, folder};
use crate::state::{Entry, Held};
use nigh_index::bitmap::Bitmap;
use nigh_index::row::{Kept, Row};
use std::sync::Arc;

/// A segment with more than this share of dead rows is written anew.
const DEAD_SHARE_MAX: f64 = 0.25;
/// While writes come in, this many segments of similar size are merged at once.
const BUSY_SEGMENTS: usize = 4;

/// How eagerly to merge.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// Writes come in: merge rarely, many at a time.
    Busy,
    /// Nobody writes: merge down to few segments.
    Idle,
}

/// A segment as the policy sees it.
#[derive(Copy, Clone, Debug)]
struct Size {
    place: usize,
    alive: u64,
    dead: u64,
}

/// Merges once. False where there was nothing to do, or the collection is being closed.
pub(crate) fn merge(inner: &Inner, pace: Pace) -> Result<bool> {
    let _one = inner.merging.lock();
    if inner.poisoned().is_some() {
        return Ok(false);
    }
    let inputs = inputs(inner, pace);
    if inputs.is_empty() {
        return Ok(false);
    }
    let _doing = inner.doing(Upkeep::Merging);
    let rows: Vec<Vec<Row>> = inputs.iter().map(|(segment, dead)| rows_without(&**segment, dead)).collect();
    let parts = inputs.iter().map(|(segment, _)| &**segment as &dyn Part);
    let kept: Vec<Kept<'_, dyn Part + '_>> = parts.zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
    let rows_of = Rows::new(&kept);
    let number = inner.new_segment_number();
    let mut built = None;
    if rows_of.len() > 0 {
        let Some(entry) = inner.builder().build(number, &rows_of)? else { return Ok(false) };
        let segment = Segment::open(&*inner.disk, &inner.folder, &inner.schema.spec, &entry)?;
        built = Some((entry, Arc::new(segment)));
    }
    install(inner, &inputs, &rows, built)?;
    for (segment, _) in &inputs {
        // Snapshots that still read the files hold their maps: the space comes back with the last one.
        if let Err(err) = inner.disk.remove_dir(&folder(&inner.folder, segment.segment())) {
            tracing::warn!(collection = inner.name, %err, "a merged segment could not be removed");
        }
    }
    Ok(true)
}

type Input = (Arc<Segment>, Arc<Bitmap>);

fn install(
    inner: &Inner,
    inputs: &[Input],
    rows: &[Vec<Row>],
    built: Option<(crate::manifest::SegmentEntry, Arc<Segment>)>,
) -> Result<()> {
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

fn inputs(inner: &Inner, pace: Pace) -> Vec<Input> {
    let state = inner.state.lock();
    let segments: Vec<Input> = state
        .entries
        .iter()
        .filter_map(|entry| match &entry.held {
            Held::Sealed(segment) => Some((segment.clone(), entry.dead_saved.clone())),
            Held::Live(_) => None,
        })
        .collect();
    let sizes: Vec<Size> = segments
        .iter()
        .enumerate()
        .map(|(place, (segment, dead))| {
            let dead = dead.len();
            Size { place, alive: u64::from(segment.rows()) - dead, dead }
        })
        .collect();
    choose(&sizes, pace).into_iter().map(|place| segments[place].clone()).collect()
}

/// The segments to merge now: as many of the smallest as are, without the largest of them, about as
/// large as that one; or one that has too many dead rows.
fn choose(sizes: &[Size], pace: Pace) -> Vec<usize> {
    let mut rising = sizes.to_vec();
    rising.sort_by_key(|size| size.alive);
    // How much smaller the others may be, together, than the largest of the merge.
    let (least, ratio) = match pace {
        Pace::Busy => (BUSY_SEGMENTS, 1),
        Pace::Idle => (2, 3),
    };
    let mut count = 0;
    let mut sum = 0;
    for (at, size) in rising.iter().enumerate() {
        if at > 0 && size.alive <= ratio * sum {
            count = at + 1;
        }
        sum += size.alive;
    }
    if count >= least {
        let mut places: Vec<usize> = rising[..count].iter().map(|size| size.place).collect();
        places.sort_unstable();
        return places;
    }
    let dead = |size: &&Size| size.dead as f64 > DEAD_SHARE_MAX * (size.alive + size.dead) as f64;
    sizes.iter().find(dead).map(|size| size.place).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pace: Pace, sizes: &[(u64, u64)], expected: &[usize]) {
        let size = |(place, (alive, dead)): (usize, &(u64, u64))| Size { place, alive: *alive, dead: *dead };
        let sizes: Vec<Size> = sizes.iter().enumerate().map(size).collect();
        assert_eq!(choose(&sizes, pace), expected, "{sizes:?}");
    }

    #[test]
    fn merges_take_what_is_of_a_size() {
        check(Pace::Idle, &[], &[]);
        check(Pace::Idle, &[(100, 0)], &[]);
        check(Pace::Idle, &[(100, 0), (90, 0)], &[0, 1]);
        check(Pace::Idle, &[(1000, 0), (90, 0)], &[]);
        check(Pace::Busy, &[(100, 0), (90, 0), (80, 0)], &[]);
        check(Pace::Busy, &[(100, 0), (90, 0), (80, 0), (10, 0)], &[0, 1, 2, 3]);
        check(Pace::Busy, &[(10_000, 0), (90, 0), (80, 0), (70, 0), (60, 0)], &[1, 2, 3, 4]);
    }

    #[test]
    fn a_segment_of_dead_rows_is_written_anew() {
        check(Pace::Busy, &[(100, 10), (700, 300)], &[1]);
        check(Pace::Busy, &[(0, 10)], &[0]);
    }
}
