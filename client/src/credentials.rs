//! Who calls: the key that every call carries.

use crate::error::{Error, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A connection whose calls say who makes them.
pub(crate) type Wire = InterceptedService<Channel, Identify>;

/// Puts the key into the metadata of a call.
#[derive(Clone, Debug)]
pub(crate) struct Identify(Option<MetadataValue<Ascii>>);

impl Identify {
    pub(crate) fn new(key: Option<&str>) -> Result<Self> {
        let value = |key: &str| {
            // What was given is not told again: it is a secret.
            let wrong = |_| Error::request("api_key", "it has characters that cannot be sent");
            let mut value = MetadataValue::try_from(format!("Bearer {key}")).map_err(wrong)?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        Ok(Self(key.map(value).transpose()?))
    }
}

impl Interceptor for Identify {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}
