//! How a collection is set up: messages as JSON, and JSON as messages.
//!
//! Settings are kept as JSON, in the shape that they have over REST.

use super::value::{self, given};
use crate::qdrant::fault::{Fault, Result};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::payload_index_params::IndexParams;
use nigh_proto::qdrant::{vectors_config, vectors_config_diff};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn json<T: Serialize>(of: T) -> Result<Value> {
    serde_json::to_value(of).map_err(Fault::format)
}

fn some<T: Serialize>(of: Option<T>) -> Result<Option<Value>> {
    of.map(json).transpose()
}

fn by_name<T: Serialize>(of: impl IntoIterator<Item = (String, T)>) -> Result<Value> {
    let one = |(name, of): (String, T)| Ok((name, json(of)?));
    of.into_iter().map(one).collect::<Result<Map<_, _>>>().map(Value::Object)
}

fn metadata(of: value::Fields) -> Option<Value> {
    (!of.is_empty()).then(|| Value::Object(value::object(of)))
}

/// A collection that is to be made.
#[expect(deprecated, reason = "clients fill this field")]
pub(super) fn create(of: q::CreateCollection) -> Result<Value> {
    let vectors = match of.vectors_config.and_then(|of| of.config) {
        None => None,
        Some(vectors_config::Config::Params(one)) => Some(json(one)?),
        Some(vectors_config::Config::ParamsMap(several)) => Some(by_name(several.map)?),
    };
    let custom = of.sharding_method == Some(q::ShardingMethod::Custom.into());
    Ok(given([
        ("vectors", vectors),
        ("sparse_vectors", of.sparse_vectors_config.map(|of| by_name(of.map)).transpose()?),
        ("hnsw_config", some(of.hnsw_config)?),
        ("wal_config", some(of.wal_config)?),
        ("optimizers_config", some(of.optimizers_config)?),
        ("quantization_config", some(of.quantization_config)?),
        ("strict_mode_config", some(of.strict_mode_config)?),
        ("on_disk_payload", of.on_disk_payload.map(Value::Bool)),
        ("sharding_method", custom.then(|| json!("custom"))),
        ("metadata", metadata(of.metadata)),
    ]))
}

/// What is to be changed of one.
pub(super) fn update(of: q::UpdateCollection) -> Result<Value> {
    let vectors = match of.vectors_config.and_then(|of| of.config) {
        None => None,
        Some(vectors_config_diff::Config::Params(one)) => Some(json!({"": json(one)?})),
        Some(vectors_config_diff::Config::ParamsMap(several)) => Some(by_name(several.map)?),
    };
    Ok(given([
        ("vectors", vectors),
        ("sparse_vectors", of.sparse_vectors_config.map(|of| by_name(of.map)).transpose()?),
        ("hnsw_config", some(of.hnsw_config)?),
        ("optimizers_config", some(of.optimizers_config)?),
        ("quantization_config", some(of.quantization_config)?),
        ("strict_mode_config", some(of.strict_mode_config)?),
        ("metadata", metadata(of.metadata)),
    ]))
}

/// A vector field that is to be added.
pub(super) fn vector(of: q::CreateVectorNameRequest) -> Result<Value> {
    use q::create_vector_name_request::VectorConfig::{DenseConfig, SparseConfig};
    match of.vector_config {
        Some(DenseConfig(of)) => Ok(json!({"dense": json(of)?})),
        Some(SparseConfig(of)) => Ok(json!({"sparse": json(of)?})),
        None => Ok(json!({})),
    }
}

/// An index that is declared.
pub(super) fn index(of: q::CreateFieldIndexCollection) -> Result<Value> {
    let typed = |kind: &str, of: Value| {
        let mut of = of;
        of["type"] = kind.into();
        of
    };
    let params = match of.field_index_params.and_then(|of| of.index_params) {
        None => None,
        Some(IndexParams::KeywordIndexParams(of)) => Some(typed("keyword", json(of)?)),
        Some(IndexParams::IntegerIndexParams(of)) => Some(typed("integer", json(of)?)),
        Some(IndexParams::FloatIndexParams(of)) => Some(typed("float", json(of)?)),
        Some(IndexParams::GeoIndexParams(of)) => Some(typed("geo", json(of)?)),
        Some(IndexParams::TextIndexParams(of)) => Some(typed("text", json(of)?)),
        Some(IndexParams::BoolIndexParams(of)) => Some(typed("bool", json(of)?)),
        Some(IndexParams::DatetimeIndexParams(of)) => Some(typed("datetime", json(of)?)),
        Some(IndexParams::UuidIndexParams(of)) => Some(typed("uuid", json(of)?)),
    };
    let kind = of.field_type.map(|number| {
        value::spelled(number, "field_type", |kind| match kind {
            q::FieldType::Keyword => "keyword",
            q::FieldType::Integer => "integer",
            q::FieldType::Float => "float",
            q::FieldType::Geo => "geo",
            q::FieldType::Text => "text",
            q::FieldType::Bool => "bool",
            q::FieldType::Datetime => "datetime",
            q::FieldType::Uuid => "uuid",
        })
    });
    let schema = match params {
        Some(params) => Some(params),
        None => kind.transpose()?,
    };
    Ok(given([("field_name", Some(of.field_name.into())), ("field_schema", schema)]))
}

/// A part of what is shown, as a message.
fn read<T: DeserializeOwned>(of: &Value) -> Option<T> {
    T::deserialize(of).ok()
}

fn index_params(of: &Value) -> Option<q::PayloadIndexParams> {
    let index_params = match of["type"].as_str()? {
        "keyword" => IndexParams::KeywordIndexParams(read(of)?),
        "integer" => IndexParams::IntegerIndexParams(read(of)?),
        "float" => IndexParams::FloatIndexParams(read(of)?),
        "geo" => IndexParams::GeoIndexParams(read(of)?),
        "text" => IndexParams::TextIndexParams(read(of)?),
        "bool" => IndexParams::BoolIndexParams(read(of)?),
        "datetime" => IndexParams::DatetimeIndexParams(read(of)?),
        "uuid" => IndexParams::UuidIndexParams(read(of)?),
        _ => return None,
    };
    Some(q::PayloadIndexParams { index_params: Some(index_params) })
}

fn declared(of: &Value) -> q::PayloadSchemaInfo {
    let kind = match of["data_type"].as_str().unwrap_or_default() {
        "keyword" => q::PayloadSchemaType::Keyword,
        "integer" => q::PayloadSchemaType::Integer,
        "float" => q::PayloadSchemaType::Float,
        "geo" => q::PayloadSchemaType::Geo,
        "text" => q::PayloadSchemaType::Text,
        "bool" => q::PayloadSchemaType::Bool,
        "datetime" => q::PayloadSchemaType::Datetime,
        "uuid" => q::PayloadSchemaType::Uuid,
        _ => q::PayloadSchemaType::UnknownType,
    };
    let params = of.get("params").and_then(index_params);
    q::PayloadSchemaInfo { data_type: kind.into(), params, points: of["points"].as_u64() }
}

fn vectors(of: &Value) -> Option<q::VectorsConfig> {
    let config = match of.get("size").is_some_and(Value::is_number) {
        true => vectors_config::Config::Params(read(of)?),
        false => {
            let named = of.as_object()?.iter().filter_map(|(name, of)| Some((name.clone(), read(of)?)));
            vectors_config::Config::ParamsMap(q::VectorParamsMap { map: named.collect() })
        }
    };
    Some(q::VectorsConfig { config: Some(config) })
}

/// Clients insist on two numbers of the log, also where nobody set them.
fn wal(of: &Value) -> q::WalConfigDiff {
    let mut wal: q::WalConfigDiff = read(of).unwrap_or_default();
    wal.wal_capacity_mb.get_or_insert(32);
    wal.wal_segments_ahead.get_or_insert(0);
    wal
}

/// How a collection is.
#[expect(deprecated, reason = "older clients read this field")]
pub(super) fn info(of: &Value) -> q::CollectionInfo {
    let (config, params) = (&of["config"], &of["config"]["params"]);
    let sparse = params.get("sparse_vectors").and_then(Value::as_object).map(|named| q::SparseVectorConfig {
        map: named.iter().filter_map(|(name, of)| Some((name.clone(), read(of)?))).collect(),
    });
    let fields = |of: &Value| of.as_object().cloned().map(value::fields).unwrap_or_default();
    let schema = of["payload_schema"].as_object().into_iter().flatten();
    q::CollectionInfo {
        status: if of["status"] == "yellow" { q::CollectionStatus::Yellow } else { q::CollectionStatus::Green }.into(),
        optimizer_status: Some(q::OptimizerStatus { ok: true, error: String::new() }),
        segments_count: of["segments_count"].as_u64().unwrap_or_default(),
        config: Some(q::CollectionConfig {
            params: Some(q::CollectionParams {
                shard_number: 1,
                on_disk_payload: params["on_disk_payload"].as_bool().unwrap_or_default(),
                vectors_config: vectors(&params["vectors"]),
                replication_factor: Some(1),
                write_consistency_factor: Some(1),
                sparse_vectors_config: sparse,
                ..q::CollectionParams::default()
            }),
            hnsw_config: read(&config["hnsw_config"]),
            optimizer_config: read(&config["optimizer_config"]),
            wal_config: Some(wal(&config["wal_config"])),
            quantization_config: config.get("quantization_config").and_then(read),
            strict_mode_config: config.get("strict_mode_config").and_then(read),
            metadata: fields(&config["metadata"]),
        }),
        payload_schema: schema.map(|(name, of)| (name.clone(), declared(of))).collect(),
        points_count: of["points_count"].as_u64(),
        indexed_vectors_count: of["indexed_vectors_count"].as_u64(),
        ..q::CollectionInfo::default()
    }
}
