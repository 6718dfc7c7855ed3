//! `nigh facet`: how many points have each value of a field.

use crate::cli::failure::Result;
use crate::cli::output::{Output, thousands};
use crate::cli::{Server, filter, show};
use nigh_client::reply::Facets;
use serde_json::{Value, json};
use std::fmt::Write;

/// Counts the points that have each value of a field: strings, integers and bools.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The field
    #[arg(value_name = "FIELD")]
    field: String,
    /// The collection
    #[arg(long, short)]
    collection: String,
    #[command(flatten)]
    server: Server,
    /// Only points that match, such as "kind = 'news' AND year >= 2020"
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Values wanted, the most frequent first
    #[arg(long, short = 'n', default_value_t = 10)]
    limit: u32,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let filter = args.filter.as_deref().map(filter::read).transpose()?;
    let client = args.server.connect().await?;
    let facets = client.facet(&args.collection, &args.field, filter, args.limit).await?;
    out.either(|| as_json(&facets), || as_text(&facets))
}

fn as_text(facets: &Facets) -> String {
    let mut text = String::new();
    for (value, count) in &facets.values {
        let _ = writeln!(text, "{:>12}  {}", thousands(*count), show::scalar(value));
    }
    let _ = writeln!(text, "{} distinct values", thousands(facets.distinct));
    if !facets.scanned_fields.is_empty() {
        let _ = writeln!(text, "without an index, scanned: {}", facets.scanned_fields.join(", "));
    }
    text
}

fn as_json(facets: &Facets) -> Value {
    let value = |(value, count): &(_, u64)| json!({"value": show::scalar_json(value), "count": count});
    json!({
        "values": facets.values.iter().map(value).collect::<Vec<_>>(),
        "distinct": facets.distinct,
        "seq": facets.seq,
        "scanned_fields": facets.scanned_fields,
    })
}
