//! `nigh texts`: text fields that come and go while a collection lives.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::Output;
use crate::cli::{Server, spec};
use serde_json::json;

/// Adds a text field to a collection, or drops one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Deed {
    /// Adds text fields, and waits until what was written before has been read for them
    Add {
        /// The collection
        #[arg(long, short)]
        collection: String,
        /// A text field: "standard" or a language, and the payload paths that it reads, where not its name
        #[arg(long = "text", value_name = "NAME[:ANALYZER[:PATH,...]]")]
        texts: Vec<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Drops a text field; payloads keep their texts
    Drop {
        /// The field's name
        name: String,
        /// The collection
        #[arg(long, short)]
        collection: String,
        #[command(flatten)]
        server: Server,
    },
}

pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    match args.deed {
        Deed::Add { collection, texts, server } => {
            let fields = spec::fields(spec::Vectors::default(), &texts)?.texts;
            if fields.is_empty() {
                return Err(Failure::Usage("no field is given: --text".to_owned()));
            }
            let client = server.for_long_work().connect().await?;
            for field in fields {
                let name = field.name.clone();
                client.add_text(&collection, field).await?;
                out.either(|| json!({"added": name}), || format!("added {name}\n"))?;
            }
            Ok(())
        }
        Deed::Drop { name, collection, server } => {
            let dropped = server.connect().await?.drop_text(&collection, &name).await?;
            let told = || if dropped { format!("dropped {name}\n") } else { format!("there was no {name}\n") };
            out.either(|| json!({"name": name, "dropped": dropped}), told)
        }
    }
}
