//! `nigh import`: a file into a collection, in order, resumable, as fast as the server takes it.
//!
//! One thread reads and parses; the client keeps several batches on their way and says how far
//! everything is on disk. Only that is ever reported, drawn in the bar or noted in the state file.

use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::mapping::Mapping;
use crate::cli::output::{Output, thousands};
use crate::cli::progress::Bar;
use crate::cli::source::{Format, Opening, Source, wrong};
use crate::cli::state::{Import, State};
use crate::cli::{Server, spec};
use nigh_client::ingest::IngestProgress;
use nigh_client::{Client, IngestOptions, IngestSummary, Point};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Points that the reader hands over at a time, and how often it may be ahead.
const CHUNK_POINTS: usize = 128;
const CHUNKS_AHEAD: usize = 4;
/// How often the bar is drawn and the state noted.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Reads points from a file into a collection.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The file: Parquet, JSON Lines (also .gz) or .npy; `-` reads JSON Lines from standard input
    file: PathBuf,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    spec: spec::Args,
    /// The file's format, where its name does not tell
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A .npy file (f16, f32, f64 or u8) with one vector for each line
    #[arg(long, value_name = "FILE.npy")]
    vectors: Option<PathBuf>,
    /// The vector field that a .npy file goes into; may be left out where the collection has one
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
    /// Notes in this file how far the import is, and goes on there
    #[arg(long, value_name = "STATE-FILE")]
    resume: Option<PathBuf>,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let format = match args.format.or_else(|| Format::of(&args.file)) {
        Some(format) => format,
        None if args.file.as_os_str() == "-" => Format::Jsonl,
        None => return Err(Failure::Usage(format!("{}: say its format with --format", args.file.display()))),
    };
    if args.vectors.is_some() && format != Format::Jsonl {
        return Err(Failure::Usage("--vectors stands beside JSON Lines only".to_owned()));
    }
    let mut state = State::open(args.resume.clone(), identity(&args)?)?;
    let client = args.server.connect().await?;
    if let Some(spec) = args.spec.spec()? {
        client.create_collection_if_absent(&args.collection, spec).await?;
    }
    let fields = client.describe_collection(&args.collection).await?.spec.vectors;
    let fields: Vec<&str> = fields.iter().map(|field| &field.name[..]).collect();
    let vector_field = vector_field(&args, format, &fields)?;
    let mapping = Mapping::new(&args.maps, fields.iter().copied(), args.id_field.as_deref())?;
    let opening =
        Opening { path: args.file.clone(), format, vectors: args.vectors.clone(), vector_field, skip: state.rows() };
    let (source, mapping) = open(opening, mapping).await?;

    let started = Instant::now();
    let bar = Bar::new(&source.extent, state.rows());
    let skipped = state.rows();
    let points = read(args.file.clone(), source, mapping);
    let options = IngestOptions { batch_ops: args.batch as usize, ..IngestOptions::default() };
    let done = pour(&client, &args.collection, options, points, &mut state, &bar).await;
    bar.finish();
    let summary = done?;
    let rows = summary.progress.ops;
    let seconds = started.elapsed().as_secs_f64();
    let rate = rows as f64 / seconds.max(1e-9);
    let seq = summary.progress.seq;
    out.either(
        || json!({"rows": rows, "skipped": skipped, "seq": seq, "seconds": seconds, "rows_per_second": rate}),
        || {
            let before = if skipped > 0 { format!(" after {} of before", thousands(skipped)) } else { String::new() };
            let (rows, rate) = (thousands(rows), thousands(rate as u64));
            format!("{rows} rows are in `{}`{before}, on disk: {seconds:.1} s, {rate} rows/s\n", args.collection)
        },
    )
}

/// Which import a state file speaks of.
fn identity(args: &Args) -> Result<Import> {
    let (source, bytes) = match args.file.as_os_str() == "-" {
        true => (args.file.clone(), 0),
        false => {
            let source = std::fs::canonicalize(&args.file).map_err(doing("open", &args.file))?;
            let bytes = std::fs::metadata(&source).map_err(doing("open", &args.file))?.len();
            (source, bytes)
        }
    };
    Ok(Import { collection: args.collection.clone(), source, bytes })
}

/// The field that a `.npy` file goes into: the one that was named, or the only one.
fn vector_field(args: &Args, format: Format, fields: &[&str]) -> Result<String> {
    let known = fields.join(", ");
    match (&args.vector_field, fields) {
        (Some(name), _) if fields.contains(&&name[..]) => Ok(name.clone()),
        (Some(name), _) => Err(Failure::Usage(format!(
            "--vector-field {name}: `{}` has no such vector field, only: {known}",
            args.collection
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) if args.vectors.is_none() && format != Format::Npy => Ok(String::new()),
        (None, _) => Err(Failure::Usage(format!("say with --vector-field which one the vectors are: {known}"))),
    }
}

async fn open(opening: Opening, mapping: Mapping) -> Result<(Source, Mapping)> {
    let path = opening.path.clone();
    // Skipping rows of a compressed file reads them: not on a thread that others wait for.
    let opened = tokio::task::spawn_blocking(move || Ok((opening.open(&mapping)?, mapping))).await;
    opened.unwrap_or_else(|_| Err(wrong(&path, Place::Whole, "the file is too damaged to read")))
}

type Chunk = Result<Vec<Point>>;

/// Reads the source on a thread of its own; the last chunk may be an error.
fn read(path: PathBuf, source: Source, mapping: Mapping) -> mpsc::Receiver<Chunk> {
    let (chunks, points) = mpsc::channel(CHUNKS_AHEAD);
    let last = chunks.clone();
    tokio::spawn(async move {
        let named = path.clone();
        let reader = tokio::task::spawn_blocking(move || read_all(&named, source, &mapping, &chunks));
        // A foreign parser that panics on a damaged file is an error of the file.
        if reader.await.is_err() {
            let _ = last.send(Err(wrong(&path, Place::Whole, "the file is too damaged to read"))).await;
        }
    });
    points
}

fn read_all(path: &Path, source: Source, mapping: &Mapping, chunks: &mpsc::Sender<Chunk>) {
    let mut chunk = Vec::with_capacity(CHUNK_POINTS);
    for record in source.records {
        let point = record.and_then(|record| {
            let place = record.place;
            mapping.point(record).map_err(|why| wrong(path, place, why))
        });
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

/// Sends everything, and notes how far it is. Whatever ends it early, what was acknowledged is
/// said and kept.
async fn pour(
    client: &Client,
    collection: &str,
    options: IngestOptions,
    mut points: mpsc::Receiver<Chunk>,
    state: &mut State,
    bar: &Bar,
) -> Result<IngestSummary> {
    let before = state.rows();
    let mut ingest = client.ingest(collection, options);
    let progress = ingest.watch();
    let reporter = tokio::spawn(report(progress.clone(), state.clone(), bar.clone()));
    let mut stopped = None;
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let failed = 'all: loop {
        let chunk = tokio::select! {
            chunk = points.recv() => chunk,
            _ = &mut interrupt => Some(Err(Failure::Usage("interrupted".to_owned()))),
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
    state.save(before + in_a_row(reached))?;
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

/// Rows without a gap: what a later run need not send again.
fn in_a_row(progress: IngestProgress) -> u64 {
    progress.first_refused.map_or(progress.ops, |refused| refused.min(progress.ops))
}

/// Draws the bar and notes the state until it is ended. A state that cannot be noted costs time
/// at a resumption, no data; the last note, made by the importer, is the one that may fail.
async fn report(progress: watch::Receiver<IngestProgress>, mut state: State, bar: Bar) {
    let before = state.rows();
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    loop {
        ticks.tick().await;
        let reached = *progress.borrow();
        bar.reach(reached.ops);
        let saved = tokio::task::spawn_blocking(move || {
            let _ = state.save(before + in_a_row(reached));
            state
        });
        match saved.await {
            Ok(same) => state = same,
            Err(_) => return,
        }
    }
}
