//! `nigh alias`: other names of collections.

use crate::cli::Server;
use crate::cli::failure::Result;
use crate::cli::output::Output;
use serde_json::{Value, json};

/// Gives a collection another name, or moves that name to another collection in one step; lists all without a name.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The other name
    #[arg(requires = "change")]
    alias: Option<String>,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    server: Server,
}

/// What becomes of it.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "change", multiple = false, requires = "alias")]
struct Change {
    /// The collection that it stands for from now on
    #[arg(long, short)]
    collection: Option<String>,
    /// It stands for nothing any more
    #[arg(long)]
    delete: bool,
}

pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    if let Some(alias) = &args.alias {
        match &args.change.collection {
            Some(collection) => client.set_alias(alias, collection).await?,
            None => client.delete_alias(alias).await?,
        }
    }
    let all = client.aliases().await?;
    out.either(
        || all.iter().map(|(alias, of)| json!({"alias": alias, "collection": of})).collect::<Value>(),
        || all.iter().map(|(alias, of)| format!("{alias}  {of}\n")).collect(),
    )
}
