//! What the command line says of a stream: where it is, who we are there, and how far it is read.

use std::path::PathBuf;

/// A stream.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "of_stream")]
pub(crate) struct Args {
    /// Reads a topic of Kafka, by addresses of brokers; run again, it goes on
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',', group = "remembers", requires = "topic")]
    pub(super) from_kafka: Vec<String>,
    /// The topic
    #[arg(long, requires = "from_kafka")]
    pub(super) topic: Option<String>,
    /// Reads streams of NATS JetStream, by the server's address; run again, it goes on
    #[arg(long, value_name = "URL", group = "remembers", requires = "stream")]
    pub(super) from_nats: Option<String>,
    /// A stream; may be given several times
    #[arg(long, requires = "from_nats")]
    pub(super) stream: Vec<String>,
    /// Only its messages of these subjects (`orders.*`)
    #[arg(long, requires = "from_nats")]
    pub(super) subject: Option<String>,
    /// Goes on with what comes later, until it is told to stop; else what is there at the start is read
    #[arg(long, requires = "remembers", conflicts_with = "resume")]
    pub(super) follow: bool,
    /// Leaves out up to so many messages that are no points; else the first one ends it
    #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "remembers", conflicts_with = "resume",
          value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(super) skip_bad: u64,
    /// Appends what is left out to this file, as JSON Lines
    #[arg(long, value_name = "FILE", requires = "skip_bad")]
    pub(super) dead_letters: Option<PathBuf>,
    /// Goes on where the stream does not have any more what comes next; else that ends it
    #[arg(long, requires = "remembers", conflicts_with = "resume")]
    pub(super) allow_lost: bool,
    /// Tells every so many seconds how far it is
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) report_every: u64,
    #[command(flatten)]
    pub(super) trust: Trust,
}

impl Args {
    /// Whether there is one.
    pub(super) fn is_given(&self) -> bool {
        !self.from_kafka.is_empty() || self.from_nats.is_some()
    }
}

/// How a user's name and password go to a broker of Kafka.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Sasl {
    /// As they are: for encrypted connections.
    #[default]
    Plain,
    /// By a proof of the password.
    #[value(name = "scram-sha-256")]
    ScramSha256,
    /// The same with a longer sum.
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

/// Who we are for the server of a stream, and whom we trust. The user is NIGH_FROM_USER.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "of_trust")]
pub(crate) struct Trust {
    /// Speaks to the stream's server encrypted
    #[arg(long)]
    pub(super) from_tls: bool,
    /// Who signed the certificate of the stream's server, PEM; encrypted
    #[arg(long, value_name = "FILE")]
    pub(super) from_ca: Option<PathBuf>,
    /// A certificate of our own for the stream's server, PEM; encrypted
    #[arg(long, value_name = "FILE", requires = "from_cert_key")]
    pub(super) from_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "from_cert")]
    pub(super) from_cert_key: Option<PathBuf>,
    /// How NIGH_FROM_USER and the password go to Kafka
    #[arg(long, value_enum, default_value_t)]
    pub(super) from_sasl: Sasl,
    /// The file of the password; else NIGH_FROM_PASSWORD is it. NATS without NIGH_FROM_USER: the token
    #[arg(long, value_name = "FILE")]
    pub(super) from_password_file: Option<PathBuf>,
    /// A credentials file (.creds) of NATS
    #[arg(long, value_name = "FILE", requires = "from_nats")]
    pub(super) from_creds: Option<PathBuf>,
}
