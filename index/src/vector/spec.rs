//! What a vector field holds and how it is indexed.

use crate::error::{Error, Result};
use crate::vector::metric::Metric;
use serde::{Deserialize, Serialize};

/// A vector has at most this many numbers.
pub const SIZE_MAX: u32 = 65_536;

/// A vector field.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VectorSpec {
    /// Numbers in a vector.
    pub size: u32,
    /// How near two vectors are.
    pub metric: Metric,
    /// The graph.
    #[serde(default)]
    pub hnsw: HnswSpec,
}

/// The graph of a vector field (Malkov & Yashunin 2016, section 4).
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HnswSpec {
    /// Links of a node; twice as many on the base level.
    pub m: u32,
    /// Width of the search that builds the graph.
    pub ef_construct: u32,
}

impl Default for HnswSpec {
    fn default() -> Self {
        Self { m: 24, ef_construct: 128 }
    }
}

impl VectorSpec {
    /// A field with the default graph.
    pub fn new(size: u32, metric: Metric) -> Self {
        Self { size, metric, hnsw: HnswSpec::default() }
    }

    /// Whether the spec can be served; `field` names it in the error.
    pub fn validate(&self, field: &str) -> Result<()> {
        let within = |name: &str, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("vectors.{field}.{name}"), value, format!("it is from {least} to {most}")))
        };
        within("size", self.size, 1, SIZE_MAX)?;
        within("hnsw.m", self.hnsw.m, 4, 128)?;
        within("hnsw.ef_construct", self.hnsw.ef_construct, 8, 4096)
    }

    /// Whether a vector fits: its size, and every value finite.
    pub fn check(&self, field: &str, vector: &[f32]) -> Result<()> {
        if vector.len() != self.size as usize {
            let limit = format!("field `{field}` holds vectors of {} numbers", self.size);
            return Err(Error::invalid(format!("vectors.{field}"), format!("{} numbers long", vector.len()), limit));
        }
        match vector.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::invalid(format!("vectors.{field}[{at}]"), vector[at], "every number is finite")),
        }
    }
}
