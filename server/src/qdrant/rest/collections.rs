//! Collections: created, shown, changed, dropped; their other names; declared indexes.

use super::note::{Note, SETTINGS, distance};
use super::reply::{Answer, Fault, Reply, Result, Update};
use super::{Asked, body, selector};
use crate::engine::Engine;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::vector::multi::MultiSpec;
use nigh_index::vector::spec::VectorSpec;
use nigh_storage::schema::{CollectionSpec, MultiField, SparseField, VectorField};
use nigh_storage::store::State as Opened;
use nigh_storage::store::names::AliasChange;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// What clients are told of the graph where nobody set it: keys that they insist on.
const HNSW_SHOWN: [(&str, u64); 3] = [("m", 16), ("ef_construct", 100), ("full_scan_threshold", 10_000)];

pub(super) async fn list(State(engine): State<Arc<Engine>>) -> Answer<Value> {
    let begun = Instant::now();
    let names = engine.list().into_iter().filter(|(_, state)| *state == Opened::Open);
    let collections: Vec<Value> = names.map(|(name, _)| json!({ "name": name })).collect();
    Ok(Reply::new(begun, json!({ "collections": collections })))
}

pub(super) async fn exists(State(engine): State<Arc<Engine>>, Path(collection): Path<String>) -> Answer<Value> {
    let begun = Instant::now();
    let there = match engine.collection(&collection) {
        Err(crate::engine::error::Error::Missing { .. }) => false,
        Err(err) => return Err(err.into()),
        Ok(_) => true,
    };
    Ok(Reply::new(begun, json!({ "exists": there })))
}

pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<bool> {
    let (begun, asked, request) = (Instant::now(), Asked::of(&uri)?, body::<Map<String, Value>>(&bytes)?);
    if request.get("sharding_method").is_some_and(|method| *method == json!("custom")) {
        return Err(Fault::not_supported("sharding by keys"));
    }
    let spec = spec(request.get("vectors"), request.get("sparse_vectors"))?;
    engine.clone().create(collection.clone(), spec, false, &asked.deadline).await.map_err(|err| match err {
        crate::engine::error::Error::Exists(_) => {
            Fault::from(crate::engine::error::Error::Exists(format!("Collection `{collection}` already exists!")))
        }
        other => other.into(),
    })?;
    let settings = SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), request.get(*name)?.clone())));
    let settings = settings.filter(|(_, value)| !value.is_null()).collect();
    let (vectors, sparse) = (request.get("vectors").cloned(), request.get("sparse_vectors").cloned());
    let made = Note { vectors, sparse, settings, ..Note::default() };
    Note::change(&engine, &collection, &asked.deadline, |note| *note = made).await?;
    Ok(Reply::new(begun, true))
}

fn spec(vectors: Option<&Value>, sparse: Option<&Value>) -> Result<CollectionSpec> {
    let mut spec = CollectionSpec::default();
    let mut field = |name: &str, params: &Value| {
        let metric = distance(params.get("distance"))?;
        let size = params.get("size").and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok());
        let size = size.ok_or_else(|| Fault::format("size is an unsigned integer"))?;
        if size == 0 {
            return Err(Fault::bad_request("size is 0; it is at least 1"));
        }
        let name = name.to_owned();
        match params.get("multivector_config").is_some_and(|config| !config.is_null()) {
            true => spec.multi.push(MultiField { name, spec: MultiSpec { size, metric } }),
            false => spec.vectors.push(VectorField { name, spec: VectorSpec::new(size, metric) }),
        }
        Ok(())
    };
    match vectors {
        None | Some(Value::Null) => {}
        Some(only) if only.get("size").is_some_and(Value::is_number) => field("", only)?,
        Some(Value::Object(named)) => {
            for (name, params) in named {
                field(name, params)?;
            }
        }
        Some(_) => return Err(Fault::format("vectors has size and distance, or such parameters by name")),
    }
    match sparse {
        None | Some(Value::Null) => {}
        Some(Value::Object(named)) => {
            for (name, params) in named {
                let idf = params.get("modifier").is_some_and(|modifier| *modifier == json!("idf"));
                spec.sparse.push(SparseField { name: name.clone(), spec: SparseSpec { idf } });
            }
        }
        Some(_) => return Err(Fault::format("sparse_vectors is an object of parameters by name")),
    }
    Ok(spec)
}

pub(super) async fn describe(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    let (begun, asked) = (Instant::now(), Asked::of(&uri)?);
    let (spec, status) = engine.clone().describe(collection.clone(), &asked.deadline).await?;
    let note = Note::of(&engine, &collection);
    let setting = |name: &str| note.settings.get(name).cloned().unwrap_or(Value::Null);
    let mut hnsw: Map<String, Value> =
        HNSW_SHOWN.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let mut optimizer = Map::from_iter([
        ("deleted_threshold".to_owned(), json!(0.2)),
        ("vacuum_min_vector_number".to_owned(), json!(1000)),
        ("default_segment_number".to_owned(), json!(0)),
        ("flush_interval_sec".to_owned(), json!(5)),
    ]);
    for (into, name) in [(&mut hnsw, "hnsw_config"), (&mut optimizer, "optimizers_config")] {
        let given = note.settings.get(name).and_then(Value::as_object).into_iter().flatten();
        into.extend(given.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    }
    let mut params = json!({
        "vectors": note.vectors_of(&spec), "shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1,
    });
    if let Some(sparse) = note.sparse_of(&spec) {
        params["sparse_vectors"] = sparse;
    }
    params["on_disk_payload"] = json!(setting("on_disk_payload").as_bool().unwrap_or(true));
    let mut config = json!({"params": params, "hnsw_config": hnsw, "optimizer_config": optimizer});
    for name in ["wal_config", "quantization_config", "strict_mode_config", "metadata"] {
        if !setting(name).is_null() {
            config[name] = setting(name);
        }
    }
    let schema: Map<String, Value> = note
        .indexes
        .iter()
        .map(|(name, given)| {
            let kind = if given.is_string() { given.clone() } else { given["type"].clone() };
            let mut shown = json!({"data_type": kind, "points": status.points});
            if given.is_object() {
                shown["params"] = given.clone();
            }
            (name.clone(), shown)
        })
        .collect();
    let indexed = status.points.saturating_sub(status.live_rows);
    Ok(Reply::new(
        begun,
        json!({
            "status": "green", "optimizer_status": "ok", "indexed_vectors_count": indexed,
            "points_count": status.points, "segments_count": status.segments.len().max(1),
            "config": config, "payload_schema": schema,
        }),
    ))
}

/// Only what is shown back can be changed.
pub(super) async fn update(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<bool> {
    let (begun, asked, request) = (Instant::now(), Asked::of(&uri)?, body::<Map<String, Value>>(&bytes)?);
    engine.collection(&collection)?;
    let change = move |note: &mut Note| {
        for name in SETTINGS {
            match (request.get(name), note.settings.get_mut(name)) {
                (None | Some(Value::Null), _) => {}
                (Some(Value::Object(given)), Some(Value::Object(known))) => {
                    known.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
                (Some(given), _) => drop(note.settings.insert(name.to_owned(), given.clone())),
            }
        }
    };
    Note::change(&engine, &collection, &asked.deadline, change).await?;
    Ok(Reply::new(begun, true))
}

pub(super) async fn delete(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
) -> Answer<bool> {
    let (begun, asked) = (Instant::now(), Asked::of(&uri)?);
    Ok(Reply::new(begun, engine.drop_collection(collection, &asked.deadline).await?))
}

#[derive(Deserialize)]
pub(super) struct Aliases {
    actions: Vec<Value>,
}

pub(super) async fn change_aliases(State(engine): State<Arc<Engine>>, uri: Uri, bytes: Bytes) -> Answer<bool> {
    let (begun, asked, request) = (Instant::now(), Asked::of(&uri)?, body::<Aliases>(&bytes)?);
    let change = |action: &Value| {
        let text = |of: &str, name: &str| {
            let text = action[of].get(name).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| Fault::format(format_args!("{of} has the name {name}")))
        };
        Ok(if action.get("create_alias").is_some() {
            let (alias, collection) = (text("create_alias", "alias_name")?, text("create_alias", "collection_name")?);
            AliasChange::Set { alias, collection }
        } else if action.get("delete_alias").is_some() {
            AliasChange::Delete { alias: text("delete_alias", "alias_name")? }
        } else if action.get("rename_alias").is_some() {
            let (from, to) = (text("rename_alias", "old_alias_name")?, text("rename_alias", "new_alias_name")?);
            AliasChange::Rename { from, to }
        } else {
            return Err(Fault::format("an action is create_alias, delete_alias or rename_alias"));
        })
    };
    let changes = request.actions.iter().map(change).collect::<Result<_>>()?;
    engine.change_aliases(changes, &asked.deadline).await?;
    Ok(Reply::new(begun, true))
}

fn shown<'a>(aliases: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    let one = |(alias, of): (&String, &String)| json!({"alias_name": alias, "collection_name": of});
    json!({"aliases": aliases.map(one).collect::<Vec<_>>()})
}

pub(super) async fn aliases(State(engine): State<Arc<Engine>>) -> Answer<Value> {
    let (begun, all) = (Instant::now(), engine.aliases());
    Ok(Reply::new(begun, shown(all.iter())))
}

pub(super) async fn aliases_of(State(engine): State<Arc<Engine>>, Path(collection): Path<String>) -> Answer<Value> {
    let begun = Instant::now();
    engine.collection(&collection)?;
    let all = engine.aliases();
    Ok(Reply::new(begun, shown(all.iter().filter(|(_, of)| **of == collection))))
}

#[derive(Deserialize)]
pub(super) struct Index {
    field_name: String,
    field_schema: Option<Value>,
}

/// Scalar fields are indexed by themselves: an index that is declared is shown back, and makes nothing slower.
pub(super) async fn create_index(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Update> {
    const KINDS: [&str; 8] = ["keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"];
    let (begun, asked, request) = (Instant::now(), Asked::of(&uri)?, body::<Index>(&bytes)?);
    selector::keys(&request.field_name)?;
    let schema = request.field_schema.ok_or_else(|| Fault::bad_request("field_schema is left out"))?;
    let kind = schema.as_str().or_else(|| schema.get("type")?.as_str());
    if !kind.is_some_and(|kind| KINDS.contains(&kind)) {
        return Err(Fault::format(format_args!("field_schema is one of {}", KINDS.join(", "))));
    }
    let seq = engine.collection(&collection)?.snapshot().seq;
    let declare = |note: &mut Note| drop(note.indexes.insert(request.field_name, schema));
    Note::change(&engine, &collection, &asked.deadline, declare).await?;
    Ok(Reply::new(begun, Update::new(seq, asked.wait)))
}

pub(super) async fn delete_index(
    State(engine): State<Arc<Engine>>,
    Path((collection, field)): Path<(String, String)>,
    uri: Uri,
) -> Answer<Update> {
    let (begun, asked) = (Instant::now(), Asked::of(&uri)?);
    let seq = engine.collection(&collection)?.snapshot().seq;
    let forget = move |note: &mut Note| drop(note.indexes.shift_remove(&field));
    Note::change(&engine, &collection, &asked.deadline, forget).await?;
    Ok(Reply::new(begun, Update::new(seq, asked.wait)))
}
