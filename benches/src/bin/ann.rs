//! Vectors alone, without a server: build, effort, recall and speed on real data.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin ann -- [--threads 1,2] [--rounds 5] [--out FOLDER] [fashion] [passages]
//! ```
//!
//! prints Markdown, and with `--out` writes JSON and a picture too. One thread asks, one query at a time. The index is
//! built once for each number of threads, and must come out the same. `--serve` builds one index and then obeys a
//! driver on its standard input (`nigh_benches::service`), so that contestants can alternate.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use clap::Parser;
use nigh_benches::build::{Choice, Index};
use nigh_benches::data::Set;
use nigh_benches::error::Result;
use nigh_benches::measure::{Quiz, TARGETS, by, planned, sweep};
use nigh_benches::report::Report;
use nigh_benches::{filters, service};
use nigh_index::params::Route;
use std::path::PathBuf;

/// The efforts of the sweep: widths of the search, or lists scanned.
const EFFORTS: [u32; 28] = [
    1, 2, 4, 6, 8, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 400, 512, 640, 800,
];

#[derive(Parser)]
struct Args {
    /// Threads to build with; several numbers build several times, and the bytes must be the same.
    #[arg(long, value_delimiter = ',', default_values_t = [2])]
    threads: Vec<usize>,
    #[command(flatten)]
    choice: Choice,
    /// Queries to ask, at most.
    #[arg(long, default_value_t = 1000)]
    queries: usize,
    /// How often everything is asked.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave the filters out.
    #[arg(long)]
    no_filters: bool,
    /// A folder for JSON and pictures.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Build one set and obey a driver.
    #[arg(long)]
    serve: bool,
    /// Data sets: fashion, passages.
    #[arg(default_values = ["fashion", "passages"])]
    sets: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.serve {
        let set = Set::read(&args.sets[0])?;
        let index = Index::build(&set, &args.choice, args.threads[0])?;
        return service::obey(&set, &index, std::io::stdin().lock(), std::io::stdout().lock());
    }
    for name in &args.sets {
        let set = Set::read(name)?;
        let report = measure(&set, &args)?;
        println!("{}", report.markdown());
        if let Some(folder) = &args.out {
            report.write(folder)?;
        }
    }
    Ok(())
}

fn measure<'a>(set: &'a Set, args: &'a Args) -> Result<Report<'a>> {
    let mut builds = Vec::new();
    let mut last = None;
    for threads in &args.threads {
        drop(last.take());
        let index = Index::build(set, &args.choice, *threads)?;
        builds.push(index.cost.clone());
        last = Some(index);
    }
    if builds.windows(2).any(|two| two[0].hash != two[1].hash) {
        return Err(format!("the bytes depend on the number of threads: {builds:?}").into());
    }
    let sealed = &last.ok_or("no number of threads is given")?.sealed;
    let quiz = Quiz { queries: &set.queries, floors: &set.floors, asked: args.queries, allowed: None };
    let plans = EFFORTS.map(|ef| by(args.choice.route(), ef));
    let [ninety, ninety_five, ninety_nine] = TARGETS.map(|recall| planned(sealed, None, Some(recall)));
    let calibrated = TARGETS.map(|recall| format!("{recall} by ef {}", planned(sealed, None, Some(recall)).ef));
    let besides = [planned(sealed, None, None), by(Route::Exact, 0), ninety, ninety_five, ninety_nine];
    let filters = if args.no_filters { Vec::new() } else { filters::read(set)? };
    Ok(Report {
        set,
        choice: &args.choice,
        builds,
        calibrated: calibrated.join(", "),
        points: sweep(sealed, &quiz, &plans, args.rounds),
        besides: sweep(sealed, &quiz, &besides, 1),
        filtered: filters.iter().flat_map(|filter| filters::measure(sealed, &quiz, filter)).collect(),
    })
}
