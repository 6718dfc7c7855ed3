//! `nigh pin`, `pins`, `unpin`, `diff`: versions of a collection that are kept under a name.

use crate::cli::Server;
use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, bytes, thousands};
use nigh_client::PointId;
use nigh_client::versions::{Change, Version};
use nigh_index::filter::datetime;
use serde_json::{Value, json};

/// Keeps the newest state of a collection under a name.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Pin {
    /// The version's name
    #[arg(id = "name", value_name = "VERSION")]
    version: String,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
}

/// Drops a version that was kept.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Unpin {
    /// The version's name
    #[arg(id = "name", value_name = "VERSION")]
    version: String,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
}

/// Lists the versions that are kept.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Pins {
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
}

/// Says which points differ between two versions: `+` added, `-` removed, `~` changed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Diff {
    /// The earlier version
    before: String,
    /// The later version; the collection of now where it is left out
    #[arg(default_value = "")]
    after: String,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    /// Starts at this id
    #[arg(long, value_name = "ID")]
    from: Option<PointId>,
    /// At most so many; all of them where it is left out
    #[arg(long, short = 'n')]
    limit: Option<u64>,
}

pub(crate) async fn pin(args: Pin, out: Output) -> Result<()> {
    let version = args.server.connect().await?.pin(&args.collection, &args.version).await?;
    out.either(|| version_json(&version), || version_line(&version))
}

pub(crate) async fn unpin(args: Unpin, out: Output) -> Result<()> {
    match args.server.connect().await?.unpin(&args.collection, &args.version).await? {
        true => out.either(|| json!({"dropped": true}), || format!("`{}` is dropped\n", args.version)),
        false => Err(Failure::Client(nigh_client::Error::Server {
            code: nigh_client::error::Code::NotFound,
            field: None,
            message: format!("there is no version `{}`", args.version),
            retry_after: None,
        })),
    }
}

pub(crate) async fn pins(args: Pins, out: Output) -> Result<()> {
    let all = args.server.connect().await?.pins(&args.collection).await?;
    out.either(|| all.iter().map(version_json).collect(), || all.iter().map(version_line).collect())
}

pub(crate) async fn diff(args: Diff, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let (mut from, mut all) = (args.from, Vec::new());
    let (mut counts, mut seqs) = ([0_u64; 3], (0, 0));
    while left > 0 {
        let page = u32::try_from(left.min(1000)).unwrap_or(1000);
        let found = client.diff_page(&args.collection, &args.before, &args.after, from, page).await?;
        left = left.saturating_sub(found.changes.len() as u64);
        seqs = found.seqs;
        for (id, change) in found.changes {
            let (sign, name) = word(change);
            counts[change as usize] += 1;
            out.say(&format!("{sign} {id}\n"))?;
            all.push(json!({"id": id_json(id), "change": name}));
        }
        from = found.next;
        if from.is_none() {
            break;
        }
    }
    let [added, removed, changed] = counts;
    let next = from.map(id_json);
    out.either(
        || json!({"changes": all, "next": next, "before_seq": seqs.0, "after_seq": seqs.1}),
        || {
            let rest = from.map_or(String::new(), |id| format!("; more from {id} on"));
            format!("{added} added, {removed} removed, {changed} changed (seq {} to {}){rest}\n", seqs.0, seqs.1)
        },
    )
}

fn id_json(id: PointId) -> Value {
    match id {
        PointId::Num(number) => json!(number),
        uuid => json!(uuid.to_string()),
    }
}

fn word(change: Change) -> (char, &'static str) {
    match change {
        Change::Added => ('+', "added"),
        Change::Removed => ('-', "removed"),
        Change::Changed => ('~', "changed"),
    }
}

fn version_json(version: &Version) -> Value {
    json!({
        "name": version.name, "seq": version.seq, "time_ms": version.time_ms, "points": version.points,
        "bytes": version.bytes, "held_bytes": version.held_bytes, "broken": version.broken,
    })
}

fn version_line(version: &Version) -> String {
    if !version.broken.is_empty() {
        return format!("{}  BROKEN: {}\n", version.name, version.broken);
    }
    let (points, size, held) = (thousands(version.points), bytes(version.bytes), bytes(version.held_bytes));
    let when = moment(version.time_ms);
    format!("{}  seq {}, {when}, {points} points, {size}, {held} of it held back\n", version.name, version.seq)
}

/// Milliseconds since 1970 as people write them.
pub(crate) fn moment(time_ms: u64) -> String {
    datetime::text(i64::try_from(time_ms.saturating_mul(1000)).unwrap_or(i64::MAX))
}
