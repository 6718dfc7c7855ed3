//! `nigh scrub` and `nigh compact`: asked of a server that runs.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, bytes, thousands};
use crate::cli::{Server, filter};
use nigh_client::integrity::Scrubbed;
use nigh_client::{PointId, Selector};
use serde_json::{Value, json};
use std::fmt::Write;

/// Reads every file again from the medium while it is served, and says what is damaged. A damaged manifest or log is
/// written again from memory; a collection with another damaged file is quarantined. Ends with 1 where there is one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Scrub {
    /// The collection; all that are open where it is left out
    #[arg(long, short)]
    collection: Option<String>,
    /// MiB a second to read; as fast as it goes where it is left out
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    #[command(flatten)]
    server: Server,
}

/// Gives the space of dead rows back; with --erase makes sure that what was deleted is gone from the disk.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Compact {
    /// The collection
    #[arg(long, short)]
    collection: String,
    /// Remove all that was deleted or replaced until now from every file, and print a receipt
    #[arg(long)]
    erase: bool,
    /// Delete these points before, numbers or UUIDs with commas between
    #[arg(long, value_name = "IDS", value_delimiter = ',', requires = "erase", conflicts_with = "filter")]
    ids: Vec<String>,
    /// Delete the points that match before, such as "user = 'u17'"
    #[arg(long, value_name = "EXPRESSION", requires = "erase")]
    filter: Option<String>,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn scrub(args: Scrub, out: Output) -> Result<()> {
    let rate = args.rate.map(|mib| u64::from(mib) << 20);
    let all = args.server.for_long_work().connect().await?.scrub(args.collection.as_deref(), rate).await?;
    out.either(|| all.iter().map(scrubbed_json).collect(), || all.iter().map(|one| scrubbed_text(out, one)).collect())?;
    let damaged = all.iter().filter(|one| one.damage.is_some()).count() as u64;
    match damaged {
        0 => Ok(()),
        damaged => Err(Failure::Quarantined { damaged }),
    }
}

fn scrubbed_json(one: &Scrubbed) -> Value {
    json!({
        "collection": one.collection, "files": one.files, "bytes": one.bytes, "took_ms": one.took.as_millis() as u64,
        "mended": one.mended, "damage": one.damage,
    })
}

fn scrubbed_text(out: Output, one: &Scrubbed) -> String {
    let (name, files, read) = (out.bold(&one.collection), thousands(one.files), bytes(one.bytes));
    let mut text = format!("{name}  {files} files, {read} in {:.1} s", one.took.as_secs_f64());
    text += if one.damage.is_some() { "\n" } else { ", all of them whole\n" };
    // Writing to a String does not fail.
    for mended in &one.mended {
        let _ = writeln!(text, "  mended from memory: {mended}");
    }
    if let Some(damage) = &one.damage {
        let _ = writeln!(text, "  DAMAGED, quarantined: {damage}");
    }
    text
}

pub(crate) async fn compact(args: Compact, out: Output) -> Result<()> {
    let client = args.server.for_long_work().connect().await?;
    if !args.erase {
        let status = client.optimize(&args.collection).await?;
        let (points, segments) = (status.points, status.segments.len());
        let text =
            || format!("{} points in {segments} segments, {} on disk\n", thousands(points), bytes(status.disk_bytes));
        return out.either(|| json!({"points": points, "segments": segments, "disk_bytes": status.disk_bytes}), text);
    }
    let filter = args.filter.as_deref().map(filter::read).transpose()?;
    let id =
        |id: &String| id.trim().parse().map_err(|_| Failure::Usage(format!("`{id}` is neither a number nor a UUID")));
    let ids = args.ids.iter().map(id).collect::<Result<Vec<PointId>>>()?;
    let points = match filter {
        Some(filter) => Some(Selector::from(filter)),
        None => (!ids.is_empty()).then(|| Selector::from(ids)),
    };
    let receipt = client.erase(&args.collection, points).await?;
    let pretty = || serde_json::to_string_pretty(&receipt).unwrap_or_default() + "\n";
    out.either(|| receipt.clone(), pretty)
}
