//! `nigh eval`: how good a collection answers questions whose answers were judged.
//!
//! ```text
//! queries + judgements -> one ranking a query of every way (dense, text, fusions) -> measures with intervals
//!                         where there are training queries: the fusion is tuned on those alone
//! ```
//!
//! Every ranking comes from the server, the tuned one too: what is measured is what users get.

mod judged;
mod measure;
mod tune;

use crate::cli::Server;
use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::output::Output;
use crate::cli::source::{npy::Npy, wrong};
use judged::{Judged, Question};
use measure::{Interval, MEASURES, Measured};
use nigh_client::point::Wanted;
use nigh_client::{Client, Fusion, PointId, Query, Retriever, Scale};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinSet;
use tune::{Scored, Weighted};

/// Queries that are on their way at once.
const AT_ONCE: usize = 4;

/// Measures how well a collection answers judged questions, and tunes the fusion of words and meaning.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    /// The questions: JSON Lines, gzip-compressed or not
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// The judgements: TREC qrels, or three columns with a heading, or JSON Lines with `query`, `doc` and `relevance`
    #[arg(long, value_name = "FILE")]
    qrels: PathBuf,
    /// The vectors of the questions, row by row; without them only words are measured
    #[arg(long, value_name = "FILE.npy")]
    vectors: Option<PathBuf>,
    /// The key of a question's name
    #[arg(long, value_name = "KEY", default_value = "_id")]
    id_field: String,
    /// The key of a question's text
    #[arg(long, value_name = "KEY", default_value = "text")]
    words_field: String,
    /// The payload key that judgements name documents by; the point's id where it is left out
    #[arg(long, value_name = "KEY")]
    doc_field: Option<String>,
    /// The vector field; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "")]
    vector_field: String,
    /// The text field; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "")]
    text_field: String,
    /// Only these questions count, such as split=test
    #[arg(long, value_name = "KEY=VALUE")]
    only: Option<String>,
    /// Tune the fusion on these questions, such as split=train; none of them may be among the others
    #[arg(long, value_name = "KEY=VALUE")]
    tune: Option<String>,
    /// Hits that are judged
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    k: u32,
    /// Hits of each retriever that are fused
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    depth: u32,
    /// Keep the measures of every question in this file, to compare with later
    #[arg(long, value_name = "FILE.json")]
    save: Option<PathBuf>,
    /// Compare with a run that was kept; ends with 3 where a way has become worse beyond chance
    #[arg(long, value_name = "FILE.json")]
    against: Option<PathBuf>,
    /// End with 3 where the nDCG of a way is below this, such as rrf=0.70
    #[arg(long, value_name = "WAY=NDCG")]
    at_least: Vec<String>,
}

/// One way of asking.
#[derive(Clone, PartialEq, Debug)]
enum Way {
    Dense,
    Text,
    Fused(Weighted),
}

/// What a way came to: its name, and the measures of every question in their order.
struct Run {
    name: String,
    measured: Vec<Measured>,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let questions = questions(&args)?;
    let (asked, tuned_on) = split(&args, questions)?;
    let client = args.server.connect().await?;
    let asker = Arc::new(Asker::new(client, &args));

    let mut ways = vec![("text".to_owned(), Way::Text)];
    if args.vectors.is_some() {
        ways.insert(0, ("dense".to_owned(), Way::Dense));
        for (name, fusion) in [
            ("rrf", Fusion::default()),
            ("linear", Fusion::Scores(Scale::MinMax)),
            ("dbsf", Fusion::Scores(Scale::Distribution)),
        ] {
            ways.push((name.to_owned(), Way::Fused(Weighted::evenly(fusion))));
        }
    }
    let mut tuned = None;
    if !tuned_on.is_empty() {
        let dense = rankings(&asker, &Way::Dense, &tuned_on, args.depth).await?;
        let text = rankings(&asker, &Way::Text, &tuned_on, args.depth).await?;
        let best = tune::best(&tuned_on, &dense, &text, args.k as usize);
        ways.push(("tuned".to_owned(), Way::Fused(best.fusion.clone())));
        tuned = Some(best);
    }
    let mut runs = Vec::new();
    for (name, way) in ways {
        let found = rankings(&asker, &way, &asked, args.k).await?;
        let names = |scored: &Scored| scored.iter().map(|one| one.0.clone()).collect::<Vec<String>>();
        let measured =
            asked.iter().zip(&found).map(|(one, found)| Measured::of(&names(found), &one.judged, args.k as usize));
        runs.push(Run { name, measured: measured.collect() });
    }
    let before = args.against.as_ref().map(read_runs).transpose()?;
    let report = report(&args, &asked, &runs, tuned, before.as_ref());
    if let Some(path) = &args.save {
        let text = serde_json::to_vec_pretty(&kept(&asked, &runs)).expect("numbers and names are JSON");
        std::fs::write(path, text).map_err(doing("write", path))?;
    }
    out.either(|| report.json.clone(), || report.text.clone())?;
    let mut worse = report.worse;
    worse.extend(below(&args, &runs)?);
    if worse.is_empty() { Ok(()) } else { Err(Failure::Worse(worse.join("; "))) }
}

fn questions(args: &Args) -> Result<Vec<Question>> {
    let judged = Judged::read(&args.qrels)?;
    let mut questions = judged::questions(&args.queries, &args.id_field, &args.words_field, &judged)?;
    if let Some(path) = &args.vectors {
        let mut rows = Npy::open(path)?;
        for question in &mut questions {
            rows.seek(question.row)?;
            let count = rows.rows();
            let Some(vector) = rows.read()? else {
                let why = format!("has {count} rows, and question {} is in row {}", question.id, question.row);
                return Err(wrong(path, Place::Whole, why));
            };
            question.vector = vector;
        }
    }
    Ok(questions)
}

/// The questions that count, and those that are tuned on.
fn split(args: &Args, questions: Vec<Question>) -> Result<(Vec<Question>, Vec<Question>)> {
    let chosen = |text: &Option<String>| match text.as_deref().map(|text| text.split_once('=').ok_or(text)) {
        None => Ok(None),
        Some(Ok((key, value))) => Ok(Some((key.to_owned(), value.to_owned()))),
        Some(Err(text)) => Err(Failure::Usage(format!("`{text}` is no KEY=VALUE"))),
    };
    let (only, tune) = (chosen(&args.only)?, chosen(&args.tune)?);
    if tune.is_some() && args.vectors.is_none() {
        return Err(Failure::Usage("to tune a fusion takes --vectors".to_owned()));
    }
    let has = |question: &Question, wanted: &Option<(String, String)>| match wanted {
        None => true,
        Some((key, value)) => question.has(key, value),
    };
    let mut asked = Vec::new();
    let mut tuned_on = Vec::new();
    for question in questions {
        match (has(&question, &only), tune.is_some() && has(&question, &tune)) {
            (true, true) => {
                let id = question.id;
                return Err(Failure::Usage(format!("question {id} is to be tuned on and to be measured: split them")));
            }
            (true, false) => asked.push(question),
            (false, true) => tuned_on.push(question),
            (false, false) => {}
        }
    }
    if asked.is_empty() {
        return Err(Failure::Usage("no judged question is left to ask".to_owned()));
    }
    if tune.is_some() && tuned_on.is_empty() {
        return Err(Failure::Usage("no judged question is left to tune on".to_owned()));
    }
    Ok((asked, tuned_on))
}

/// Asks the server.
struct Asker {
    client: Client,
    collection: String,
    vector_field: String,
    text_field: String,
    doc_field: Option<String>,
    depth: u32,
}

impl Asker {
    fn new(client: Client, args: &Args) -> Self {
        Self {
            client,
            collection: args.collection.clone(),
            vector_field: args.vector_field.clone(),
            text_field: args.text_field.clone(),
            doc_field: args.doc_field.clone(),
            depth: args.depth,
        }
    }

    /// The documents that are found, best first, with their scores.
    async fn ask(&self, way: Way, words: String, vector: Vec<f32>, limit: u32) -> Result<Scored> {
        let dense = || Retriever::dense(&self.vector_field, vector.clone());
        let text = || Retriever::text(&self.text_field, words.clone());
        let mut query = Query::default().limit(limit);
        query = match way {
            Way::Dense => query.with(dense()),
            Way::Text => query.with(text()),
            Way::Fused(weighted) => {
                query.fusion = weighted.fusion;
                let (mut dense, mut text) = (dense(), text());
                (dense.weight, text.weight) = (weighted.dense, weighted.text);
                (dense.limit, text.limit) = (self.depth, self.depth);
                query.with(dense).with(text)
            }
        };
        let wanted = match &self.doc_field {
            Some(key) => Wanted::only([key]),
            None => Wanted::Nothing,
        };
        let reply = self.client.query(&self.collection, query.payload(wanted)).await?;
        Ok(reply.hits.into_iter().map(|hit| (self.document(hit.id, &hit.payload), hit.score)).collect())
    }

    fn document(&self, id: PointId, payload: &Value) -> String {
        match &self.doc_field {
            None => id.to_string(),
            Some(key) => match &payload[key] {
                Value::String(name) => name.clone(),
                other => other.to_string(),
            },
        }
    }
}

/// The ranking of every question, a few at a time.
async fn rankings(asker: &Arc<Asker>, way: &Way, questions: &[Question], limit: u32) -> Result<Vec<Scored>> {
    let mut found: Vec<Scored> = vec![Scored::new(); questions.len()];
    let mut running = JoinSet::new();
    let mut waiting = questions.iter().enumerate();
    loop {
        while running.len() < AT_ONCE
            && let Some((at, question)) = waiting.next()
        {
            let (asker, words, vector, way) =
                (asker.clone(), question.words.clone(), question.vector.clone(), way.clone());
            running.spawn(async move { (at, asker.ask(way, words, vector, limit).await) });
        }
        let Some(done) = running.join_next().await else { return Ok(found) };
        let (at, ranking) = done.map_err(|err| Failure::Usage(format!("a query did not come to its end: {err}")))?;
        found[at] = ranking?;
    }
}

/// What is printed, and what has become worse.
struct Report {
    text: String,
    json: Value,
    worse: Vec<String>,
}

type Kept = BTreeMap<String, BTreeMap<String, Measured>>;

fn report(args: &Args, asked: &[Question], runs: &[Run], tuned: Option<tune::Best>, before: Option<&Kept>) -> Report {
    let mut text = format!("{} questions, {} hits judged, intervals of 95 %\n\n", asked.len(), args.k);
    let names = MEASURES.map(|(name, _)| format!("{:<24}", format!("{name}@{}", args.k)));
    let _ = writeln!(text, "{:<8} {}", "", names.join(" ").trim_end());
    let mut ways = serde_json::Map::new();
    for run in runs {
        let intervals = MEASURES.map(|(_, of)| Interval::of(&run.measured.iter().map(of).collect::<Vec<_>>()));
        let cells = intervals.map(|one| format!("{:<24}", format!("{:.4} ({:.4}-{:.4})", one.mean, one.low, one.high)));
        let _ = writeln!(text, "{:<8} {}", run.name, cells.join(" ").trim_end());
        let named = MEASURES.iter().zip(intervals).map(|((name, _), one)| ((*name).to_owned(), one.json()));
        ways.insert(run.name.clone(), Value::Object(named.collect()));
    }
    let mut notes = Vec::new();
    if let Some(best) = tuned {
        let (questions, fusion, ndcg) = (best.questions, best.fusion.described(), best.ndcg);
        notes.push(format!("tuned on {questions} other questions: {fusion}; nDCG there {ndcg:.4}"));
    }
    notes.extend(against_best_arm(runs));
    let mut worse = Vec::new();
    if let Some(before) = before {
        for run in runs {
            let Some(kept) = before.get(&run.name) else { continue };
            let pairs = asked.iter().zip(&run.measured);
            let differences: Vec<f64> =
                pairs.filter_map(|(one, now)| Some(now.ndcg - kept.get(&one.id)?.ndcg)).collect();
            let Interval { mean, low, high } = Interval::of(&differences);
            let note = format!("{}: nDCG {mean:+.4} ({low:+.4} to {high:+.4}) against the run that was kept", run.name);
            if high < 0.0 {
                worse.push(note.clone());
            }
            notes.push(note);
        }
    }
    for note in &notes {
        let _ = write!(text, "\n{note}");
    }
    text.push_str(if notes.is_empty() { "" } else { "\n" });
    let json = json!({"questions": asked.len(), "k": args.k, "ways": ways, "notes": notes});
    Report { text, json, worse }
}

/// Whether each fusion is better than the best of what it fuses: it is not always.
fn against_best_arm(runs: &[Run]) -> Vec<String> {
    let mean = |run: &Run| run.measured.iter().map(|one| one.ndcg).sum::<f64>() / run.measured.len() as f64;
    let arm = |run: &&Run| run.name == "dense" || run.name == "text";
    let Some(best) = runs.iter().filter(arm).max_by(|one, other| mean(one).total_cmp(&mean(other))) else {
        return Vec::new();
    };
    let fused = runs.iter().filter(|run| !arm(run));
    fused
        .map(|run| {
            let pairs = run.measured.iter().zip(&best.measured);
            let differences: Vec<f64> = pairs.map(|(fused, arm)| fused.ndcg - arm.ndcg).collect();
            let Interval { mean, low, high } = Interval::of(&differences);
            let verdict = match (low > 0.0, high < 0.0) {
                (true, _) => "better than",
                (_, true) => "WORSE than",
                _ => "not surely different from",
            };
            let (name, best) = (&run.name, &best.name);
            format!("{name} is {verdict} {best} alone: nDCG {mean:+.4} ({low:+.4} to {high:+.4})")
        })
        .collect()
}

fn below(args: &Args, runs: &[Run]) -> Result<Vec<String>> {
    let mut below = Vec::new();
    for text in &args.at_least {
        let parsed = text.split_once('=').and_then(|(way, least)| Some((way, least.parse::<f64>().ok()?)));
        let Some((way, least)) = parsed else { return Err(Failure::Usage(format!("`{text}` is no WAY=NDCG"))) };
        let Some(run) = runs.iter().find(|run| run.name == way) else {
            let names: Vec<&str> = runs.iter().map(|run| &run.name[..]).collect();
            return Err(Failure::Usage(format!("there is no way `{way}`, only {}", names.join(", "))));
        };
        let mean = run.measured.iter().map(|one| one.ndcg).sum::<f64>() / run.measured.len() as f64;
        if mean < least {
            below.push(format!("the nDCG of {way} is {mean:.4}, below {least}"));
        }
    }
    Ok(below)
}

fn kept(asked: &[Question], runs: &[Run]) -> Kept {
    let one = |run: &Run| {
        let questions = asked.iter().zip(&run.measured).map(|(question, measured)| (question.id.clone(), *measured));
        (run.name.clone(), questions.collect())
    };
    runs.iter().map(one).collect()
}

fn read_runs(path: &PathBuf) -> Result<Kept> {
    let text = std::fs::read(path).map_err(doing("read", path))?;
    serde_json::from_slice(&text).map_err(|err| wrong(path, Place::Whole, err.to_string()))
}
