//! What a collection holds.

use crate::error::{Error, Result};
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::text::spec::TextSpec;
use nigh_index::value::Path;
use nigh_index::vector::multi::MultiSpec;
use nigh_index::vector::spec::VectorSpec;
use serde::{Deserialize, Serialize};

/// A collection has at most this many fields of a kind.
pub const FIELDS_MAX: usize = 64;
/// A name has at most this many characters.
pub const NAME_CHARS_MAX: usize = 128;

/// What a collection holds; fixed when it is created, other than its vector and text fields (see [`crate::evolve`]).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CollectionSpec {
    /// Its vector fields; a point's vectors name them by their place here.
    pub vectors: Vec<VectorField>,
    /// Its fields of sparse vectors.
    #[serde(default)]
    pub sparse: Vec<SparseField>,
    /// Its fields that have several vectors a point.
    #[serde(default)]
    pub multi: Vec<MultiField>,
    /// Vector fields that were dropped. They keep their places, so that a place means one field for ever; by name only
    /// [`Self::fields`] finds what is there.
    #[serde(default)]
    pub dropped: Vec<VectorPlace>,
    /// Its text fields.
    #[serde(default)]
    pub texts: Vec<TextField>,
    /// Text fields that were dropped, by their places, which they keep; by name only [`Self::text_fields`] finds what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_texts: Vec<u16>,
    /// Whether scalar payload fields are left without an index.
    #[serde(default)]
    pub no_auto_index: bool,
}

/// A named vector field.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VectorField {
    /// Its name, unique among the vector fields.
    pub name: String,
    /// What it holds.
    pub spec: VectorSpec,
}

/// A named field of sparse vectors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SparseField {
    /// Its name, unique among all vector fields.
    pub name: String,
    /// How it is weighed.
    pub spec: SparseSpec,
}

/// A named field that has several vectors a point.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MultiField {
    /// Its name, unique among all vector fields.
    pub name: String,
    /// What it holds.
    pub spec: MultiSpec,
}

/// A vector field of any kind, as it is to be added.
#[derive(Clone, PartialEq, Debug)]
pub enum NewField {
    /// One vector a point.
    Dense(VectorField),
    /// One sparse vector a point.
    Sparse(SparseField),
    /// Several vectors a point.
    Multi(MultiField),
}

impl NewField {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Dense(field) => &field.name,
            Self::Sparse(field) => &field.name,
            Self::Multi(field) => &field.name,
        }
    }
}

/// A vector field of any kind, by its place among those of its kind.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorPlace {
    /// One vector a point.
    Dense(u16),
    /// One sparse vector a point.
    Sparse(u16),
    /// Several vectors a point.
    Multi(u16),
}

/// A named text field.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TextField {
    /// Its name, unique among the text fields.
    pub name: String,
    /// Payload paths whose strings are read as one text, in this order. Empty: the name is the path.
    #[serde(default)]
    pub paths: Vec<String>,
    /// How it is read and scored.
    pub spec: TextSpec,
}

impl TextField {
    /// The payload paths to read.
    pub fn parsed_paths(&self) -> Result<Vec<Path>> {
        let named = std::slice::from_ref(&self.name);
        let texts = if self.paths.is_empty() { named } else { &self.paths[..] };
        texts.iter().map(|text| Ok(Path::parse(text)?)).collect()
    }
}

impl CollectionSpec {
    /// Whether such a collection can be served.
    pub fn validate(&self) -> Result<()> {
        for (kind, count) in [("vectors", self.fields().count()), ("texts", self.text_fields().count())] {
            if count > FIELDS_MAX {
                return Err(Error::invalid(
                    kind,
                    format!("{count} fields"),
                    format!("at most {FIELDS_MAX} are allowed"),
                ));
            }
        }
        unique("vectors", self.fields().map(|(_, name)| name))?;
        unique("texts", self.text_fields().map(|(_, field)| &field.name[..]))?;
        for field in &self.vectors {
            field.spec.validate(&field.name)?;
        }
        for field in &self.multi {
            field.spec.validate(&field.name)?;
        }
        for field in &self.texts {
            field.spec.validate(&field.name)?;
            nigh_index::text::analyzer::Analyzer::new(&field.spec.analyzer)?;
            field.parsed_paths()?;
        }
        Ok(())
    }

    /// The vector fields of all kinds that were not dropped, with their names.
    pub fn fields(&self) -> impl Iterator<Item = (VectorPlace, &str)> {
        let dense = self.vectors.iter().zip(0..).map(|(field, at)| (VectorPlace::Dense(at), &field.name[..]));
        let sparse = self.sparse.iter().zip(0..).map(|(field, at)| (VectorPlace::Sparse(at), &field.name[..]));
        let multi = self.multi.iter().zip(0..).map(|(field, at)| (VectorPlace::Multi(at), &field.name[..]));
        dense.chain(sparse).chain(multi).filter(|(place, _)| !self.is_dropped(*place))
    }

    /// The vector field of this name, whatever its kind.
    pub fn field(&self, name: &str) -> Option<VectorPlace> {
        self.fields().find(|(_, have)| *have == name).map(|(place, _)| place)
    }

    /// Whether a vector field was dropped.
    pub fn is_dropped(&self, place: VectorPlace) -> bool {
        self.dropped.contains(&place)
    }

    /// The place of a dense vector field; an empty name means the only one.
    pub fn vector(&self, name: &str) -> Result<usize> {
        let dense = self.fields().filter_map(|(place, name)| match place {
            VectorPlace::Dense(at) => Some((usize::from(at), name)),
            _ => None,
        });
        let dense: Vec<(usize, &str)> = dense.collect();
        Ok(dense[place("vector field", name, dense.iter().map(|(_, name)| *name))?].0)
    }

    /// The place of a text field; an empty name means the only one.
    pub fn text(&self, name: &str) -> Result<usize> {
        let there: Vec<(usize, &TextField)> = self.text_fields().collect();
        Ok(there[place("text field", name, there.iter().map(|(_, field)| &field.name[..]))?].0)
    }

    /// The text fields that were not dropped, with their places.
    pub fn text_fields(&self) -> impl Iterator<Item = (usize, &TextField)> {
        self.texts.iter().enumerate().filter(|(at, _)| !self.is_dropped_text(*at))
    }

    /// Whether the text field of this place was dropped.
    pub fn is_dropped_text(&self, place: usize) -> bool {
        self.dropped_texts.iter().any(|dropped| usize::from(*dropped) == place)
    }
}

/// Whether a collection may have this name: 1 to 128 letters, digits, `.`, `_` and `-`, a letter or
/// a digit first. Names never become parts of a path; the rule keeps them printable.
pub fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = name.len() <= NAME_CHARS_MAX && name.chars().all(good);
    if fits && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    let limit = "a name has 1 to 128 letters, digits, `.`, `_` or `-`, and starts with a letter or a digit";
    Err(Error::invalid("collection", format!("`{shown}`"), limit))
}

fn unique<'n>(kind: &str, names: impl Iterator<Item = &'n str>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Error::invalid(
                format!("{kind}.name"),
                format!("`{name}`"),
                "a name has at most 128 characters",
            ));
        }
        if !seen.insert(name) {
            return Err(Error::invalid(format!("{kind}.name"), format!("`{name}` twice"), "names are unique"));
        }
    }
    Ok(())
}

fn place<'n>(what: &'static str, name: &str, mut names: impl ExactSizeIterator<Item = &'n str>) -> Result<usize> {
    let only = names.len() == 1;
    match names.position(|have| have == name) {
        Some(at) => Ok(at),
        None if name.is_empty() && only => Ok(0),
        None => Err(Error::Missing { what, name: name.to_owned() }),
    }
}
