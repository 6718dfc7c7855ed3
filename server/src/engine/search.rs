//! A query from its beginning to its end, over one snapshot.
//!
//! ```text
//! filter (once for retrievers of one filter) -> each retriever over all parts -> fuse -> read the winners
//! ```
//!
//! A rank is given only after its retriever was merged over all parts. What an explanation says is
//! what was done here: there is no second way through.

use crate::config::Limits;
use crate::engine::Engine;
use crate::engine::error::{Error, Result};
use crate::engine::fetch::{self, Dense, Filtered, Placed, Ranking};
use crate::engine::pool::{Deadline, Pool};
use crate::engine::query::{Answer, Hit, Kind, PartRun, Query, Retriever, Run, Stage, Target};
use crate::engine::read;
use crate::engine::recall::{self, Recalls, Sample};
use crate::engine::{vectors, versions};
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_storage::collection::Collection;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A query that is answered exactly beside is given up after this.
const SHADOW_MAX: Duration = Duration::from_secs(1);
/// A query for more hits is not answered exactly beside.
const SHADOW_HITS_MAX: usize = 1_000;

impl Engine {
    /// Answers a query.
    pub async fn query(&self, collection: Arc<Collection>, query: Query, deadline: &Deadline) -> Result<Answer> {
        check(&query, &collection.spec(), &self.limits)?;
        let begin = Instant::now();
        let (until, recalls, reads) = (deadline.clone(), self.recalls.clone(), self.reads.clone());
        let work = move || {
            let mut clock = Clock { begin, stages: Vec::new() };
            clock.end("queue");
            let (snapshot, name) = (versions::snapshot(&collection, &query.version)?, collection.name());
            let walk =
                Walk { snapshot: &snapshot, name, query: &query, recalls: &recalls, reads: &reads, deadline: &until };
            let answered = walk.search(clock)?;
            snapshot.sound()?;
            Ok(answered)
        };
        let (answer, shadow) = self.reads.run(deadline, work).await?;
        if let Some(shadow) = shadow {
            self.answer_exactly(shadow);
        }
        Ok(answer)
    }

    /// Answers a query once more, exactly, where nobody else wants the time; nobody waits for it.
    fn answer_exactly(&self, shadow: Shadow) {
        // Two to spare: one for this, one for whoever comes while it runs.
        let (Some(spare), Some(_)) = (self.reads.spare(), self.reads.spare()) else { return };
        let recalls = self.recalls.clone();
        let answer = move || {
            let _spare = spare;
            let Some(_turn) = recalls.begin() else { return Ok(()) };
            match shadow.sample() {
                Ok(sample) => recalls.add(shadow.kind, &sample),
                Err(err) => tracing::debug!(%err, "a query could not be answered exactly as well"),
            }
            Ok(())
        };
        let shadows = self.shadows.clone();
        // Where one is answered already this one is left out.
        drop(tokio::spawn(async move { shadows.run(&Deadline::default(), answer).await }));
    }
}

/// A query that was answered, and what it takes to answer it exactly.
struct Shadow {
    snapshot: Arc<Snapshot>,
    allowed: Arc<Filtered>,
    kind: recall::Kind,
    field: usize,
    vector: Vec<f32>,
    k: usize,
    asked: Option<f32>,
    scores: Vec<f32>,
}

impl Shadow {
    fn sample(&self) -> Result<Sample> {
        let params = SearchParams { exact: true, ..SearchParams::default() };
        let dense = Dense { field: self.field, vector: &self.vector, k: self.k, params, correction: 1.0 };
        let deadline = Deadline::after(Some(SHADOW_MAX));
        let truth = fetch::dense(&self.snapshot, &self.allowed, &dense, &|| None, &deadline)?.placed;
        let last = truth.last().map_or(f32::INFINITY, |last| last.score);
        let found = self.scores.iter().filter(|score| **score >= last).count().min(truth.len());
        Ok(Sample { found: found as u32, wanted: truth.len() as u32, asked: self.asked })
    }
}

/// A query on its way over one snapshot.
struct Walk<'w> {
    snapshot: &'w Arc<Snapshot>,
    name: &'w str,
    query: &'w Query,
    recalls: &'w Recalls,
    reads: &'w Pool,
    deadline: &'w Deadline,
}

/// Measures one stage after the other.
struct Clock {
    begin: Instant,
    stages: Vec<Stage>,
}

impl Clock {
    fn end(&mut self, name: impl Into<String>) {
        let now = Instant::now();
        let took_us = now.duration_since(self.begin).as_micros() as u64;
        self.begin = now;
        // Retrievers take turns at the same stages: a stage is told once.
        let name = name.into();
        match self.stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.took_us += took_us,
            None => self.stages.push(Stage { name, took_us }),
        }
    }
}

/// Whether the query is within the limits and fits the collection.
fn check(query: &Query, spec: &CollectionSpec, limits: &Limits) -> Result<()> {
    let most = limits.retrievers_max;
    if query.retrievers.is_empty() || query.retrievers.len() > most {
        let limit = format!("a query has 1 to {most} retrievers");
        return Err(Error::invalid("number of retrievers", query.retrievers.len(), limit));
    }
    at_most("limit", query.limit, limits.hits_max)?;
    at_most("offset", query.offset, limits.offset_max)?;
    threshold("score_threshold", query.score_threshold)?;
    query.fusion.check(query.retrievers.len())?;
    if let Some(filter) = &query.filter {
        eval::check(filter)?;
    }
    for (at, retriever) in query.retrievers.iter().enumerate() {
        check_retriever(retriever, spec, limits).map_err(|err| err.inside(&format!("retrievers[{at}]")))?;
    }
    Ok(())
}

fn check_retriever(retriever: &Retriever, spec: &CollectionSpec, limits: &Limits) -> Result<()> {
    at_most("limit", retriever.limit, limits.hits_max.saturating_add(limits.offset_max))?;
    threshold("score_threshold", retriever.score_threshold)?;
    if let Some(filter) = &retriever.filter {
        eval::check(filter)?;
    }
    match &retriever.kind {
        Kind::Dense { field, target, params } => {
            if let Some(ef) = params.ef {
                at_most("dense.params.ef", ef as usize, limits.ef_max)?;
            }
            if let Some(recall) = params.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
                return Err(Error::invalid("dense.params.recall", recall, "it is above 0 and at most 1"));
            }
            let known = &spec.vectors[*field];
            match target {
                Target::Vector(vector) => {
                    known.spec.check(&known.name, vector).map_err(|err| Error::from(err).inside("dense"))
                }
                Target::Point(_) => Ok(()),
            }
        }
        Kind::Sparse { .. } => Ok(()),
        Kind::Multi { field, vectors } => {
            let known = &spec.multi[*field];
            known.spec.check(&known.name, vectors).map_err(|err| Error::from(err).inside("multi"))
        }
        Kind::Text { query, .. } => at_most("bytes of text.query", query.len(), limits.query_text_bytes_max as u32),
    }
}

fn at_most(field: &str, value: usize, most: u32) -> Result<()> {
    if value <= most as usize { Ok(()) } else { Err(Error::invalid(field, value, format!("it is at most {most}"))) }
}

fn threshold(field: &str, value: Option<f32>) -> Result<()> {
    match value {
        Some(value) if value.is_nan() => Err(Error::invalid(field, value, "a score is a number")),
        _ => Ok(()),
    }
}

impl Walk<'_> {
    fn search(&self, mut clock: Clock) -> Result<(Answer, Option<Shadow>)> {
        let (snapshot, query) = (self.snapshot, self.query);
        let mut scanned: Vec<String> = Vec::new();
        let mut filtered: Vec<Arc<Filtered>> = Vec::with_capacity(query.retrievers.len());
        for (at, retriever) in query.retrievers.iter().enumerate() {
            let same = query.retrievers[..at].iter().position(|other| other.filter == retriever.filter);
            let one = match same {
                Some(same) => filtered[same].clone(),
                None => Arc::new(narrowed(snapshot, query.filter.as_ref(), retriever.filter.as_ref(), self.deadline)?),
            };
            scanned.extend(one.scanned.iter().filter(|_| same.is_none()).cloned());
            filtered.push(one);
        }
        scanned.sort_unstable();
        scanned.dedup();
        clock.end("filter");

        let mut shadow = None;
        let (mut rankings, mut runs) = (Vec::new(), Vec::new());
        for (retriever, allowed) in query.retrievers.iter().zip(&filtered) {
            let Ranking { mut placed, parts } = self.retrieve(retriever, allowed)?;
            if shadow.is_none() {
                shadow = self.shadow(retriever, allowed, &placed, &parts);
            }
            keep_above(&mut placed, retriever.score_threshold, |score| outward(snapshot, retriever, score));
            runs.push(Run { retriever: retriever.name.clone(), matching: allowed.matching(), parts });
            rankings.push(placed);
            clock.end(format!("retrieve {}", retriever.name));
        }

        let winners = match &rankings[..] {
            [only] => window(query, only.iter().copied(), |score| outward(snapshot, &query.retrievers[0], score)),
            several => {
                let fused = fuse(snapshot, query, several);
                clock.end("fuse");
                fused
            }
        };

        let ranks = if query.explain { ranks(snapshot, query, &rankings) } else { Vec::new() };
        let mut hits = Vec::with_capacity(winners.len());
        for (placed, score) in winners {
            let view = &snapshot.parts[placed.part];
            let record = read::record(view, placed.row, placed.id, &query.payload, &query.vectors)?;
            let placings = ranks.iter().map(|ranks| ranks.get(&placed.id).copied()).collect();
            hits.push(Hit { record, score, placings });
        }
        clock.end("read");
        Ok((Answer { hits, seq: snapshot.seq, runs, scanned, stages: clock.stages }, shadow))
    }

    fn retrieve(&self, retriever: &Retriever, allowed: &Filtered) -> Result<Ranking> {
        let (snapshot, deadline, k) = (self.snapshot, self.deadline, retriever.limit);
        let dense = |field: usize, vector: &[f32], k: usize, params: SearchParams| {
            let kind = self.kind(field, allowed);
            let correction = self.recalls.correction(&kind);
            let dense = Dense { field, vector, k, params, correction };
            let mut ranking = fetch::dense(snapshot, allowed, &dense, &|| self.reads.spare(), deadline)?;
            if self.query.explain {
                let measured = self.recalls.of(&kind);
                ranking.parts.iter_mut().for_each(|part| part.measured = measured);
            }
            Ok(ranking)
        };
        match &retriever.kind {
            Kind::Sparse { field, vector } => vectors::sparse(snapshot, allowed, *field, vector, k, deadline),
            Kind::Multi { field, vectors } => vectors::multi(snapshot, allowed, *field, vectors, k, deadline),
            Kind::Text { field, query } => {
                fetch::text(snapshot, allowed, *field, &snapshot.spec.texts[*field].spec, query, k, deadline)
            }
            Kind::Dense { field, target: Target::Vector(vector), params } => dense(*field, vector, k, *params),
            Kind::Dense { field, target: Target::Point(id), params } => {
                let missing = |what| Error::Missing { what, name: id.to_string() };
                let (part, row) = snapshot.find(id).ok_or_else(|| missing("point"))?;
                let vector = snapshot.parts[part].part.nearest(*field).vector(row);
                let vector = vector.ok_or_else(|| missing("vector of this field at point"))?;
                // One more, because the point itself is left out.
                let mut ranking = dense(*field, &vector, k + 1, *params)?;
                ranking.placed.retain(|placed| placed.id != *id);
                ranking.placed.truncate(k);
                Ok(ranking)
            }
        }
    }

    /// What queries like this one are tallied under.
    fn kind(&self, field: usize, allowed: &Filtered) -> recall::Kind {
        let share = allowed.matching() as f64 / self.snapshot.points().max(1) as f64;
        recall::Kind::new(self.name, &self.snapshot.spec.vectors[field].name, share)
    }

    /// What it takes to answer a retriever exactly as well, where it is its turn.
    fn shadow(
        &self,
        retriever: &Retriever,
        allowed: &Arc<Filtered>,
        placed: &[Placed],
        parts: &[PartRun],
    ) -> Option<Shadow> {
        let Kind::Dense { field, target: Target::Vector(vector), params } = &retriever.kind else { return None };
        let with_effort = parts.iter().any(|part| part.ef > 0);
        // An effort that was given by number promises nothing.
        let wanted = params.ef.is_none() && with_effort && retriever.limit <= SHADOW_HITS_MAX;
        (wanted && self.recalls.is_due()).then(|| Shadow {
            snapshot: self.snapshot.clone(),
            allowed: allowed.clone(),
            kind: self.kind(*field, allowed),
            field: *field,
            vector: vector.clone(),
            k: retriever.limit,
            asked: params.recall,
            scores: placed.iter().map(|placed| placed.score).collect(),
        })
    }
}

fn narrowed(
    snapshot: &Snapshot,
    outer: Option<&Condition>,
    own: Option<&Condition>,
    deadline: &Deadline,
) -> Result<Filtered> {
    match (outer, own) {
        (Some(outer), Some(own)) => {
            let both = Condition::all(vec![outer.clone(), own.clone()]);
            fetch::filter(snapshot, Some(&both), deadline)
        }
        (one, other) => fetch::filter(snapshot, one.or(other), deadline),
    }
}

/// A retriever's score as the caller sees it.
fn outward(snapshot: &Snapshot, retriever: &Retriever, score: f32) -> (f32, bool) {
    match &retriever.kind {
        Kind::Dense { field, .. } => {
            let metric = snapshot.spec.vectors[*field].spec.metric;
            (metric.outward(score), metric.is_distance())
        }
        Kind::Multi { field, .. } => {
            let metric = snapshot.spec.multi[*field].spec.metric;
            (metric.outward(score), metric.is_distance())
        }
        Kind::Text { .. } | Kind::Sparse { .. } => (score, false),
    }
}

/// Drops what is worse than the threshold: below it, or above it where a distance is seen.
fn keep_above(placed: &mut Vec<Placed>, threshold: Option<f32>, outward: impl Fn(f32) -> (f32, bool)) {
    if let Some(threshold) = threshold {
        placed.retain(|placed| passes(outward(placed.score), threshold));
    }
}

fn passes((score, is_distance): (f32, bool), threshold: f32) -> bool {
    if is_distance { score <= threshold } else { score >= threshold }
}

/// The hits that were asked for, of a ranking: with their scores as the caller sees them.
fn window(
    query: &Query,
    ranking: impl Iterator<Item = Placed>,
    outward: impl Fn(f32) -> (f32, bool),
) -> Vec<(Placed, f32)> {
    ranking
        .map(|placed| (placed, outward(placed.score)))
        .take_while(|(_, shown)| query.score_threshold.is_none_or(|threshold| passes(*shown, threshold)))
        .skip(query.offset)
        .take(query.limit)
        .map(|(placed, (score, _))| (placed, score))
        .collect()
}

fn fuse(snapshot: &Snapshot, query: &Query, rankings: &[Vec<Placed>]) -> Vec<(Placed, f32)> {
    let pairs = |placed: &Vec<Placed>| placed.iter().map(|one| (one.id, one.score)).collect();
    let rankings: Vec<Vec<(PointId, f32)>> = rankings.iter().map(pairs).collect();
    let fused = query.fusion.fuse(&rankings).into_iter();
    // Only the few that are returned are looked up again.
    let found = fused
        .take_while(|(_, score)| query.score_threshold.is_none_or(|threshold| *score >= threshold))
        .skip(query.offset)
        .take(query.limit);
    let place = |(id, score)| {
        let (part, row) = snapshot.find(&id)?;
        Some((Placed { id, score, part, row }, score))
    };
    found.filter_map(place).collect()
}

/// The rank and score of every point in every retriever.
fn ranks(snapshot: &Snapshot, query: &Query, rankings: &[Vec<Placed>]) -> Vec<HashMap<PointId, (u32, f32)>> {
    let of = |(retriever, placed): (&Retriever, &Vec<Placed>)| {
        let place = |(at, one): (usize, &Placed)| (one.id, (at as u32 + 1, outward(snapshot, retriever, one.score).0));
        placed.iter().enumerate().map(place).collect()
    };
    query.retrievers.iter().zip(rankings).map(of).collect()
}
