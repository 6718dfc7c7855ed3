//! Collections: created, shown, changed, dropped; their other names; declared indexes.

use super::ask::some;
use super::call::{Call, Update};
use super::fault::{Fault, Result};
use super::note::{Note, SETTINGS, distance};
use super::operation::list as list_of;
use super::strict::Strict;
use super::{path, scored};
use crate::engine::error::Error;
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::vector::multi::MultiSpec;
use nigh_index::vector::spec::VectorSpec;
use nigh_storage::schema::{CollectionSpec, MultiField, NewField, SparseField, VectorField};
use nigh_storage::status::Status;
use nigh_storage::store::State as Opened;
use nigh_storage::store::names::AliasChange;
use serde_json::{Map, Value, json};

/// What clients are told of the graph where nobody set it: keys that they insist on.
const HNSW_SHOWN: [(&str, u64); 3] = [("m", 16), ("ef_construct", 100), ("full_scan_threshold", 10_000)];

fn object(request: Value) -> Result<Map<String, Value>> {
    match request {
        Value::Object(object) => Ok(object),
        _ => Err(Fault::format("a request is an object")),
    }
}

pub(super) async fn list(call: Call) -> Result<Value> {
    let names = call.engine.list().into_iter().filter(|(_, state)| *state == Opened::Open);
    let collections: Vec<Value> = names.map(|(name, _)| json!({ "name": name })).collect();
    Ok(json!({ "collections": collections }))
}

pub(super) async fn exists(call: Call) -> Result<Value> {
    let there = match call.engine.collection(&call.collection) {
        Err(Error::Missing { .. }) => false,
        Err(err) => return Err(err.into()),
        Ok(_) => true,
    };
    Ok(json!({ "exists": there }))
}

pub(super) async fn create(call: Call, request: Value) -> Result<bool> {
    let request = object(request)?;
    if request.get("sharding_method").is_some_and(|method| *method == json!("custom")) {
        return Err(Fault::not_supported("sharding by keys"));
    }
    let spec = spec(request.get("vectors"), request.get("sparse_vectors"))?;
    let name = call.collection.clone();
    call.engine.clone().create(name, spec, false, &call.deadline).await.map_err(|err| match err {
        Error::Exists(_) => Fault::exists(&call.collection),
        other => other.into(),
    })?;
    let settings = SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), request.get(*name)?.clone())));
    let settings = settings.filter(|(_, value)| !value.is_null()).collect();
    let (vectors, sparse) = (request.get("vectors").cloned(), request.get("sparse_vectors").cloned());
    let made = Note { vectors, sparse, settings, ..Note::default() };
    Note::change(&call, |note| *note = made).await?;
    Ok(true)
}

/// A field of one vector a point, or of several.
fn dense_field(name: &str, params: &Value) -> Result<NewField> {
    let metric = distance(params.get("distance"))?;
    let size = params.get("size").and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok());
    let size = size.ok_or_else(|| Fault::format("size is an unsigned integer"))?;
    if size == 0 {
        return Err(Fault::bad_request("size is 0; it is at least 1"));
    }
    let name = name.to_owned();
    Ok(match params.get("multivector_config").is_some_and(|config| !config.is_null()) {
        true => NewField::Multi(MultiField { name, spec: MultiSpec { size, metric } }),
        false => NewField::Dense(VectorField { name, spec: VectorSpec::new(size, metric) }),
    })
}

fn sparse_field(name: &str, params: &Value) -> SparseField {
    let idf = params.get("modifier").is_some_and(|modifier| *modifier == json!("idf"));
    SparseField { name: name.to_owned(), spec: SparseSpec { idf } }
}

fn spec(vectors: Option<&Value>, sparse: Option<&Value>) -> Result<CollectionSpec> {
    let mut spec = CollectionSpec::default();
    let mut field = |name: &str, params: &Value| -> Result<()> {
        match dense_field(name, params)? {
            NewField::Dense(field) => spec.vectors.push(field),
            NewField::Multi(field) => spec.multi.push(field),
            NewField::Sparse(field) => spec.sparse.push(field),
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
            spec.sparse.extend(named.iter().map(|(name, params)| sparse_field(name, params)));
        }
        Some(_) => return Err(Fault::format("sparse_vectors is an object of parameters by name")),
    }
    Ok(spec)
}

/// A vector field more.
pub(super) async fn create_vector(call: Call, name: String, request: Value) -> Result<Update> {
    let collection = call.open()?;
    let (field, dense) = match (some(&request, "dense"), some(&request, "sparse")) {
        (Some(params), None) => (dense_field(&name, params)?, true),
        (None, Some(params)) => (NewField::Sparse(sparse_field(&name, params)), false),
        _ => return Err(Fault::format("a vector is created with dense or with sparse parameters")),
    };
    call.engine.clone().add_vectors(collection.clone(), field, false, &call.deadline).await?;
    let params = request[if dense { "dense" } else { "sparse" }].clone();
    Note::change(&call, move |note| note.add_vector(name, params, dense)).await?;
    Ok(call.done(collection.snapshot().seq))
}

/// A vector field less.
pub(super) async fn delete_vector(call: Call, name: String) -> Result<Update> {
    let collection = call.open()?;
    if !call.engine.clone().drop_vectors(collection.clone(), name.clone(), &call.deadline).await? {
        return Err(Fault::wrong_input(format_args!("Not existing vector name error: {name}")));
    }
    Note::change(&call, move |note| note.drop_vector(&name)).await?;
    Ok(call.done(collection.snapshot().seq))
}

pub(super) async fn describe(call: Call) -> Result<Value> {
    let (spec, status) = call.engine.clone().describe(call.collection.clone(), &call.deadline).await?;
    let note = Note::of(&call);
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
    Ok(json!({
        "status": colour(&status), "optimizer_status": "ok", "indexed_vectors_count": indexed,
        "points_count": status.points, "segments_count": status.segments.len().max(1),
        "config": config, "payload_schema": schema,
    }))
}

/// Whether all that was written stands as it will, or is still being sealed and merged: clients wait for the former.
fn colour(status: &Status) -> &'static str {
    if status.upkeep == "idle" { "green" } else { "yellow" }
}

/// Only what is shown back can be changed.
pub(super) async fn update(call: Call, request: Value) -> Result<bool> {
    let request = object(request)?;
    call.open()?;
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
    Note::change(&call, change).await?;
    Ok(true)
}

pub(super) async fn delete(call: Call) -> Result<bool> {
    Ok(call.engine.drop_collection(call.collection, &call.deadline).await?)
}

pub(super) async fn change_aliases(call: Call, request: Value) -> Result<bool> {
    let actions = list_of(&request, "actions")?;
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
    let changes = actions.iter().map(change).collect::<Result<_>>()?;
    call.engine.change_aliases(changes, &call.deadline).await?;
    Ok(true)
}

fn shown<'a>(aliases: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    let one = |(alias, of): (&String, &String)| json!({"alias_name": alias, "collection_name": of});
    json!({"aliases": aliases.map(one).collect::<Vec<_>>()})
}

pub(super) async fn aliases(call: Call) -> Result<Value> {
    Ok(shown(call.engine.aliases().iter()))
}

pub(super) async fn aliases_of(call: Call) -> Result<Value> {
    call.open()?;
    let all = call.engine.aliases();
    Ok(shown(all.iter().filter(|(_, of)| **of == call.collection)))
}

/// One node has all of it.
pub(super) async fn cluster(call: Call) -> Result<Value> {
    let shard = json!({"shard_id": 0, "points_count": call.open()?.snapshot().points(), "state": "Active"});
    Ok(json!({"peer_id": 0, "shard_count": 1, "local_shards": [shard], "remote_shards": [], "shard_transfers": []}))
}

/// Scalar fields are indexed by themselves: an index that is declared is shown back, and makes nothing slower.
pub(super) async fn create_index(call: Call, request: Value) -> Result<Update> {
    const KINDS: [&str; 8] = ["keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"];
    let name = request.get("field_name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Fault::format("missing field `field_name`"))?.to_owned();
    path::steps(&name)?;
    let schema = request.get("field_schema").filter(|schema| !schema.is_null()).cloned();
    let schema = schema.ok_or_else(|| Fault::bad_request("field_schema is left out"))?;
    let kind = schema.as_str().or_else(|| schema.get("type")?.as_str());
    if !kind.is_some_and(|kind| KINDS.contains(&kind)) {
        return Err(Fault::format(format_args!("field_schema is one of {}", KINDS.join(", "))));
    }
    let seq = call.open()?.snapshot().seq;
    if let Some(strict) = Strict::of(&call) {
        strict.index()?;
    }
    let text = scored::settle(&call, &name, scored::field(&name, &schema)?).await?;
    let declare = move |note: &mut Note| {
        note.texts.remove(&name);
        note.texts.extend(text.then(|| name.clone()));
        note.indexes.insert(name, schema);
    };
    Note::change(&call, declare).await?;
    Ok(call.done(seq))
}

pub(super) async fn delete_index(call: Call, field: String) -> Result<Update> {
    let seq = call.open()?.snapshot().seq;
    scored::settle(&call, &field, None).await?;
    let forget = move |note: &mut Note| {
        note.texts.remove(&field);
        note.indexes.shift_remove(&field);
    };
    Note::change(&call, forget).await?;
    Ok(call.done(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_that_is_being_sealed_is_not_green() {
        let at = |upkeep| colour(&Status { upkeep, ..Status::default() });
        assert_eq!([at("idle"), at("sealing"), at("sealing and merging")], ["green", "yellow", "yellow"]);
    }
}
