//! `nigh sources`: how far what a collection was read from has come; and to forget it.

use crate::cli::Server;
use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, thousands};
use nigh_client::source::ReachedPosition;
use serde_json::{Value, json};

/// Says how far the sources of a collection were read, or forgets one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The collection
    #[arg(long, short)]
    collection: String,
    /// Only this source
    source: Option<String>,
    /// Forget it: what comes from it is applied again
    #[arg(long, requires = "source")]
    drop: bool,
    #[command(flatten)]
    server: Server,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    let source = args.source.unwrap_or_default();
    if args.drop {
        return match client.drop_source(&args.collection, &source).await? {
            true => out.either(|| json!({"dropped": true}), || format!("`{source}` is forgotten\n")),
            false => Err(Failure::Client(nigh_client::Error::Server {
                code: nigh_client::error::Code::NotFound,
                field: None,
                message: format!("`{}` knows no source `{source}`", args.collection),
                retry_after: None,
            })),
        };
    }
    let positions = client.source_positions(&args.collection, &source).await?;
    let one = |one: &ReachedPosition| json!({"source": one.source, "partition": one.partition, "offset": one.offset, "seq": one.seq});
    let line = |one: &ReachedPosition| {
        let partition = if one.partition.is_empty() { String::new() } else { format!(" [{}]", one.partition) };
        format!("{}{partition}  at {}, operation {}\n", one.source, thousands(one.offset), thousands(one.seq))
    };
    out.either(|| positions.iter().map(one).collect::<Value>(), || positions.iter().map(line).collect())
}
