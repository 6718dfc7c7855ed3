//! `nigh verify`: reads every byte of a data directory that nobody serves, and says what is damaged.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, bytes, thousands};
use nigh_storage::disk::FsDisk;
use nigh_storage::verify::{CollectionReport, FileReport, Found, Report, verify};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Reads every file of a data directory that is not being served, and says which are damaged, and where. Changes
/// nothing. Ends with 1 where something is damaged.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory
    #[arg(env = "NIGH__DATA__DIR", value_name = "DIR")]
    data: PathBuf,
    /// Only this collection
    #[arg(long, short)]
    collection: Option<String>,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let task = tokio::task::spawn_blocking(move || look(&args, out));
    let (report, seen) =
        task.await.map_err(|err| Failure::Usage(format!("the look did not come to its end: {err}")))??;
    out.either(|| report_json(&report, &seen), || report_text(out, &report))?;
    match report.damaged {
        0 => Ok(()),
        damaged => Err(Failure::Damaged { damaged, files: report.files }),
    }
}

/// What is worth a word is said at once; the rest is counted.
fn look(args: &Args, out: Output) -> Result<(Report, Vec<FileReport>)> {
    let (mut seen, mut said) = (Vec::new(), Ok(()));
    let report = verify(&FsDisk, &args.data, args.collection.as_deref(), &mut |file| {
        if !matches!(file.found, Found::Whole { .. }) {
            let line = file_text(out, file);
            said = std::mem::replace(&mut said, Ok(())).and_then(|()| out.say(&line));
            seen.push(file.clone());
        }
    });
    let report = report.map_err(nigh_server::serve::Error::from)?;
    said.map(|()| (report, seen))
}

fn file_text(out: Output, file: &FileReport) -> String {
    let path = file.path.display();
    match &file.found {
        Found::Whole { bytes } => format!("whole    {path}, {bytes} bytes\n"),
        Found::Note(note) => format!("note     {path}: {note}\n"),
        Found::Damaged { at: Some(at), why } => format!("{}  {path} at byte {at}: {why}\n", out.bold("DAMAGED")),
        Found::Damaged { at: None, why } => format!("{}  {path}: {why}\n", out.bold("DAMAGED")),
    }
}

fn report_text(out: Output, report: &Report) -> String {
    let one = |one: &CollectionReport| {
        let holds = match one.holds {
            Some((points, seq)) => format!("whole, {} points at operation {seq}", thousands(points)),
            None => format!("{} damaged", thousands(one.damaged)),
        };
        format!("{}  {holds}, {} segments, folder {}\n", out.bold(&one.name), one.segments, one.folder)
    };
    let all: String = report.collections.iter().map(one).collect();
    let verdict = match report.damaged {
        0 => "all of them whole".to_owned(),
        damaged => format!("{} damaged", thousands(damaged)),
    };
    format!("{all}{} files, {}, {verdict}\n", thousands(report.files), bytes(report.bytes))
}

fn report_json(report: &Report, seen: &[FileReport]) -> Value {
    let file = |file: &FileReport| {
        let (at, why) = match &file.found {
            Found::Whole { .. } => (None, ""),
            Found::Note(note) => (None, &note[..]),
            Found::Damaged { at, why } => (*at, &why[..]),
        };
        json!({"collection": file.collection, "file": file.path.display().to_string(), "byte": at, "why": why})
    };
    let of = |damaged: bool| -> Vec<Value> {
        seen.iter().filter(|one| matches!(one.found, Found::Damaged { .. }) == damaged).map(file).collect()
    };
    let collection = |one: &CollectionReport| {
        let (points, seq) = one.holds.unzip();
        json!({
            "collection": one.name, "folder": one.folder, "segments": one.segments, "damaged": one.damaged,
            "points": points, "seq": seq,
        })
    };
    let collections: Vec<Value> = report.collections.iter().map(collection).collect();
    json!({
        "whole": report.damaged == 0, "files": report.files, "bytes": report.bytes, "damaged": of(true),
        "notes": of(false), "collections": collections,
    })
}
