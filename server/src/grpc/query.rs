//! Queries: from the wire to what the engine walks.

mod formula;
mod ranked;
mod reply;

pub(super) use ranked::place;
pub(super) use reply::{reply, scalar_out};

use super::convert;
use super::filter::{self, left_out};
use crate::engine::error::{Error, Result};
use crate::engine::query::retriever::{Count, Kind, Retriever};
use crate::engine::query::{Grouping, Lookup, Paging, PayloadSelection, Place, Query};
use nigh_index::filter::datetime;
use nigh_index::query::order::Real;
use nigh_index::value::Path;
use nigh_proto::v1::{self, order_value};
use nigh_storage::schema::CollectionSpec;

/// Hits of a query that says no number.
const LIMIT_DEFAULT: usize = 10;
/// Hits that a retriever gives to those that rank them, where it says no number.
const RETRIEVER_LIMIT_DEFAULT: usize = 100;
/// Groups of a query that says no number.
const GROUPS_DEFAULT: usize = 10;
/// Hits of a group where no number is said.
const GROUP_SIZE_DEFAULT: usize = 3;
/// A retriever's name has at most this many characters.
const NAME_CHARS_MAX: usize = 128;

/// A query of at most so many retrievers as the engine walks it. What is looked up for groups is selected by
/// `lookup_spec`, the spec of that collection.
pub(super) fn query(
    mut request: v1::QueryRequest,
    spec: &CollectionSpec,
    lookup_spec: Option<&CollectionSpec>,
    retrievers_max: usize,
) -> Result<Query> {
    let limit = if request.limit == 0 { LIMIT_DEFAULT } else { request.limit as usize };
    let offset = request.offset as usize;
    let count = request.retrievers.len();
    // A single retriever is the root; several are the sources of their fusion.
    let least = limit.saturating_add(offset);
    let mut reader = Reader { spec, count: Count::new(retrievers_max) };
    let one = |(at, one): (usize, v1::Retriever)| {
        let limits = (if count > 1 { RETRIEVER_LIMIT_DEFAULT } else { 0 }, least);
        reader.retriever(at, "", one, limits).map_err(|err| err.inside(&format!("retrievers[{at}]")))
    };
    let mut retrievers: Vec<Retriever> =
        std::mem::take(&mut request.retrievers).into_iter().enumerate().map(one).collect::<Result<_>>()?;
    let fusion = ranked::fusion(request.fusion, count).map_err(|err| err.inside("fusion"))?;
    let root = match retrievers.pop() {
        Some(only) if retrievers.is_empty() => only,
        last => {
            retrievers.extend(last);
            Retriever {
                name: String::new(),
                kind: Kind::Fuse(fusion),
                sources: retrievers,
                limit: least,
                filter: None,
                corpus: None,
                score_threshold: None,
            }
        }
    };
    Ok(Query {
        root,
        filter: filter::optional(request.filter)?,
        limit,
        offset,
        score_threshold: request.score_threshold,
        paging: request.paging.map(paging).transpose()?,
        grouping: request
            .group_by
            .map(|group_by| grouping(group_by, lookup_spec.unwrap_or(spec)))
            .transpose()
            .map_err(|err| err.inside("group_by"))?,
        payload: convert::payload(request.payload, PayloadSelection::Nothing)?,
        vectors: convert::vectors(request.vectors, spec)?,
        explain: request.explain,
        version: request.version,
    })
}

/// Reads a tree of retrievers.
struct Reader<'a> {
    spec: &'a CollectionSpec,
    /// Counted while they are read: of those that are too many nothing is made, not even a name.
    count: Count,
}

impl Reader<'_> {
    /// `usual` points where no number is said, and at least `least`.
    fn retriever(
        &mut self,
        at: usize,
        above: &str,
        request: v1::Retriever,
        (usual, least): (usize, usize),
    ) -> Result<Retriever> {
        self.count.one_more()?;
        let chars = request.name.chars().count();
        if chars > NAME_CHARS_MAX {
            let limit = format!("it has at most {NAME_CHARS_MAX}");
            return Err(Error::invalid("name", format!("{chars} characters"), limit));
        }
        let asked = if request.limit == 0 { usual } else { request.limit as usize };
        let limit = asked.max(least);
        let wire = request.kind.ok_or_else(|| left_out("kind", "a retriever is of one kind"))?;
        let kind = ranked::kind(wire, self.spec, request.sources.len(), limit)?;
        let name = match (request.name.is_empty(), above.is_empty()) {
            (false, _) => request.name,
            (true, true) => format!("{}[{at}]", kind.name()),
            (true, false) => format!("{above}.{}[{at}]", kind.name()),
        };
        let source = |(at, one): (usize, v1::Retriever)| {
            let limits = (RETRIEVER_LIMIT_DEFAULT.max(limit), 0);
            self.retriever(at, &name, one, limits).map_err(|err| err.inside(&format!("sources[{at}]")))
        };
        let sources = request.sources.into_iter().enumerate().map(source).collect::<Result<_>>()?;
        Ok(Retriever {
            kind,
            sources,
            limit,
            filter: filter::optional(request.filter)?,
            corpus: filter::optional(request.corpus).map_err(|err| err.inside("corpus"))?,
            score_threshold: request.score_threshold,
            name,
        })
    }
}

fn paging(request: v1::Paging) -> Result<Paging> {
    let Some(after) = request.after else { return Ok(Paging::First) };
    let id = filter::id("paging.after.id", after.id)?;
    let value = after.value.map(|value| order_value("paging.after.value", value)).transpose()?;
    Ok(Paging::After(Place { score: after.score, value, id }))
}

/// A number or an instant to order by.
fn order_value(field: &str, value: v1::OrderValue) -> Result<Real> {
    let limit = "a number, or an instant in RFC 3339 or YYYY-MM-DD";
    match value.value.ok_or_else(|| left_out(field, limit))? {
        order_value::Value::Integer(integer) => Ok(Real::Integer(integer)),
        order_value::Value::Natural(natural) => Ok(Real::Natural(natural)),
        order_value::Value::Float(float) if float.is_nan() => Err(Error::invalid(field, float, limit)),
        order_value::Value::Float(float) => Ok(Real::Float(float + 0.0)),
        order_value::Value::Datetime(text) => match datetime::micros(&text) {
            Some(micros) => Ok(Real::Integer(micros)),
            None => Err(Error::invalid(field, format!("`{}`", filter::short(&text)), limit)),
        },
    }
}

fn grouping(request: v1::GroupBy, lookup_spec: &CollectionSpec) -> Result<Grouping> {
    let or = |asked: u32, usual: usize| if asked == 0 { usual } else { asked as usize };
    let lookup = |lookup: v1::GroupLookup| {
        let vectors = convert::vectors(lookup.vectors, lookup_spec)?;
        let payload = convert::payload(lookup.payload, PayloadSelection::All)?;
        Ok::<_, Error>(Lookup { collection: lookup.collection, payload, vectors })
    };
    Ok(Grouping {
        path: Path::parse(&request.path)?,
        groups: or(request.groups, GROUPS_DEFAULT),
        size: or(request.size, GROUP_SIZE_DEFAULT),
        lookup: request.lookup.map(lookup).transpose().map_err(|err| err.inside("lookup"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::query::fuse::Fusion;
    use nigh_index::text::spec::TextSpec;
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::spec::VectorSpec;
    use nigh_proto::v1::{dense, fusion, retriever};
    use nigh_storage::schema::{TextField, VectorField};

    fn spec() -> CollectionSpec {
        CollectionSpec {
            vectors: vec![VectorField { name: "v".into(), spec: VectorSpec::new(2, Metric::Dot) }],
            texts: vec![TextField { name: "t".into(), paths: vec![], spec: TextSpec::default() }],
            ..Default::default()
        }
    }

    fn dense_of(field: &str) -> v1::Retriever {
        let query = Some(dense::Query::Vector(v1::Vector { values: vec![1.0, 2.0] }));
        let dense = v1::Dense { field: field.into(), query, params: None };
        v1::Retriever { kind: Some(retriever::Kind::Dense(dense)), ..Default::default() }
    }

    fn text_of(limit: u32) -> v1::Retriever {
        let text = v1::Text { field: "t".into(), query: "words".into(), ..Default::default() };
        v1::Retriever { kind: Some(retriever::Kind::Text(text)), limit, ..Default::default() }
    }

    fn of(retrievers: Vec<v1::Retriever>, limit: u32, offset: u32) -> v1::QueryRequest {
        v1::QueryRequest { retrievers, limit, offset, ..Default::default() }
    }

    fn read(request: v1::QueryRequest) -> Result<Query> {
        query(request, &spec(), None, 16)
    }

    #[test]
    fn names_and_numbers_of_retrievers_are_bounded_while_they_are_read() {
        // A nameless source is called after what it stands below: a long name times many sources is what is refused.
        let named = |name: String, sources: usize| {
            let sources = (0..sources).map(|_| v1::Retriever { kind: None, ..text_of(0) }).collect();
            of(vec![v1::Retriever { name, sources, ..text_of(0) }], 1, 0)
        };
        let err = read(named("x".repeat(129), 1)).unwrap_err().to_string();
        assert_eq!(err, "retrievers[0].name is 129 characters; it has at most 128");
        let kindless = read(named("é".repeat(128), 1)).unwrap_err().to_string();
        assert!(kindless.starts_with("retrievers[0].sources[0].kind is left out"), "{kindless}");
        let many = |sources: usize| {
            let sources = (0..sources).map(|_| text_of(0)).collect();
            read(of(vec![v1::Retriever { sources, ..text_of(0) }], 1, 0))
        };
        assert!(many(15).is_ok());
        let err = many(10_000).unwrap_err().to_string();
        let at = "retrievers[0].sources[15]";
        assert_eq!(err, format!("{at}.number of retrievers is over 16; a query has 1 to 16 retrievers"));
    }

    #[test]
    fn defaults_are_those_of_the_description() {
        let one = read(of(vec![dense_of("")], 0, 5)).unwrap();
        assert_eq!((one.limit, one.root.limit, &one.root.name[..]), (10, 15, "dense[0]"));
        let two = read(of(vec![dense_of("v"), text_of(3)], 20, 90)).unwrap();
        assert_eq!((two.root.sources[0].limit, two.root.sources[1].limit), (110, 110));
        let two = read(of(vec![dense_of("v"), text_of(300)], 0, 0)).unwrap();
        assert_eq!((two.root.sources[0].limit, two.root.sources[1].limit), (100, 300));
        assert_eq!(&two.root.sources[1].name[..], "text[1]");
        assert!(matches!(&two.root.kind, Kind::Fuse(fusion) if *fusion == Fusion::default()));
    }

    #[test]
    fn a_mistake_names_its_retriever() {
        let err = read(of(vec![text_of(0), dense_of("colour")], 1, 0)).unwrap_err().to_string();
        assert_eq!(err, "retrievers[1].dense.field is `colour`; it is the name of a dense vector field: `v`");
        let err = read(of(vec![v1::Retriever::default()], 1, 0)).unwrap_err().to_string();
        assert_eq!(err, "retrievers[0].kind is left out; a retriever is of one kind");
    }

    #[test]
    fn weights_are_one_for_each_retriever() {
        let fused = |k, weights: &[f32]| {
            let rank = v1::ReciprocalRank { k, weights: weights.to_vec(), ..Default::default() };
            let request = Some(v1::Fusion { fusion: Some(fusion::Fusion::ReciprocalRank(rank)) });
            ranked::fusion(request, 2)
        };
        assert!(fused(None, &[]).is_ok() && fused(Some(0.0), &[1.0, 0.0]).is_ok());
        for (k, weights) in [(None, &[1.0][..]), (None, &[1.0, -1.0]), (Some(f32::NAN), &[])] {
            assert!(fused(k, weights).is_err(), "{k:?} {weights:?}");
        }
    }

    #[test]
    fn sources_stand_below_what_ranks_them() {
        let fusion = v1::Retriever {
            kind: Some(retriever::Kind::Fusion(v1::Fusion::default())),
            sources: vec![text_of(0), dense_of("v")],
            ..Default::default()
        };
        let target = Some(v1::target::Target::Vector(v1::Vector { values: vec![1.0, 2.0] }));
        let mmr = v1::Mmr { target: Some(v1::Target { target }), ..Default::default() };
        let root = v1::Retriever { kind: Some(retriever::Kind::Mmr(mmr)), sources: vec![fusion], ..Default::default() };
        let root = read(of(vec![root], 5, 2)).unwrap().root;
        let fusion = &root.sources[0];
        assert_eq!((root.limit, fusion.limit, fusion.sources[1].limit), (7, 100, 100));
        let names = [&root.name, &fusion.name, &fusion.sources[1].name];
        assert_eq!(names, ["mmr[0]", "mmr[0].fusion[0]", "mmr[0].fusion[0].dense[1]"]);
        let mut bad = text_of(0);
        bad.sources = vec![dense_of("colour")];
        let err = read(of(vec![bad], 1, 0)).unwrap_err().to_string();
        assert!(err.starts_with("retrievers[0].sources[0].dense.field is `colour`"), "{err}");
    }
}
