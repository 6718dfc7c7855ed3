//! What a collection holds and how it is, on the wire.

use super::filter::{at_place, left_out, short};
use super::vectors;
use crate::engine::catalog;
use crate::engine::error::{Error, Result};
use nigh_index::text::spec::TextSpec;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::{HnswSpec, IvfCode, IvfSpec, VectorSpec};
use nigh_proto::v1;
use nigh_storage::memory::Usage;
use nigh_storage::opening::Opening;
use nigh_storage::schema::{CollectionSpec, TextField, VectorField, VectorPlace};
use nigh_storage::status::{SegmentStatus, Status, TaskStatus};
use nigh_storage::store::names::AliasChange;

/// A spec as the storage takes it; whether it can be served is checked there.
pub(super) fn spec(spec: v1::CollectionSpec) -> Result<CollectionSpec> {
    let vector = |(at, field)| vector_field(field).map_err(|err| at_place(err, "spec.vectors", at));
    let multi = |(at, field)| vectors::multi_field(field).map_err(|err| at_place(err, "spec.multi", at));
    Ok(CollectionSpec {
        vectors: spec.vectors.into_iter().enumerate().map(vector).collect::<Result<_>>()?,
        sparse: spec.sparse.into_iter().map(vectors::sparse_field).collect(),
        multi: spec.multi.into_iter().enumerate().map(multi).collect::<Result<_>>()?,
        dropped: Vec::new(),
        texts: spec.texts.into_iter().map(text_field).collect(),
        dropped_texts: Vec::new(),
        no_auto_index: spec.no_auto_index,
    })
}

/// A text field.
pub(super) fn text_field(field: v1::TextField) -> TextField {
    let default = TextSpec::default();
    let analyzer = if field.analyzer.is_empty() { default.analyzer } else { field.analyzer };
    let (k1, b) = (field.k1.unwrap_or(default.k1), field.b.unwrap_or(default.b));
    TextField { name: field.name, paths: field.paths, spec: TextSpec { analyzer, k1, b } }
}

/// A dense vector field.
pub(super) fn vector_field(field: v1::VectorField) -> Result<VectorField> {
    let metric = metric(field.metric)?;
    let (default, asked) = (HnswSpec::default(), field.hnsw.unwrap_or_default());
    let or = |asked: u32, default: u32| if asked == 0 { default } else { asked };
    if field.ivf.is_some() && field.hnsw.is_some() {
        return Err(Error::invalid("ivf", "set beside hnsw", "a field has lists or a graph"));
    }
    let hnsw = HnswSpec { m: or(asked.m, default.m), ef_construct: or(asked.ef_construct, default.ef_construct) };
    let ivf = field.ivf.map(lists).transpose()?;
    Ok(VectorField { name: field.name, spec: VectorSpec { size: field.size, metric, hnsw, ivf } })
}

fn lists(wire: v1::IvfSpec) -> Result<IvfSpec> {
    let code = match &wire.code[..] {
        "" => IvfCode::default(),
        text => {
            let codes = "it is pq4, pq8, bits1, bits2, bits4 or bits8";
            IvfCode::parse(text).ok_or_else(|| Error::invalid("ivf.code", short(text), codes))?
        }
    };
    Ok(IvfSpec { lists: wire.lists, code, rerank: wire.rerank })
}

pub(super) fn metric(wire: i32) -> Result<Metric> {
    match v1::Metric::try_from(wire) {
        Ok(v1::Metric::Cosine) => Ok(Metric::Cosine),
        Ok(v1::Metric::Dot) => Ok(Metric::Dot),
        Ok(v1::Metric::Euclid) => Ok(Metric::Euclid),
        Ok(v1::Metric::Manhattan) => Ok(Metric::Manhattan),
        Ok(v1::Metric::Unspecified) | Err(_) => {
            let value = if wire == 0 { "left out".to_owned() } else { wire.to_string() };
            Err(Error::invalid("metric", value, "it is cosine (1), dot (2), euclid (3) or manhattan (4)"))
        }
    }
}

/// One change of an alias, the one of this place in its request.
pub(super) fn alias_change((at, change): (usize, v1::AliasChange)) -> Result<AliasChange> {
    use v1::alias_change::Change;
    match change.change {
        Some(Change::Set(v1::Alias { alias, collection })) => Ok(AliasChange::Set { alias, collection }),
        Some(Change::Delete(alias)) => Ok(AliasChange::Delete { alias }),
        Some(Change::Rename(v1::AliasRename { from, to })) => Ok(AliasChange::Rename { from, to }),
        None => Err(left_out(&format!("changes[{at}]"), "a change sets, deletes or renames an alias")),
    }
}

/// A metric as it goes out.
pub(super) fn metric_out(metric: Metric) -> i32 {
    let metric = match metric {
        Metric::Cosine => v1::Metric::Cosine,
        Metric::Dot => v1::Metric::Dot,
        Metric::Euclid => v1::Metric::Euclid,
        Metric::Manhattan => v1::Metric::Manhattan,
    };
    metric.into()
}

/// A spec as it goes out.
pub(super) fn spec_out(spec: &CollectionSpec) -> v1::CollectionSpec {
    let vector = |field: &VectorField| {
        let HnswSpec { m, ef_construct } = field.spec.hnsw;
        let lists = |ivf: IvfSpec| v1::IvfSpec { lists: ivf.lists, code: ivf.code.name(), rerank: ivf.rerank };
        v1::VectorField {
            name: field.name.clone(),
            size: field.spec.size,
            metric: metric_out(field.spec.metric),
            hnsw: field.spec.ivf.is_none().then_some(v1::HnswSpec { m, ef_construct }),
            ivf: field.spec.ivf.map(lists),
        }
    };
    let text = |field: &TextField| v1::TextField {
        name: field.name.clone(),
        paths: field.paths.clone(),
        analyzer: field.spec.analyzer.clone(),
        k1: Some(field.spec.k1),
        b: Some(field.spec.b),
    };
    let there = |(at, _): &(u16, &VectorField)| !spec.is_dropped(VectorPlace::Dense(*at));
    let dense = (0..).zip(&spec.vectors).filter(there);
    let (sparse, multi) = vectors::fields_out(spec);
    v1::CollectionSpec {
        vectors: dense.map(|(_, field)| vector(field)).collect(),
        sparse,
        multi,
        texts: spec.text_fields().map(|(_, field)| text(field)).collect(),
        no_auto_index: spec.no_auto_index,
    }
}

/// How far an opening is, as it goes out.
pub(super) fn opening_out(opening: Opening) -> v1::OpeningProgress {
    let (done_bytes, total_bytes) = (opening.done.min(opening.total), opening.total);
    v1::OpeningProgress { stage: opening.stage.name().to_owned(), done_bytes, total_bytes }
}

/// What is held in memory, as it goes out.
fn memory_out(usage: &Usage) -> v1::MemoryStatus {
    let [live, queue, graphs, builds] = usage.held;
    let limit = (usage.limit < u64::MAX).then_some(usage.limit);
    v1::MemoryStatus { limit, held: usage.counted(), live, queue, graphs, builds, refused_writes: usage.refused }
}

/// How a collection is, as it goes out.
pub(super) fn status_out(status: Status, memory: &Usage) -> v1::CollectionStatus {
    let segment = |segment: SegmentStatus| v1::SegmentStatus {
        number: segment.number,
        rows: segment.rows,
        dead_rows: segment.dead_rows,
        bytes: segment.bytes,
    };
    let task = |task: TaskStatus| v1::UpkeepTask {
        what: task.what.to_owned(),
        reason: task.reason,
        rows: task.rows,
        stage: task.stage,
        files_done: task.files_done,
        files: task.files,
        running_ms: task.running.as_millis() as u64,
    };
    v1::CollectionStatus {
        state: "open".to_owned(),
        points: status.points,
        seq: status.seq,
        durable_seq: status.durable_seq,
        segments: status.segments.into_iter().map(segment).collect(),
        live_rows: status.live_rows,
        live_bytes: status.live_bytes,
        disk_bytes: status.disk_bytes,
        upkeep: status.upkeep.to_owned(),
        refuses_writes: status.refuses_writes.unwrap_or_default(),
        resident_bytes: catalog::resident_bytes(),
        tasks: status.tasks.into_iter().map(task).collect(),
        upkeep_failed: status.upkeep_failed.unwrap_or_default(),
        archived_seq: status.archive.map(|archive| archive.seq),
        archive_gap: status.archive.is_some_and(|archive| archive.gap),
        upkeep_waits: status.upkeep_waits.unwrap_or_default(),
        memory: Some(memory_out(memory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_takes_its_default_and_is_told() {
        let field = v1::VectorField { name: "v".into(), size: 3, metric: 3, ..Default::default() };
        let text = v1::TextField { name: "t".into(), b: Some(0.0), ..Default::default() };
        let asked =
            v1::CollectionSpec { vectors: vec![field], texts: vec![text], no_auto_index: true, ..Default::default() };
        let told = spec_out(&spec(asked).unwrap());
        assert_eq!(told.vectors[0].hnsw, Some(v1::HnswSpec { m: 32, ef_construct: 128 }));
        assert_eq!(
            (&told.texts[0].analyzer[..], told.texts[0].k1, told.texts[0].b),
            ("standard", Some(1.2), Some(0.0))
        );
        assert_eq!((told.vectors[0].metric, told.no_auto_index), (3, true));
        assert_eq!(spec_out(&spec(told.clone()).unwrap()), told);
    }

    #[test]
    fn lists_are_told_as_they_were_asked_for() {
        let with = |ivf| {
            let field = v1::VectorField { name: "v".into(), size: 3, metric: 1, ivf: Some(ivf), ..Default::default() };
            spec(v1::CollectionSpec { vectors: vec![field], ..Default::default() })
        };
        let told = spec_out(&with(v1::IvfSpec::default()).unwrap());
        let lists = v1::IvfSpec { code: "pq4".into(), ..Default::default() };
        assert_eq!((told.vectors[0].hnsw, told.vectors[0].ivf.clone()), (None, Some(lists)));
        let asked = v1::IvfSpec { lists: 70, code: "pq8".into(), rerank: 3 };
        let told = spec_out(&with(asked.clone()).unwrap());
        assert_eq!(told.vectors[0].ivf, Some(asked));
        assert_eq!(spec_out(&spec(told.clone()).unwrap()), told);
        let err = with(v1::IvfSpec { code: "pq5".into(), ..Default::default() }).unwrap_err().to_string();
        assert!(err.starts_with("spec.vectors[0].ivf.code is pq5;"), "{err}");
    }

    #[test]
    fn an_unknown_metric_is_named() {
        let field = v1::VectorField { name: "v".into(), size: 3, metric: 99, ..Default::default() };
        let err = spec(v1::CollectionSpec { vectors: vec![field], ..Default::default() }).unwrap_err().to_string();
        assert!(err.starts_with("spec.vectors[0].metric is 99;"), "{err}");
    }
}
