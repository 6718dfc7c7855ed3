//! `nigh health`: whether a server serves, for who starts others after it and for an image without a shell.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::Output;
use crate::cli::{Server, TIMEOUT_SECONDS};
use nigh_client::health::Health;
use serde_json::json;

/// Seconds to wait for an answer, where nobody says otherwise: who asks for health asks again.
const ANSWER_SECONDS: u32 = 5;

/// Says whether the server serves: 0 when every collection is open or quarantined, 1 when it is not so far or does not
/// answer. No key is needed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    /// 0 as soon as it answers, though collections are still being opened
    #[arg(long)]
    live: bool,
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let timeout = if args.server.timeout == TIMEOUT_SECONDS { ANSWER_SECONDS } else { args.server.timeout };
    // Nobody is asked for a key here, so none is sent, and none has to be there.
    let health = Server { timeout, ..args.server }.connect_as(None).await?.health().await?;
    if health == Health::NotServing && !args.live {
        return Err(Failure::NotServing);
    }
    let name = if health == Health::Serving { "serving" } else { "not serving" };
    out.either(|| json!({"health": name}), || format!("{name}\n"))
}
