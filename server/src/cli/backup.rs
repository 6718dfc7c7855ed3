//! `nigh backup`, `backups`, `restore`: by a server, to and from the targets that it was started with; or without
//! one, on a data directory that nobody serves (`--data`, `--place`).

use crate::cli::Server;
use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, bytes, thousands};
use crate::cli::versions::moment;
use indicatif::{ProgressBar, ProgressStyle};
use nigh_client::backups::{BackedUp, Backup, Progress, Restore, Restored, Until};
use nigh_index::filter::datetime;
use nigh_server::config::Limits;
use nigh_server::engine::{self, Engine, target::Target};
use nigh_storage::archive;
use nigh_storage::disk::FsDisk;
use nigh_storage::store::{Options, Store};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Where backups are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Where {
    /// The target, as the server calls it; may be left out where it has one
    #[arg(long, value_name = "NAME", default_value = "", conflicts_with = "place")]
    target: String,
    /// Without a server: the directory of the backups
    #[arg(long, value_name = "DIR")]
    place: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Copies collections to a backup target; what is there already is not copied again. Ends with 1 where one is left out.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Make {
    /// A collection; all of them where none is named
    #[arg(long = "collection", short = 'c', value_name = "COLLECTION")]
    collections: Vec<String>,
    #[command(flatten)]
    at: Where,
    /// Without a server: the data directory
    #[arg(long, value_name = "DIR", requires = "place")]
    data: Option<PathBuf>,
}

/// Lists the backups of a target, or drops one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    at: Where,
    /// Drops this backup, and the files that no other one holds
    #[arg(long, value_name = "BACKUP")]
    drop: Option<String>,
}

/// Makes a new collection of a backup, and of the archived log behind it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Bring {
    /// The collection, as the backup calls it
    #[arg(long, short)]
    collection: String,
    /// The new collection's name, which must be free; the same where it is left out
    #[arg(long, value_name = "NAME", default_value = "")]
    into: String,
    /// The backup; the newest that fits where it is left out
    #[arg(long, value_name = "BACKUP", default_value = "")]
    backup: String,
    /// Up to this operation, by the archived log
    #[arg(long, value_name = "SEQ", group = "until")]
    seq: Option<u64>,
    /// Up to this time (2026-01-31T12:00:00Z), by the archived log
    #[arg(long, value_name = "TIME", group = "until")]
    time: Option<String>,
    /// As far as the archived log reaches
    #[arg(long, group = "until")]
    newest: bool,
    #[command(flatten)]
    at: Where,
    /// Without a server: the data directory
    #[arg(long, value_name = "DIR", requires = "place")]
    data: Option<PathBuf>,
}

pub(crate) async fn make(args: Make, out: Output) -> Result<()> {
    let bar = bar();
    let made = match (&args.at.place, &args.data) {
        (Some(place), Some(data)) => {
            let (target, engine) = (open(place)?, attached(data, true).await?);
            let told = bar.clone();
            let seen = Box::new(move |progress: &engine::backup::Progress| {
                told.set_length(progress.bytes.1);
                told.set_position(progress.bytes.0);
                true
            });
            let made = engine.backup(&target, args.collections, seen, std::future::pending()).await;
            closed(engine).await;
            listed(made?)
        }
        (Some(_), None) => {
            return Err(Failure::Usage("--place without a server: say the directory with --data".to_owned()));
        }
        _ => {
            let transfer = args.at.server.connect().await?.backup(&args.at.target, args.collections).await?;
            transfer.done(|progress| shown(&bar, progress)).await?
        }
    };
    bar.finish_and_clear();
    out.either(|| backup_json(&made), || backup_text(out, &made))?;
    match made.left_out.len() {
        0 => Ok(()),
        left_out => Err(Failure::LeftOut { id: made.id, left_out }),
    }
}

pub(crate) async fn list(args: List, out: Output) -> Result<()> {
    if let Some(id) = &args.drop {
        let freed = match &args.at.place {
            Some(place) => open(place)?.drop_backup(id).await?,
            None => args.at.server.connect().await?.drop_backup(&args.at.target, id).await?,
        };
        return out
            .either(|| json!({"bytes_freed": freed}), || format!("`{id}` is dropped, {} came free\n", bytes(freed)));
    }
    let all = match &args.at.place {
        Some(place) => open(place)?.backups().await?.into_iter().map(listed).collect(),
        None => args.at.server.connect().await?.backups(&args.at.target).await?,
    };
    out.either(|| all.iter().map(backup_json).collect(), || all.iter().map(|one| backup_text(out, one)).collect())
}

pub(crate) async fn bring(args: Bring, out: Output) -> Result<()> {
    let until = until(&args)?;
    let bar = bar();
    let done = match (&args.at.place, &args.data) {
        (Some(place), Some(data)) => {
            let (target, engine) = (open(place)?, attached(data, false).await?);
            let asked = engine::restore::Restore {
                backup: args.backup,
                collection: args.collection,
                into: args.into,
                until: match until {
                    Until::Backup => archive::Until::Backup,
                    Until::Seq(seq) => archive::Until::Seq(seq),
                    Until::TimeMs(time_ms) => archive::Until::TimeMs(time_ms),
                    Until::Newest => archive::Until::Newest,
                },
            };
            let told = bar.clone();
            let seen = Box::new(move |progress: &engine::backup::Progress| {
                told.set_length(progress.bytes.1);
                told.set_position(progress.bytes.0);
                true
            });
            let done = engine.clone().restore(target, asked, seen).await;
            closed(engine).await;
            let done = done?;
            let (seq, points) = (done.restored.seq, done.restored.points);
            Restored { backup: done.backup, collection: done.collection, seq, points }
        }
        (Some(_), None) => {
            return Err(Failure::Usage("--place without a server: say the directory with --data".to_owned()));
        }
        _ => {
            let Bring { collection, into, backup, .. } = args;
            let restore = Restore { target: args.at.target, backup, collection, into, until };
            args.at.server.connect().await?.restore(restore).await?.done(|progress| shown(&bar, progress)).await?
        }
    };
    bar.finish_and_clear();
    out.either(
        || json!({"backup": done.backup, "collection": done.collection, "seq": done.seq, "points": done.points}),
        || {
            let (points, name) = (thousands(done.points), out.bold(&done.collection));
            format!("{name}  {points} points, up to seq {}, of backup {}\n", done.seq, done.backup)
        },
    )
}

fn until(args: &Bring) -> Result<Until> {
    Ok(match (&args.time, args.seq) {
        (Some(text), _) => {
            let micros = datetime::micros(text);
            let micros =
                micros.ok_or_else(|| Failure::Usage(format!("--time {text}: a time is 2026-01-31T12:00:00Z")))?;
            Until::TimeMs(u64::try_from(micros.div_euclid(1000)).unwrap_or(0))
        }
        (None, Some(seq)) => Until::Seq(seq),
        (None, None) if args.newest => Until::Newest,
        (None, None) => Until::Backup,
    })
}

fn open(place: &str) -> Result<Arc<Target>> {
    Ok(Arc::new(Target::open("place", place)?))
}

/// The engine over a data directory that nobody else has open.
async fn attached(data: &std::path::Path, opened: bool) -> Result<Arc<Engine>> {
    let (root, options) = (data.to_owned(), Options { background: false, ..Options::default() });
    let work = move || {
        let store = Store::attach(Arc::new(FsDisk), &root, options).map_err(nigh_server::serve::Error::from)?;
        let engine = Engine::new(store, root, Limits::default());
        if opened {
            engine.open_all();
        }
        Ok(Arc::new(engine))
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Failure::Usage("the data directory cannot be opened".to_owned())))
}

async fn closed(engine: Arc<Engine>) {
    // What was written is on disk already; a failure here loses nothing.
    let _ = tokio::task::spawn_blocking(move || engine.close()).await;
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {decimal_bytes}/{decimal_total_bytes}  {msg}  {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn shown(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.bytes.1);
    bar.set_position(progress.bytes.0);
    bar.set_message(progress.collection.clone());
}

fn listed(backup: engine::backup::Summary) -> Backup {
    let collection = |one: engine::backup::CollectionSummary| BackedUp {
        name: one.name,
        seq: one.seq,
        seq_time_ms: one.seq_time_ms,
        points: one.points,
        bytes: one.bytes,
    };
    let collections = backup.collections.into_iter().map(collection).collect();
    Backup { id: backup.id, time_ms: backup.time_ms, collections, broken: backup.broken, left_out: backup.left_out }
}

fn backup_json(backup: &Backup) -> Value {
    let collection = |one: &BackedUp| json!({"name": one.name, "seq": one.seq, "seq_time_ms": one.seq_time_ms, "points": one.points, "bytes": one.bytes});
    let collections: Vec<Value> = backup.collections.iter().map(collection).collect();
    let left_out = |(name, reason): &(String, String)| json!({"name": name, "reason": reason});
    let left_out: Vec<Value> = backup.left_out.iter().map(left_out).collect();
    json!({"id": backup.id, "time_ms": backup.time_ms, "collections": collections, "broken": backup.broken,
        "left_out": left_out})
}

fn backup_text(out: Output, backup: &Backup) -> String {
    if backup.broken {
        return format!("{}  BROKEN\n", backup.id);
    }
    let mut text = format!("{}  {}\n", out.bold(&backup.id), moment(backup.time_ms));
    for one in &backup.collections {
        let (points, size) = (thousands(one.points), bytes(one.bytes));
        text.push_str(&format!("  {}  seq {}, {points} points, {size}\n", one.name, one.seq));
    }
    for (name, reason) in &backup.left_out {
        text.push_str(&format!("  {name}  LEFT OUT: {reason}\n"));
    }
    text
}
