//! A stand-in for a service that makes vectors of texts.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Default)]
struct Held {
    /// All texts that were asked for, by request.
    asked: Vec<Vec<String>>,
    /// So many requests more find it busy.
    busy: usize,
    /// Numbers in a vector.
    size: usize,
}

/// The service. A text's vector is (its bytes, 1, 0 ...).
#[derive(Clone)]
pub(super) struct Service {
    pub(super) url: String,
    held: Arc<Mutex<Held>>,
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let held = Arc::new(Mutex::new(Held { size: 2, ..Held::default() }));
        let app = Router::new().route("/v1/embeddings", post(answer)).with_state(held.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, held }
    }

    /// The next requests find it busy.
    pub(super) fn be_busy(&self, requests: usize) {
        self.held.lock().busy = requests;
    }

    /// Makes vectors of another size.
    pub(super) fn size(&self, size: usize) {
        self.held.lock().size = size;
    }

    /// What was asked since the last time, by request.
    pub(super) fn asked(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.held.lock().asked)
    }
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, headers: HeaderMap, body: Bytes) -> Response {
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some("Bearer the-key") {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let mut held = held.lock();
    if held.busy > 0 {
        held.busy -= 1;
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "busy").into_response();
    }
    let question: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(question["model"], "letters");
    let texts = question["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    let texts: Vec<String> = texts.collect();
    let one = |(index, text): (usize, &String)| {
        let mut embedding = vec![0.0; held.size];
        (embedding[0], embedding[1]) = (text.len() as f64, 1.0);
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    // In another order than that of the question: the index says which is which.
    let data: Vec<Value> = texts.iter().enumerate().rev().map(one).collect();
    held.asked.push(texts);
    let reply = json!({"object": "list", "data": data, "model": "letters", "usage": {"total_tokens": 1}});
    ([("content-type", "application/json")], reply.to_string()).into_response()
}
