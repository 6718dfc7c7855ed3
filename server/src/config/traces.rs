//! The collector that traces go to, as it stands in a configuration.

use super::Config;
use super::given::{Given, Read};
use std::fmt;
use std::path::PathBuf;

/// Headers of one message to the collector.
const HEADERS_MAX: usize = 32;

/// Where spans go, and which.
#[derive(Clone, PartialEq, Debug)]
pub struct Collector {
    /// Its URL: OTLP over gRPC.
    pub endpoint: String,
    /// Who signed its certificate, PEM; whom the system trusts, where it is left out.
    pub ca_file: Option<PathBuf>,
    /// Headers that go with every message.
    pub headers: Headers,
    /// The share of traces that are sent, of those that no caller decided about.
    pub sample: f64,
    /// What the server is called in traces.
    pub service_name: String,
    /// Spans that wait to be sent, at the most.
    pub queue_spans: usize,
}

/// Headers by name, whose values are shown to nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What is given of it. Without an endpoint it is nothing.
pub(super) struct Drafted {
    pub(super) endpoint: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) headers: Headers,
    pub(super) sample: f64,
    pub(super) service_name: String,
    pub(super) queue_spans: usize,
}

impl Default for Drafted {
    fn default() -> Self {
        let (endpoint, ca_file, headers) = (None, None, Headers::default());
        Self { endpoint, ca_file, headers, sample: 1.0, service_name: "nigh".to_owned(), queue_spans: 8192 }
    }
}

impl Drafted {
    /// Completes the configuration.
    pub(super) fn finish(self, config: &mut Config) -> Result<(), String> {
        let Self { endpoint, ca_file, headers, sample, service_name, queue_spans } = self;
        match endpoint {
            Some(endpoint) => {
                let collector = Collector { endpoint, ca_file, headers, sample, service_name, queue_spans };
                config.traces = Some(collector);
                Ok(())
            }
            None if ca_file.is_some() || !headers.0.is_empty() => {
                Err("traces.ca_file and traces.headers need traces.endpoint".to_owned())
            }
            None => Ok(()),
        }
    }
}

/// Headers, as `NAME=VALUE`: one a line, or with commas between them.
pub(super) fn headers(given: &Given) -> Read<Headers> {
    let wrong = || format!("it is NAME=VALUE, one a line or with commas between them, at most {HEADERS_MAX}");
    let text = given.text()?;
    let parts = text.split(['\n', ',']).map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        (!name.is_empty() && !value.is_empty()).then(|| (name, value.to_owned()))
    };
    let pairs: Option<Vec<_>> = parts.map(pair).collect();
    pairs.filter(|pairs| (1..=HEADERS_MAX).contains(&pairs.len())).map(Headers).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_not_shown() {
        let read = headers(&Given::Text("Authorization=Bearer a=b\nx-team = search,".to_owned())).unwrap();
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read.0, [own("authorization", "Bearer a=b"), own("x-team", "search")]);
        assert_eq!(format!("{read:?}"), r#"["authorization", "x-team"]"#);
        for wrong in ["", "authorization", "=x", "a=", &"a=b,".repeat(33)] {
            assert!(headers(&Given::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
