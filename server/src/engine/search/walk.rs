//! The tree of retrievers, leaves first, and what is noted on the way.

use super::shadow::{SHADOW_HITS_MAX, Shadow};
use super::{Clock, micros};
use crate::engine::error::{Error, Result};
use crate::engine::fetch::{self, Allowed, Filtered, Retrieved};
use crate::engine::pool::{Deadline, Pool};
use crate::engine::query::answer::{Answer, Hit, PartRun, Run};
use crate::engine::query::retriever::{Kind, Retriever, Target};
use crate::engine::query::{Paging, Place, Query};
use crate::engine::ranking::{Placed, Ranking, Sight, Spot, by_score};
use crate::engine::read;
use crate::engine::recall::{self, Recalls};
use crate::engine::reply::Room;
use crate::engine::words::{self, Piece};
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::query::fuse::Fusion;
use nigh_index::selection::Selection;
use nigh_storage::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A query on its way over one snapshot.
pub(super) struct Walk<'w> {
    pub(super) snapshot: &'w Arc<Snapshot>,
    /// Name and id of the collection.
    pub(super) of: (&'w str, Uuid),
    pub(super) query: &'w Query,
    pub(super) recalls: &'w Recalls,
    pub(super) reads: &'w Pool,
    pub(super) deadline: &'w Deadline,
    pub(super) hits_max: usize,
    /// What was read of points so far.
    pub(super) room: Room,
}

/// A ranking that is paged through is made whole, for every page: of at most so many points, 192 MB.
const PAGED_POINTS_MAX: u64 = 4_000_000;

/// How far down a ranking is wanted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// So many points, at the effort that was asked for.
    Best(usize),
    /// Every point that matches, exactly.
    All,
}

/// Rank (from 1) and score of every point of a ranking.
type Ranks = HashMap<PointId, (u32, f32)>;

/// What is noted on the way.
pub(super) struct Trail {
    pub(super) clock: Clock,
    runs: Vec<Run>,
    /// Beside the runs, where they are to be told.
    ranks: Vec<Ranks>,
    pub(super) scanned: Vec<String>,
    shadow: Option<Shadow>,
    filtered: Vec<(Option<Condition>, Arc<Filtered>)>,
}

/// What a retriever's own work gave, beside its ranking.
pub(super) struct Worked {
    pub(super) ranking: Ranking,
    pub(super) parts: Vec<PartRun>,
}

impl Worked {
    pub(super) fn found(retrieved: Retrieved, sight: Sight) -> Self {
        Self { ranking: Ranking::new(retrieved.placed, sight), parts: retrieved.parts }
    }
}

impl Walk<'_> {
    pub(super) fn answer(&self, other: Option<&Snapshot>, clock: Clock) -> Result<(Answer, Option<Shadow>)> {
        let (snapshot, query) = (self.snapshot, self.query);
        let mut trail = Trail { clock, runs: vec![], ranks: vec![], scanned: vec![], shadow: None, filtered: vec![] };
        let (mut hits, mut groups, mut next) = (Vec::new(), Vec::new(), None);
        match &query.grouping {
            Some(grouping) => groups = self.grouped(grouping, other, &mut trail)?,
            None => {
                let reach = match query.paging {
                    Some(_) => Reach::All,
                    None => Reach::Best(query.root.limit),
                };
                let ranking = self.rank(&query.root, query.filter.as_ref(), 0, reach, &mut trail)?;
                let window = self.window(&ranking);
                if query.paging.is_some() && window.len() == query.limit {
                    next = window.last().map(|at| place(&ranking, *at));
                }
                hits = window.into_iter().map(|at| self.hit(&ranking, at, &trail)).collect::<Result<_>>()?;
                trail.clock.end("read");
            }
        }
        trail.scanned.sort_unstable();
        trail.scanned.dedup();
        let total_us = micros(trail.clock.total());
        let (runs, scanned, stages) = (trail.runs, trail.scanned, trail.clock.stages());
        Ok((Answer { hits, groups, next, seq: snapshot.seq, runs, scanned, stages, total_us }, trail.shadow))
    }

    /// The ranking of one retriever, and before it those of its sources.
    pub(super) fn rank(
        &self,
        retriever: &Retriever,
        outer: Option<&Condition>,
        depth: u32,
        reach: Reach,
        trail: &mut Trail,
    ) -> Result<Ranking> {
        self.deadline.check()?;
        let filter = both(outer, retriever.filter.as_ref());
        let run = trail.begin(retriever, depth);
        let mut sources = Vec::with_capacity(retriever.sources.len());
        for source in &retriever.sources {
            sources.push(self.rank(source, filter.as_ref(), depth + 1, Reach::Best(source.limit), trail)?);
        }
        let (worked, matching, stage) = match &retriever.kind {
            Kind::Fuse(fusion) => (alone(fuse(fusion, &sources)), union(&sources).len() as u64, "fuse"),
            Kind::Formula(formula) => {
                let points = union(&sources);
                (alone(self.computed(formula, &points, &sources)?), points.len() as u64, "compute")
            }
            _ => {
                let allowed = match sources.is_empty() {
                    true => self.filtered(filter, trail)?,
                    false => Arc::new(self.only(&sources)),
                };
                let exact = !sources.is_empty() || reach == Reach::All;
                let k = match reach {
                    Reach::Best(k) => k,
                    Reach::All => paged(allowed.matching())?,
                };
                let worked = self.search(retriever, &allowed, k, exact, trail)?;
                if !exact {
                    trail.consider(self.shadow(retriever, &allowed, k, &worked));
                }
                (worked, allowed.matching(), if sources.is_empty() { "retrieve" } else { "rescore" })
            }
        };
        let Worked { mut ranking, parts } = worked;
        ranking.keep_above(retriever.score_threshold);
        if let Reach::Best(k) = reach {
            ranking.truncate(k);
        }
        trail.end(run, stage, &ranking, matching, parts, self.query.explain);
        Ok(ranking)
    }

    /// The rows that match, evaluated once for retrievers of one filter.
    pub(super) fn filtered(&self, filter: Option<Condition>, trail: &mut Trail) -> Result<Arc<Filtered>> {
        if let Some(known) = trail.filtered.iter().find(|known| known.0 == filter) {
            return Ok(known.1.clone());
        }
        let filtered = Arc::new(fetch::filter(self.snapshot, filter.as_ref(), self.deadline)?);
        trail.scanned.extend(filtered.scanned.iter().cloned());
        trail.filtered.push((filter, filtered.clone()));
        trail.clock.end("filter");
        Ok(filtered)
    }

    /// The rows that sources found.
    fn only(&self, sources: &[Ranking]) -> Filtered {
        self.rows_of(sources.iter().flat_map(|source| &source.placed))
    }

    pub(super) fn rows_of<'p>(&self, placed: impl Iterator<Item = &'p Placed>) -> Filtered {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.snapshot.parts.len()];
        placed.for_each(|one| rows[one.part].push(one.row.0));
        let allowed = |(mut rows, view): (Vec<u32>, &nigh_storage::snapshot::PartView)| {
            rows.sort_unstable();
            rows.dedup();
            let matching = rows.len() as u64;
            let rows = Arc::new(Selection::new(Bitmap::from_rows(rows), view.part.rows()));
            Allowed { rows: Some(rows), matching }
        };
        let parts = rows.into_iter().zip(&self.snapshot.parts).map(allowed).collect();
        Filtered { parts, scanned: Vec::new() }
    }

    /// The places of the hits that were asked for, in the root's ranking.
    fn window(&self, ranking: &Ranking) -> Vec<usize> {
        let query = self.query;
        let passes = |at: &usize| {
            let placed = &ranking.placed[*at];
            !ranking.values.is_empty() || ranking.sight.passes(placed.score, query.score_threshold)
        };
        let behind = |at: &usize| match query.paging {
            Some(Paging::After(last)) => self.is_behind(&place(ranking, *at), &last),
            _ => true,
        };
        (0..ranking.placed.len()).filter(passes).filter(behind).skip(query.offset).take(query.limit).collect()
    }

    fn is_behind(&self, one: &Place, last: &Place) -> bool {
        match (&self.query.root.kind, one.value, last.value) {
            (Kind::Order(order), Some(own), Some(last_value)) => {
                order.direction.turn((own, one.id).cmp(&(last_value, last.id))).is_gt()
            }
            _ => {
                let (part, row) = (0, nigh_index::row::Row(0));
                let placed = |place: &Place| Placed { id: place.id, score: place.score, part, row };
                by_score(&placed(one), &placed(last)).is_gt()
            }
        }
    }

    /// A point of the root's ranking as it comes back.
    pub(super) fn hit(&self, ranking: &Ranking, at: usize, trail: &Trail) -> Result<Hit> {
        let placed = &ranking.placed[at];
        let view = &self.snapshot.parts[placed.part];
        let record = read::record(view, placed.row, placed.id, &self.query.payload, &self.query.vectors)?;
        let placings = trail.told().map(|ranks| ranks.get(&placed.id).copied()).collect();
        let mut shown = Vec::new();
        self.show(&self.query.root, placed, &mut shown)?;
        let (score, value) = (ranking.sight.outward(placed.score), ranking.values.get(at).copied());
        let hit = Hit { record, score, placings, value, shown };
        self.room.take(hit.bytes(), self.deadline)?;
        Ok(hit)
    }

    /// What every retriever by words shows of a point.
    fn show(&self, retriever: &Retriever, placed: &Placed, shown: &mut Vec<Piece>) -> Result<()> {
        if let Kind::Text(words) = &retriever.kind {
            shown.extend(words::pieces(&self.snapshot.parts[placed.part], placed.row, words)?);
        }
        retriever.sources.iter().try_for_each(|source| self.show(source, placed, shown))
    }

    /// What queries like this one are tallied under.
    pub(super) fn tally(&self, field: usize, allowed: &Filtered) -> recall::Kind {
        let share = allowed.matching() as f64 / self.snapshot.points().max(1) as f64;
        recall::Kind::new(self.of, &self.snapshot.spec.vectors[field].name, share)
    }

    /// What it takes to answer a retriever exactly as well, where it is its turn.
    fn shadow(&self, retriever: &Retriever, allowed: &Arc<Filtered>, k: usize, worked: &Worked) -> Option<Shadow> {
        let Kind::Dense { field, target: Target::Vector(vector), params } = &retriever.kind else { return None };
        let with_effort = worked.parts.iter().any(|part| part.ef > 0);
        // An effort that was given by number promises nothing.
        let wanted = params.ef.is_none() && with_effort && k <= SHADOW_HITS_MAX;
        (wanted && self.recalls.is_due()).then(|| Shadow {
            snapshot: self.snapshot.clone(),
            allowed: allowed.clone(),
            kind: self.tally(*field, allowed),
            field: *field,
            vector: vector.clone(),
            k,
            asked: params.recall,
            scores: worked.ranking.placed.iter().map(|placed| placed.score).collect(),
        })
    }
}

impl Trail {
    fn begin(&mut self, retriever: &Retriever, depth: u32) -> usize {
        self.runs.push(Run {
            retriever: retriever.name.clone(),
            kind: retriever.kind.name(),
            searches: retriever.kind.searches(),
            depth,
            matching: 0,
            found: 0,
            begun_us: 0,
            took_us: 0,
            parts: Vec::new(),
        });
        self.ranks.push(Ranks::new());
        self.runs.len() - 1
    }

    fn end(&mut self, at: usize, stage: &str, ranking: &Ranking, matching: u64, parts: Vec<PartRun>, explain: bool) {
        if explain {
            let rank = |(at, one): (usize, &Placed)| (one.id, (at as u32 + 1, ranking.sight.outward(one.score)));
            self.ranks[at] = ranking.placed.iter().enumerate().map(rank).collect();
        } else {
            self.ranks.clear();
        }
        let run = &mut self.runs[at];
        let stage = if run.retriever.is_empty() { stage.to_owned() } else { format!("{stage} {}", run.retriever) };
        let took: Duration = self.clock.end(&stage);
        run.begun_us = micros(self.clock.total().saturating_sub(took));
        (run.matching, run.found, run.took_us, run.parts) =
            (matching, ranking.placed.len() as u64, micros(took), parts);
    }

    /// The ranks that every hit is told: those in all retrievers below the root, or in the root where it is alone.
    fn told(&self) -> impl Iterator<Item = &Ranks> {
        let alone = self.runs.len() == 1;
        self.runs.iter().zip(&self.ranks).filter(move |(run, _)| run.depth > 0 || alone).map(|(_, ranks)| ranks)
    }

    fn consider(&mut self, shadow: Option<Shadow>) {
        if self.shadow.is_none() {
            self.shadow = shadow;
        }
    }

    /// Forgets the runs, before the tree is walked once more.
    pub(super) fn again(&mut self) {
        self.runs.clear();
        self.ranks.clear();
    }
}

fn paged(points: u64) -> Result<usize> {
    if points <= PAGED_POINTS_MAX {
        return Ok(points as usize);
    }
    let limit =
        format!("at most {PAGED_POINTS_MAX} points are paged through by their rank: narrow the filter, or scroll");
    Err(Error::invalid("the points that match", points, limit))
}

fn alone(ranking: Ranking) -> Worked {
    Worked { ranking, parts: Vec::new() }
}

fn place(ranking: &Ranking, at: usize) -> Place {
    let placed = &ranking.placed[at];
    Place { score: placed.score, value: ranking.values.get(at).copied(), id: placed.id }
}

fn both(outer: Option<&Condition>, own: Option<&Condition>) -> Option<Condition> {
    match (outer, own) {
        (Some(outer), Some(own)) => Some(Condition::all(vec![outer.clone(), own.clone()])),
        (one, other) => one.or(other).cloned(),
    }
}

/// The points of several rankings, each once, by id.
fn union(sources: &[Ranking]) -> Vec<Spot> {
    let mut spots: Vec<Spot> = sources.iter().flat_map(|source| source.placed.iter().map(Placed::spot)).collect();
    spots.sort_unstable();
    spots.dedup();
    spots
}

fn fuse(fusion: &Fusion, sources: &[Ranking]) -> Ranking {
    let pairs = |source: &Ranking| {
        source.placed.iter().map(|one| (one.spot(), source.sight.signed(one.score))).collect::<Vec<(Spot, f32)>>()
    };
    let fused = fusion.fuse(&sources.iter().map(pairs).collect::<Vec<_>>());
    Ranking::new(fused.into_iter().map(|(spot, score)| Placed::at(spot, score)).collect(), Sight::Plain)
}
