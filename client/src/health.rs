//! Whether a server serves, as it tells whoever asks: no key is needed for it.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::retry::Repeat;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How a server that answers is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Every collection is open, or quarantined.
    Serving,
    /// It is still opening collections, or it stops.
    NotServing,
}

impl Client {
    /// Asks by `grpc.health.v1`; an error means that it does not answer.
    pub async fn health(&self) -> Result<Health> {
        let send = |request| {
            let mut service = HealthClient::new(self.channel());
            async move { service.check(request).await }
        };
        let reply = self.call(Repeat::Harmless, HealthCheckRequest::default(), send).await?;
        match ServingStatus::try_from(reply.status) {
            Ok(ServingStatus::Serving) => Ok(Health::Serving),
            Ok(_) => Ok(Health::NotServing),
            Err(_) => Err(Error::reply(format!("a health of {}", reply.status))),
        }
    }
}
