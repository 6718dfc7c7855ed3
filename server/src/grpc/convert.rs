//! Points and operations: from the wire to what the storage takes, and back. Vectors and payloads
//! are moved, not copied, on the way in.

use super::filter::{at_place, id_out, ids, left_out, tree};
use super::vectors;
use crate::engine::error::{Error, Result};
use crate::engine::query::answer::Record;
use crate::engine::query::{PayloadSelection, VectorSelection};
use bytes::Bytes;
use nigh_proto::v1::{self, op, payload_selection, selector, vector_selection};
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, VectorPlace};
use nigh_storage::write::{Durability, IfVersion, Position, Selector, Write, WriteBatch};
use uuid::Uuid;

/// Keys of payloads that are named, at most: each key of each payload is looked for among them.
const PAYLOAD_KEYS_MAX: usize = 256;

/// A batch: its operations, and what goes with them.
pub(super) fn batch(
    ops: Vec<v1::Op>,
    op_id: &[u8],
    positions: Vec<v1::SourcePosition>,
    spec: &CollectionSpec,
) -> Result<WriteBatch> {
    let condition = |(op, one): (usize, &v1::Op)| Some(IfVersion { op, version: one.if_version? });
    let conditions = ops.iter().enumerate().filter_map(condition).collect();
    let one = |(at, one): (usize, v1::Op)| match one.op {
        Some(op) => write(op, spec).map_err(|err| at_place(err, "ops", at)),
        None => Err(left_out(&format!("ops[{at}].op"), "an operation is one of upsert, delete, set_payload, ...")),
    };
    let ops = ops.into_iter().enumerate().map(one).collect::<Result<_>>()?;
    let position = |one: v1::SourcePosition| Position {
        source: one.source,
        partition: one.partition,
        offset: one.offset,
        after: one.after,
    };
    let positions = positions.into_iter().map(position).collect();
    Ok(WriteBatch { ops, conditions, op_id: name(op_id)?, positions, chain: None })
}

/// The name of a batch.
fn name(op_id: &[u8]) -> Result<Option<Uuid>> {
    match op_id.len() {
        0 => Ok(None),
        16 => Ok(Uuid::from_slice(op_id).ok()),
        bytes => Err(Error::invalid("op_id", format!("{bytes} bytes"), "a name has 16, or is left out")),
    }
}

fn write(op: op::Op, spec: &CollectionSpec) -> Result<Write> {
    let inside = |place: &'static str| move |err: Error| err.inside(place);
    Ok(match op {
        op::Op::Upsert(one) => Write::Upsert(point(one, spec).map_err(inside("upsert"))?),
        op::Op::Delete(of) => Write::Delete(selector(Some(of)).map_err(inside("delete"))?),
        op::Op::SetPayload(of) => {
            Write::SetPayload(selector(of.points).map_err(inside("set_payload"))?, Bytes::from(of.payload))
        }
        op::Op::OverwritePayload(of) => {
            Write::OverwritePayload(selector(of.points).map_err(inside("overwrite_payload"))?, Bytes::from(of.payload))
        }
        op::Op::DeletePayloadKeys(of) => {
            Write::DeletePayloadKeys(selector(of.points).map_err(inside("delete_payload_keys"))?, of.keys)
        }
        op::Op::ClearPayload(of) => Write::ClearPayload(selector(Some(of)).map_err(inside("clear_payload"))?),
        op::Op::UpdateVectors(one) => {
            let point = point(one, spec).map_err(inside("update_vectors"))?;
            if !point.payload.is_empty() {
                return Err(Error::invalid("update_vectors.payload", "given", "this operation keeps the payload"));
            }
            if point.expires_at_ms.is_some() {
                let limit = "this operation keeps the time at which the point expires";
                return Err(Error::invalid("update_vectors.expires_at_ms", "given", limit));
            }
            Write::UpdateVectors(point)
        }
        op::Op::DeleteVectors(of) => {
            let points = selector(of.points).map_err(inside("delete_vectors"))?;
            let place = |name: &String| vectors::field(name, spec).map_err(inside("delete_vectors.names"));
            Write::DeleteVectors(points, of.names.iter().map(place).collect::<Result<_>>()?)
        }
        op::Op::SetExpiry(of) => Write::SetExpiry(selector(of.points).map_err(inside("set_expiry"))?, of.expires_at_ms),
    })
}

fn point(mut point: v1::Point, spec: &CollectionSpec) -> Result<Point> {
    let (payload, expires_at_ms) = (Bytes::from(std::mem::take(&mut point.payload)), point.expires_at_ms);
    Ok(Point { payload, expires_at_ms, ..vectors::point(point, spec)? })
}

pub(super) fn selector(points: Option<v1::Selector>) -> Result<Selector> {
    match points.and_then(|points| points.selector) {
        Some(selector::Selector::Ids(of)) => Ok(Selector::Ids(ids("points.ids", of.ids)?)),
        Some(selector::Selector::Filter(filter)) => {
            Ok(Selector::Filter(tree(filter).map_err(|err| err.inside("points.filter"))?))
        }
        None => Err(left_out("points", "points are given by their ids or by a filter")),
    }
}

/// How far a write has to get.
pub(super) fn durability(wire: i32) -> Result<Durability> {
    match v1::Durability::try_from(wire) {
        Ok(v1::Durability::Unspecified | v1::Durability::Durable) => Ok(Durability::Durable),
        Ok(v1::Durability::Logged) => Ok(Durability::Logged),
        Ok(v1::Durability::Applied) => Ok(Durability::Applied),
        Err(_) => Err(Error::invalid("durability", wire, "it is applied (1), logged (2) or durable (3)")),
    }
}

/// How far a write got.
pub(super) fn reached(durability: Durability) -> i32 {
    let wire = match durability {
        Durability::Applied => v1::Durability::Applied,
        Durability::Logged => v1::Durability::Logged,
        Durability::Durable => v1::Durability::Durable,
    };
    wire.into()
}

/// What comes back of payloads; `left_out` where nothing is said.
pub(super) fn payload(selection: Option<v1::PayloadSelection>, left_out: PayloadSelection) -> Result<PayloadSelection> {
    let keys = |side: &str, keys: v1::Names| match keys.names.len() {
        names if names > PAYLOAD_KEYS_MAX => {
            let limit = format!("at most {PAYLOAD_KEYS_MAX} are named");
            Err(Error::invalid(format!("payload.{side}"), format!("{names} names"), limit))
        }
        _ => Ok(keys.names.into_iter().collect()),
    };
    Ok(match selection.map(|selection| selection.selection) {
        None => left_out,
        Some(None | Some(payload_selection::Selection::All(false))) => PayloadSelection::Nothing,
        Some(Some(payload_selection::Selection::All(true))) => PayloadSelection::All,
        Some(Some(payload_selection::Selection::Include(names))) => PayloadSelection::Include(keys("include", names)?),
        Some(Some(payload_selection::Selection::Exclude(names))) => PayloadSelection::Exclude(keys("exclude", names)?),
    })
}

/// Which vectors come back.
pub(super) fn vectors(selection: Option<v1::VectorSelection>, spec: &CollectionSpec) -> Result<VectorSelection> {
    Ok(VectorSelection(match selection.and_then(|selection| selection.selection) {
        None | Some(vector_selection::Selection::All(false)) => Vec::new(),
        Some(vector_selection::Selection::All(true)) => spec.fields().map(|(place, _)| place).collect(),
        Some(vector_selection::Selection::Include(fields)) => {
            let place = |name: &String| vectors::field(name, spec).map_err(|err| err.inside("vectors.include"));
            let mut places: Vec<VectorPlace> = fields.names.iter().map(place).collect::<Result<_>>()?;
            places.sort_unstable();
            places.dedup();
            places
        }
    }))
}

/// A point as it goes out.
pub(super) fn point_out(mut record: Record, spec: &CollectionSpec) -> Result<v1::Point> {
    let vectors = vectors::out(&mut record, spec);
    let payload = String::from_utf8(record.payload.into()).map_err(|_| {
        tracing::error!(id = %record.id, "a payload is not UTF-8");
        Error::Corrupt
    })?;
    let (version, expires_at_ms) = (record.version, record.expires_at_ms);
    Ok(v1::Point { id: Some(id_out(record.id)), payload, version, expires_at_ms, ..vectors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::id::PointId;
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::spec::VectorSpec;
    use nigh_storage::schema::VectorField;

    fn spec() -> CollectionSpec {
        let field = |name: &str| VectorField { name: name.into(), spec: VectorSpec::new(2, Metric::Dot) };
        CollectionSpec { vectors: vec![field("a"), field("b")], ..Default::default() }
    }

    fn point(vectors: &[&str]) -> v1::Point {
        let vector = |name: &&str| ((*name).to_owned(), v1::Vector { values: vec![1.0, 2.0] });
        v1::Point {
            id: Some(id_out(PointId::Num(7))),
            vectors: vectors.iter().map(vector).collect(),
            ..Default::default()
        }
    }

    fn ops(ops: Vec<op::Op>) -> Result<WriteBatch> {
        let ops = ops.into_iter().map(|op| v1::Op { op: Some(op), if_version: None }).collect();
        batch(ops, &[], Vec::new(), &spec())
    }

    fn refused(op: op::Op, expected: &str) {
        let err = ops(vec![op::Op::Upsert(point(&["a"])), op]).unwrap_err();
        assert_eq!(err.to_string(), expected);
    }

    #[test]
    fn vectors_stand_in_the_order_of_the_spec() {
        let written = ops(vec![op::Op::Upsert(point(&["b", "a"]))]).unwrap().ops;
        let vectors = vec![(0, vec![1.0, 2.0]), (1, vec![1.0, 2.0])];
        let expected = Point { vectors, ..Point::new(7) };
        assert_eq!(written, [Write::Upsert(expected)]);
    }

    #[test]
    fn a_mistake_names_its_operation_and_field() {
        refused(
            op::Op::Upsert(point(&["colour"])),
            "ops[1].upsert.vectors.colour is unknown; the collection's vector fields are `a`, `b`",
        );
        refused(op::Op::Upsert(v1::Point::default()), "ops[1].upsert.id is left out; an id is a number or a UUID");
        refused(
            op::Op::SetPayload(v1::PayloadOp { points: None, payload: "{}".into() }),
            "ops[1].set_payload.points is left out; points are given by their ids or by a filter",
        );
        let with_payload = v1::Point { payload: "{}".into(), ..point(&["a"]) };
        refused(
            op::Op::UpdateVectors(with_payload),
            "ops[1].update_vectors.payload is given; this operation keeps the payload",
        );
    }

    #[test]
    fn a_name_has_sixteen_bytes() {
        assert_eq!(name(&[]).unwrap(), None);
        assert_eq!(name(&[7; 16]).unwrap(), Some(Uuid::from_bytes([7; 16])));
        assert_eq!(name(&[7; 15]).unwrap_err().to_string(), "op_id is 15 bytes; a name has 16, or is left out");
    }

    #[test]
    fn durability_is_durable_unless_told() {
        assert_eq!(durability(0).unwrap(), Durability::Durable);
        assert_eq!(durability(1).unwrap(), Durability::Applied);
        assert!(durability(9).is_err());
    }
}
