//! How points are found and ranked: a tree, whose inner retrievers rank what those below them found.

use crate::engine::error::{Error, Result};
use crate::engine::words::Words;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_index::query::examples::Likeness;
use nigh_index::query::formula::Formula;
use nigh_index::query::fuse::Fusion;
use nigh_index::query::order::OrderBy;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::MultiVector;
use nigh_storage::schema::VectorPlace;

/// One way of finding points, or of ranking what others found.
#[derive(Clone, Debug)]
pub struct Retriever {
    /// Its name in explanations.
    pub name: String,
    /// How it finds, or ranks.
    pub kind: Kind,
    /// Where there are some, only what they found is ranked.
    pub sources: Vec<Retriever>,
    /// Points of its ranking.
    pub limit: usize,
    /// Narrows the filters of the query and of all retrievers above; holds for its sources too.
    pub filter: Option<Condition>,
    /// The points among which it is counted how rare a term is, where its field weighs by that: all of them where this is
    /// left out.
    pub corpus: Option<Condition>,
    /// The worst score that is a hit, as the caller sees scores.
    pub score_threshold: Option<f32>,
}

/// How a retriever finds, or ranks.
#[derive(Clone, Debug)]
pub enum Kind {
    /// By the nearness of vectors.
    Dense {
        /// The place of the vector field in the spec.
        field: usize,
        /// Near to what.
        target: Target,
        /// How hard it tries.
        params: SearchParams,
    },
    /// By the dot product of sparse vectors.
    Sparse {
        /// The place of the field in the spec.
        field: usize,
        /// With which.
        vector: SparseVector,
    },
    /// By the dot product with a point's sparse vector. The point is itself left out of what is found.
    SparseOf {
        /// The place of the field in the spec.
        field: usize,
        /// The point.
        point: PointId,
    },
    /// By the nearness of several vectors a point.
    Multi {
        /// The place of the field in the spec.
        field: usize,
        /// Near to which.
        vectors: MultiVector,
    },
    /// By the nearness to a point's vectors. The point is itself left out of what is found.
    MultiOf {
        /// The place of the field in the spec.
        field: usize,
        /// The point.
        point: PointId,
    },
    /// By words.
    Text(Words),
    /// By the rankings of its sources, which it has to have.
    Fuse(Fusion),
    /// By a number that is computed from the scores of its sources, which it has to have, and from payloads.
    Formula(Formula),
    /// By nearness, but so that what comes later is unlike what came before. Scores are those of nearness.
    Diverse {
        /// The vector field.
        field: VectorPlace,
        /// Near to what.
        target: Example,
        /// How hard it tries, where the field has one vector a point.
        params: SearchParams,
        /// From 0, nothing but nearness, to 1.
        diversity: f32,
        /// How many of the nearest it chooses from.
        candidates: usize,
    },
    /// By the nearness to one vector that is made of examples.
    Average {
        /// The vector field.
        field: VectorPlace,
        /// What is liked; at least one.
        positive: Vec<Example>,
        /// What is not.
        negative: Vec<Example>,
        /// How hard it tries, where the field has one vector a point.
        params: SearchParams,
    },
    /// By the nearness to every single example. Everything that matches is compared.
    Examples {
        /// The vector field.
        field: VectorPlace,
        /// What similarities come to.
        likeness: Likeness,
        /// What is liked; for a discovery the target, and then pairs of better and worse; all of what has weights.
        positive: Vec<Example>,
        /// What is not.
        negative: Vec<Example>,
    },
    /// By a field of the payload.
    Order(OrderBy),
    /// By chance: the same for the same seed and the same points.
    Sample {
        /// What chance begins with.
        seed: u64,
    },
}

impl Kind {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Sparse { .. } | Self::SparseOf { .. } => "sparse",
            Self::Multi { .. } | Self::MultiOf { .. } => "multi",
            Self::Text(_) => "text",
            Self::Fuse(_) => "fusion",
            Self::Formula(_) => "formula",
            Self::Diverse { .. } => "mmr",
            Self::Average { .. } | Self::Examples { likeness: Likeness::Best | Likeness::Sum, .. } => "recommend",
            Self::Examples { likeness: Likeness::Discover, .. } => "discover",
            Self::Examples { likeness: Likeness::Context, .. } => "context",
            Self::Examples { likeness: Likeness::Weighted(_), .. } => "relevance_feedback",
            Self::Order(_) => "order_by",
            Self::Sample { .. } => "sample",
        }
    }

    /// Whether it looks at the rows of parts itself, not only at rankings.
    pub fn searches(&self) -> bool {
        !matches!(self, Self::Fuse(_) | Self::Formula(_))
    }
}

/// A vector, given or by the name of a point.
#[derive(Clone, Debug)]
pub enum Target {
    /// This one.
    Vector(Vec<f32>),
    /// That of this point, which is itself left out of what is found.
    Point(PointId),
}

/// What a point has of a vector field of any kind, or a query of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Vector {
    /// One vector.
    Dense(Vec<f32>),
    /// One sparse vector.
    Sparse(SparseVector),
    /// Several.
    Multi(MultiVector),
}

impl Vector {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense(_) => "a dense vector",
            Self::Sparse(_) => "a sparse vector",
            Self::Multi(_) => "several vectors",
        }
    }

    /// How many numbers it holds.
    pub fn numbers(&self) -> usize {
        match self {
            Self::Dense(vector) => vector.len(),
            Self::Sparse(vector) => vector.values().len(),
            Self::Multi(several) => several.values.len(),
        }
    }
}

/// An example: a vector of the field's kind, given or by the name of a point.
#[derive(Clone, Debug)]
pub enum Example {
    /// This one.
    Vector(Vector),
    /// That of this point, which is itself left out of what is found.
    Point(PointId),
}

impl From<Target> for Example {
    fn from(target: Target) -> Self {
        match target {
            Target::Vector(vector) => Self::Vector(Vector::Dense(vector)),
            Target::Point(id) => Self::Point(id),
        }
    }
}

/// Counts retrievers of a query, so that no door reads more of them than are walked.
#[derive(Debug)]
pub struct Count {
    left: usize,
    most: usize,
}

impl Count {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { left: most, most }
    }

    /// One more; an error where it is one too many.
    pub fn one_more(&mut self) -> Result<()> {
        let most = self.most;
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let limit = format!("a query has 1 to {most} retrievers");
            Error::invalid("number of retrievers", format!("over {most}"), limit)
        })?;
        Ok(())
    }
}
