//! How the columns of a source become a point: renamed, left out, its id, its vectors, its payload.

use crate::cli::failure::{Failure, Result};
use crate::cli::source::Record;
use nigh_client::{Point, PointId};
use serde_json::Value;
use std::collections::BTreeMap;

/// The key under which a record of an export has its id: no payload has it.
pub(crate) const EXPORTED_ID: &str = "\0id";

/// What a vector field holds of a point.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum VectorKind {
    /// One vector.
    Dense,
    /// One sparse vector.
    Sparse,
    /// Several vectors.
    Multi,
}

/// What becomes of each column.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// From a column's name to the one it gets; empty: it is left out.
    renames: BTreeMap<String, String>,
    /// The collection's vector fields.
    vectors: BTreeMap<String, VectorKind>,
    /// The column, under its new name, that holds the id; row numbers where there is none.
    id: Option<String>,
}

impl Mapping {
    /// From `from=to` texts (`from=` leaves a column out), the collection's vector fields and the id's column.
    pub(crate) fn new<'f>(
        maps: &[String],
        vectors: impl IntoIterator<Item = &'f str>,
        id: Option<&str>,
    ) -> Result<Self> {
        let mut renames = BTreeMap::new();
        for map in maps {
            // A column may have no name: the vectors of a field without one are exported so.
            let Some((from, to)) = map.split_once('=') else {
                return Err(Failure::Usage(format!("--map {map}: a map is written FROM=TO, or FROM= to leave it out")));
            };
            if renames.insert(from.to_owned(), to.to_owned()).is_some() {
                return Err(Failure::Usage(format!("--map {map}: `{from}` is mapped twice")));
            }
        }
        let vectors = vectors.into_iter().map(|name| (name.to_owned(), VectorKind::Dense)).collect();
        let mut mapping = Self { renames, vectors, id: None };
        // The id may be named as in the source or as in the collection.
        mapping.id = id.map(|id| mapping.name(id).unwrap_or(id).to_owned());
        Ok(mapping)
    }

    /// The same, with fields of another kind as well.
    pub(crate) fn with_fields<'f>(mut self, kind: VectorKind, names: impl IntoIterator<Item = &'f str>) -> Self {
        self.vectors.extend(names.into_iter().map(|name| (name.to_owned(), kind)));
        self
    }

    /// The same for an export, which says itself what the id is.
    pub(crate) fn of_export(mut self) -> Self {
        self.id = Some(EXPORTED_ID.to_owned());
        self
    }

    /// Whether the id is in a column.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Whether any column gets another name: else no two can get the same.
    pub(crate) fn renames(&self) -> bool {
        !self.renames.is_empty()
    }

    /// The name that a column gets; `None`: it is left out.
    pub(crate) fn name<'a>(&'a self, column: &'a str) -> Option<&'a str> {
        match self.renames.get(column) {
            Some(to) => Some(&to[..]).filter(|to| !to.is_empty()),
            // One without a name keeps it: only a map leaves out.
            None => Some(column),
        }
    }

    /// Two columns of these that would get the same name: one of them would be lost.
    pub(crate) fn twice<'a>(&'a self, columns: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        let mut from = BTreeMap::new();
        for column in columns {
            if let Some(name) = self.name(column)
                && let Some(other) = from.insert(name, column)
            {
                return Err(Self::both(other, column, name));
            }
        }
        Ok(())
    }

    /// What is said of them.
    pub(crate) fn both(one: &str, other: &str, name: &str) -> String {
        format!("`{one}` and `{other}` would both be `{name}`; --map {other}= leaves one out")
    }

    /// What this vector field of the collection holds; `None`: there is none of this name.
    pub(crate) fn vector(&self, name: &str) -> Option<VectorKind> {
        self.vectors.get(name).copied()
    }

    /// The point that a record is.
    pub(crate) fn point(&self, mut record: Record) -> Result<Point, String> {
        let id = match &self.id {
            None => PointId::Num(record.row),
            Some(field) => {
                // The id is the point's name from here on; its payload need not say it again.
                let value = record.payload.remove(field).ok_or_else(|| format!("there is no id `{field}`"))?;
                id(&value)
                    .ok_or_else(|| format!("`{field}` is {value}, and an id is an unsigned 64-bit number or a UUID"))?
            }
        };
        let mut point = Point::new(id).payload(record.payload);
        point.vectors.extend(record.vectors);
        point.sparse.extend(record.others.sparse);
        point.multi.extend(record.others.multi);
        point.expires_at_ms = record.others.expires_at_ms;
        Ok(point)
    }
}

fn id(value: &Value) -> Option<PointId> {
    match value {
        Value::Number(number) => number.as_u64().map(PointId::Num),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Place;
    use crate::cli::source::kinds::Others;
    use serde_json::json;

    fn record(payload: Value) -> Record {
        Record {
            row: 7,
            place: Place::Row(7),
            vectors: vec![("v".to_owned(), vec![1.0])],
            others: Others::default(),
            payload: payload.as_object().cloned().unwrap(),
        }
    }

    #[test]
    fn ids_come_from_a_column_or_from_the_row() {
        let rows = Mapping::new(&[], [], None).unwrap();
        let point = rows.point(record(json!({"id": 3}))).unwrap();
        assert_eq!((point.id, &point.payload), (PointId::Num(7), &json!({"id": 3})));
        assert_eq!(point.vectors["v"], [1.0]);

        let column = Mapping::new(&[], [], Some("id")).unwrap();
        let point = column.point(record(json!({"id": 3, "a": 1}))).unwrap();
        assert_eq!((point.id, &point.payload), (PointId::Num(3), &json!({"a": 1})));
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(column.point(record(json!({"id": uuid}))).unwrap().id.to_string(), uuid);
        for (payload, why) in [
            (json!({}), "there is no id `id`"),
            (json!({"id": -3}), "`id` is -3"),
            (json!({"id": 1.5}), "`id` is 1.5"),
            (json!({"id": null}), "`id` is null"),
            (json!({"id": "seven"}), "`id` is \"seven\""),
        ] {
            let error = column.point(record(payload)).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn columns_are_renamed_or_left_out() {
        let maps = ["emb=embedding".to_owned(), "secret=".to_owned(), "_id=key".to_owned()];
        let mapping = Mapping::new(&maps, ["embedding"], Some("_id")).unwrap();
        assert_eq!(mapping.name("emb"), Some("embedding"));
        assert_eq!(mapping.name("secret"), None);
        assert_eq!(mapping.name("other"), Some("other"));
        assert_eq!((mapping.vector("embedding"), mapping.vector("emb")), (Some(VectorKind::Dense), None));
        assert_eq!(mapping.point(record(json!({"key": 5}))).unwrap().id, PointId::Num(5), "named as in the source");
    }

    #[test]
    fn a_map_that_makes_no_sense_is_a_mistake_of_usage() {
        for map in ["", "a"] {
            assert_eq!(Mapping::new(&[map.to_owned()], [], None).unwrap_err().exit_code(), 2);
        }
        assert!(Mapping::new(&["a=b".to_owned(), "a=c".to_owned()], [], None).is_err());
    }

    #[test]
    fn a_column_without_a_name_is_left_out_only_where_a_map_says_so() {
        let name = |maps: &[&str]| {
            let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
            Mapping::new(&maps, [""], None).unwrap().name("").map(str::to_owned)
        };
        assert_eq!(name(&[]).as_deref(), Some(""));
        assert_eq!(name(&["=v"]).as_deref(), Some("v"));
        assert_eq!(name(&["="]), None);
    }

    #[test]
    fn columns_that_would_get_the_same_name_are_told() {
        let mapping = Mapping::new(&["x=z".to_owned(), "y=z".to_owned(), "w=".to_owned()], [], None).unwrap();
        assert_eq!(mapping.twice(["x", "a", "w"]), Ok(()));
        let why = "`x` and `y` would both be `z`; --map y= leaves one out";
        assert_eq!(mapping.twice(["x", "a", "y"]), Err(why.to_owned()));
        assert!(mapping.twice(["z", "x"]).unwrap_err().starts_with("`z` and `x`"));
    }

    #[test]
    fn a_text_is_a_number_only_as_that_number_is_written() {
        let column = Mapping::new(&[], [], Some("id")).unwrap();
        assert_eq!(column.point(record(json!({"id": "7"}))).unwrap().id, PointId::Num(7));
        for text in ["007", "+7", "00"] {
            let error = column.point(record(json!({"id": text}))).unwrap_err();
            assert!(error.starts_with(&format!("`id` is \"{text}\"")), "{error}");
        }
    }
}
