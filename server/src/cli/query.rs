//! `nigh query`: by a vector file, by existing points, by words, by a field, by chance, or by several of them at once.

use crate::cli::failure::{Failure, Place, Result};
use crate::cli::output::Output;
use crate::cli::source::{npy::Npy, wrong};
use crate::cli::{Server, filter, show};
use nigh_client::query::{Direction, Near, Recommend, Strategy, Target};
use nigh_client::vectors::NearBy;
use nigh_client::{CollectionSpec, Fusion, Grouping, PointId, Query, Retriever, Scale, Wanted};
use std::path::{Path, PathBuf};

/// Finds points by meaning, by words, or by both; or in the order of a field, or by chance.
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
    /// Near to this point, by a vector field of any kind
    #[arg(long, value_name = "ID", conflicts_with = "vector_file")]
    like: Option<PointId>,
    /// By the dot product with this sparse vector, such as 17:0.5,2041:1.25
    #[arg(long, value_name = "INDEX:NUMBER", value_delimiter = ',', value_parser = number)]
    sparse: Vec<(u32, f32)>,
    /// The field of sparse vectors; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "", requires = "sparse")]
    sparse_field: String,
    /// Near to the rows of a .npy file, by a field with several vectors a point
    #[arg(long, value_name = "FILE.npy")]
    multi_file: Option<PathBuf>,
    /// The field with several vectors a point; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", default_value = "", requires = "multi_file")]
    multi_field: String,
    /// Matching these words; together with a vector or a point: hybrid
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// Signs, quotes and stars in the words mean something: +must -not "a phrase" begin*
    #[arg(long, requires = "text")]
    syntax: bool,
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
    /// How words and a vector become one ranking: by ranks, or by scores from worst to best, or by their mean and deviation
    #[arg(long, value_enum, default_value_t = Fuse::Rrf)]
    fusion: Fuse,
    /// The weights in the fusion, such as 0.6,0.4: of the vector (or point), the sparse one, several vectors, the words, as
    /// far as they were given
    #[arg(long, value_name = "WEIGHT", value_delimiter = ',')]
    weights: Vec<f32>,
    /// Hits of each that are fused
    #[arg(long, value_name = "HITS", default_value_t = 0)]
    depth: u32,
    /// From 0 to 1: how much hits by a vector or a point have to differ from each other
    #[arg(long, value_name = "0..1", conflicts_with = "text")]
    diversity: Option<f32>,
    /// In the order of a payload field, falling with a minus before it; of what is found by words or a vector, where they are given
    #[arg(long, value_name = "[-]FIELD", allow_hyphen_values = true)]
    order_by: Option<String>,
    /// Any points, by chance; the same number brings the same points again
    #[arg(long, value_name = "SEED", num_args = 0..=1, conflicts_with_all = ["text", "vector_file", "like", "order_by"])]
    sample: Option<Option<u64>>,
    /// Near to these points; leave out --like
    #[arg(long, value_name = "ID", value_delimiter = ',', conflicts_with_all = ["vector_file", "like", "diversity"])]
    more_like: Vec<PointId>,
    /// And unlike these
    #[arg(long, value_name = "ID", value_delimiter = ',', requires = "more_like")]
    less_like: Vec<PointId>,
    /// Hits in groups of those that have a value of this field in common, the limit being that of groups
    #[arg(long, value_name = "FIELD")]
    group_by: Option<String>,
    /// Hits of each group
    #[arg(long, value_name = "HITS", default_value_t = 3, requires = "group_by")]
    group_size: u32,
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
    let mut query = query(&args)?;
    let client = args.server.connect().await?;
    if let (Some(id), false) = (args.like, args.vector_field.is_empty()) {
        let spec = client.describe_collection(&args.collection).await?.spec;
        let like = of_kind(&spec, &args.vector_field, id);
        if let (Some(like), Some(first)) = (like, query.retrievers.first_mut()) {
            first.wanted = like;
        }
    }
    let reply = client.query(&args.collection, query).await?;
    out.either(|| show::json(&reply), || show::reply(out, &reply))
}

/// What is like a point by a field that is not dense.
fn of_kind(spec: &CollectionSpec, field: &str, id: PointId) -> Option<Target> {
    match () {
        () if spec.sparse.iter().any(|one| one.name == field) => Some(Target::Sparse(NearBy::Point(id))),
        () if spec.multi.iter().any(|one| one.name == field) => Some(Target::Multi(NearBy::Point(id))),
        () => None,
    }
}

/// One number of a sparse vector.
fn number(text: &str) -> Result<(u32, f32), String> {
    let pair = text.split_once(':').and_then(|(index, number)| Some((index.parse().ok()?, number.parse().ok()?)));
    pair.ok_or_else(|| format!("`{text}` is no number of a sparse vector, which is written INDEX:NUMBER"))
}

/// How two rankings become one.
#[derive(Copy, Clone, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Fuse {
    /// By reciprocal ranks
    Rrf,
    /// By scores, each ranking's worst 0 and best 1
    Linear,
    /// By scores, each ranking's mean 0.5 and three standard deviations around it 0 and 1
    Dbsf,
}

fn query(args: &Args) -> Result<Query> {
    let mut query = Query::default().limit(args.limit).offset(args.offset);
    query.retrievers = retrievers(args)?;
    if query.retrievers.is_empty() && args.order_by.is_none() {
        let ways =
            "--vector-file, --like, --more-like, --sparse, --multi-file, --text, --order-by, --sample, or several";
        return Err(Failure::Usage(format!("say what to look for: {ways}")));
    }
    if !args.weights.is_empty() {
        if args.weights.len() != query.retrievers.len() {
            let (weights, rankings) = (args.weights.len(), query.retrievers.len());
            return Err(Failure::Usage(format!("{weights} weights were given for {rankings} rankings")));
        }
        query.retrievers.iter_mut().zip(&args.weights).for_each(|(one, weight)| one.weight = *weight);
    }
    query.fusion = match args.fusion {
        Fuse::Rrf => Fusion::default(),
        Fuse::Linear => Fusion::Scores(Scale::MinMax),
        Fuse::Dbsf => Fusion::Scores(Scale::Distribution),
    };
    if let Some(order) = &args.order_by {
        let (path, direction) = match order.strip_prefix('-') {
            Some(path) => (path, Direction::Falling),
            None => (&order[..], Direction::Rising),
        };
        // What was found otherwise is put in order, and nothing else.
        let found = std::mem::take(&mut query.retrievers);
        query.retrievers = vec![Retriever::order_by(path, direction).over(found)];
    }
    if let Some(path) = &args.group_by {
        query = query.group_by(Grouping::by(path).groups(args.limit).size(args.group_size));
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

fn retrievers(args: &Args) -> Result<Vec<Retriever>> {
    let mut found = Vec::new();
    let field = &args.vector_field;
    let near = match (&args.vector_file, args.like) {
        (Some(file), _) => Some(Near::Vector(vector(file)?)),
        (None, Some(id)) => Some(Near::Point(id)),
        (None, None) => None,
    };
    found.extend(near.map(|near| match (args.diversity, near) {
        (Some(diversity), near) => Retriever::diverse(field, near, diversity, args.depth),
        (None, Near::Vector(vector)) => Retriever::dense(field, vector).limit(args.depth),
        (None, Near::Point(id)) => Retriever::like(field, id).limit(args.depth),
    }));
    if !args.more_like.is_empty() {
        let near = |ids: &[PointId]| ids.iter().copied().map(Near::Point).collect();
        let (positive, negative) = (near(&args.more_like), near(&args.less_like));
        let recommend = Recommend { positive, negative, strategy: Strategy::AverageVector };
        found.push(Retriever::recommend(field, recommend).limit(args.depth));
    }
    if !args.sparse.is_empty() {
        found.push(Retriever::sparse(&args.sparse_field, args.sparse.iter().copied()).limit(args.depth));
    }
    if let Some(file) = &args.multi_file {
        found.push(Retriever::multi(&args.multi_field, rows(file)?).limit(args.depth));
    }
    if let Some(words) = &args.text {
        let words = Retriever::text(&args.text_field, words).limit(args.depth);
        found.push(if args.syntax { words.syntax() } else { words });
    }
    if let Some(seed) = args.sample {
        found.push(Retriever::sample(seed));
    }
    Ok(found)
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

/// All rows of a file.
fn rows(path: &Path) -> Result<Vec<Vec<f32>>> {
    let mut vectors = Npy::open(path)?;
    let mut rows = Vec::new();
    while let Some(row) = vectors.read()? {
        rows.push(row);
    }
    Ok(rows)
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
