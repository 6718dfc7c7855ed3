//! The commands of `nigh`.

mod alias;
mod analyze;
mod backup;
mod config;
mod demo;
mod estimate;
mod eval;
mod explain;
mod export;
mod facet;
mod failure;
mod filter;
mod health;
mod import;
mod integrity;
mod interrupt;
mod key;
mod mapping;
mod output;
mod progress;
mod query;
mod sample;
mod serve;
mod show;
mod source;
mod sources;
mod spec;
mod status;
mod texts;
mod vectors;
mod verify;
mod versions;

use crate::cli::failure::{Failure, Result, doing};
use crate::cli::output::{Form, Output};
use nigh_client::Client;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// nigh, a vector database: nearest by meaning, by words, or by both, under any filter.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "nigh", version, propagate_version = true)]
pub(crate) struct Cli {
    /// How to print: text for people, json for programs
    #[arg(long, short, value_enum, global = true, default_value_t)]
    output: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Config(config::Args),
    Key(key::Args),
    Health(health::Args),
    Import(Box<import::Args>),
    Export(export::Args),
    Query(query::Args),
    Facet(facet::Args),
    Eval(eval::Args),
    Estimate(estimate::Args),
    Status(status::Status),
    Collections(status::Collections),
    Alias(alias::Args),
    Count(status::Count),
    Drop(status::Drop),
    Optimize(status::Optimize),
    Analyze(analyze::Args),
    Vectors(vectors::Args),
    Texts(texts::Args),
    Sources(sources::Args),
    Pin(versions::Pin),
    Pins(versions::Pins),
    Unpin(versions::Unpin),
    Diff(versions::Diff),
    Backup(backup::Make),
    Backups(backup::List),
    Restore(backup::Bring),
    Verify(verify::Args),
    Scrub(integrity::Scrub),
    Compact(integrity::Compact),
    Demo(demo::Args),
}

/// Seconds that a call may take, where nobody says otherwise.
const TIMEOUT_SECONDS: u32 = 30;
/// The same for calls that read or write all of a collection.
const LONG_SECONDS: u32 = 24 * 3600;
/// To establish a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where the server is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Server {
    /// The server's gRPC address
    #[arg(long, env = "NIGH_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:6334")]
    addr: String,
    /// The file of the key that calls carry; else NIGH_API_KEY is the key itself
    #[arg(long, env = "NIGH_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Who signed the server's certificate, PEM; the connection is encrypted
    #[arg(long, env = "NIGH_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate of our own, PEM, for a server that asks for one
    #[arg(long, env = "NIGH_CERT", value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, env = "NIGH_CERT_KEY", value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// Seconds that a call may take
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_SECONDS)]
    timeout: u32,
}

impl Server {
    /// For a call that may take hours: the usual time is no limit for it, one that was set is.
    fn for_long_work(&self) -> Self {
        let timeout = if self.timeout == TIMEOUT_SECONDS { LONG_SECONDS } else { self.timeout };
        Self { timeout, ..self.clone() }
    }

    async fn connect(&self) -> Result<Client> {
        let key = match &self.api_key_file {
            Some(path) => Some(self::read(path)?.trim().to_owned()),
            None => std::env::var("NIGH_API_KEY").ok().filter(|key| !key.is_empty()),
        };
        self.connect_as(key).await
    }

    /// As whoever has this key.
    async fn connect_as(&self, key: Option<String>) -> Result<Client> {
        let timeout = Duration::from_secs(self.timeout.into());
        let mut builder = Client::builder(&self.addr).timeout(timeout).connect_timeout(timeout.min(CONNECT_MAX));
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        if let Some(path) = &self.ca {
            builder = builder.ca(read(path)?);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.cert_key) {
            builder = builder.identity(read(cert)?, read(key)?);
        }
        Ok(builder.connect().await?)
    }
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).map_err(doing("read", path))
}

/// Runs a command; 0 where it went well, 1 where it did not, 2 where the command line makes no sense.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(command(cli));
            // A thread that still reads a pipe would hold the process back.
            runtime.shutdown_background();
            outcome
        }
        Err(source) => Err(Failure::Io { doing: "start threads for", path: "nigh".into(), source }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let line = failure.to_string().replace('\n', " ");
            // There is nobody left to tell when this fails.
            let _ = writeln!(io::stderr(), "nigh: {line}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn command(cli: Cli) -> Result<()> {
    let out = Output::new(cli.output);
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Config(args) => config::run(args, out),
        Command::Key(args) => key::run(&args, out),
        Command::Import(args) => import::run(*args, out).await,
        Command::Export(args) => export::run(args, out).await,
        Command::Health(args) => health::run(args, out).await,
        Command::Query(args) => query::run(args, out).await,
        Command::Facet(args) => facet::run(args, out).await,
        Command::Eval(args) => eval::run(args, out).await,
        Command::Estimate(args) => estimate::run(args, out).await,
        Command::Status(args) => status::status(args, out).await,
        Command::Collections(args) => status::collections(args, out).await,
        Command::Alias(args) => alias::run(args, out).await,
        Command::Count(args) => status::count(args, out).await,
        Command::Drop(args) => status::drop(args, out).await,
        Command::Optimize(args) => status::optimize(args, out).await,
        Command::Analyze(args) => analyze::run(&args, out),
        Command::Vectors(args) => vectors::run(args, out).await,
        Command::Texts(args) => texts::run(args, out).await,
        Command::Sources(args) => sources::run(args, out).await,
        Command::Pin(args) => versions::pin(args, out).await,
        Command::Pins(args) => versions::pins(args, out).await,
        Command::Unpin(args) => versions::unpin(args, out).await,
        Command::Diff(args) => versions::diff(args, out).await,
        Command::Backup(args) => backup::make(args, out).await,
        Command::Backups(args) => backup::list(args, out).await,
        Command::Restore(args) => backup::bring(args, out).await,
        Command::Scrub(args) => integrity::scrub(args, out).await,
        Command::Compact(args) => integrity::compact(args, out).await,
        Command::Verify(args) => verify::run(args, out).await,
        Command::Demo(args) => demo::run(args, out).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn command_lines_are_understood_or_refused() {
        for (line, good) in [
            ("nigh serve --data d --grpc 127.0.0.1:0 --http 127.0.0.1:0", true),
            ("nigh serve --config nigh.toml --set limits.hits_max=7", true),
            ("nigh serve --set limits.hits_max", false),
            ("nigh config check --config nigh.toml", true),
            ("nigh config show -o json", true),
            ("nigh config", false),
            ("nigh key new", true),
            ("nigh health --live --addr localhost:1 -o json", true),
            ("nigh health -c c", false),
            ("nigh key hash", true),
            ("nigh count -c c --api-key-file k --ca ca.pem --cert c.pem --cert-key k.pem", true),
            ("nigh count -c c --cert c.pem", false),
            ("nigh import p.jsonl.gz -c c --vectors v.npy --create --vector e:3:cosine --text t:english", true),
            ("nigh import p.jsonl -c c --text e", false),
            ("nigh import p.jsonl", false),
            ("nigh export p.parquet -c c --at monday --column year:int --column title:text", true),
            ("nigh export p.parquet -c c --column year", false),
            ("nigh import - -c c --batch 0", false),
            ("nigh query -c c --text words --filter a=1 --recall 0.9 -o json", true),
            ("nigh query -c c --text words --recall 0.9 --exact", false),
            ("nigh query -c c --like 7 --with a,b", true),
            ("nigh query -c c --like seven", false),
            ("nigh count -c c --at monday", true),
            ("nigh import p.jsonl -c c --resume --source orders", true),
            ("nigh import p.jsonl -c c --source orders", false),
            ("nigh import -c c --from-kafka a:9092,b:9092 --topic t --source orders --follow", true),
            ("nigh import -c c --from-kafka a:9092", false),
            ("nigh import p.jsonl -c c --from-kafka a:9092 --topic t", false),
            ("nigh import -c c --from-nats nats://a --stream s --stream t --subject o.* --skip-bad 9", true),
            ("nigh import -c c --from-nats nats://a", false),
            ("nigh import p.jsonl -c c --follow", false),
            ("nigh import p.jsonl -c c --resume --follow", false),
            ("nigh sources -c c orders --drop", true),
            ("nigh sources -c c --drop", false),
            ("nigh pin monday -c c", true),
            ("nigh pin -c c", false),
            ("nigh diff monday -c c --from 7 -n 100", true),
            ("nigh diff monday tuesday -c c -o json", true),
            ("nigh diff -c c", false),
            ("nigh backup -c a -c b --target shelf", true),
            ("nigh backup --data d --place /shelf", true),
            ("nigh backup --data d", false),
            ("nigh backups --place /shelf --drop 1-2", true),
            ("nigh restore -c a --into b --time 2026-01-31T12:00:00Z", true),
            ("nigh restore -c a --seq 7 --newest", false),
            ("nigh verify data -c c -o json", true),
            ("nigh verify", false),
            ("nigh scrub -c c --rate 50", true),
            ("nigh compact -c c --erase --ids 1,2", true),
            ("nigh compact -c c --ids 1", false),
            ("nigh estimate --points 1000 --vector v:384 --text text --payload-bytes 600", true),
            ("nigh estimate --vector v:384", false),
            ("nigh alias", true),
            ("nigh alias live -c blue", true),
            ("nigh alias live --delete", true),
            ("nigh alias live", false),
            ("nigh alias -c blue", false),
            ("nigh vectors add -c c --vector e:3 --sparse s:idf --multi m:2:dot", true),
            ("nigh vectors drop -c c e", true),
            ("nigh vectors drop -c c", false),
            ("nigh texts add -c c --text t:english --text both:standard:a,b.c", true),
            ("nigh texts drop -c c t", true),
            ("nigh texts drop -c c", false),
            ("nigh analyze --language pl words", true),
            ("nigh analyze --analyzer german+fold", false),
            ("nigh drop", false),
            ("nigh optimize -c c --cancel", true),
            ("nigh", false),
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), good, "{line}");
        }
    }
}
