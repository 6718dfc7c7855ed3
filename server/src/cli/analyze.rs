//! `nigh analyze`: what an analyzer makes of a text. No server is asked.

use crate::cli::failure::Result;
use crate::cli::output::Output;
use nigh_index::text::analyzer::Analyzer;
use serde_json::{Value, json};
use std::fmt::Write;

/// Shows the terms that an analyzer makes of a text, and where they stand.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The analyzer, as a text field has it: `standard`, or a language by its name or code, with options: german+fold
    #[arg(long, short, visible_alias = "analyzer", value_name = "ANALYZER", default_value = "standard")]
    language: String,
    /// The text
    text: String,
}

pub(crate) fn run(args: &Args, out: Output) -> Result<()> {
    let analyzer = Analyzer::new(&args.language)?;
    let (mut lines, mut tokens) = (String::new(), Vec::<Value>::new());
    analyzer.each_placed(&args.text, &mut |term, place| {
        let said = &args.text[place.from..place.to];
        tokens.push(json!({"term": term, "position": place.position, "from": place.from, "to": place.to}));
        // Writing to a String does not fail.
        let _ = writeln!(lines, "{:>4}  {:>4}-{:<4}  {term}  ({said})", place.position, place.from, place.to);
    });
    out.either(|| json!({"analyzer": analyzer.name(), "tokens": tokens}), || lines.trim_end().to_owned())
}
