//! The parts of a query that say how points are ranked.

use crate::id::PointId;
use crate::point::{VectorsWanted, Wanted};

/// How several rankings become one.
#[derive(Clone, PartialEq, Debug)]
pub enum Fusion {
    /// By reciprocal ranks.
    Ranks {
        /// How little the first ranks stand out; 60 where it is left out.
        k: Option<f32>,
        /// What a weight does.
        weighing: Weighing,
    },
    /// By scores that are brought to one scale.
    Scores(Scale),
}

impl Default for Fusion {
    fn default() -> Self {
        Self::Ranks { k: None, weighing: Weighing::Score }
    }
}

impl Fusion {
    /// By reciprocal ranks with this constant.
    pub fn ranks(k: f32) -> Self {
        Self::Ranks { k: Some(k), weighing: Weighing::Score }
    }
}

/// What the weight of a ranking does to its ranks.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Weighing {
    /// `weight / (k + rank)`.
    #[default]
    Score,
    /// `1 / (k + rank / weight)`.
    Rank,
}

/// How scores come to one scale.
#[derive(Clone, PartialEq, Debug)]
pub enum Scale {
    /// Each ranking's worst is 0, its best 1.
    MinMax,
    /// Three standard deviations below each ranking's mean are 0, three above it 1.
    Distribution,
    /// These are 0 and 1, one pair for each ranking.
    Bounds(Vec<(f32, f32)>),
}

/// A vector, or that of a point, which is itself not found.
#[derive(Clone, PartialEq, Debug)]
pub enum Near {
    /// This vector.
    Vector(Vec<f32>),
    /// The vector of this point.
    Point(PointId),
}

impl From<Vec<f32>> for Near {
    fn from(vector: Vec<f32>) -> Self {
        Self::Vector(vector)
    }
}

impl From<PointId> for Near {
    fn from(id: PointId) -> Self {
        Self::Point(id)
    }
}

impl From<u64> for Near {
    fn from(id: u64) -> Self {
        Self::Point(id.into())
    }
}

/// Examples of what is liked and what is not.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Recommend {
    /// What is liked.
    pub positive: Vec<Near>,
    /// What is not.
    pub negative: Vec<Near>,
    /// What they come to.
    pub strategy: Strategy,
}

/// What examples come to.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Strategy {
    /// One vector that is searched for.
    #[default]
    AverageVector,
    /// The likest example decides.
    BestScore,
    /// All of them add up.
    SumScores,
}

/// Which way an order goes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Small ones first.
    #[default]
    Rising,
    /// Great ones first.
    Falling,
}

/// A value that points are ordered by.
#[derive(Clone, PartialEq, Debug)]
pub enum OrderValue {
    /// An integer; an instant comes back as microseconds since 1970.
    Integer(i64),
    /// An integer beyond that.
    Natural(u64),
    /// A number with a fraction.
    Float(f64),
    /// RFC 3339, or YYYY-MM-DD: only on the way to the server.
    Datetime(String),
}

/// Hits in groups of those that have a value in common.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Grouping {
    /// Where the value is: a string or an integer.
    pub path: String,
    /// Groups wanted; 0: 10.
    pub groups: u32,
    /// Hits wanted of each; 0: 3.
    pub size: u32,
    /// Brings the point whose id is the group's value.
    pub lookup: Option<Lookup>,
}

/// Where the points of groups are.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lookup {
    /// The collection.
    pub collection: String,
    /// What of its payload comes back: all of it.
    pub payload: Wanted,
    /// Which vectors come back: none.
    pub vectors: VectorsWanted,
}

impl Grouping {
    /// By the value at a path.
    pub fn by(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// So many groups.
    pub fn groups(mut self, groups: u32) -> Self {
        self.groups = groups;
        self
    }

    /// So many hits of each.
    pub fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// With the point of a collection whose id is the group's value.
    pub fn lookup(mut self, collection: impl Into<String>) -> Self {
        self.lookup = Some(Lookup { collection: collection.into(), ..Lookup::default() });
        self
    }
}

/// One page of a ranking.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Paging {
    /// `next` of the page before; `None`: the first page.
    pub after: Option<RankPlace>,
}

/// A place in a ranking: it comes from a reply, and is only given back.
#[derive(Clone, PartialEq, Debug)]
pub struct RankPlace {
    /// As rankings compare it.
    pub score: f32,
    /// The point there.
    pub id: PointId,
    /// The value that points are ordered by.
    pub value: Option<OrderValue>,
}
