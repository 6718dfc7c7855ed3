//! A connection to a server: where it is, how long a call may take, how often it is tried.

use crate::credentials::{Identify, Wire};
use crate::error::{Error, Result, innermost};
use crate::retry::{self, Budget, Repeat, RetryPolicy};
use nigh_proto::MESSAGE_BYTES_MAX;
use nigh_proto::v1::collections_client::CollectionsClient;
use nigh_proto::v1::integrity_client::IntegrityClient;
use nigh_proto::v1::points_client::PointsClient;
use nigh_proto::v1::sources_client::SourcesClient;
use prost::Message;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

/// A client of one server. Cheap to clone; clones share the connection and the retry budget.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    channel: Wire,
    pub(crate) endpoint: String,
    timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Budget,
    pub(crate) message_bytes_max: usize,
}

/// How a [`Client`] is made.
#[derive(Clone)]
pub struct ClientBuilder {
    endpoint: String,
    timeout: Duration,
    connect_timeout: Duration,
    retry: RetryPolicy,
    message_bytes_max: usize,
    key: Option<String>,
    ca: Option<String>,
    identity: Option<(String, String)>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys stay out.
        f.debug_struct("ClientBuilder").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// A client of this server: `host:port`, `http://host:port`, or `https://host:port`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            retry: RetryPolicy::default(),
            message_bytes_max: MESSAGE_BYTES_MAX,
            key: None,
            ca: None,
            identity: None,
        }
    }

    /// The key, or the token, that every call carries. Without TLS everybody on the way can read it.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Who signed the server's certificate (PEM), instead of whom the system trusts. The connection is encrypted.
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// A certificate of our own and its key (PEM), for a server that asks for one. The connection is encrypted.
    pub fn identity(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// The time of a call with all its retries; the server is told, and stops working then.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time to establish a connection.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// When a failed call is sent again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The greatest message that is sent or taken, in bytes.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Connects; fails where there is no server.
    pub async fn connect(self) -> Result<Client> {
        let (endpoint, identify) = (self.endpoint()?, Identify::new(self.key.as_deref())?);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Error::Unreachable { endpoint: self.endpoint.clone(), why: innermost(&error) })?;
        Ok(self.client(channel, identify))
    }

    /// A client that connects with its first call. Has to be called inside a tokio runtime.
    pub fn connect_lazy(self) -> Result<Client> {
        let (channel, identify) = (self.endpoint()?.connect_lazy(), Identify::new(self.key.as_deref())?);
        Ok(self.client(channel, identify))
    }

    fn endpoint(&self) -> Result<Endpoint> {
        let full = match self.endpoint.contains("://") {
            true => self.endpoint.clone(),
            false if self.ca.is_some() || self.identity.is_some() => format!("https://{}", self.endpoint),
            false => format!("http://{}", self.endpoint),
        };
        let encrypted = full.starts_with("https://");
        let wrong = |_| Error::request("endpoint", format!("`{}` is no host:port", self.endpoint));
        let mut endpoint = Endpoint::from_shared(full).map_err(wrong)?;
        if encrypted {
            let mut tls = ClientTlsConfig::new();
            tls = match &self.ca {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls.with_native_roots(),
            };
            if let Some((certificate, key)) = &self.identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| Error::request("tls", innermost(&error)))?;
        }
        // Pings find a peer that is gone without a word, so that an idle stream does not wait for ever.
        Ok(endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20)))
    }

    fn client(self, channel: Channel, identify: Identify) -> Client {
        let channel = Wire::new(channel, identify);
        let budget = Budget::new(&self.retry);
        let Self { endpoint, timeout, retry, message_bytes_max, .. } = self;
        Client { shared: Arc::new(Shared { channel, endpoint, timeout, retry, budget, message_bytes_max }) }
    }
}

impl Client {
    /// Connects to `host:port` with the defaults.
    pub async fn connect(endpoint: impl Into<String>) -> Result<Self> {
        ClientBuilder::new(endpoint).connect().await
    }

    /// A client with other settings.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint)
    }

    /// Where its server is.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    pub(crate) fn channel(&self) -> Wire {
        self.shared.channel.clone()
    }

    pub(crate) fn points(&self) -> PointsClient<Wire> {
        let limit = self.shared.message_bytes_max;
        PointsClient::new(self.shared.channel.clone()).max_decoding_message_size(limit).max_encoding_message_size(limit)
    }

    pub(crate) fn sources(&self) -> SourcesClient<Wire> {
        SourcesClient::new(self.shared.channel.clone()).max_decoding_message_size(self.shared.message_bytes_max)
    }

    pub(crate) fn collections(&self) -> CollectionsClient<Wire> {
        CollectionsClient::new(self.shared.channel.clone()).max_decoding_message_size(self.shared.message_bytes_max)
    }

    pub(crate) fn integrity(&self) -> IntegrityClient<Wire> {
        IntegrityClient::new(self.shared.channel.clone()).max_decoding_message_size(self.shared.message_bytes_max)
    }

    /// Sends one call, and again where that is worth it.
    pub(crate) async fn call<Q, A, F>(&self, repeat: Repeat, request: Q, send: impl Fn(Request<Q>) -> F) -> Result<A>
    where
        Q: Message + Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let shared = &self.shared;
        let bytes = request.encoded_len();
        if bytes > shared.message_bytes_max {
            return Err(Error::request("message", format!("{bytes} bytes, at most {}", shared.message_bytes_max)));
        }
        retry::run(&shared.retry, &shared.budget, shared.timeout, repeat, |left| {
            let mut request = Request::new(request.clone());
            request.set_timeout(left);
            let sent = send(request);
            async move {
                let reply = sent.await.map_err(|status| Error::from_status(&shared.endpoint, &status))?;
                Ok(reply.into_inner())
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_there_is_said_with_the_address() {
        // A port that was just free: bound, and given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Client::connect(port.to_string()).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        let error = Client::connect("not an address").await.unwrap_err();
        assert_eq!(error.field(), Some("endpoint"));
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_sent_is_told_and_not_shown() {
        let builder = Client::builder("127.0.0.1:1").api_key("a\nsecret");
        let error = builder.connect_lazy().unwrap_err();
        assert_eq!(error.field(), Some("api_key"));
        assert!(!error.to_string().contains("secret"));
        let client = Client::builder("127.0.0.1:1").api_key("a-secret");
        assert!(!format!("{client:?}{:?}", client.clone().connect_lazy().unwrap()).contains("a-secret"));
    }

    #[tokio::test]
    async fn a_message_too_large_is_not_sent() {
        let client = Client::builder("127.0.0.1:1").message_bytes_max(100).connect_lazy().unwrap();
        let point = crate::point::Point::new(1).vector("v", vec![0.0; 100]);
        let error = client.upsert("c", [point]).await.unwrap_err();
        assert_eq!(error.field(), Some("message"), "{error}");
    }
}
