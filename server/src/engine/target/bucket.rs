//! A bucket that speaks S3, as a target: `BUCKET` or `BUCKET/FOLDER`.
//!
//! Who may write there is said by the environment alone, as for other programs: `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, and for other services than Amazon's `AWS_ENDPOINT_URL` and,
//! without encryption, `AWS_ALLOW_HTTP`. No request brings credentials or names a place.

use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::client::ClientConfigKey;
use object_store::path::Path;
use std::time::Duration;

/// A service that is there answers a connection within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One that says nothing more for so long is given up, and asked again; a large object may take longer as a whole.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// The bucket, and the folder in it.
pub(super) fn open(place: &str) -> Result<(AmazonS3, Path), String> {
    let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err("a bucket is written s3://BUCKET or s3://BUCKET/FOLDER".to_owned());
    }
    if bucket.contains(['@', '?', '#']) {
        return Err("credentials and options come from the environment (AWS_...), not from the place".to_owned());
    }
    // Whoever comes first decides for the process; it is the same for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let from_env = AmazonS3Builder::from_env();
    let plain = from_env.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let options = ClientOptions::new()
        .with_allow_http(plain.is_some_and(|value| matches!(&value[..], "true" | "1")))
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(SILENCE_TIMEOUT)
        .with_timeout_disabled();
    let store = from_env
        .with_bucket_name(bucket)
        .with_client_options(options)
        // An object is created if it is absent: two backups never write over each other.
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Not every service knows how to remove many at once.
        .with_disable_bulk_delete(true)
        .build()
        .map_err(|err| err.to_string())?;
    let folder = Path::parse(folder.trim_matches('/')).map_err(|err| err.to_string())?;
    Ok((store, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_a_folder() {
        for (place, folder) in [("b", ""), ("b/", ""), ("b/a/b/", "a/b")] {
            assert_eq!(open(place).unwrap().1.as_ref(), folder, "{place}");
        }
        for (place, why) in
            [("", "is written"), ("/x", "is written"), ("key:secret@b", "environment"), ("b/a//c", "path")]
        {
            let error = open(place).unwrap_err();
            assert!(error.contains(why), "{place}: {error}");
        }
    }
}
