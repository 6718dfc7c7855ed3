//! Collections: a shard of the engine each, and the thread that optimizes it.

use qdrant_edge::{EdgeConfig, EdgeShard, OperationError, OperationResult, QueryRequest, ScoredPoint, UpdateOperation};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

/// What Qdrant builds graphs with where nothing else is asked for, sizes in KB.
fn hnsw_defaults() -> Value {
    json!({"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "max_indexing_threads": 0})
}

/// A shard, its settings as they were given, and the thread that builds its graphs.
pub struct Collection {
    shard: Arc<EdgeShard>,
    busy: Arc<AtomicBool>,
    /// Told of every write; the optimizer ends when it is dropped.
    changed: Option<SyncSender<()>>,
    optimizer: Option<JoinHandle<()>>,
    /// The body that it was created with.
    pub settings: Value,
    operations: AtomicU64,
}

impl Collection {
    /// Writes, and lets the optimizer look whether there is enough for a graph. Returns the number of the operation.
    pub fn update(&self, operation: UpdateOperation) -> OperationResult<u64> {
        self.shard.update(operation)?;
        if let Some(changed) = &self.changed {
            // A full channel: it will look anyway.
            let _ = changed.try_send(());
        }
        Ok(self.operations.fetch_add(1, Ordering::Relaxed))
    }

    /// The hits, best first.
    pub fn query(&self, request: QueryRequest) -> OperationResult<Vec<ScoredPoint>> {
        self.shard.query(request)
    }

    /// Every point, exactly.
    pub fn count(&self) -> OperationResult<usize> {
        self.shard.count(qdrant_edge::CountRequest::new())
    }

    /// As the client wants to see it.
    pub fn described(&self) -> OperationResult<Value> {
        let info = self.shard.info()?;
        let mut params = Map::new();
        for field in ["vectors", "sparse_vectors"] {
            params.extend(self.settings.get(field).map(|value| (field.to_owned(), value.clone())));
        }
        let busy = self.busy.load(Ordering::Acquire);
        Ok(json!({
            "status": if busy { "yellow" } else { "green" },
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": {
                "params": params,
                "hnsw_config": hnsw_defaults(),
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
            },
            "payload_schema": {},
        }))
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.changed = None;
        if let Some(optimizer) = self.optimizer.take() {
            drop(optimizer.join());
        }
        // It stays open, and with it what it writes at its end, until this has returned.
        drop(std::fs::remove_dir_all(self.shard.path()));
    }
}

fn optimize(shard: &EdgeShard, changed: &Receiver<()>, busy: &AtomicBool) {
    while changed.recv().is_ok() {
        busy.store(true, Ordering::Release);
        if let Err(error) = shard.optimize() {
            eprintln!("the optimizer: {error}");
        }
        busy.store(false, Ordering::Release);
    }
}

/// The collections by name.
pub struct Collections {
    folder: PathBuf,
    made: AtomicU64,
    named: RwLock<HashMap<String, Arc<Collection>>>,
}

impl Collections {
    /// None yet; they will lie in the folder, which nothing is read from.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, made: AtomicU64::new(0), named: RwLock::default() }
    }

    /// The collection of that name.
    pub fn find(&self, name: &str) -> OperationResult<Arc<Collection>> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.get(name).cloned().ok_or_else(|| wrong(format!("there is no collection `{name}`")))
    }

    /// Makes one, of the body of a request.
    pub fn create(&self, name: String, settings: Value) -> OperationResult<()> {
        let config = config(&settings)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let shard = Arc::new(EdgeShard::new(&self.folder.join(number.to_string()), config)?);
        let (changed, changes) = sync_channel(1);
        let busy = Arc::new(AtomicBool::new(false));
        let optimizer = std::thread::spawn({
            let (shard, busy) = (shard.clone(), busy.clone());
            move || optimize(&shard, &changes, &busy)
        });
        let optimizer = Some(optimizer);
        let collection =
            Collection { shard, busy, changed: Some(changed), optimizer, settings, operations: AtomicU64::new(0) };
        self.named.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(collection));
        Ok(())
    }

    /// Takes it away, and its files once nobody reads it. Returns whether there was one.
    pub fn delete(&self, name: &str) -> bool {
        self.named.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }
}

/// The settings of a collection as the engine has them, which reads them under the names that the API gives them.
fn config(settings: &Value) -> OperationResult<EdgeConfig> {
    let vectors = match settings.get("vectors") {
        Some(lone) if lone.get("size").is_some() => json!({"": lone}),
        Some(named) if !named.is_null() => named.clone(),
        _ => json!({}),
    };
    let mut hnsw = hnsw_defaults();
    if let (Some(hnsw), Some(Value::Object(given))) = (hnsw.as_object_mut(), settings.get("hnsw_config")) {
        hnsw.extend(
            given.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())),
        );
    }
    let given = |name| settings.get(name).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| json!({}));
    let config = json!({
        "vectors": vectors,
        "sparse_vectors": given("sparse_vectors"),
        "hnsw_config": hnsw,
        "optimizers": given("optimizers_config"),
    });
    serde_json::from_value(config).map_err(|error| wrong(error.to_string()))
}

/// The caller's mistake.
pub fn wrong(why: impl Into<String>) -> OperationError {
    OperationError::validation_error(why.into())
}
