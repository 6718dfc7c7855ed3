//! Queries: any number of retrievers, by meaning, by words, by examples or by a field, fused into one ranking, or a tree
//! of them (see [`Retriever::over`]).

use crate::filter::Filter;
pub use crate::formula::{Decay, Formula};
use crate::id::PointId;
use crate::point::{VectorsWanted, Wanted};
pub use crate::ranking::{
    Direction, Fusion, Grouping, Lookup, Near, OrderValue, Paging, RankPlace, Recommend, Scale, Strategy, Weighing,
};
use crate::vectors::{NearBy, SparseVector};
use crate::words::TextOptions;

/// A query. With several retrievers their rankings are fused.
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
    /// How the rankings become one; their weights are those of the retrievers.
    pub fusion: Fusion,
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
    /// Hits come back in groups.
    pub grouping: Option<Grouping>,
    /// The ranking is read page by page; not with an offset or groups.
    pub paging: Option<Paging>,
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

    /// The ranking of this one retriever.
    pub fn by(retriever: Retriever) -> Self {
        Self::default().with(retriever)
    }

    /// How the rankings of several retrievers become one.
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// Hits in groups of those that have a value in common.
    pub fn group_by(mut self, grouping: Grouping) -> Self {
        self.grouping = Some(grouping);
        self
    }

    /// One page of the ranking: the first, or the one behind `after`, which is the `next` of the page before.
    pub fn page(mut self, after: Option<RankPlace>) -> Self {
        self.paging = Some(Paging { after });
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
    /// The points among which words, and terms of sparse vectors, are rare or are not; all of them where left out.
    pub corpus: Option<Filter>,
    /// How it searches, where not as the query says.
    pub params: Option<SearchParams>,
    /// Its hits below this (distances: above it) are left out.
    pub score_threshold: Option<f32>,
    /// Where there are some, only what they found is ranked.
    pub sources: Vec<Retriever>,
    /// How it reads words, where it looks for some.
    pub text: TextOptions,
}

/// What a retriever looks for, or how it ranks what its sources found.
#[derive(Clone, PartialEq, Debug)]
pub enum Target {
    /// What is near to this vector.
    Vector(Vec<f32>),
    /// What is near to this point.
    Point(PointId),
    /// What has the greatest dot product with this sparse vector.
    Sparse(NearBy<SparseVector>),
    /// What is near to these vectors, in a field with several a point.
    Multi(NearBy<Vec<Vec<f32>>>),
    /// What has these words.
    Words(String),
    /// The rankings of its sources as one; their weights are those of the sources.
    Fusion(Fusion),
    /// A score that is computed of those of its sources, and of payloads.
    Formula(Formula),
    /// What is near, but unlike what stands before it.
    Diverse {
        /// Near to this.
        near: Near,
        /// From 0, nothing but nearness, to 1.
        diversity: f32,
        /// How many of the nearest it chooses from; 0: as many as are wanted.
        candidates: u32,
    },
    /// What is like some and unlike others.
    Recommend(Recommend),
    /// First what is on the right side of pairs (right, wrong), then what is near.
    Discover {
        /// Near to this.
        near: Near,
        /// The pairs.
        context: Vec<(Near, Near)>,
    },
    /// What is on the right side of pairs (right, wrong).
    Context(Vec<(Near, Near)>),
    /// Numbers or instants at a path, from one on.
    Order {
        /// Where they are.
        path: String,
        /// Which way.
        direction: Direction,
        /// The first one wanted.
        from: Option<OrderValue>,
    },
    /// Anything, by chance; a seed brings the same again.
    Sample(Option<u64>),
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
        Self::new(field.into(), Target::Sparse(NearBy::Given(numbers.into_iter().collect())))
    }

    /// By the dot product with a point's sparse vector.
    pub fn like_sparse(field: impl Into<String>, id: impl Into<PointId>) -> Self {
        Self::new(field.into(), Target::Sparse(NearBy::Point(id.into())))
    }

    /// By several vectors a point: near to these.
    pub fn multi<V: Into<Vec<f32>>>(field: impl Into<String>, vectors: impl IntoIterator<Item = V>) -> Self {
        Self::new(field.into(), Target::Multi(NearBy::Given(vectors.into_iter().map(Into::into).collect())))
    }

    /// By several vectors a point: near to those of this point.
    pub fn like_multi(field: impl Into<String>, id: impl Into<PointId>) -> Self {
        Self::new(field.into(), Target::Multi(NearBy::Point(id.into())))
    }

    /// By words.
    pub fn text(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(field.into(), Target::Words(words.into()))
    }

    /// The rankings of others as one.
    pub fn fusion(fusion: Fusion, sources: impl IntoIterator<Item = Retriever>) -> Self {
        Self::new(String::new(), Target::Fusion(fusion)).over(sources)
    }

    /// What others found, by a score that is computed.
    pub fn formula(formula: Formula, sources: impl IntoIterator<Item = Retriever>) -> Self {
        Self::new(String::new(), Target::Formula(formula)).over(sources)
    }

    /// By meaning, but so that what comes later is unlike what came before.
    pub fn diverse(field: impl Into<String>, near: impl Into<Near>, diversity: f32, candidates: u32) -> Self {
        Self::new(field.into(), Target::Diverse { near: near.into(), diversity, candidates })
    }

    /// By examples.
    pub fn recommend(field: impl Into<String>, recommend: Recommend) -> Self {
        Self::new(field.into(), Target::Recommend(recommend))
    }

    /// By pairs, and by nearness to a target.
    pub fn discover(
        field: impl Into<String>,
        near: impl Into<Near>,
        context: impl IntoIterator<Item = (Near, Near)>,
    ) -> Self {
        Self::new(field.into(), Target::Discover { near: near.into(), context: context.into_iter().collect() })
    }

    /// By pairs alone.
    pub fn context(field: impl Into<String>, pairs: impl IntoIterator<Item = (Near, Near)>) -> Self {
        Self::new(field.into(), Target::Context(pairs.into_iter().collect()))
    }

    /// In the order of a payload field.
    pub fn order_by(path: impl Into<String>, direction: Direction) -> Self {
        Self::new(String::new(), Target::Order { path: path.into(), direction, from: None })
    }

    /// By chance.
    pub fn sample(seed: Option<u64>) -> Self {
        Self::new(String::new(), Target::Sample(seed))
    }

    fn new(field: String, wanted: Target) -> Self {
        let (name, filter, corpus, params, score_threshold) = (String::new(), None, None, None, None);
        Self {
            name,
            field,
            wanted,
            limit: 0,
            weight: 1.0,
            filter,
            corpus,
            params,
            score_threshold,
            sources: Vec::new(),
            text: TextOptions::default(),
        }
    }

    /// Ranks only what these found.
    pub fn over(mut self, sources: impl IntoIterator<Item = Retriever>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// Leaves out its hits below this (distances: above it).
    pub fn score_threshold(mut self, score: f32) -> Self {
        self.score_threshold = Some(score);
        self
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

    /// Counts how rare words, and terms of sparse vectors, are among these points; it narrows no hits.
    pub fn corpus(mut self, filter: impl Into<Filter>) -> Self {
        self.corpus = Some(filter.into());
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
