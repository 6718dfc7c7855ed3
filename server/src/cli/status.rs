//! The small ones: what collections there are, how they are, how many points they have, and their end.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, bytes, thousands};
use crate::cli::{Server, filter};
use nigh_client::memory::MemoryStatus;
use nigh_client::schema::{CollectionStatus, Description};
use serde_json::{Value, json};
use std::fmt::Write;

/// Says how a collection, or every collection, is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Status {
    /// The collection; all of them where it is left out
    #[arg(long, short)]
    collection: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Counts points.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Count {
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    /// Only points that match, such as "kind = 'news' AND year >= 2020"
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Read this version instead of the newest state
    #[arg(long, value_name = "VERSION", default_value = "")]
    at: String,
}

/// Lists collections.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Collections {
    #[command(flatten)]
    server: Server,
}

/// Seals and merges a collection into one segment, now. It happens by itself in time; this is for benchmarks and
/// before a backup.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Optimize {
    /// The collection
    #[arg(long, short)]
    collection: String,
    /// Call off a merge that runs instead, and let none begin for a minute
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    server: Server,
}

/// Removes a collection and everything in it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Drop {
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn status(args: Status, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    let mut closed = Vec::new();
    let names = match args.collection {
        Some(name) => vec![name],
        None => {
            let open = |one: &nigh_client::schema::CollectionSummary| one.state == "open";
            let all = client.list_collections().await?;
            for one in all.iter().filter(|one| !open(one)) {
                out.say(&format!("{}  {} {}\n", out.bold(&one.name), one.state, one.reason))?;
                closed.push(json!({"collection": one.name, "state": one.state, "reason": one.reason}));
            }
            all.into_iter().filter(open).map(|one| one.name).collect()
        }
    };
    let mut all = Vec::new();
    for name in names {
        let described = client.describe_collection(&name).await?;
        all.push((name, described));
    }
    out.either(
        || closed.into_iter().chain(all.iter().map(|(name, described)| status_json(name, described))).collect(),
        || {
            let each = all.iter().map(|(name, described)| status_text(out, name, described));
            each.chain(all.last().map(|(_, last)| memory_text(out, &last.status.memory))).collect()
        },
    )
}

fn status_text(out: Output, name: &str, described: &Description) -> String {
    let status = &described.status;
    let mut text = format!("{}  {}, {} points\n", out.bold(name), status.state, thousands(status.points));
    let mut row = |what: &str, value: String| {
        let _ = writeln!(text, "  {what:<9} {value}");
    };
    for field in &described.spec.vectors {
        row("vector", format!("{}: {} x {:?}", field.name, field.size, field.metric).to_lowercase());
    }
    for field in &described.spec.texts {
        let paths = if field.paths.is_empty() { field.name.clone() } else { field.paths.join(", ") };
        row("text", format!("{}: {} over {paths}", field.name, field.analyzer));
    }
    row("log", format!("seq {} applied, {} on disk", status.seq, status.durable_seq));
    if let Some(seq) = status.archived_seq {
        let gap = if status.archive_gap { "; A GAP in it: make a backup" } else { "" };
        row("archive", format!("seq {seq}, {} behind the disk{gap}", status.durable_seq.saturating_sub(seq)));
    }
    let (rows, dead) = segments(status);
    let count = status.segments.len();
    row("segments", format!("{count} with {} rows, {} of them dead", thousands(rows), thousands(dead)));
    row("live", format!("{} rows, {}", thousands(status.live_rows), bytes(status.live_bytes)));
    let (disk, memory) = (bytes(status.disk_bytes), bytes(status.resident_bytes));
    row("size", format!("{disk} on disk, {memory} in memory"));
    row("upkeep", status.upkeep.clone());
    for task in &status.tasks {
        let (rows, seconds) = (thousands(task.rows), task.running.as_secs());
        let files = format!("{} of {} files, now {}", task.files_done, task.files, task.stage);
        row("", format!("{} {rows} rows for {seconds} s, because {}: {files}", task.what, task.reason));
    }
    if !status.upkeep_waits.is_empty() {
        row("waits", status.upkeep_waits.clone());
    }
    if !status.upkeep_failed.is_empty() {
        row("FAILED", format!("upkeep, tried again soon: {}", status.upkeep_failed));
    }
    if !status.refuses_writes.is_empty() {
        row("REFUSES", format!("writes: {}", status.refuses_writes));
    }
    text
}

/// What the whole server holds.
fn memory_text(out: Output, memory: &MemoryStatus) -> String {
    let limit = memory.limit.map_or("no limit".to_owned(), |limit| format!("a limit of {}", bytes(limit)));
    let by = [("live", memory.live), ("queue", memory.queue), ("graphs", memory.graphs), ("builds", memory.builds)];
    let by: Vec<String> = by.iter().map(|(what, held)| format!("{what} {}", bytes(*held))).collect();
    let refused = match memory.refused_writes {
        0 => String::new(),
        count => format!("; {} writes were refused for want of it", thousands(count)),
    };
    format!("{}  {} held, {limit}: {}{refused}\n", out.bold("memory"), bytes(memory.held), by.join(", "))
}

fn memory_json(memory: &MemoryStatus) -> Value {
    json!({
        "limit": memory.limit, "held": memory.held, "live": memory.live, "queue": memory.queue,
        "graphs": memory.graphs, "builds": memory.builds, "refused_writes": memory.refused_writes,
    })
}

fn segments(status: &CollectionStatus) -> (u64, u64) {
    status.segments.iter().fold((0, 0), |(rows, dead), one| (rows + one.rows, dead + one.dead_rows))
}

fn status_json(name: &str, described: &Description) -> Value {
    let status = &described.status;
    let segment = |one: &nigh_client::schema::SegmentStatus| json!({"number": one.number, "rows": one.rows, "dead_rows": one.dead_rows, "bytes": one.bytes});
    let task = |one: &nigh_client::schema::UpkeepTask| json!({"what": one.what, "reason": one.reason, "rows": one.rows, "stage": one.stage, "files_done": one.files_done, "files": one.files, "running_ms": one.running.as_millis() as u64});
    let vectors = described.spec.vectors.iter();
    let vectors: Vec<Value> = vectors
        .map(|one| json!({"name": one.name, "size": one.size, "metric": format!("{:?}", one.metric).to_lowercase()}))
        .collect();
    let texts = described.spec.texts.iter();
    let texts: Vec<Value> =
        texts.map(|one| json!({"name": one.name, "analyzer": one.analyzer, "paths": one.paths})).collect();
    json!({
        "collection": name, "vectors": vectors, "texts": texts, "state": status.state, "points": status.points,
        "seq": status.seq, "durable_seq": status.durable_seq, "live_rows": status.live_rows,
        "live_bytes": status.live_bytes, "disk_bytes": status.disk_bytes, "resident_bytes": status.resident_bytes,
        "upkeep": status.upkeep, "upkeep_failed": status.upkeep_failed, "upkeep_waits": status.upkeep_waits,
        "memory": memory_json(&status.memory),
        "tasks": status.tasks.iter().map(task).collect::<Vec<_>>(), "refuses_writes": status.refuses_writes,
        "segments": status.segments.iter().map(segment).collect::<Vec<_>>(),
    })
}

pub(crate) async fn count(args: Count, out: Output) -> Result<()> {
    let filter = args.filter.as_deref().map(filter::read).transpose()?;
    let count = args.server.connect().await?.count_at(&args.collection, &args.at, filter).await?;
    out.either(|| json!({"count": count}), || format!("{count}\n"))
}

pub(crate) async fn collections(args: Collections, out: Output) -> Result<()> {
    let all = args.server.connect().await?.list_collections().await?;
    let one = |one: &nigh_client::schema::CollectionSummary| json!({"name": one.name, "state": one.state, "reason": one.reason});
    out.either(
        || all.iter().map(one).collect(),
        || {
            all.iter()
                .map(|one| format!("{}  {} {}", one.name, one.state, one.reason).trim_end().to_owned() + "\n")
                .collect()
        },
    )
}

pub(crate) async fn optimize(args: Optimize, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    if args.cancel {
        let cancelled = client.cancel_merge(&args.collection).await?;
        let text = if cancelled { "the merge was called off\n" } else { "no merge ran\n" };
        return out.either(|| json!({"cancelled": cancelled}), || text.to_owned());
    }
    let status = client.optimize(&args.collection).await?;
    let (rows, dead) = segments(&status);
    let count = status.segments.len();
    out.either(
        || json!({"segments": count, "rows": rows, "dead_rows": dead, "disk_bytes": status.disk_bytes}),
        || format!("{count} segments with {} rows, {} of them dead\n", thousands(rows), thousands(dead)),
    )
}

pub(crate) async fn drop(args: Drop, out: Output) -> Result<()> {
    match args.server.connect().await?.drop_collection(&args.collection).await? {
        true => out.either(|| json!({"dropped": true}), || format!("`{}` is gone\n", args.collection)),
        false => Err(Failure::Client(nigh_client::Error::Server {
            code: nigh_client::error::Code::NotFound,
            field: None,
            message: format!("there is no collection `{}`", args.collection),
            retry_after: None,
        })),
    }
}
