//! `nigh import`: a file into a collection, in order, resumable, as fast as the server takes it.
//!
//! One thread reads and parses; the client keeps several batches on their way and says how far
//! everything is on disk. Only that is ever reported or drawn in the bar.
//!
//! With `--resume` the collection itself remembers how many rows it has, by the name of the source: the
//! number lands with every batch, so a later run goes on exactly behind the last row that is in. Streams
//! ([`stream`]) are always read so.

#[cfg(feature = "streams")]
mod board;
#[cfg(feature = "streams")]
mod embed;
mod from;
#[cfg(feature = "streams")]
mod kafka;
#[cfg(feature = "streams")]
mod lane;
#[cfg(feature = "streams")]
mod message;
#[cfg(feature = "streams")]
mod nats;
#[cfg(feature = "streams")]
mod refused;
#[cfg(feature = "streams")]
mod secrets;
#[cfg(feature = "streams")]
mod stream;

use crate::cli::failure::{Failure, Place, Result};
use crate::cli::interrupt::interrupted;
use crate::cli::mapping::{Mapping, VectorKind};
use crate::cli::output::{Output, thousands};
use crate::cli::progress::Bar;
use crate::cli::source::files::{Files, Options, Rows};
use crate::cli::source::{Extent, Format, wrong};
use crate::cli::{Server, spec};
use nigh_client::ingest::IngestProgress;
use nigh_client::{Client, CollectionSpec, IngestOptions, IngestSource, IngestSummary, Point};
use nigh_server::qdrant::grpc::copy::{self, Source};
use serde_json::json;
use std::path::{Path, PathBuf};
#[cfg(feature = "streams")]
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Points that the reader hands over at a time, and how often it may be ahead.
const CHUNK_POINTS: usize = 128;
const CHUNKS_AHEAD: usize = 4;
/// A source's name has at most this many bytes, says the server.
const SOURCE_BYTES_MAX: usize = 256;
/// How often the bar is drawn.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Reads points from a file into a collection.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, a folder, a pattern (`'day-*/part-?.parquet'`) or s3://BUCKET/KEY: Parquet, Arrow IPC, JSON Lines, CSV (also
    /// .gz), .npy, .fvecs, .ivecs or .bvecs; `-` reads JSON Lines from standard input
    #[arg(required_unless_present_any = ["from_qdrant", "from_kafka", "from_nats"], conflicts_with_all = ["from_kafka", "from_nats"])]
    file: Option<PathBuf>,
    /// Copies a collection of a server of the Qdrant API instead, by its gRPC address; run again, it goes on
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "resume", "format", "vectors", "id_field", "maps"])]
    from_qdrant: Option<String>,
    /// The name of that collection, where it is another one
    #[arg(long, requires = "from_qdrant", value_name = "NAME")]
    from_collection: Option<String>,
    /// The key that server wants
    #[arg(long, requires = "from_qdrant", value_name = "KEY", env = "NIGH_FROM_KEY", hide_env_values = true)]
    from_key: Option<String>,
    #[command(flatten)]
    stream: from::Args,
    #[cfg(feature = "streams")]
    #[command(flatten)]
    embed: embed::Args,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    spec: spec::Args,
    /// The format, where names do not tell
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A .npy file (f16, f32, f64 or u8) with one vector for each line
    #[arg(long, value_name = "FILE.npy")]
    vectors: Option<PathBuf>,
    /// The vector field that files of nothing but vectors go into; may be left out where the collection has one
    #[arg(long, value_name = "FIELD")]
    vector_field: Option<String>,
    /// The column that holds the id; row numbers from 0 where it is left out
    #[arg(long, value_name = "COLUMN")]
    id_field: Option<String>,
    /// Renames a column; `FROM=` leaves it out
    #[arg(long = "map", value_name = "FROM=TO")]
    maps: Vec<String>,
    /// Points a batch
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Lets the collection remember how many rows of the file are in it, and goes on behind them; streams always do
    #[arg(long, group = "remembers")]
    resume: bool,
    /// The name under which it remembers them; the file's full path, kafka:TOPIC or nats where it is left out
    #[arg(long, requires = "remembers", value_name = "NAME")]
    source: Option<String>,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    if let Some(url) = args.from_qdrant {
        let client = args.server.connect().await?;
        let collection = args.from_collection.unwrap_or_else(|| args.collection.clone());
        return copy(Source { url, key: args.from_key, collection }, &client, &args.collection, out).await;
    }
    if args.stream.is_given() {
        return stream(args, out).await;
    }
    let file = args.file.clone().unwrap_or_default();
    let files = Files::find(&file, args.format).await?;
    if args.vectors.is_some() && !(files.is_single() && files.any(|format| format == Format::Jsonl)) {
        return Err(Failure::Usage("--vectors stands beside one file of JSON Lines only".to_owned()));
    }
    let source = if args.resume { Some(named_source(&args, &file, &files)?) } else { None };
    let client = args.server.connect().await?;
    let spec = described(&args, &client).await?;
    let fields: Vec<&str> = spec.vectors.iter().map(|field| &field.name[..]).collect();
    let vector_field = vector_field(&args, files.any(Format::is_vectors), &fields)?;
    let source = match source {
        Some(source) => Some(resumed(&client, &args.collection, source).await?),
        None => None,
    };
    let skipped = source.as_ref().map_or(0, |source| source.offset);
    let mapping = mapping(&args, &spec)?;
    let options = Options { vectors: args.vectors.clone(), vector_field, skip: skipped };
    #[cfg(feature = "streams")]
    let embedder = embedder(&args, &spec)?;
    let rows = open(&file, files, options, mapping).await?;

    let started = Instant::now();
    let bar = Bar::new(&rows.extent, skipped);
    let points = read(file, rows);
    #[cfg(feature = "streams")]
    let points = match embedder.clone() {
        Some(embedder) => embed::between(embedder, points, skipped),
        None => points,
    };
    let options = IngestOptions { batch_ops: args.batch as usize, source, ..IngestOptions::default() };
    let done = pour(&client, &args.collection, options, points, skipped, &bar).await;
    bar.finish();
    let summary = done?;
    let rows = summary.progress.ops;
    let seconds = started.elapsed().as_secs_f64();
    let rate = rows as f64 / seconds.max(1e-9);
    let seq = summary.progress.seq;
    #[cfg(feature = "streams")]
    let without = embedder.map_or(0, |embedder| embedder.without());
    #[cfg(not(feature = "streams"))]
    let without = 0_u64;
    out.either(
        || {
            json!({"rows": rows, "skipped": skipped, "without_text": without, "seq": seq, "seconds": seconds,
                "rows_per_second": rate})
        },
        || {
            let before = if skipped > 0 { format!(" after {} of before", thousands(skipped)) } else { String::new() };
            let (rows, rate) = (thousands(rows), thousands(rate as u64));
            let bare = if without > 0 { format!(", {} without a text", thousands(without)) } else { String::new() };
            format!("{rows} rows are in `{}`{before}{bare}, on disk: {seconds:.1} s, {rate} rows/s\n", args.collection)
        },
    )
}

/// Reads a stream.
async fn stream(args: Args, out: Output) -> Result<()> {
    #[cfg(not(feature = "streams"))]
    return Err(Failure::Usage("this program was built without streams (feature `streams`)".to_owned()));
    #[cfg(feature = "streams")]
    {
        if args.source.as_ref().is_some_and(|name| name.len() > SOURCE_BYTES_MAX) {
            return Err(Failure::Usage(format!("--source: at most {SOURCE_BYTES_MAX} bytes")));
        }
        let client = args.server.connect().await?;
        let spec = described(&args, &client).await?;
        let (mapping, embedder) = (mapping(&args, &spec)?, embedder(&args, &spec)?);
        let Args { collection, id_field, source, .. } = args;
        let batch_ops = args.batch as usize;
        let task = stream::Task { client, collection, mapping, id_field, batch_ops, source, embedder };
        stream::run(&args.stream, task, out).await
    }
}

/// What the collection holds, created where it was asked for and is not there.
async fn described(args: &Args, client: &Client) -> Result<CollectionSpec> {
    if let Some(spec) = args.spec.spec()? {
        client.create_collection_if_absent(&args.collection, spec).await?;
    }
    Ok(client.describe_collection(&args.collection).await?.spec)
}

/// What makes vectors of a column of text, where that was asked for.
#[cfg(feature = "streams")]
fn embedder(args: &Args, spec: &CollectionSpec) -> Result<Option<Arc<embed::Embedder>>> {
    let fields: Vec<_> = spec.vectors.iter().map(|field| (field.name.clone(), field.size)).collect();
    args.embed.embedder(&fields)
}

fn mapping(args: &Args, spec: &CollectionSpec) -> Result<Mapping> {
    let fields = spec.vectors.iter().map(|field| &field.name[..]);
    Ok(Mapping::new(&args.maps, fields, args.id_field.as_deref())?
        .with_fields(VectorKind::Sparse, spec.sparse.iter().map(|field| &field.name[..]))
        .with_fields(VectorKind::Multi, spec.multi.iter().map(|field| &field.name[..])))
}

/// Copies a collection of another server.
async fn copy(source: Source, client: &Client, into: &str, out: Output) -> Result<()> {
    let started = Instant::now();
    let mut bar = None;
    let tell = |copied: copy::Copied| {
        let bar = bar.get_or_insert_with(|| Bar::new(&Extent::Rows(copied.total), 0));
        bar.reach(copied.there + copied.copied);
    };
    let done = copy::copy(&source, client, into, tell).await;
    if let Some(bar) = bar {
        bar.finish();
    }
    let done = done?;
    let seconds = started.elapsed().as_secs_f64();
    out.either(
        || json!({"points": done.copied, "there": done.there, "seconds": seconds}),
        || {
            let (copied, there) = (thousands(done.copied), thousands(done.there));
            let from = &source.collection;
            format!("{copied} points of `{from}` are in `{into}`, {there} were there before: {seconds:.1} s\n")
        },
    )
}

/// What the rows are remembered by: the name of the source, and as its partition what its files are, so that one that
/// has changed is another one.
fn named_source(args: &Args, file: &Path, files: &Files) -> Result<(String, String)> {
    let text = file.to_string_lossy();
    if text == "-" {
        let unnamed = || Failure::Usage("--resume: say with --source what standard input is read from".to_owned());
        return Ok((args.source.clone().ok_or_else(unnamed)?, files.identity(args.vectors.as_deref())?));
    }
    // A pattern, or a place in a bucket, is no path: its own text is its name.
    let full =
        || std::fs::canonicalize(file).map_or_else(|_| text.clone().into_owned(), |path| path.display().to_string());
    let name = args.source.clone().unwrap_or_else(full);
    if name.len() > SOURCE_BYTES_MAX {
        let why = format!("the source's name has {} bytes, at most {SOURCE_BYTES_MAX}", name.len());
        return Err(Failure::Usage(format!("--resume: {why}; give a shorter one with --source")));
    }
    Ok((name, files.identity(args.vectors.as_deref())?))
}

/// The source, with how many of its rows are in the collection.
async fn resumed(client: &Client, collection: &str, (source, partition): (String, String)) -> Result<IngestSource> {
    let known = client.source_positions(collection, &source).await?;
    let offset = known.iter().find(|one| one.partition == partition).map_or(0, |one| one.offset);
    Ok(IngestSource { source, partition, offset })
}

/// The field that files of vectors go into: the one that was named, or the only one.
fn vector_field(args: &Args, wanted: bool, fields: &[&str]) -> Result<String> {
    let known = fields.join(", ");
    match (&args.vector_field, fields) {
        (Some(name), _) if fields.contains(&&name[..]) => Ok(name.clone()),
        (Some(name), _) => Err(Failure::Usage(format!(
            "--vector-field {name}: `{}` has no such vector field, only: {known}",
            args.collection
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) if args.vectors.is_none() && !wanted => Ok(String::new()),
        (None, _) => Err(Failure::Usage(format!("say with --vector-field which one the vectors are: {known}"))),
    }
}

async fn open(path: &Path, files: Files, options: Options, mapping: Mapping) -> Result<Rows> {
    // Skipping rows of a compressed file reads them: not on a thread that others wait for.
    let opened = tokio::task::spawn_blocking(move || files.open(options, mapping)).await;
    opened.unwrap_or_else(|_| Err(wrong(path, Place::Whole, "the file is too damaged to read")))
}

type Chunk = Result<Vec<Point>>;

/// Reads the source on a thread of its own; the last chunk may be an error.
fn read(path: PathBuf, rows: Rows) -> mpsc::Receiver<Chunk> {
    let (chunks, points) = mpsc::channel(CHUNKS_AHEAD);
    let last = chunks.clone();
    tokio::spawn(async move {
        let reader = tokio::task::spawn_blocking(move || read_all(rows, &chunks));
        // A foreign parser that panics on a damaged file is an error of the file.
        if reader.await.is_err() {
            let _ = last.send(Err(wrong(&path, Place::Whole, "the file is too damaged to read"))).await;
        }
    });
    points
}

fn read_all(rows: Rows, chunks: &mpsc::Sender<Chunk>) {
    let mut chunk = Vec::with_capacity(CHUNK_POINTS);
    for point in rows {
        match point {
            Ok(point) => chunk.push(point),
            Err(error) => {
                // What came before the error goes in first: it is reported as in.
                let _ = chunks.blocking_send(Ok(chunk)).and_then(|()| chunks.blocking_send(Err(error)));
                return;
            }
        }
        if chunk.len() == CHUNK_POINTS && chunks.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
            return;
        }
    }
    let _ = chunks.blocking_send(Ok(chunk));
}

/// Sends everything. Whatever ends it early, what was acknowledged is said.
async fn pour(
    client: &Client,
    collection: &str,
    options: IngestOptions,
    mut points: mpsc::Receiver<Chunk>,
    before: u64,
    bar: &Bar,
) -> Result<IngestSummary> {
    let mut ingest = client.ingest(collection, options);
    let progress = ingest.watch();
    let reporter = tokio::spawn(report(progress.clone(), bar.clone()));
    let mut stopped = None;
    let interrupt = interrupted();
    tokio::pin!(interrupt);
    let failed = 'all: loop {
        let chunk = tokio::select! {
            chunk = points.recv() => chunk,
            () = &mut interrupt => Some(Err(Failure::Interrupted)),
        };
        match chunk {
            None => break None,
            Some(Err(error)) => {
                stopped = Some(error.to_string());
                break None;
            }
            Some(Ok(chunk)) => {
                for point in chunk {
                    if let Err(error) = ingest.send(point).await {
                        break 'all Some(error);
                    }
                }
            }
        }
        if ingest.progress().first_refused.is_some() {
            break None;
        }
    };
    let outcome = match failed {
        Some(error) => Err(error),
        None => ingest.finish().await,
    };
    reporter.abort();
    let reached = *progress.borrow();
    bar.reach(reached.ops);
    let rows_in = before + reached.ops - reached.refused;
    let why = match (&outcome, stopped) {
        (Err(error), _) => error.to_string(),
        (Ok(summary), stopped) => match summary.refusals.first() {
            Some(refusal) => {
                let first = before + refusal.first_op;
                let last = first + refusal.ops.saturating_sub(1);
                format!("rows {first} to {last} were refused: {}", refusal.message)
            }
            None => match stopped {
                Some(why) => why,
                None => return Ok(outcome?),
            },
        },
    };
    Err(Failure::Stopped { why, rows_in })
}

/// Draws the bar until it is ended.
async fn report(progress: watch::Receiver<IngestProgress>, bar: Bar) {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    loop {
        ticks.tick().await;
        bar.reach(progress.borrow().ops);
    }
}
