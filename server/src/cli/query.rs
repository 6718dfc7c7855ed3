//! `nigh query`: by a vector file, by an existing point, by words, or by several of them at once.

use crate::cli::failure::{Failure, Place, Result};
use crate::cli::output::Output;
use crate::cli::source::{npy::Npy, wrong};
use crate::cli::{Server, filter, show};
use nigh_client::{PointId, Query, Retriever, Wanted};
use std::path::{Path, PathBuf};

/// Finds points by meaning, by words, or by both.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    /// Near to this vector: a row (0 where it is left out) of a .npy file
    #[arg(long, value_name = "FILE.npy[:ROW]")]
    vector_file: Option<String>,
    /// Near to this point
    #[arg(long, value_name = "ID", conflicts_with = "vector_file")]
    like: Option<PointId>,
    /// Matching these words; together with a vector or a point: hybrid
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// The vector field; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "")]
    vector_field: String,
    /// The text field; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "")]
    text_field: String,
    /// Only points that match, such as "kind = 'news' AND year >= 2020"
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Hits wanted
    #[arg(long, short = 'n', default_value_t = 10)]
    limit: u32,
    /// Hits to leave out at the top
    #[arg(long, default_value_t = 0)]
    offset: u32,
    /// The recall to reach, above 0 and at most 1
    #[arg(long, group = "effort")]
    recall: Option<f32>,
    /// The width of the graph search
    #[arg(long, group = "effort")]
    ef: Option<u32>,
    /// Compare with every matching point
    #[arg(long, group = "effort")]
    exact: bool,
    /// Say how the hits came about
    #[arg(long)]
    explain: bool,
    /// Read this version instead of the newest state
    #[arg(long, value_name = "VERSION", default_value = "")]
    at: String,
    /// These payload keys only
    #[arg(long = "with", value_name = "KEY", value_delimiter = ',')]
    keys: Vec<String>,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let query = query(&args)?;
    let client = args.server.connect().await?;
    let reply = client.query(&args.collection, query).await?;
    out.either(|| show::json(&reply), || show::reply(out, &reply))
}

fn query(args: &Args) -> Result<Query> {
    let mut query = Query::default().limit(args.limit).offset(args.offset);
    if let Some(file) = &args.vector_file {
        query = query.with(Retriever::dense(&args.vector_field, vector(file)?));
    }
    if let Some(id) = args.like {
        query = query.with(Retriever::like(&args.vector_field, id));
    }
    if let Some(words) = &args.text {
        query = query.text(&args.text_field, words);
    }
    if query.retrievers.is_empty() {
        return Err(Failure::Usage("say what to look for: --vector-file, --like, --text, or several".to_owned()));
    }
    if let Some(text) = &args.filter {
        query = query.filter(filter::read(text)?);
    }
    query.params.recall = args.recall.unwrap_or_default();
    query.params.ef = args.ef.unwrap_or_default();
    query.params.exact = args.exact;
    query.explain = args.explain;
    query.version.clone_from(&args.at);
    if !args.keys.is_empty() {
        query = query.payload(Wanted::only(&args.keys));
    }
    Ok(query)
}

/// The vector at `file.npy` or `file.npy:row`.
fn vector(text: &str) -> Result<Vec<f32>> {
    let (path, row) = match text.rsplit_once(':').map(|(path, row)| (path, row.parse())) {
        Some((path, Ok(row))) => (path, row),
        _ => (text, 0),
    };
    let path = PathBuf::from(path);
    read_row(&path, row)
}

fn read_row(path: &Path, row: u64) -> Result<Vec<f32>> {
    let mut vectors = Npy::open(path)?;
    vectors.seek(row)?;
    let rows = vectors.rows();
    vectors.read()?.ok_or_else(|| wrong(path, Place::Whole, format!("there is no row {row}, only {rows} rows")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::source::npy;

    #[test]
    fn a_vector_is_a_row_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.npy");
        std::fs::write(&path, npy::tests::f32s(&[[1.0, 2.0], [3.0, 4.0]])).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(vector(path).unwrap(), [1.0, 2.0]);
        assert_eq!(vector(&format!("{path}:1")).unwrap(), [3.0, 4.0]);
        let error = vector(&format!("{path}:2")).unwrap_err().to_string();
        assert!(error.ends_with("there is no row 2, only 2 rows"), "{error}");
    }
}
