//! `nigh vectors`: vector fields that come and go while a collection lives.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::Output;
use crate::cli::{Server, spec};
use nigh_client::CollectionSpec;
use nigh_client::vectors::NewField;
use serde_json::json;

/// Adds a vector field to a collection, or drops one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Deed {
    /// Adds vector fields; points that are there have no vectors of them
    Add {
        /// The collection
        #[arg(long, short)]
        collection: String,
        #[command(flatten)]
        fields: spec::Vectors,
        #[command(flatten)]
        server: Server,
    },
    /// Drops a vector field, with all vectors of it
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
        Deed::Add { collection, fields, server } => {
            let spec = fields.into_spec(CollectionSpec::new())?;
            let dense = spec.vectors.into_iter().map(|field| (field.name.clone(), NewField::Dense(field)));
            let sparse = spec.sparse.into_iter().map(|field| (field.name.clone(), NewField::Sparse(field)));
            let multi = spec.multi.into_iter().map(|field| (field.name.clone(), NewField::Multi(field)));
            let fields: Vec<(String, NewField)> = dense.chain(sparse).chain(multi).collect();
            if fields.is_empty() {
                return Err(Failure::Usage("no field is given: --vector, --sparse or --multi".to_owned()));
            }
            let client = server.connect().await?;
            for (name, field) in fields {
                client.add_vectors(&collection, field).await?;
                out.either(|| json!({"added": name}), || format!("added {name}\n"))?;
            }
            Ok(())
        }
        Deed::Drop { name, collection, server } => {
            let dropped = server.connect().await?.drop_vectors(&collection, &name).await?;
            let told = || if dropped { format!("dropped {name}\n") } else { format!("there was no {name}\n") };
            out.either(|| json!({"name": name, "dropped": dropped}), told)
        }
    }
}
