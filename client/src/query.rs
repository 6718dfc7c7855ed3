//! Queries: any number of retrievers, each by meaning or by words, fused into one ranking.

use crate::filter::Filter;
use crate::id::PointId;
use crate::point::{VectorsWanted, Wanted};
use crate::vectors::SparseVector;

/// A query. With several retrievers their rankings are fused by reciprocal rank.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// At least one.
    pub retrievers: Vec<Retriever>,
    /// Holds for every retriever.
    pub filter: Option<Filter>,
    /// Hits wanted; 10 where it is 0.
    pub limit: u32,
    /// Hits to leave out at the top.
    pub offset: u32,
    /// How every dense retriever without parameters of its own searches.
    pub params: SearchParams,
    /// Reciprocal rank's k; 60 where it is left out.
    pub fusion_k: Option<f32>,
    /// What of the payload comes back: all of it.
    pub payload: Wanted,
    /// Which vectors come back: none.
    pub vectors: VectorsWanted,
    /// Whether the reply says how it came about.
    pub explain: bool,
    /// Hits below this (distances: above it) are left out.
    pub score_threshold: Option<f32>,
    /// The version to read; empty: the newest state.
    pub version: String,
}

impl Query {
    /// The points nearest to this vector.
    pub fn dense(field: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        Self::default().with(Retriever::dense(field, vector))
    }

    /// The points nearest to this point, which is itself left out.
    pub fn like(field: impl Into<String>, id: impl Into<PointId>) -> Self {
        Self::default().with(Retriever::like(field, id))
    }

    /// The points that match these words best.
    pub fn words(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self::default().with(Retriever::text(field, words))
    }

    /// Adds a retriever.
    pub fn with(mut self, retriever: Retriever) -> Self {
        self.retrievers.push(retriever);
        self
    }

    /// Adds a retriever by words: together with a dense one, a hybrid query.
    pub fn text(self, field: impl Into<String>, words: impl Into<String>) -> Self {
        self.with(Retriever::text(field, words))
    }

    /// Only points that match.
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Hits wanted.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Hits to leave out at the top.
    pub fn offset(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }

    /// The recall that dense retrievers have to reach, above 0 and at most 1.
    pub fn recall(mut self, recall: f32) -> Self {
        self.params.recall = recall;
        self
    }

    /// The width of the graph search.
    pub fn ef(mut self, ef: u32) -> Self {
        self.params.ef = ef;
        self
    }

    /// Compare with every matching point.
    pub fn exact(mut self) -> Self {
        self.params.exact = true;
        self
    }

    /// Say how the reply came about.
    pub fn explain(mut self) -> Self {
        self.explain = true;
        self
    }

    /// What of the payload comes back.
    pub fn payload(mut self, wanted: Wanted) -> Self {
        self.payload = wanted;
        self
    }

    /// Which vectors come back.
    pub fn vectors(mut self, wanted: VectorsWanted) -> Self {
        self.vectors = wanted;
        self
    }

    /// Read this version instead of the newest state.
    pub fn at(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Leave out hits below this (distances: above it).
    pub fn score_threshold(mut self, score: f32) -> Self {
        self.score_threshold = Some(score);
        self
    }
}

/// One ranking of a query.
#[derive(Clone, PartialEq, Debug)]
pub struct Retriever {
    /// Named in explanations; its kind and place where it is left out.
    pub name: String,
    /// The field it searches; may be empty where the collection has one of the kind.
    pub field: String,
    /// What it looks for.
    pub wanted: Target,
    /// Hits that go into the fusion; 0: the server's default.
    pub limit: u32,
    /// Its weight in the fusion.
    pub weight: f32,
    /// Narrows the query's own filter.
    pub filter: Option<Filter>,
    /// How it searches, where not as the query says.
    pub params: Option<SearchParams>,
    /// Its hits below this (distances: above it) are left out.
    pub score_threshold: Option<f32>,
}

/// What a retriever looks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Target {
    /// What is near to this vector.
    Vector(Vec<f32>),
    /// What is near to this point.
    Point(PointId),
    /// What has the greatest dot product with this sparse vector.
    Sparse(SparseVector),
    /// What is near to these vectors, in a field with several a point.
    Multi(Vec<Vec<f32>>),
    /// What has these words.
    Words(String),
}

impl Retriever {
    /// By meaning: near to this vector.
    pub fn dense(field: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        Self::new(field.into(), Target::Vector(vector.into()))
    }

    /// By meaning: near to this point.
    pub fn like(field: impl Into<String>, id: impl Into<PointId>) -> Self {
        Self::new(field.into(), Target::Point(id.into()))
    }

    /// By the dot product with a sparse vector.
    pub fn sparse(field: impl Into<String>, numbers: impl IntoIterator<Item = (u32, f32)>) -> Self {
        Self::new(field.into(), Target::Sparse(numbers.into_iter().collect()))
    }

    /// By several vectors a point: near to these.
    pub fn multi<V: Into<Vec<f32>>>(field: impl Into<String>, vectors: impl IntoIterator<Item = V>) -> Self {
        Self::new(field.into(), Target::Multi(vectors.into_iter().map(Into::into).collect()))
    }

    /// By words.
    pub fn text(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(field.into(), Target::Words(words.into()))
    }

    fn new(field: String, wanted: Target) -> Self {
        let (name, filter, params, score_threshold) = (String::new(), None, None, None);
        Self { name, field, wanted, limit: 0, weight: 1.0, filter, params, score_threshold }
    }

    /// Its name in explanations.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Hits that go into the fusion.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Its weight in the fusion.
    pub fn weight(mut self, weight: f32) -> Self {
        self.weight = weight;
        self
    }

    /// Narrows the query's own filter.
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// How it searches.
    pub fn params(mut self, params: SearchParams) -> Self {
        self.params = Some(params);
        self
    }
}

/// How a dense retriever searches; zeros are the server's defaults.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub struct SearchParams {
    /// Width of the graph search.
    pub ef: u32,
    /// Compare with every matching point.
    pub exact: bool,
    /// The recall to reach, above 0 and at most 1.
    pub recall: f32,
}
