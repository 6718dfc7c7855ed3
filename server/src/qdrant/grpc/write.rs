//! Writes, as plain operations.

use super::filter::{optional, selector};
use super::point;
use super::value::{id, object};
use super::vectors::named;
use crate::qdrant::call::each;
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::operation::{Incoming, Mode, Operation, nobody};
use crate::qdrant::{filter, path};
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::points_update_operation as update;
use nigh_storage::write::Selector;

fn points(of: Option<q::PointsSelector>) -> Result<Selector> {
    use q::points_selector::PointsSelectorOneOf::Points;
    match of.as_ref().and_then(|of| of.points_selector_one_of.as_ref()) {
        Some(Points(list)) => {
            Ok(Selector::Ids(list.ids.iter().map(|one| id(Some(one.clone()))).collect::<Result<_>>()?))
        }
        Some(_) => Ok(Selector::Filter(filter::filter(&selector(of)?["filter"])?)),
        None => Err(nobody()),
    }
}

fn condition(of: Option<q::Filter>) -> Result<Option<Condition>> {
    filter::optional(optional(of)?.as_ref())
}

/// An upsert of whole points.
pub(super) fn upsert(points: Vec<Bytes>, filter: Option<q::Filter>, mode: Option<i32>) -> Result<Operation> {
    let mode = match mode.map(q::UpdateMode::try_from) {
        None | Some(Ok(q::UpdateMode::Upsert)) => Mode::All,
        Some(Ok(q::UpdateMode::InsertOnly)) => Mode::Insert,
        Some(Ok(q::UpdateMode::UpdateOnly)) => Mode::Update,
        Some(Err(_)) => return Err(Fault::format("update_mode is none of its values")),
    };
    let points = each(points, |wire| point::read(&wire))?;
    Ok(Operation::Upsert { points, filter: condition(filter)?, mode })
}

pub(super) fn delete(of: Option<q::PointsSelector>) -> Result<Operation> {
    Ok(Operation::Delete(points(of)?))
}

pub(super) fn clear_payload(of: Option<q::PointsSelector>) -> Result<Operation> {
    Ok(Operation::ClearPayload(points(of)?))
}

pub(super) fn update_vectors(of: Vec<q::PointVectors>, filter: Option<q::Filter>) -> Result<Operation> {
    let one = |of: q::PointVectors| Ok(Incoming { id: id(of.id)?, vectors: named(of.vectors)?, payload: Bytes::new() });
    Ok(Operation::UpdateVectors { points: of.into_iter().map(one).collect::<Result<_>>()?, filter: condition(filter)? })
}

pub(super) fn delete_vectors(of: Option<q::PointsSelector>, names: Option<q::VectorsSelector>) -> Result<Operation> {
    Ok(Operation::DeleteVectors { points: points(of)?, names: names.unwrap_or_default().names })
}

pub(super) fn set_payload(of: q::SetPayloadPoints) -> Result<Operation> {
    let below = of.key.as_deref().map(path::steps).transpose()?;
    Ok(Operation::SetPayload { points: points(of.points_selector)?, payload: object(of.payload), below })
}

pub(super) fn overwrite_payload(of: q::SetPayloadPoints) -> Result<Operation> {
    Ok(Operation::OverwritePayload { points: points(of.points_selector)?, payload: object(of.payload) })
}

pub(super) fn delete_payload(keys: &[String], of: Option<q::PointsSelector>) -> Result<Operation> {
    let paths = keys.iter().map(|key| path::steps(key)).collect::<Result<_>>()?;
    Ok(Operation::DeletePayload { points: points(of)?, paths })
}

/// One operation of a batch.
#[expect(deprecated, reason = "older clients use these forms")]
pub(super) fn one(of: q::PointsUpdateOperation) -> Result<Operation> {
    use update::Operation as One;
    match of.operation.ok_or_else(|| Fault::format("an operation does nothing"))? {
        One::Upsert(of) => upsert(of.points, of.update_filter, of.update_mode),
        One::DeleteDeprecated(of) => delete(Some(of)),
        One::DeletePoints(of) => delete(of.points),
        One::SetPayload(of) => {
            let (payload, points_selector, key) = (of.payload, of.points_selector, of.key);
            set_payload(q::SetPayloadPoints { payload, points_selector, key, ..Default::default() })
        }
        One::OverwritePayload(of) => {
            let (payload, points_selector, key) = (of.payload, of.points_selector, of.key);
            overwrite_payload(q::SetPayloadPoints { payload, points_selector, key, ..Default::default() })
        }
        One::DeletePayload(of) => delete_payload(&of.keys, of.points_selector),
        One::ClearPayload(of) => clear_payload(of.points),
        One::ClearPayloadDeprecated(of) => clear_payload(Some(of)),
        One::UpdateVectors(of) => update_vectors(of.points, of.update_filter),
        One::DeleteVectors(of) => delete_vectors(of.points_selector, of.vectors),
    }
}
