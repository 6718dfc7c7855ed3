//! A collection's fields on the command line.

use crate::cli::failure::{Failure, Result};
use nigh_client::{CollectionSpec, Ivf, Metric};

/// What a new collection holds.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "fields")]
pub(crate) struct Args {
    /// Creates the collection, of the fields below, where it is not there
    #[arg(long)]
    create: bool,
    /// A vector field: cosine, dot, euclid or manhattan; a graph (hnsw) or lists (ivf), of pq4, pq8 or bits1 to bits8
    #[arg(long = "vector", id = "vector", value_name = "NAME:SIZE[:METRIC[:hnsw|ivf[:CODE]]]", requires = "create")]
    vectors: Vec<String>,
    /// A text field: an analyzer ("standard" or a language) and the payload paths it reads
    #[arg(long = "text", id = "text", value_name = "NAME[:ANALYZER[:PATH,PATH]]", requires = "create")]
    texts: Vec<String>,
}

impl Args {
    /// The spec, where a collection is to be created.
    pub(crate) fn spec(&self) -> Result<Option<CollectionSpec>> {
        if !self.create {
            return Ok(None);
        }
        fields(&self.vectors, &self.texts).map(Some)
    }
}

/// A spec of fields that are written with colons.
pub(crate) fn fields(vectors: &[String], texts: &[String]) -> Result<CollectionSpec> {
    let mut spec = CollectionSpec::new();
    for text in vectors {
        spec = vector(spec, text).map_err(|why| Failure::Usage(format!("--vector {text}: {why}")))?;
    }
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
        Args { create: true, vectors: all(vectors), texts: all(texts) }.spec().map(Option::unwrap_or_default)
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
