//! What is kept beside a collection for this door alone: settings that nigh has no word for, shown back as they were
//! given, and the payload indexes that were declared.

use super::call::Call;
use super::fault::{Fault, Result};
use nigh_index::vector::metric::Metric;
use nigh_storage::schema::CollectionSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Settings that are shown back; what nigh does is decided by nigh.
pub(super) const SETTINGS: [&str; 7] = [
    "hnsw_config",
    "optimizers_config",
    "wal_config",
    "quantization_config",
    "strict_mode_config",
    "metadata",
    "on_disk_payload",
];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// `vectors` as the collection was created with.
    pub(super) vectors: Option<Value>,
    /// `sparse_vectors`, likewise.
    #[serde(default)]
    pub(super) sparse: Option<Value>,
    /// Of [`SETTINGS`], what was given.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    /// Declared indexes: a field's name, and its schema as it was given.
    #[serde(default)]
    pub(super) indexes: Map<String, Value>,
    /// Of those, the ones that text fields were made for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) texts: BTreeSet<String>,
}

impl Note {
    /// What was noted; nothing where the collection was created by another door.
    pub(super) fn of(call: &Call) -> Self {
        Self::read(call.engine.note(&call.collection).as_deref())
    }

    pub(super) fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Changes it in one step: of two who declare an index at the same time both are heard.
    pub(super) async fn change(call: &Call, change: impl FnOnce(&mut Self) + Send + 'static) -> Result<()> {
        let changed = |before: Option<&str>| {
            let mut note = Self::read(before);
            change(&mut note);
            json!(note).to_string()
        };
        Ok(call.engine.clone().change_note(call.collection.clone(), changed, &call.deadline).await?)
    }

    /// A vector field was added. Where the fields were never noted they are shown as they are.
    pub(super) fn add_vector(&mut self, name: String, params: Value, dense: bool) {
        let noted = if dense { &mut self.vectors } else { &mut self.sparse };
        if let Some(only) = noted.as_mut().filter(|noted| noted.get("size").is_some_and(Value::is_number)) {
            *only = json!({"": only.take()});
        }
        if let Some(Value::Object(named)) = noted {
            named.insert(name, params);
        }
    }

    /// A vector field was dropped.
    pub(super) fn drop_vector(&mut self, name: &str) {
        if name.is_empty() && self.vectors.as_ref().is_some_and(|noted| noted["size"].is_number()) {
            self.vectors = Some(json!({}));
        }
        for noted in [&mut self.vectors, &mut self.sparse] {
            if let Some(Value::Object(named)) = noted {
                named.shift_remove(name);
            }
        }
    }

    /// `sparse_vectors` as it is shown, where there are any.
    pub(super) fn sparse_of(&self, spec: &CollectionSpec) -> Option<Value> {
        if let Some(sparse) = &self.sparse {
            return Some(sparse.clone());
        }
        let params = |idf: bool| if idf { json!({"modifier": "idf"}) } else { json!({}) };
        let fields = spec.sparse.iter().map(|field| (field.name.clone(), params(field.spec.idf)));
        (!spec.sparse.is_empty()).then(|| fields.collect::<Map<_, _>>().into())
    }

    /// `vectors` as it is shown.
    pub(super) fn vectors_of(&self, spec: &CollectionSpec) -> Value {
        if let Some(vectors) = &self.vectors {
            return vectors.clone();
        }
        let params = |metric: Metric, size: u32| json!({"size": size, "distance": distance_out(metric)});
        match &spec.vectors[..] {
            [only] if only.name.is_empty() => params(only.spec.metric, only.spec.size),
            several => several
                .iter()
                .map(|field| (field.name.clone(), params(field.spec.metric, field.spec.size)))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

/// A distance by its name, whose spelling counts.
pub(super) fn distance(value: Option<&Value>) -> Result<Metric> {
    match value.and_then(Value::as_str) {
        Some("Cosine") => Ok(Metric::Cosine),
        Some("Dot") => Ok(Metric::Dot),
        Some("Euclid") => Ok(Metric::Euclid),
        Some("Manhattan") => Ok(Metric::Manhattan),
        other => {
            let other = other.unwrap_or("left out");
            Err(Fault::format(format_args!("distance is {other}; it is Cosine, Dot, Euclid or Manhattan")))
        }
    }
}

fn distance_out(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "Cosine",
        Metric::Dot => "Dot",
        Metric::Euclid => "Euclid",
        Metric::Manhattan => "Manhattan",
    }
}
