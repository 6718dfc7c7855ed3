//! The sample that comes with the program: passages and queries with their vectors.

use crate::cli::failure::{Place, Result};
use crate::cli::mapping::Mapping;
use crate::cli::source::npy::Npy;
use crate::cli::source::{jsonl, wrong};
use nigh_client::Point;
use std::io::Cursor;
use std::path::Path;

const POINTS: &[u8] = include_bytes!("../../assets/sample/points.jsonl.gz");
const POINT_VECTORS: &[u8] = include_bytes!("../../assets/sample/points.f16.npy");
const QUERIES: &[u8] = include_bytes!("../../assets/sample/queries.jsonl.gz");
const QUERY_VECTORS: &[u8] = include_bytes!("../../assets/sample/queries.f16.npy");

/// A query of the sample.
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) vector: Vec<f32>,
}

/// The passages, their vectors in this field.
pub(crate) fn points(field: &str, mapping: &Mapping) -> Result<impl Iterator<Item = Result<Point>>> {
    let name = Path::new("points.jsonl.gz");
    let lines = jsonl::Records::new(name, POINTS, None, mapping.clone(), 0)?;
    let mut vectors = Npy::new(Path::new("points.f16.npy"), Cursor::new(POINT_VECTORS))?;
    Ok(lines.map(move |record| {
        let mut record = record?;
        let place = record.place;
        let vector = vectors.read()?.ok_or_else(|| wrong(name, place, "there is no vector for it"))?;
        record.vectors.push((field.to_owned(), vector));
        mapping.point(record).map_err(|why| wrong(name, place, why))
    }))
}

/// The queries.
pub(crate) fn queries() -> Result<Vec<Asked>> {
    let name = Path::new("queries.jsonl.gz");
    let lines = jsonl::Records::new(name, QUERIES, None, Mapping::new(&[], [], None)?, 0)?;
    let mut vectors = Npy::new(Path::new("queries.f16.npy"), Cursor::new(QUERY_VECTORS))?;
    let query = |record: Result<_>| {
        let mut record: crate::cli::source::Record = record?;
        let vector = vectors.read()?.ok_or_else(|| wrong(name, record.place, "there is no vector for it"))?;
        let text = record.payload.remove("text").and_then(|text| Some(text.as_str()?.to_owned()));
        Ok(Asked { text: text.ok_or_else(|| wrong(name, Place::Whole, "a query has no text"))?, vector })
    };
    lines.map(query).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_whole() {
        let mapping = Mapping::new(&[], ["v"], Some("id")).unwrap();
        let points: Vec<Point> = points("v", &mapping).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(points.len(), 4800);
        assert!(points.iter().all(|point| point.vectors["v"].len() == 384 && point.payload["text"].is_string()));
        let queries = queries().unwrap();
        assert!(queries.len() == 100 && queries.iter().all(|query| query.vector.len() == 384));
    }
}
