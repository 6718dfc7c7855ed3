//! What a vector field holds and how it is indexed.

use crate::error::{Error, Result};
use crate::vector::metric::Metric;
use crate::vector::quant::rotated::Rotated;
use serde::{Deserialize, Serialize};

/// A vector has at most this many numbers.
pub const SIZE_MAX: u32 = 65_536;

/// A part has at most this many lists.
pub const LISTS_MAX: u32 = 1 << 20;

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
    /// Inverted lists instead of the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ivf: Option<IvfSpec>,
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
        Self { m: 32, ef_construct: 128 }
    }
}

/// Inverted lists of a vector field: built fast, small in memory, for vectors that stay on disk (Jégou,
/// Douze & Schmid 2011). Not for Manhattan distances.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IvfSpec {
    /// Lists of a part; 0 is the root of its rows.
    #[serde(default)]
    pub lists: u32,
    /// What a list holds of a vector.
    #[serde(default)]
    pub code: IvfCode,
    /// Vectors that are compared in full, for each hit asked for; 0 is what suits the code.
    #[serde(default)]
    pub rerank: u32,
}

/// What a list holds of a vector.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IvfCode {
    /// Product quantisation, 4 bits for 4 numbers: the fastest to scan.
    #[default]
    Pq4,
    /// Product quantisation, 8 bits for 8 numbers: as small, nearer to the vector, slower.
    Pq8,
    /// Rotated codes of 1, 2, 4 or 8 bits a number (Gao & Long 2024), which learn nothing from the vectors.
    Bits(u8),
}

impl IvfCode {
    /// As a user writes it: `pq4`, `pq8`, `bits1` and so on.
    pub fn name(self) -> String {
        match self {
            Self::Pq4 => "pq4".to_owned(),
            Self::Pq8 => "pq8".to_owned(),
            Self::Bits(bits) => format!("bits{bits}"),
        }
    }

    /// What [`Self::name`] gives, read back.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pq4" => Some(Self::Pq4),
            "pq8" => Some(Self::Pq8),
            _ => Some(Self::Bits(text.strip_prefix("bits")?.parse().ok()?)),
        }
    }

    /// As a body holds it.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Pq4 => 0,
            Self::Pq8 => 1,
            Self::Bits(bits) => 0x100 | u32::from(bits),
        }
    }
}

impl VectorSpec {
    /// A field with the default graph.
    pub fn new(size: u32, metric: Metric) -> Self {
        Self { size, metric, hnsw: HnswSpec::default(), ivf: None }
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
        within("hnsw.ef_construct", self.hnsw.ef_construct, 8, 4096)?;
        let Some(ivf) = self.ivf else { return Ok(()) };
        within("ivf.lists", ivf.lists, 0, LISTS_MAX)?;
        within("ivf.rerank", ivf.rerank, 0, 1000)?;
        if self.metric == Metric::Manhattan {
            let limit = "lists are for cosine, dot and euclid; manhattan takes the graph";
            return Err(Error::invalid(format!("vectors.{field}.ivf"), "set for manhattan", limit));
        }
        if let IvfCode::Bits(bits) = ivf.code
            && !Rotated::BITS.contains(&u32::from(bits))
        {
            return Err(Error::invalid(format!("vectors.{field}.ivf.code"), ivf.code.name(), Rotated::SAYS));
        }
        Ok(())
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
