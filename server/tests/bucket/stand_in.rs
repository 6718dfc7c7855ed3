//! A stand-in for a service that speaks S3: objects in memory, and as much of the protocol as backups need.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Objects of a page of a listing: few, so that there are several pages.
const PAGE: usize = 5;
/// Long ago enough for whatever waits for an object to be old.
const LISTED: &str = "2026-01-01T00:00:00.000Z";
const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Bytes>,
    /// Parts of objects that are being written, by number.
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    /// Requests that were answered, and of them those that wrote an object in parts.
    requests: usize,
    in_parts: usize,
    /// So many requests more find the service out of order.
    out_of_order: usize,
}

/// The service, with any number of buckets.
#[derive(Clone)]
pub(super) struct StandIn {
    /// Where it listens.
    pub(super) url: String,
    held: Arc<Mutex<Held>>,
}

impl StandIn {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::<Mutex<Held>>::default();
        let app = Router::new().fallback(answer).with_state(held.clone());
        let app = app.layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, held }
    }

    /// Puts an object there.
    #[allow(dead_code, reason = "the tests of imports do")]
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        self.held.lock().objects.insert(name.to_owned(), bytes.into());
    }

    /// The objects, as bucket and key.
    pub(super) fn names(&self) -> Vec<String> {
        self.held.lock().objects.keys().cloned().collect()
    }

    /// Objects that came in parts.
    pub(super) fn in_parts(&self) -> usize {
        self.held.lock().in_parts
    }

    /// The next requests find it out of order.
    pub(super) fn fail(&self, requests: usize) {
        self.held.lock().out_of_order = requests;
    }

    /// Flips a bit of an object.
    pub(super) fn damage(&self, name: &str) {
        let mut held = self.held.lock();
        let object = held.objects.get_mut(name).unwrap();
        let mut bytes = object.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        *object = bytes.into();
    }
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        match (first, more) {
            (b'%', [a, b, after @ ..]) => {
                let digits = [*a, *b];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn xml(body: String) -> Response {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    ([("content-type", "application/xml")], head.to_owned() + &body).into_response()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")).into_response()
}

async fn answer(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let signed = header("authorization").unwrap_or_default();
    if !signed.starts_with("AWS4-HMAC-SHA256 Credential=the-key/") || !signed.contains("Signature=") {
        return refuse(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let mut held = held.lock();
    held.requests += 1;
    if held.out_of_order > 0 {
        held.out_of_order -= 1;
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    }
    let name = plain(uri.path().trim_start_matches('/'));
    let pairs = uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query: BTreeMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), plain(value))).collect();
    let upload = query.get("uploadId").cloned();
    match (method.as_str(), query.get("partNumber"), upload) {
        ("GET", ..) if query.contains_key("list-type") => list(&held, &name, &query),
        ("GET" | "HEAD", ..) => match held.objects.get(&name) {
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
            Some(object) => read(object.clone(), method == Method::HEAD, header("range")),
        },
        ("POST", None, None) if query.contains_key("uploads") => {
            let id = format!("upload{}", held.requests);
            held.uploads.insert(id.clone(), BTreeMap::new());
            xml(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        ("PUT", Some(part), Some(id)) => {
            let number: u32 = part.parse().unwrap();
            held.uploads.get_mut(&id).unwrap().insert(number, body);
            [("etag", format!("\"part{number}\""))].into_response()
        }
        ("POST", None, Some(id)) => {
            let parts = held.uploads.remove(&id).unwrap();
            let whole: Vec<u8> = parts.into_values().flatten().collect();
            held.objects.insert(name, whole.into());
            held.in_parts += 1;
            xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".to_owned())
        }
        ("PUT", None, None) => {
            if header("if-none-match").is_some() && held.objects.contains_key(&name) {
                return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            held.objects.insert(name, body);
            [("etag", "\"whole\"")].into_response()
        }
        ("DELETE", ..) => {
            held.objects.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

fn read(object: Bytes, head: bool, range: Option<String>) -> Response {
    let whole = object.len();
    let asked = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (status, from, to) = match asked {
        None => (StatusCode::OK, 0, whole),
        Some((from, to)) => {
            let to = to.parse::<usize>().map_or(whole, |to| whole.min(to + 1));
            (StatusCode::PARTIAL_CONTENT, from.parse().unwrap(), to)
        }
    };
    let body = if head { Bytes::new() } else { object.slice(from..to) };
    let mut reply = (status, [("etag", "\"whole\""), ("last-modified", MODIFIED)], body).into_response();
    let headers = reply.headers_mut();
    headers.insert("content-length", HeaderValue::from(to - from));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{whole}", to.max(1) - 1);
        headers.insert("content-range", range.parse().unwrap());
    }
    reply
}

fn list(held: &Held, bucket: &str, query: &BTreeMap<String, String>) -> Response {
    let bucket = format!("{}/", bucket.trim_end_matches('/'));
    let prefix = format!("{bucket}{}", query.get("prefix").map_or("", |prefix| prefix));
    let after = query.get("continuation-token").cloned().unwrap_or_default();
    let all = held.objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after);
    let mut page: Vec<(&String, &Bytes)> = all.take(PAGE + 1).collect();
    let more = page.len() > PAGE;
    page.truncate(PAGE);
    let one = |(name, bytes): &(&String, &Bytes)| {
        let (key, size) = (name.strip_prefix(&bucket).unwrap(), bytes.len());
        format!(
            "<Contents><Key>{key}</Key><LastModified>{LISTED}</LastModified><ETag>\"whole\"</ETag><Size>{size}</Size></Contents>"
        )
    };
    let contents: String = page.iter().map(one).collect();
    let token = match page.last().filter(|_| more) {
        Some((name, _)) => format!("<NextContinuationToken>{name}</NextContinuationToken>"),
        None => String::new(),
    };
    xml(format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{contents}</ListBucketResult>"))
}
