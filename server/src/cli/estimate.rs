//! `nigh estimate`: what a collection of a given size would take.

use crate::cli::failure::Result;
use crate::cli::output::{Output, bytes, thousands};
use crate::cli::{Server, spec};
use nigh_client::schema::Load;
use serde_json::json;
use std::fmt::Write;

/// Tells what a collection would take on the server's machine: memory, disk, and the time to build its indexes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Points of the collection
    #[arg(long, short = 'n')]
    points: u64,
    /// A vector field: cosine, dot, euclid or manhattan; a graph (hnsw) or lists (ivf), of pq4, pq8 or bits1 to bits8
    #[arg(long = "vector", id = "vector", value_name = "NAME:SIZE[:METRIC[:hnsw|ivf[:CODE]]]")]
    vectors: Vec<String>,
    /// A text field: an analyzer ("standard" or a language) and the payload paths it reads
    #[arg(long = "text", id = "text", value_name = "NAME[:ANALYZER[:PATH,PATH]]")]
    texts: Vec<String>,
    /// Bytes of a payload, in the mean
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    payload_bytes: u64,
    /// How many of them are text that a text field reads; all of them where it is left out and there is such a field
    #[arg(long, value_name = "BYTES")]
    text_bytes: Option<u64>,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let spec = spec::fields(spec::Vectors::dense(args.vectors), &args.texts)?;
    let all = if args.texts.is_empty() { 0 } else { args.payload_bytes };
    let text_bytes = args.text_bytes.unwrap_or(all);
    let load = Load { points: args.points, payload_bytes: args.payload_bytes, text_bytes };
    let found = args.server.connect().await?.estimate(spec, load).await?;
    let seconds = |time: std::time::Duration| time.as_secs_f64();
    out.either(
        || {
            json!({
                "memory_bytes": found.memory_bytes,
                "memory_peak_bytes": found.memory_peak_bytes,
                "mapped_bytes": found.mapped_bytes,
                "disk_bytes": found.disk_bytes,
                "disk_peak_bytes": found.disk_peak_bytes,
                "build_seconds": seconds(found.build),
                "build_cpu_seconds": seconds(found.build_cpu),
            })
        },
        || {
            let (build, cpu) = (seconds(found.build), seconds(found.build_cpu));
            let (memory, disk) = (bytes(found.memory_bytes), bytes(found.disk_bytes));
            let mut text = format!("{} points on the server's machine, about:\n", thousands(args.points));
            let _ = writeln!(text, "  memory  {memory} held, {} while it is loaded", bytes(found.memory_peak_bytes));
            let _ = writeln!(text, "          {} of mapped files beside", bytes(found.mapped_bytes));
            let _ = writeln!(text, "  disk    {disk}, {} at most", bytes(found.disk_peak_bytes));
            let _ = writeln!(text, "  build   {build:.0} s, {cpu:.0} s of one core");
            text
        },
    )
}
