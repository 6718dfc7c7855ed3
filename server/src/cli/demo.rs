//! `nigh demo`: a newcomer's first minute. A server in a temporary directory, a real sample, a few
//! queries through gRPC as any client sends them, and how good and how fast they are.

use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::filter;
use crate::cli::mapping::Mapping;
use crate::cli::output::{Output, micros, shorten, thousands};
use crate::cli::sample::{self, Asked};
use crate::cli::show;
use crate::cli::source::wrong;
use nigh_client::reply::Hit;
use nigh_client::{Client, CollectionSpec, IngestOptions, Metric, Query, QueryReply, Wanted};
use nigh_server::config::Config;
use nigh_server::serve::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

const COLLECTION: &str = "passages";
const VECTOR: &str = "embedding";
const TEXT: &str = "text";
/// Live rows are sealed earlier than by default, so that a small sample shows both kinds of part.
const SEAL_ROWS: u64 = 2_000;
const HITS_SHOWN: u32 = 3;
const RECALL_AT: u32 = 10;
/// Sealing is waited for so long; queries are right without it.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Shows it all on a sample that comes with the program; nothing is left behind.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(crate) async fn run(_: Args, out: Output) -> Result<()> {
    let folder = tempfile::tempdir().map_err(doing("create", Path::new("a temporary directory")))?;
    let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let mut config = Config { grpc: free, http: free, ..Config::new(folder.path()) };
    config.storage.seal_rows = SEAL_ROWS;
    let started = Instant::now();
    let server = Server::start(config).await?;
    server.ready().await;
    out.say(&format!("\n{}\n\n", out.bold("nigh: nearest by meaning, by words, or by both")))?;
    let at = format!("gRPC on {}, data in {}", server.grpc_addr(), folder.path().display());
    step(out, "server", &at, started)?;
    let shown = show_all(&server.grpc_addr().to_string(), out).await;
    let stopped = server.shutdown().await;
    shown?;
    Ok(stopped?)
}

async fn show_all(address: &str, out: Output) -> Result<()> {
    let client = Client::connect(address).await?;
    let imported = import(&client, out).await?;
    let asked = sample::queries()?;

    let question = |text: &str| -> Result<&Asked> {
        let named = asked.iter().find(|one| one.text.starts_with(text));
        named.ok_or_else(|| wrong(Path::new("the sample"), Place::Whole, format!("it has no query `{text}`")))
    };
    let cartilage = question("Why is cartilage slow to heal?")?;
    let jumps = question("How can dynamic jumps explode control flow analysis?")?;
    let brown = question("What were southerners")?;

    let by_meaning = Query::dense(VECTOR, &cartilage.vector[..]);
    ask(&client, out, "By meaning", &cartilage.text, None, by_meaning).await?;
    let words = "infix operator for matrix multiplication";
    ask(&client, out, "By words", words, None, Query::words(TEXT, words)).await?;
    let hybrid = Query::dense(VECTOR, &jumps.vector[..]).text(TEXT, &jumps.text[..]);
    ask(&client, out, "By both", &jumps.text, None, hybrid).await?;
    let only = "source = 'us-history' AND words >= 40";
    let filtered = Query::dense(VECTOR, &brown.vector[..]).text(TEXT, &brown.text[..]);
    ask(&client, out, "By both, filtered", &brown.text, Some(only), filtered).await?;

    let measured = measure(&client, &asked).await?;
    measured.say(out, asked.len())?;
    out.either(
        || {
            json!({"points": imported.points, "import_seconds": imported.seconds, "queries": asked.len(),
        "recall_at_10": measured.recall, "latency_us": measured.json()})
        },
        || {
            let next = "nigh serve --data ./data     then     nigh import FILE -c NAME --create --vector NAME:SIZE\n";
            format!("{}\n  {next}\n", out.bold("Next, with your own data"))
        },
    )
}

struct Imported {
    points: u64,
    seconds: f64,
}

async fn import(client: &Client, out: Output) -> Result<Imported> {
    let spec = CollectionSpec::new().vector(VECTOR, 384, Metric::Cosine).text_over(TEXT, "english", ["title", "text"]);
    client.create_collection(COLLECTION, spec).await?;
    let mapping = Mapping::new(&[], [VECTOR], Some("id"))?;
    let started = Instant::now();
    let mut ingest = client.ingest(COLLECTION, IngestOptions::default());
    for point in sample::points(VECTOR, &mapping)? {
        ingest.send(point?).await?;
    }
    let summary = ingest.finish().await?;
    if let Some(refusal) = summary.refusals.first() {
        return Err(Failure::Stopped {
            why: refusal.message.clone(),
            rows_in: summary.progress.ops - summary.progress.refused,
        });
    }
    let (points, seconds) = (summary.progress.ops, started.elapsed().as_secs_f64());
    let rate = thousands((points as f64 / seconds) as u64);
    let what = format!("{} passages x 384 numbers, each on disk when acknowledged: {rate}/s", thousands(points));
    step(out, "import", &what, started)?;

    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let status = loop {
        ticks.tick().await;
        let status = client.describe_collection(COLLECTION).await?.status;
        if (status.upkeep == "idle" && status.live_rows < SEAL_ROWS) || started.elapsed() > SETTLE_MAX {
            break status;
        }
    };
    let sealed: u64 = status.segments.iter().map(|segment| segment.rows).sum();
    let (count, live) = (status.segments.len(), thousands(status.live_rows));
    let segments = if count == 1 { "segment" } else { "segments" };
    step(out, "index", &format!("{} rows in {count} {segments}, {live} live", thousands(sealed)), started)?;
    Ok(Imported { points, seconds })
}

fn step(out: Output, name: &str, what: &str, started: Instant) -> Result<()> {
    let took = micros(started.elapsed().as_micros() as f64);
    out.say(&format!("  {} {what}  {}\n", out.green(&format!("{name:<8}")), out.dim(&took)))
}

/// One query, as a reader sees it.
async fn ask(client: &Client, out: Output, how: &str, text: &str, only: Option<&str>, query: Query) -> Result<()> {
    let wanted = Wanted::only(["title", "heading", "text", "source", "kind"]);
    let mut query = query.limit(HITS_SHOWN).payload(wanted).explain();
    let mut heading = format!("\n{}  {text}\n", out.bold(how));
    if let Some(only) = only {
        query = query.filter(filter::read(only)?);
        heading.push_str(&format!("  {}\n", out.dim(&format!("only {only}"))));
    }
    let started = Instant::now();
    let reply = client.query(COLLECTION, query).await?;
    let took = started.elapsed();
    out.say(&heading)?;
    out.say(&hits(out, &reply))?;
    let plans = reply.plans.iter().map(show::plan).collect::<Vec<_>>().join("\n  ");
    out.say(&format!("  {}\n", out.dim(&format!("{plans}\n  took  {}", micros(took.as_micros() as f64)))))
}

fn hits(out: Output, reply: &QueryReply) -> String {
    let several = reply.plans.len() > 1;
    let one = |(at, hit): (usize, &Hit)| {
        let field = |name: &str| hit.payload[name].as_str().unwrap_or_default();
        let place = [field("title"), field("heading")].into_iter().filter(|text| !text.is_empty());
        let place = shorten(&place.collect::<Vec<_>>().join(" > "), 70);
        let placings = if several { format!("     {}\n", out.dim(&show::placings(hit))) } else { String::new() };
        format!(
            "  {} {:>7.4}  {}  {}\n     {}\n{placings}",
            at + 1,
            hit.score,
            out.bold(&place),
            out.dim(field("source")),
            shorten(field("text"), 110),
        )
    };
    reply.hits.iter().enumerate().map(one).collect()
}

/// How good and how fast the queries of the sample were.
struct Measured {
    recall: f64,
    latencies: Vec<(&'static str, Vec<f64>)>,
    plan: String,
}

/// The query of one kind that a sample's query makes.
type Kind = fn(&Asked) -> Query;

async fn measure(client: &Client, asked: &[Asked]) -> Result<Measured> {
    let plain = |query: Query| query.limit(RECALL_AT).payload(Wanted::Nothing);
    let kinds: [(&str, Kind); 3] = [
        ("meaning", |one| Query::dense(VECTOR, &one.vector[..])),
        ("words", |one| Query::words(TEXT, &one.text[..])),
        ("both", |one| Query::dense(VECTOR, &one.vector[..]).text(TEXT, &one.text[..])),
    ];
    let mut latencies = Vec::new();
    let (mut found, mut wanted, mut plan) = (0, 0, String::new());
    for (name, kind) in kinds {
        let mut took = Vec::with_capacity(asked.len());
        for one in asked {
            let started = Instant::now();
            let reply = client.query(COLLECTION, plain(kind(one))).await?;
            took.push(started.elapsed().as_secs_f64() * 1e6);
            if name == "meaning" {
                let exact = client.query(COLLECTION, plain(kind(one)).exact()).await?;
                let ids: BTreeSet<_> = reply.hits.iter().map(|hit| hit.id).collect();
                found += exact.hits.iter().filter(|hit| ids.contains(&hit.id)).count();
                wanted += exact.hits.len();
                plan = reply.plans.first().map(show::plan).unwrap_or_default();
            }
        }
        took.sort_by(f64::total_cmp);
        latencies.push((name, took));
    }
    Ok(Measured { recall: found as f64 / f64::from(u32::try_from(wanted.max(1)).unwrap_or(u32::MAX)), latencies, plan })
}

/// The value that so many in a hundred do not pass.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

impl Measured {
    fn say(&self, out: Output, queries: usize) -> Result<()> {
        let mut text = format!("\n{}\n", out.bold(&format!("{queries} queries through gRPC, one after another")));
        let recall = out.green(&format!("{:.4}", self.recall));
        text.push_str(&format!("  recall@{RECALL_AT} against exact search  {recall}  {}\n", out.dim(&self.plan)));
        for (name, took) in &self.latencies {
            let (p50, p99) = (micros(percentile(took, 50)), micros(percentile(took, 99)));
            text.push_str(&format!("  by {name:<8} p50 {p50:>9}   p99 {p99:>9}\n"));
        }
        out.say(&format!("{text}\n"))
    }

    fn json(&self) -> Value {
        let one = |(name, took): &(&str, Vec<f64>)| {
            ((*name).to_owned(), json!({"p50": percentile(took, 50), "p99": percentile(took, 99)}))
        };
        Value::Object(self.latencies.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&sorted, percent)), [50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7.0], 1), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
