//! The effort swept through the door: the same queries over gRPC and inside this process, and where the time goes.
//!
//! One client asks one query at a time. The time inside the index is what the server itself measured around the search
//! of each part (`explain`); it is asked for in a pass of its own, because explaining takes time as well.

use crate::data::{K, Set};
use crate::error::Result;
use crate::measure::{Point, Quiz, by, median, sweep};
use nigh_client::point::Wanted;
use nigh_client::{Client, Query};
use nigh_index::params::Route;
use nigh_index::vector::sealed::SealedVectors;
use serde::Serialize;
use std::time::Instant;

/// The efforts asked for.
const EFFORTS: [u32; 10] = [12, 16, 24, 32, 48, 64, 96, 128, 256, 512];

/// The recalls asked for.
const RECALLS: [f32; 4] = [0.90, 0.95, 0.99, 0.999];

/// What a query asks for.
#[derive(Copy, Clone, Debug, Serialize)]
pub enum Ask {
    /// The width of the search.
    Effort(u32),
    /// The recall, for which the server chooses the width.
    Recall(f32),
}

impl Ask {
    fn query(self, field: &str, vector: &[f32]) -> Query {
        let query = Query::dense(field, vector).limit(K as u32).payload(Wanted::Nothing);
        match self {
            Self::Effort(ef) => query.ef(ef),
            Self::Recall(recall) => query.recall(recall),
        }
    }
}

/// One ask, measured through the door.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What was asked for.
    pub ask: Ask,
    /// Right hits among those wanted.
    pub recall: f64,
    /// Queries a second of one client.
    pub qps: f64,
    /// Median latency, as the client sees it.
    pub p50_us: f64,
    /// The latency that one query in a hundred exceeds.
    pub p99_us: f64,
    /// Median time in the searches of the parts.
    pub index_us: f64,
    /// Median time in the server's engine, from the queue to the last payload; the index included.
    pub engine_us: f64,
    /// Median latency of the pass that was explained.
    pub explained_us: f64,
    /// The same effort in this process, where there is one.
    pub inside: Option<Point>,
}

impl Line {
    /// The share of the latency that is not spent searching.
    pub fn outside(&self) -> f64 {
        1.0 - self.index_us / self.explained_us
    }
}

/// Sweeps over a collection that holds a set row by row, and over the same set in this process.
pub async fn measure(
    client: &Client,
    collection: &str,
    field: &str,
    (set, inside): (&Set, &SealedVectors),
    queries: usize,
    rounds: usize,
) -> Result<Vec<Line>> {
    let quiz = Quiz { queries: &set.queries, floors: &set.floors, asked: queries, allowed: None };
    let plans = EFFORTS.map(|ef| by(Route::Graph, ef));
    let points = sweep(inside, &quiz, &plans, rounds);
    let efforts = EFFORTS.iter().zip(points).map(|(ef, point)| (Ask::Effort(*ef), Some(point)));
    let recalls = RECALLS.iter().map(|recall| (Ask::Recall(*recall), None));
    let mut lines = Vec::new();
    for (ask, inside) in efforts.chain(recalls) {
        let mut passes = Vec::new();
        for _ in 0..rounds {
            passes.push(pass(client, collection, field, ask, &quiz).await?);
        }
        let (index_us, engine_us, explained_us) = explained(client, collection, field, ask, &quiz).await?;
        let of = |read: fn(&Pass) -> f64| median(passes.iter().map(read));
        lines.push(Line {
            ask,
            recall: of(|pass| pass.recall),
            qps: of(|pass| pass.qps),
            p50_us: of(|pass| pass.p50_us),
            p99_us: of(|pass| pass.p99_us),
            index_us,
            engine_us,
            explained_us,
            inside,
        });
    }
    Ok(lines)
}

struct Pass {
    recall: f64,
    qps: f64,
    p50_us: f64,
    p99_us: f64,
}

async fn pass(client: &Client, collection: &str, field: &str, ask: Ask, quiz: &Quiz<'_>) -> Result<Pass> {
    let (mut right, mut wanted, mut micros) = (0, 0, Vec::new());
    let start = Instant::now();
    for query in 0..quiz.asked {
        let request = ask.query(field, quiz.queries.row(query));
        let sent = Instant::now();
        let reply = client.query(collection, request).await?;
        micros.push(sent.elapsed().as_secs_f64() * 1e6);
        right += reply.hits.iter().filter(|hit| quiz.floors.reached(query, hit.score)).count();
        wanted += quiz.floors.wanted(query);
    }
    let seconds = start.elapsed().as_secs_f64();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    Ok(Pass {
        recall: right as f64 / wanted as f64,
        qps: quiz.asked as f64 / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
    })
}

/// Median microseconds in the index, in the engine and in all.
async fn explained(
    client: &Client,
    collection: &str,
    field: &str,
    ask: Ask,
    quiz: &Quiz<'_>,
) -> Result<(f64, f64, f64)> {
    let (mut index, mut engine, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for query in 0..quiz.asked {
        let request = ask.query(field, quiz.queries.row(query)).explain();
        let sent = Instant::now();
        let reply = client.query(collection, request).await?;
        all.push(sent.elapsed().as_secs_f64() * 1e6);
        let told = reply.explanation.ok_or("an explanation was asked for")?;
        // The server counts whole microseconds, and cuts off the rest.
        index.push(told.parts.iter().map(|part| part.took_us as f64 + 0.5).sum());
        engine.push(told.total_us as f64 + 0.5 * told.stages.len() as f64);
    }
    Ok((median(index.into_iter()), median(engine.into_iter()), median(all.into_iter())))
}

/// All of it as Markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut out = String::from(
        "| asked for | recall@10 | QPS, 1 client | p50 µs | p99 µs | in the index µs | in the engine µs | outside the index | in this process: recall@10 | QPS | p50 µs | p99 µs |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let ask = match line.ask {
            Ask::Effort(ef) => format!("ef {ef}"),
            Ask::Recall(recall) => format!("recall {recall}"),
        };
        let inside = line.inside.as_ref().map_or("| | | |".to_owned(), |point| {
            format!("| {:.4} | {:.0} | {:.0} | {:.0} |", point.recall, point.qps, point.p50_us, point.p99_us)
        });
        out += &format!(
            "| {ask} | {:.4} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} % {inside}\n",
            line.recall,
            line.qps,
            line.p50_us,
            line.p99_us,
            line.index_us,
            line.engine_us,
            100.0 * line.outside()
        );
    }
    out
}
