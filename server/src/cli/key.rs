//! `nigh key`: keys for the configuration of a server.

use crate::cli::failure::{Failure, Result, doing};
use crate::cli::output::Output;
use nigh_server::access::keys::{KEY_CHARS_MIN, KeyHash, new_key};
use serde_json::json;
use std::io;
use std::path::Path;

/// Makes keys, and hashes them for the configuration.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Prints a new key, once, and its hash: the key is for whoever asks, the hash for the server
    New,
    /// Prints the hash of the key on the standard input
    Hash,
}

/// Runs it.
pub(crate) fn run(args: &Args, out: Output) -> Result<()> {
    match args.command {
        Command::New => {
            let key = new_key();
            let hash = KeyHash::of(&key).to_string();
            out.either(|| json!({"key": key, "hash": hash}), || format!("key   {key}\nhash  {hash}\n"))
        }
        Command::Hash => {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map_err(doing("read", Path::new("standard input")))?;
            let key = line.trim();
            if key.len() < KEY_CHARS_MIN {
                return Err(Failure::Usage(format!("a key has at least {KEY_CHARS_MIN} characters")));
            }
            let hash = KeyHash::of(key).to_string();
            out.either(|| json!({"hash": hash}), || format!("{hash}\n"))
        }
    }
}
