//! Snapshots of a collection: made, listed, removed, and which of them a location names.

use super::call::Call;
use super::fault::{Fault, Result};
use crate::engine::snapshots::Origin;
use nigh_index::filter::datetime;
use nigh_storage::shelf::{Shelved, read_name};
use serde_json::{Value, json};

/// What is told of a snapshot.
fn shown(of: &Shelved) -> Value {
    // Clients read a time without a zone.
    let time = datetime::text(i64::try_from(of.time_ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
    json!({"name": of.name, "creation_time": time.trim_end_matches('Z'), "size": of.bytes, "checksum": of.sha256})
}

pub(super) async fn create(call: Call) -> Result<Shelved> {
    Ok(call.engine.create_snapshot(call.collection, &call.deadline).await?)
}

pub(super) async fn create_shown(call: Call) -> Result<Value> {
    Ok(shown(&create(call).await?))
}

pub(super) async fn all(call: Call) -> Result<Vec<Shelved>> {
    Ok(call.engine.list_snapshots(call.collection, &call.deadline).await?)
}

pub(super) async fn list(call: Call) -> Result<Value> {
    Ok(all(call).await?.iter().map(shown).collect())
}

pub(super) async fn delete(call: Call, snapshot: String) -> Result<bool> {
    call.engine.delete_snapshot(call.collection, snapshot, &call.deadline).await?;
    Ok(true)
}

pub(super) async fn recover(call: Call, origin: Origin, checksum: Option<String>) -> Result<bool> {
    call.engine.recover_snapshot(call.collection, origin, checksum, &call.deadline).await?;
    Ok(true)
}

/// What a request to recover asks for, of a server that was asked as this host: what is taken, and its checksum.
pub(super) fn asked(request: &Value, host: &str) -> Result<(Origin, Option<String>)> {
    let location = request.get("location").and_then(Value::as_str);
    let location = location.ok_or_else(|| Fault::format("missing field `location`"))?;
    let checksum = match &request["checksum"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        _ => return Err(Fault::format("checksum is a text: the SHA-256 of the snapshot, in hexadecimal digits")),
    };
    let (collection, name) = located(location, host).ok_or_else(|| {
        let shown: String = location.chars().take(200).collect();
        Fault::bad_request(format_args!(
            "location is `{shown}`; nigh reads no other file and asks no other server: it names a snapshot that this \
             server keeps, as `file:///NAME` or by the URL from which it is read here; others are uploaded \
             (POST /collections/NAME/snapshots/upload)"
        ))
    })?;
    Ok((Origin::Kept(collection.to_owned(), name.to_owned()), checksum))
}

/// The collection and the name of a snapshot of this server. Nothing of a location is opened or asked: only its name counts.
fn located<'l>(location: &'l str, host: &str) -> Option<(&'l str, &'l str)> {
    let (scheme, rest) = location.split_once("://")?;
    let steps: Vec<&str> = rest.split('/').collect();
    let name = *steps.last()?;
    let (collection, _) = read_name(name)?;
    let here = match (&scheme.to_ascii_lowercase()[..], &steps[..]) {
        ("file", [place, ..]) => place.is_empty() || *place == "localhost",
        ("http" | "https", [place, "collections", of, "snapshots", _]) => {
            *of == collection && !host.is_empty() && place.eq_ignore_ascii_case(host)
        }
        _ => false,
    };
    here.then_some((collection, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "c-1795286112345-5f0c2a9e.snapshot";

    #[test]
    fn a_location_names_a_snapshot_of_this_server_or_nothing() {
        let here = "nigh:6333";
        for good in [
            format!("file:///{NAME}"),
            format!("file:///qdrant/snapshots/c/{NAME}"),
            format!("FILE://localhost/x/{NAME}"),
            format!("http://nigh:6333/collections/c/snapshots/{NAME}"),
            format!("https://NIGH:6333/collections/c/snapshots/{NAME}"),
        ] {
            assert_eq!(located(&good, here), Some(("c", NAME)), "{good}");
        }
        for bad in [
            String::new(),
            NAME.to_owned(),
            format!("/{NAME}"),
            "file:///etc/passwd".to_owned(),
            format!("file:///{NAME}/"),
            format!("file:///{NAME}?x"),
            format!("file://elsewhere/{NAME}"),
            format!("http://elsewhere:6333/collections/c/snapshots/{NAME}"),
            format!("http://nigh:6333@elsewhere/collections/c/snapshots/{NAME}"),
            format!("http://nigh:6333/collections/d/snapshots/{NAME}"),
            format!("http://nigh:6333/collections/c/snapshots/../{NAME}"),
            format!("http://nigh:6333/{NAME}"),
            format!("http:///collections/c/snapshots/{NAME}"),
            format!("s3://nigh:6333/collections/c/snapshots/{NAME}"),
            format!("ftp://nigh:6333/{NAME}"),
        ] {
            assert_eq!(located(&bad, here), None, "{bad}");
        }
        assert_eq!(located(&format!("http:///collections/c/snapshots/{NAME}"), ""), None);
    }

    #[test]
    fn what_is_told_has_a_time_without_a_zone() {
        let of = Shelved { name: NAME.to_owned(), time_ms: 1_795_286_112_000, bytes: 7, sha256: None };
        let told = json!({"name": NAME, "creation_time": "2026-11-21T18:35:12", "size": 7, "checksum": null});
        assert_eq!(shown(&of), told);
    }
}
