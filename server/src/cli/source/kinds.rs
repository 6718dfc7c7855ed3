//! What a point has beside dense vectors and its payload, as sources hold it.
//!
//! | field    | JSON                                         | Parquet                                             |
//! |----------|----------------------------------------------|-----------------------------------------------------|
//! | sparse   | `{"indices": [3, 9], "values": [0.5, 1.25]}` | a struct of two lists, `indices` and `values`       |
//! | several  | `[[0.1, 0.2], [0.3, 0.4]]`                   | a list of lists of floats                           |
//! | when it expires |                                       | `_expires_at` of an export: an instant              |

use super::table::{check_vector, list, vector};
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, StructArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use nigh_client::{Point, SparseVector};
use serde_json::Value;
use std::sync::Arc;

/// The column of an export that says when points expire.
pub(crate) const EXPIRES_AT: &str = "_expires_at";

const INDICES: &str = "indices";
const VALUES: &str = "values";

/// What a record has beside its dense vectors and its payload.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Others {
    /// Sparse vectors, by the name of their field.
    pub(crate) sparse: Vec<(String, SparseVector)>,
    /// Several vectors of one field.
    pub(crate) multi: Vec<(String, Vec<Vec<f32>>)>,
    /// When it expires, in Unix milliseconds.
    pub(crate) expires_at_ms: Option<u64>,
}

/// A sparse vector.
pub(super) fn sparse_json(value: &Value) -> Option<SparseVector> {
    let indices = value.get(INDICES)?.as_array()?.iter().map(|index| u32::try_from(index.as_u64()?).ok());
    let (indices, values) = (indices.collect::<Option<Vec<_>>>()?, super::jsonl::numbers(value.get(VALUES)?)?);
    (indices.len() == values.len()).then_some(SparseVector { indices, values })
}

/// Several vectors.
pub(super) fn multi_json(value: &Value) -> Option<Vec<Vec<f32>>> {
    value.as_array()?.iter().map(super::jsonl::numbers).collect()
}

/// Whether a column of this type can be sparse vectors.
pub(super) fn check_sparse(of: &DataType) -> Result<(), String> {
    let DataType::Struct(fields) = of else {
        return Err(format!("is {of}, and sparse vectors are a struct of two lists, `{INDICES}` and `{VALUES}`"));
    };
    let find = |name: &str| fields.iter().find(|field| field.name() == name).map(|field| field.data_type());
    let is_whole =
        |of: &DataType| matches!(of, DataType::UInt32 | DataType::Int32 | DataType::UInt64 | DataType::Int64);
    match find(INDICES) {
        Some(DataType::List(item) | DataType::LargeList(item)) if is_whole(item.data_type()) => {}
        other => return Err(format!("has {other:?} for `{INDICES}`, a list of whole numbers is wanted")),
    }
    let values = find(VALUES).ok_or_else(|| format!("has no `{VALUES}`"))?;
    check_vector(values).map_err(|why| format!("has `{VALUES}` that {why}"))
}

/// Whether a column of this type can be several vectors.
pub(super) fn check_multi(of: &DataType) -> Result<(), String> {
    match of {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            check_vector(item.data_type()).map_err(|why| format!("is a list of what {why}"))
        }
        other => Err(format!("is {other}, and several vectors are a list of lists of floats")),
    }
}

/// The sparse vector of a row.
pub(super) fn sparse(array: &ArrayRef, row: usize) -> Option<SparseVector> {
    let columns = array.as_struct();
    let numbers = list(columns.column_by_name(INDICES)?, row).filter(|numbers| numbers.null_count() == 0)?;
    let indices: Option<Vec<u32>> = match numbers.data_type() {
        DataType::UInt32 => Some(numbers.as_primitive::<UInt32Type>().values().to_vec()),
        DataType::Int32 => {
            numbers.as_primitive::<Int32Type>().values().iter().map(|x| u32::try_from(*x).ok()).collect()
        }
        DataType::UInt64 => {
            numbers.as_primitive::<UInt64Type>().values().iter().map(|x| u32::try_from(*x).ok()).collect()
        }
        DataType::Int64 => {
            numbers.as_primitive::<Int64Type>().values().iter().map(|x| u32::try_from(*x).ok()).collect()
        }
        _ => None,
    };
    let (indices, values) = (indices?, vector(columns.column_by_name(VALUES)?, row)?);
    (indices.len() == values.len()).then_some(SparseVector { indices, values })
}

/// The vectors of a row.
pub(super) fn multi(array: &ArrayRef, row: usize) -> Option<Vec<Vec<f32>>> {
    let inner = list(array, row).filter(|inner| inner.null_count() == 0)?;
    (0..inner.len()).map(|at| vector(&inner, at)).collect()
}

fn item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", of, true))
}

fn sparse_fields() -> Fields {
    let list = |name, of| Field::new(name, DataType::List(item(of)), false);
    Fields::from(vec![list(INDICES, DataType::UInt32), list(VALUES, DataType::Float32)])
}

fn size_of(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// The column of a sparse field.
pub(crate) fn sparse_column(name: &str) -> Field {
    Field::new(name, DataType::Struct(sparse_fields()), true)
}

/// The column of a field with several vectors a point.
pub(crate) fn multi_column(name: &str, size: u32) -> Field {
    let one = DataType::FixedSizeList(item(DataType::Float32), size_of(size));
    Field::new(name, DataType::List(item(one)), true)
}

/// The column that says when points expire.
pub(crate) fn expiry_column() -> Field {
    Field::new(EXPIRES_AT, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true)
}

/// The sparse vectors of points.
pub(crate) fn sparse_array(name: &str, points: &[Point]) -> ArrayRef {
    let (mut indices, mut values) = (ListBuilder::new(UInt32Builder::new()), ListBuilder::new(Float32Builder::new()));
    for point in points {
        if let Some(vector) = point.sparse.get(name) {
            indices.values().append_slice(&vector.indices);
            values.values().append_slice(&vector.values);
        }
        indices.append(true);
        values.append(true);
    }
    let there = points.iter().map(|point| point.sparse.contains_key(name)).collect::<Vec<bool>>();
    let columns: Vec<ArrayRef> = vec![Arc::new(indices.finish()), Arc::new(values.finish())];
    Arc::new(StructArray::new(sparse_fields(), columns, Some(there.into())))
}

/// The vectors of points, several each.
pub(crate) fn multi_array(name: &str, size: u32, points: &[Point]) -> ArrayRef {
    let mut lists = ListBuilder::new(FixedSizeListBuilder::new(Float32Builder::new(), size_of(size)));
    for point in points {
        for vector in point.multi.get(name).into_iter().flatten() {
            lists.values().values().append_slice(vector);
            lists.values().append(true);
        }
        lists.append(point.multi.contains_key(name));
    }
    Arc::new(lists.finish())
}

/// When points expire.
pub(crate) fn expiry_array(points: &[Point]) -> ArrayRef {
    let time = |point: &Point| point.expires_at_ms.map(|time_ms| i64::try_from(time_ms).unwrap_or(i64::MAX));
    let times: TimestampMillisecondArray = points.iter().map(time).collect();
    Arc::new(times.with_timezone("UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn points() -> Vec<Point> {
        vec![
            Point::new(1).sparse("s", [(7, 0.1), (u32::MAX, -0.0)]).multi("m", [[0.1, 1e30], [f32::MIN_POSITIVE, 2.0]]),
            Point::new(2).expires_at_ms(1 << 45),
            Point::new(3).sparse("s", []).multi("m", [[5.0, 6.0]]),
        ]
    }

    #[test]
    fn columns_give_back_what_went_into_them() {
        let points = points();
        let (s, m, times) = (sparse_array("s", &points), multi_array("m", 2, &points), expiry_array(&points));
        assert_eq!((s.data_type(), m.data_type()), (sparse_column("s").data_type(), multi_column("m", 2).data_type()));
        assert_eq!(times.data_type(), expiry_column().data_type());
        check_sparse(s.data_type()).and_then(|()| check_multi(m.data_type())).unwrap();
        for (row, point) in points.iter().enumerate() {
            assert_eq!(s.is_null(row), !point.sparse.contains_key("s"), "{row}");
            assert_eq!(m.is_null(row), !point.multi.contains_key("m"), "{row}");
            if let Some(vector) = point.sparse.get("s") {
                assert_eq!(sparse(&s, row).as_ref(), Some(vector));
            }
            if let Some(vectors) = point.multi.get("m") {
                assert_eq!(multi(&m, row).as_ref(), Some(vectors));
            }
        }
        let wrong = check_sparse(m.data_type()).unwrap_err();
        assert!(wrong.contains("a struct of two lists"), "{wrong}");
        assert!(check_multi(s.data_type()).is_err() && check_multi(&DataType::List(item(DataType::Utf8))).is_err());
    }

    #[test]
    fn objects_and_lists_become_vectors() {
        let sparse = |value: Value| sparse_json(&value).map(|vector| (vector.indices, vector.values));
        assert_eq!(sparse(json!({"indices": [3, 1], "values": [0.5, 2]})), Some((vec![3, 1], vec![0.5, 2.0])));
        assert_eq!(sparse(json!({"indices": [], "values": []})), Some((vec![], vec![])));
        for wrong in [
            json!([1, 2]),
            json!({"indices": [1]}),
            json!({"indices": [1, 2], "values": [0.5]}),
            json!({"indices": [-1], "values": [0.5]}),
            json!({"indices": [4_294_967_296_u64], "values": [0.5]}),
            json!({"indices": [1], "values": ["x"]}),
        ] {
            assert_eq!(sparse(wrong.clone()), None, "{wrong}");
        }
        assert_eq!(multi_json(&json!([[1, 2], [3, 4.5]])), Some(vec![vec![1.0, 2.0], vec![3.0, 4.5]]));
        assert_eq!((multi_json(&json!([1, 2])), multi_json(&json!({}))), (None, None));
    }
}
