//! A collection's fields on the command line.

use crate::cli::failure::{Failure, Result};
use nigh_client::{CollectionSpec, Idf, Ivf, Metric};

/// What a new collection holds.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "fields")]
pub(crate) struct Args {
    /// Creates the collection, of the fields below, where it is not there
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    vectors: Vectors,
    /// A text field: an analyzer ("standard" or a language) and the payload paths it reads
    #[arg(long = "text", id = "text", value_name = "NAME[:ANALYZER[:PATH,PATH]]", requires = "create")]
    texts: Vec<String>,
}

/// Vector fields of all kinds.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Vectors {
    /// A vector field: cosine, dot, euclid or manhattan; a graph (hnsw) or lists (ivf), of pq4, pq8 or bits1 to bits8
    #[arg(long = "vector", id = "vector", value_name = "NAME:SIZE[:METRIC[:hnsw|ivf[:CODE]]]")]
    dense: Vec<String>,
    /// A field of sparse vectors; with idf, what is rare counts more
    #[arg(long, value_name = "NAME[:idf]")]
    sparse: Vec<String>,
    /// A field with several vectors a point
    #[arg(long, value_name = "NAME:SIZE[:METRIC]")]
    multi: Vec<String>,
}

impl Vectors {
    /// The spec with these fields.
    pub(crate) fn into_spec(self, mut spec: CollectionSpec) -> Result<CollectionSpec> {
        let usage = |flag: &str, text: &str, why: String| Failure::Usage(format!("--{flag} {text}: {why}"));
        for text in &self.dense {
            spec = vector(spec, text).map_err(|why| usage("vector", text, why))?;
        }
        for text in &self.sparse {
            spec = sparse(spec, text).map_err(|why| usage("sparse", text, why))?;
        }
        for text in &self.multi {
            spec = multi(spec, text).map_err(|why| usage("multi", text, why))?;
        }
        Ok(spec)
    }

    /// Dense ones alone.
    pub(crate) fn dense(dense: Vec<String>) -> Self {
        Self { dense, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.dense.is_empty() && self.sparse.is_empty() && self.multi.is_empty()
    }
}

impl Args {
    /// The spec, where a collection is to be created.
    pub(crate) fn spec(&self) -> Result<Option<CollectionSpec>> {
        if !self.create {
            return match self.vectors.is_empty() {
                true => Ok(None),
                false => Err(Failure::Usage("vector fields are for a collection that is created: --create".to_owned())),
            };
        }
        fields(self.vectors.clone(), &self.texts).map(Some)
    }
}

/// A spec of fields that are written with colons.
pub(crate) fn fields(vectors: Vectors, texts: &[String]) -> Result<CollectionSpec> {
    let mut spec = vectors.into_spec(CollectionSpec::new())?;
    for field in texts {
        spec = text(spec, field).map_err(|why| Failure::Usage(format!("--text {field}: {why}")))?;
    }
    Ok(spec)
}

fn vector(spec: CollectionSpec, text: &str) -> Result<CollectionSpec, String> {
    let mut words = text.split(':');
    let (name, size) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let size = size.parse().map_err(|_| format!("`{size}` is no size; a field is written NAME:SIZE[:METRIC]"))?;
    let metric = words.next().map_or(Ok(Metric::Cosine), str::parse)?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    let rest: Vec<&str> = words.collect();
    match rest[..] {
        [] | ["hnsw"] => Ok(spec.vector(name, size, metric)),
        ["ivf"] => Ok(spec.vector_in_lists(name, size, metric, Ivf::default())),
        ["ivf", code] => {
            let ivf = Ivf { code: code.to_owned(), ..Ivf::default() };
            Ok(spec.vector_in_lists(name, size, metric, ivf))
        }
        _ => Err(format!("`{}` is no index: hnsw, ivf, or ivf and a code, as ivf:pq8", rest.join(":"))),
    }
}

fn sparse(spec: CollectionSpec, text: &str) -> Result<CollectionSpec, String> {
    match text.split_once(':') {
        None if !text.is_empty() => Ok(spec.sparse(text, Idf::Off)),
        Some((name, "idf")) if !name.is_empty() => Ok(spec.sparse(name, Idf::Live)),
        _ => Err("a field is written NAME or NAME:idf".to_owned()),
    }
}

fn multi(spec: CollectionSpec, text: &str) -> Result<CollectionSpec, String> {
    let mut words = text.split(':');
    let (name, size) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let size = size.parse().map_err(|_| format!("`{size}` is no size; a field is written NAME:SIZE[:METRIC]"))?;
    let metric = words.next().map_or(Ok(Metric::Cosine), str::parse)?;
    match (name.is_empty(), words.next()) {
        (false, None) => Ok(spec.multi(name, size, metric)),
        _ => Err("a field is written NAME:SIZE[:METRIC]".to_owned()),
    }
}

fn text(spec: CollectionSpec, text: &str) -> Result<CollectionSpec, String> {
    let mut words = text.splitn(3, ':');
    let name = words.next().filter(|name| !name.is_empty()).ok_or("the name is empty")?;
    let analyzer = words.next().unwrap_or("standard");
    let paths = words.next().unwrap_or_default().split(',').filter(|path| !path.is_empty());
    Ok(spec.text_over(name, analyzer, paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vectors: &[&str], texts: &[&str]) -> Result<CollectionSpec> {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Args { create: true, vectors: Vectors { dense: all(vectors), ..Vectors::default() }, texts: all(texts) }
            .spec()
            .map(Option::unwrap_or_default)
    }

    #[test]
    fn fields_are_for_a_collection_that_is_created() {
        let vectors = Vectors { dense: vec!["e:3".to_owned()], ..Vectors::default() };
        let asked = |create: bool| Args { create, vectors: vectors.clone(), texts: Vec::new() }.spec();
        assert!(matches!(asked(false), Err(Failure::Usage(_))) && matches!(asked(true), Ok(Some(_))));
        assert!(matches!(Args::default().spec(), Ok(None)));
    }

    #[test]
    fn fields_are_written_with_colons() {
        let spec = read(
            &["a:3", "b:4:dot", "c:5:dot:ivf:pq8", "d:6:dot:hnsw"],
            &["text", "body:english", "all:german:title,meta.text"],
        )
        .unwrap();
        let expected = CollectionSpec::new()
            .vector("a", 3, Metric::Cosine)
            .vector("b", 4, Metric::Dot)
            .vector_in_lists("c", 5, Metric::Dot, Ivf { code: "pq8".to_owned(), ..Ivf::default() })
            .vector("d", 6, Metric::Dot)
            .text("text", "standard")
            .text("body", "english")
            .text_over("all", "german", ["title", "meta.text"]);
        assert_eq!(spec, expected);
        assert_eq!(Args::default().spec().unwrap(), None);
    }

    #[test]
    fn a_field_that_makes_no_sense_is_named() {
        for vector in ["a", "a:x", ":3", "a:3:far", "a:3:dot:x", "a:3:dot:ivf:pq4:x", "a:-1"] {
            let error = read(&[vector], &[]).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("--vector {vector}: ")) && error.exit_code() == 2,
                "{error}"
            );
        }
        assert!(read(&[], &[":english"]).is_err());
    }
}
