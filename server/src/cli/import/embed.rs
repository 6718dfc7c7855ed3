//! A column of text becomes vectors on the way in: asked of a service that speaks the HTTP interface of OpenAI
//! (`POST .../embeddings`), which most servers of models do.
//!
//! Chunks of points are asked for side by side and go on in their order. Points that have their vector already are not
//! asked for, nor are rows that a resumed import passes over. Points without a text are counted; where none of all has one,
//! the column is not what it was taken for, and the import fails.

use crate::cli::failure::{Failure, Result, doing};
use nigh_client::Point;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// The key of the service, where no file of it is given.
const KEY: &str = "NIGH_EMBED_KEY";
/// How often a question is asked in all, and the first wait between two.
const ATTEMPTS: u32 = 7;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// No wait is longer, whatever the service asks for.
const WAIT_MAX: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(120);
/// No reply is longer, in bytes.
const REPLY_BYTES_MAX: usize = 256 << 20;
/// Of what a service says when it refuses, so much is shown.
const SHOWN_CHARS: usize = 300;
/// So many chunks are held back until a text was found: a small file whose column is misspelled leaves nothing behind.
const HELD_CHUNKS: usize = 8;
/// Chunks that are asked for at once.
const AT_ONCE: usize = 4;

/// What the command line says of it.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "of_embedding")]
pub(crate) struct Args {
    /// Makes vectors of a column of text by this service (`https://host/v1`); its key is NIGH_EMBED_KEY
    #[arg(long, value_name = "URL", requires_all = ["embed_model", "embed_column"], conflicts_with = "from_qdrant")]
    embed_url: Option<String>,
    /// The file of the service's key, instead
    #[arg(long, value_name = "FILE", requires = "embed_url")]
    embed_key_file: Option<PathBuf>,
    /// The model
    #[arg(long, value_name = "NAME", requires = "embed_url")]
    embed_model: Option<String>,
    /// The column of text, by its name in the collection
    #[arg(long, value_name = "COLUMN", requires = "embed_url")]
    embed_column: Option<String>,
    /// The vector field; may be left out where the collection has one
    #[arg(long, value_name = "FIELD", requires = "embed_url")]
    embed_field: Option<String>,
    /// Texts that are asked for at a time
    #[arg(long, value_name = "COUNT", default_value_t = 64, requires = "embed_url",
          value_parser = clap::value_parser!(u32).range(1..=2048))]
    embed_batch: u32,
}

/// A service that makes vectors of texts.
pub(super) struct Embedder {
    http: Client,
    url: String,
    key: Option<HeaderValue>,
    model: String,
    column: String,
    field: String,
    size: usize,
    batch: usize,
    /// Points that had neither a vector nor a text.
    without: AtomicU64,
}

impl Args {
    /// The service, where one was asked for; `fields` are the vector fields with their sizes.
    pub(super) fn embedder(&self, fields: &[(String, u32)]) -> Result<Option<Arc<Embedder>>> {
        let (Some(url), Some(model), Some(column)) = (&self.embed_url, &self.embed_model, &self.embed_column) else {
            return Ok(None);
        };
        let usage = |why: String| Err(Failure::Usage(why));
        let found = match (&self.embed_field, fields) {
            (Some(name), _) => fields.iter().find(|(field, _)| field == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some((field, size)) = found else {
            let known: Vec<&str> = fields.iter().map(|(name, _)| &name[..]).collect();
            return usage(format!("--embed-field: which one the vectors go into, of: {}", known.join(", ")));
        };
        if !(url.starts_with("http://") || url.starts_with("https://")) || url.contains('@') {
            return usage("--embed-url is written http(s)://host/v1, without a name or a password".to_owned());
        }
        let base = url.trim_end_matches('/');
        let url = if base.ends_with("/embeddings") { base.to_owned() } else { format!("{base}/embeddings") };
        let key = match &self.embed_key_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(doing("read", path))?.trim().to_owned()),
            None => std::env::var(KEY).ok().filter(|key| !key.is_empty()),
        };
        let header = |key: String| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let key = match key.map(header) {
            Some(None) => return usage("the key of the service has characters that cannot be sent".to_owned()),
            other => other.flatten(),
        };
        // Whoever comes first decides for the process; it is the same for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
        let http = http.map_err(|error| Failure::Stream(format!("--embed-url: {error}")))?;
        Ok(Some(Arc::new(Embedder {
            http,
            url,
            key,
            model: model.clone(),
            column: column.clone(),
            field: field.clone(),
            size: *size as usize,
            batch: self.embed_batch as usize,
            without: AtomicU64::new(0),
        })))
    }
}

#[derive(Deserialize)]
struct Reply {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

/// What becomes of a question.
enum Failed {
    /// It may be asked again, after so long where the service says so.
    ForNow(String, Option<Duration>),
    ForGood(String),
}

impl Embedder {
    /// Points so far that had neither a vector nor a text.
    pub(super) fn without(&self) -> u64 {
        self.without.load(Ordering::Relaxed)
    }

    /// Gives their vector to the points that have a text and no vector; how many have neither.
    pub(super) async fn fill(&self, points: &mut [&mut Point]) -> Result<usize> {
        let all = points.iter_mut().filter(|point| !point.vectors.contains_key(&self.field));
        let (mut wanting, without): (Vec<_>, Vec<_>) = all.partition(|point| self.text(point).is_some());
        let without = without.len();
        self.without.fetch_add(without as u64, Ordering::Relaxed);
        for batch in wanting.chunks_mut(self.batch) {
            let texts: Vec<&str> = batch.iter().filter_map(|point| self.text(point)).collect();
            let vectors = self.ask(&texts).await?;
            for (point, vector) in batch.iter_mut().zip(vectors) {
                point.vectors.insert(self.field.clone(), vector);
            }
        }
        Ok(without)
    }

    /// Nobody would see that every point lacks its vector.
    fn none(&self, points: u64) -> Failure {
        let (column, field) = (&self.column, &self.field);
        Failure::Stream(format!(
            "--embed-column {column}: none of {points} points has a text there, or a vector in `{field}`"
        ))
    }

    fn text<'p>(&self, point: &'p Point) -> Option<&'p str> {
        point.payload.get(&self.column)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// One vector for each text, in their order.
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let question = json!({"model": self.model, "input": texts, "encoding_format": "float"}).to_string();
        let mut wait = FIRST_WAIT;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failed = match self.post(question.clone()).await.and_then(|reply| self.vectors(&reply, texts.len())) {
                Ok(vectors) => return Ok(vectors),
                Err(failed) => failed,
            };
            match failed {
                Failed::ForNow(_, hint) if attempt < ATTEMPTS => {
                    tokio::time::sleep(hint.unwrap_or(wait).min(WAIT_MAX)).await;
                    wait *= 2;
                }
                Failed::ForNow(why, _) => {
                    return Err(Failure::Stream(format!("{}: {why}, {attempt} times", self.url)));
                }
                Failed::ForGood(why) => return Err(Failure::Stream(format!("{}: {why}", self.url))),
            }
        }
    }

    async fn post(&self, question: String) -> Result<Vec<u8>, Failed> {
        let mut request = self.http.post(&self.url).header(CONTENT_TYPE, "application/json").body(question);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let broken = |error: reqwest::Error| Failed::ForNow(innermost(&error), None);
        let mut reply = request.send().await.map_err(broken)?;
        let status = reply.status();
        let seconds = reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(piece) = reply.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > REPLY_BYTES_MAX {
                return Err(Failed::ForGood(format!("a reply of more than {REPLY_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        if status.is_success() {
            return Ok(body);
        }
        let said: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS).collect();
        let why = format!("{status}: {}", said.trim());
        let for_now = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT);
        Err(if for_now { Failed::ForNow(why, seconds.map(Duration::from_secs)) } else { Failed::ForGood(why) })
    }

    fn vectors(&self, reply: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, Failed> {
        let wrong = |why: String| Failed::ForGood(why);
        let reply: Reply = serde_json::from_slice(reply).map_err(|error| wrong(format!("its reply: {error}")))?;
        let mut vectors = vec![None; texts];
        for Embedding { index, embedding } in reply.data {
            if embedding.len() != self.size {
                let got = embedding.len();
                return Err(wrong(format!("vectors of {got} numbers, and `{}` holds {}", self.field, self.size)));
            }
            let place = vectors.get_mut(index).ok_or_else(|| wrong(format!("a vector for text {index} of {texts}")))?;
            *place = Some(embedding);
        }
        let found = vectors.iter().flatten().count();
        vectors.into_iter().collect::<Option<_>>().ok_or_else(|| wrong(format!("{found} vectors for {texts} texts")))
    }
}

/// Puts the service between a reader of points and who takes them, in their order. Where so many rows are in from before,
/// what is left may well have no text.
pub(super) fn between(
    embedder: Arc<Embedder>,
    mut points: mpsc::Receiver<Result<Vec<Point>>>,
    before: u64,
) -> mpsc::Receiver<Result<Vec<Point>>> {
    let (done, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut asked = VecDeque::new();
        let mut more = true;
        let (mut held, mut seen, mut found) = (Vec::new(), 0, before > 0);
        while more || !asked.is_empty() {
            while more && asked.len() < AT_ONCE {
                match points.recv().await {
                    None => more = false,
                    Some(Err(error)) => {
                        more = false;
                        asked.push_back(tokio::spawn(async { Err(error) }));
                    }
                    Some(Ok(mut chunk)) => {
                        let embedder = Arc::clone(&embedder);
                        asked.push_back(tokio::spawn(async move {
                            let without = embedder.fill(&mut chunk.iter_mut().collect::<Vec<_>>()).await?;
                            Ok((chunk, without))
                        }));
                    }
                }
            }
            let Some(oldest) = asked.pop_front() else { continue };
            let chunk = oldest.await.unwrap_or_else(|_| Err(Failure::Stream("an embedding broke down".to_owned())));
            let chunk = match chunk {
                Ok((chunk, without)) => {
                    seen += chunk.len() as u64;
                    found |= without < chunk.len();
                    Ok(chunk)
                }
                Err(error) => {
                    more = false;
                    asked.clear();
                    // It says itself what is wrong.
                    found = true;
                    Err(error)
                }
            };
            held.push(chunk);
            if found || held.len() > HELD_CHUNKS {
                for chunk in held.drain(..) {
                    if done.send(chunk).await.is_err() {
                        return;
                    }
                }
            }
        }
        if !found && seen > 0 {
            let _ = done.send(Err(embedder.none(seen))).await;
        }
    });
    taken
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
