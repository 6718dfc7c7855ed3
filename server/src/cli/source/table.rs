//! Rows of tables in Arrow's memory, whatever file they come from: list columns named like a vector field become
//! vectors, all other columns payload.
//!
//! Instants come as RFC 3339 strings in UTC, dates as YYYY-MM-DD, since that is what filters
//! compare. A null is a key that is not there.

use super::kinds::{self, Others};
use super::{Record, wrong};
use crate::cli::export;
use crate::cli::failure::{Failure, Place, Result};
use crate::cli::mapping::{EXPORTED_ID, Mapping, VectorKind};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use nigh_index::filter::datetime;
use serde_json::{Map, Number, Value};
use std::path::{Path, PathBuf};

/// Lists and structs inside one another go no deeper.
const DEPTH_MAX: usize = 32;

/// What becomes of the columns of a file; one that cannot be read is named now, not at its first row.
pub(super) fn columns(path: &Path, schema: &Schema, exported: bool, mapping: &Mapping) -> Result<Vec<Column>> {
    mapping
        .twice(schema.fields().iter().map(|field| &field.name()[..]))
        .map_err(|why| wrong(path, Place::Whole, why))?;
    let mut columns = Vec::new();
    for field in schema.fields() {
        let name = mapping.name(field.name()).map(str::to_owned);
        let text = *field.data_type() == DataType::Utf8;
        let role = match name {
            None => Role::LeftOut,
            Some(_) if exported && text && field.name() == export::ID => Role::Id,
            Some(_) if exported && text && field.name() == export::PAYLOAD => Role::Whole,
            Some(_) if exported && is_expiry(field) => Role::Expiry,
            Some(name) if exported && mapping.vector(&name).is_none() && is_vector(field.data_type()) => {
                let (column, to) = (field.name(), "`--map COLUMN=FIELD` names the one it goes into");
                let why = format!("the collection has no vector field `{name}`; {to}, --map {column}= leaves it out");
                return Err(wrong(path, Place::Whole, format!("column `{column}` holds vectors, and {why}")));
            }
            // What else an export holds of the payload, it says twice.
            Some(name) if exported && mapping.vector(&name).is_none() => Role::LeftOut,
            Some(name) if let Some(kind) = mapping.vector(&name) => {
                let checked = match kind {
                    VectorKind::Dense => check_vector(field.data_type()),
                    VectorKind::Sparse => kinds::check_sparse(field.data_type()),
                    VectorKind::Multi => kinds::check_multi(field.data_type()),
                };
                checked.map_err(|why| wrong(path, Place::Whole, format!("column `{}` {why}", field.name())))?;
                Role::Vector(name, kind)
            }
            Some(name) => {
                check(field.data_type(), 0).map_err(|why| {
                    let left_out = format!("--map {}= leaves it out", field.name());
                    wrong(path, Place::Whole, format!("column `{}` {why}; {left_out}", field.name()))
                })?;
                Role::Payload(name)
            }
        };
        columns.push(Column { name: field.name().clone(), role });
    }
    Ok(columns)
}

/// A column of a file.
pub(super) struct Column {
    name: String,
    role: Role,
}

/// What becomes of a column.
enum Role {
    LeftOut,
    Vector(String, VectorKind),
    Payload(String),
    /// The id of an export.
    Id,
    /// The payload of an export.
    Whole,
    /// When the points of an export expire.
    Expiry,
}

fn is_expiry(field: &Field) -> bool {
    field.name() == kinds::EXPIRES_AT && matches!(field.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _))
}

/// Whether an export writes vectors of any kind so.
fn is_vector(of: &DataType) -> bool {
    check_vector(of).is_ok() || kinds::check_sparse(of).is_ok() || kinds::check_multi(of).is_ok()
}

/// Batches one after another; an error says what is wrong with the file.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>;

/// The rows of a file.
pub(super) struct Records {
    path: PathBuf,
    batches: Batches,
    columns: Vec<Column>,
    /// The batch at hand, and its next row.
    batch: Option<(RecordBatch, usize)>,
    row: u64,
    failed: bool,
}

impl Records {
    /// Whose first row is this one of the file.
    pub(super) fn new(path: &Path, batches: Batches, columns: Vec<Column>, row: u64) -> Self {
        Self { path: path.to_owned(), batches, columns, batch: None, row, failed: false }
    }

    fn read(&mut self) -> Result<Option<Record>> {
        let (batch, at) = loop {
            match self.batch.take() {
                Some((batch, at)) if at < batch.num_rows() => break (batch, at),
                _ => match self.batches.next() {
                    None => return Ok(None),
                    Some(Ok(batch)) => self.batch = Some((batch, 0)),
                    Some(Err(why)) => return Err(self.broken(why)),
                },
            }
        };
        let (mut vectors, mut others, mut payload, mut id) = (Vec::new(), Others::default(), Map::new(), None);
        for (Column { name: column, role }, array) in self.columns.iter().zip(batch.columns()) {
            match role {
                Role::LeftOut => {}
                Role::Vector(..) | Role::Expiry if array.is_null(at) => {}
                Role::Vector(name, kind) => {
                    let broken = || self.broken(format!("column `{column}` has a null, or no whole vector"));
                    match kind {
                        VectorKind::Dense => vectors.push((name.clone(), vector(array, at).ok_or_else(broken)?)),
                        VectorKind::Sparse => {
                            others.sparse.push((name.clone(), kinds::sparse(array, at).ok_or_else(broken)?));
                        }
                        VectorKind::Multi => {
                            others.multi.push((name.clone(), kinds::multi(array, at).ok_or_else(broken)?));
                        }
                    }
                }
                Role::Expiry => {
                    let time_ms = array.as_primitive::<TimestampMillisecondType>().value(at);
                    others.expires_at_ms = Some(time_ms.try_into().unwrap_or(0));
                }
                Role::Id => id = value(array, at),
                Role::Whole => {
                    let text = array.as_string::<i32>().value(at);
                    payload = serde_json::from_str(text)
                        .map_err(|error| self.broken(format!("column `{column}` is no JSON object: {error}")))?;
                }
                Role::Payload(name) => {
                    if let Some(value) = value(array, at) {
                        payload.insert(name.clone(), value);
                    }
                }
            }
        }
        payload.extend(id.map(|id| (EXPORTED_ID.to_owned(), id)));
        self.batch = Some((batch, at + 1));
        self.row += 1;
        Ok(Some(Record { row: self.row - 1, place: Place::Row(self.row - 1), vectors, others, payload }))
    }

    fn broken(&self, why: String) -> Failure {
        wrong(&self.path, Place::Row(self.row), why)
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        record.transpose()
    }
}

/// Whether a column of this type can be a vector.
pub(super) fn check_vector(of: &DataType) -> Result<(), String> {
    match of {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::UInt8 => Ok(()),
            other => Err(format!("is a list of {other}, and a vector is a list of floats")),
        },
        other => Err(format!("is {other}, and a vector is a list of floats")),
    }
}

/// Whether a column of this type can be payload.
fn check(of: &DataType, depth: usize) -> Result<(), String> {
    match of {
        _ if depth > DEPTH_MAX => Err(format!("goes deeper than {DEPTH_MAX} levels")),
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..) => Ok(()),
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            check(item.data_type(), depth + 1)
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check(field.data_type(), depth + 1)),
        DataType::Dictionary(_, values) => check(values, depth + 1),
        other => Err(format!("is {other}, which is not read")),
    }
}

/// The list that a row of a list column is.
pub(super) fn list(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "vectors are f32: what a f64 has beyond that is lost")]
pub(super) fn vector(array: &ArrayRef, row: usize) -> Option<Vec<f32>> {
    let numbers = list(array, row).filter(|numbers| numbers.null_count() == 0)?;
    Some(match numbers.data_type() {
        DataType::Float16 => numbers.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()).collect(),
        DataType::Float32 => numbers.as_primitive::<Float32Type>().values().to_vec(),
        DataType::Float64 => numbers.as_primitive::<Float64Type>().values().iter().map(|x| *x as f32).collect(),
        DataType::UInt8 => numbers.as_primitive::<UInt8Type>().values().iter().map(|x| f32::from(*x)).collect(),
        _ => return None,
    })
}

/// A row's value as JSON; `None` for a null, and for what JSON has no word for (a NaN).
fn value(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    macro_rules! number {
        ($type:ty) => {
            Some(array.as_primitive::<$type>().value(row).into())
        };
    }
    match array.data_type() {
        DataType::Boolean => Some(array.as_boolean().value(row).into()),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Some(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Some(array.as_string_view().value(row).into()),
        DataType::Date32 => date(i64::from(array.as_primitive::<Date32Type>().value(row)).checked_mul(86_400_000_000)?),
        DataType::Date64 => date(array.as_primitive::<Date64Type>().value(row).checked_mul(1000)?),
        DataType::Timestamp(unit, _) => instant(array, *unit, row),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let pairs = columns.filter_map(|(field, column)| Some((field.name().clone(), value(column, row)?)));
            Some(Value::Object(pairs.collect()))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values(), *dictionary.normalized_keys().get(row)?)
        }
        _ => {
            let items = list(array, row)?;
            Some(Value::Array((0..items.len()).map(|at| value(&items, at).unwrap_or(Value::Null)).collect()))
        }
    }
}

fn float(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn date(micros: i64) -> Option<Value> {
    datetime::text(micros).get(..10).map(Value::from)
}

/// Instants are kept to the microsecond, which is what filters compare.
fn instant(array: &ArrayRef, unit: TimeUnit, row: usize) -> Option<Value> {
    let micros = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).checked_mul(1_000_000)?,
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1000)?,
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000),
    };
    Some(datetime::text(micros).into())
}
