//! `nigh config`: what a server would be told, without starting one.

use crate::cli::failure::{Failure, Result};
use crate::cli::output::Output;
use crate::cli::serve::Given;
use nigh_server::config::layers::Setting;
use serde_json::json;
use std::fmt::Write;

/// Looks at the configuration of `nigh serve`, which takes the same flags.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Says whether the server would start with it; ends with 2 where it would not
    Check(Given),
    /// Prints every setting as it holds, and who gave it; secrets are hidden. The text is a configuration file
    Show(Given),
}

/// Runs it.
pub(crate) fn run(args: Args, out: Output) -> Result<()> {
    match args.command {
        Command::Check(given) => {
            let (config, _) = given.layers().read()?;
            config.check().map_err(|err| Failure::Usage(err.to_string()))?;
            out.either(|| json!({"good": true}), || "the configuration is good\n".to_owned())
        }
        Command::Show(given) => {
            let (_, settings) = given.layers().read()?;
            let json = |setting: &Setting| {
                let (name, source) = (setting.name, setting.source.to_string());
                json!({"name": name, "value": setting.value, "source": source})
            };
            out.either(|| settings.iter().map(json).collect(), || settings.iter().map(line).collect())
        }
    }
}

fn line(setting: &Setting) -> String {
    let mut line = match &setting.value {
        Some(value) => format!("{} = {value}", setting.name),
        None => format!("# {}: {}", setting.name, setting.otherwise),
    };
    // Writing to a String does not fail.
    let _ = writeln!(line, "{:1$} # {2}", "", 60_usize.saturating_sub(line.len()), setting.source);
    line
}
