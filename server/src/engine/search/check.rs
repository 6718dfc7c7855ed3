//! Whether a query is within the limits and fits the collection.

use crate::config::Limits;
use crate::engine::error::{Error, Result};
use crate::engine::query::Query;
use crate::engine::query::retriever::{Count, Example, Kind, Retriever, Target, Vector};
use nigh_index::filter::eval;
use nigh_index::params::SearchParams;
use nigh_index::query::examples::{EXAMPLES_MAX, Likeness};
use nigh_storage::schema::{CollectionSpec, VectorPlace};

/// Every point that is chosen for being unlike others is compared with all candidates: there are at most so many.
pub(super) const DIVERSE_MAX: u32 = 1_000;

/// Retrievers stand at most so far below one another.
const DEPTH_MAX: usize = 8;

pub(super) fn check(query: &Query, spec: &CollectionSpec, limits: &Limits) -> Result<()> {
    at_most("limit", query.limit, limits.hits_max)?;
    at_most("offset", query.offset, limits.offset_max)?;
    threshold("score_threshold", query.score_threshold)?;
    if let Some(filter) = &query.filter {
        eval::check(filter)?;
    }
    if query.paging.is_some() {
        let wrong = |field: &str, limit: &str| Err(Error::invalid(field, "given together with a page", limit));
        if query.offset > 0 {
            return wrong("offset", "a page begins behind the one before it");
        }
        if query.grouping.is_some() {
            return wrong("group_by", "groups have no pages");
        }
        if matches!(query.root.kind, Kind::Diverse { .. }) {
            return wrong("mmr", "what is chosen depends on what was chosen before: it has no pages");
        }
    }
    if let Some(grouping) = &query.grouping {
        at_most("group_by.groups", grouping.groups, limits.hits_max)?;
        at_most("group_by.size", grouping.size, limits.hits_max)?;
        at_most("hits of all groups", grouping.groups.saturating_mul(grouping.size), limits.hits_max)?;
    }
    let mut left = Count::new(limits.retrievers_max);
    // The root of several retrievers that were only named is the door's: it counts for nothing.
    match query.root.name.is_empty() && matches!(query.root.kind, Kind::Fuse(_)) {
        true => sources(&query.root, spec, limits, 1, &mut left),
        false => retriever(&query.root, spec, limits, 1, &mut left).map_err(|err| err.inside("retrievers[0]")),
    }
}

fn sources(of: &Retriever, spec: &CollectionSpec, limits: &Limits, depth: usize, left: &mut Count) -> Result<()> {
    let place = if of.name.is_empty() { "retrievers" } else { "sources" };
    match &of.kind {
        Kind::Fuse(_) if of.sources.is_empty() => {
            let limit = format!("a fusion takes 1 to {}", limits.retrievers_max);
            return Err(Error::invalid(format!("number of {place}"), 0, limit));
        }
        Kind::Formula(_) if of.sources.is_empty() => {
            return Err(Error::invalid("number of sources", 0, "a formula takes at least one: whose points it scores"));
        }
        Kind::Fuse(fusion) => fusion.check(of.sources.len())?,
        Kind::Formula(formula) => formula.check(of.sources.len())?,
        _ => {}
    }
    for (at, source) in of.sources.iter().enumerate() {
        retriever(source, spec, limits, depth, left).map_err(|err| err.inside(&format!("{place}[{at}]")))?;
    }
    Ok(())
}

fn retriever(one: &Retriever, spec: &CollectionSpec, limits: &Limits, depth: usize, left: &mut Count) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::invalid("depth", format!("over {DEPTH_MAX}"), format!("at most {DEPTH_MAX} levels")));
    }
    left.one_more()?;
    at_most("limit", one.limit, limits.hits_max.saturating_add(limits.offset_max))?;
    threshold("score_threshold", one.score_threshold)?;
    for filter in one.filter.iter().chain(&one.corpus) {
        eval::check(filter)?;
    }
    if one.corpus.is_some() && !weighs_by_rarity(&one.kind, spec) {
        let limit = "it goes with texts, and with sparse vectors of a field that weighs by rarity (`idf`)";
        return Err(Error::invalid("corpus", "given", limit));
    }
    let kind = |err: Error| err.inside(one.kind.name());
    match &one.kind {
        Kind::Dense { field, target, params } => {
            effort(params, limits).and_then(|()| fits(*field, target, spec)).map_err(kind)?;
        }
        Kind::Diverse { field, target, params, diversity, candidates } => {
            at_most("candidates", *candidates, DIVERSE_MAX).map_err(kind)?;
            at_most("limit", one.limit, DIVERSE_MAX)?;
            if !(*diversity >= 0.0 && *diversity <= 1.0) {
                return Err(kind(Error::invalid("diversity", diversity, "it is from 0 to 1")));
            }
            effort(params, limits).and_then(|()| example(*field, target, spec)).map_err(kind)?;
        }
        Kind::Average { field, positive, negative, params } => {
            effort(params, limits).and_then(|()| examples(*field, positive, negative, spec)).map_err(kind)?;
            if positive.is_empty() {
                return Err(kind(Error::invalid("number of positive", 0, "an average takes at least one")));
            }
        }
        Kind::Examples { field, likeness, positive, negative } => {
            examples(*field, positive, negative, spec).map_err(kind)?;
            let count = positive.len() + negative.len();
            if let Likeness::Weighted(weights) = likeness
                && weights.len() != count
            {
                let limit = format!("there are {count} examples, each has one");
                return Err(kind(Error::invalid("number of weights", weights.len(), limit)));
            }
        }
        Kind::Text(words) if words.rarity_under_filter && one.corpus.is_some() => {
            let limit = "given beside a corpus; rarity is counted among the points of one of the two";
            return Err(kind(Error::invalid("rarity_under_filter", true, limit)));
        }
        Kind::Text(words) => {
            at_most("bytes of text.query", words.query.len(), limits.query_text_bytes_max as u32)?;
            words.check()?;
        }
        Kind::Order(_) if one.score_threshold.is_some() => {
            let limit = "points in the order of a field have no score";
            return Err(Error::invalid("score_threshold", "given", limit));
        }
        Kind::Multi { field, vectors } => {
            let known = &spec.multi[*field];
            known.spec.check(&known.name, vectors).map_err(|err| kind(err.into()))?;
        }
        Kind::Sparse { .. } | Kind::SparseOf { .. } | Kind::MultiOf { .. } => {}
        Kind::Fuse(_) | Kind::Formula(_) | Kind::Order(_) | Kind::Sample { .. } => {}
    }
    sources(one, spec, limits, depth + 1, left)
}

fn weighs_by_rarity(kind: &Kind, spec: &CollectionSpec) -> bool {
    match kind {
        Kind::Text(_) => true,
        Kind::Sparse { field, .. } | Kind::SparseOf { field, .. } => spec.sparse[*field].spec.idf,
        Kind::Average { field: VectorPlace::Sparse(at), .. }
        | Kind::Examples { field: VectorPlace::Sparse(at), .. } => spec.sparse[usize::from(*at)].spec.idf,
        _ => false,
    }
}

fn effort(params: &SearchParams, limits: &Limits) -> Result<()> {
    if let Some(ef) = params.ef {
        at_most("params.ef", ef as usize, limits.ef_max)?;
    }
    match params.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
        Some(recall) => Err(Error::invalid("params.recall", recall, "it is above 0 and at most 1")),
        None => Ok(()),
    }
}

fn examples(field: VectorPlace, positive: &[Example], negative: &[Example], spec: &CollectionSpec) -> Result<()> {
    let count = positive.len() + negative.len();
    if count == 0 || count > EXAMPLES_MAX {
        return Err(Error::invalid("number of examples", count, format!("there are 1 to {EXAMPLES_MAX}")));
    }
    let all = positive.iter().map(|one| ("positive", one)).chain(negative.iter().map(|one| ("negative", one)));
    all.into_iter().try_for_each(|(side, one)| example(field, one, spec).map_err(|err| err.inside(side)))
}

fn fits(field: usize, target: &Target, spec: &CollectionSpec) -> Result<()> {
    let known = &spec.vectors[field];
    match target {
        Target::Vector(vector) => Ok(known.spec.check(&known.name, vector)?),
        Target::Point(_) => Ok(()),
    }
}

fn example(field: VectorPlace, example: &Example, spec: &CollectionSpec) -> Result<()> {
    let Example::Vector(vector) = example else { return Ok(()) };
    match (field, vector) {
        (VectorPlace::Dense(at), Vector::Dense(vector)) => {
            let known = &spec.vectors[usize::from(at)];
            Ok(known.spec.check(&known.name, vector)?)
        }
        (VectorPlace::Multi(at), Vector::Multi(several)) => {
            let known = &spec.multi[usize::from(at)];
            Ok(known.spec.check(&known.name, several)?)
        }
        (VectorPlace::Sparse(_), Vector::Sparse(_)) => Ok(()),
        (_, other) => Err(Error::invalid("vector", other.name(), "it is one of the field's kind")),
    }
}

pub(in crate::engine) fn at_most(field: &str, value: usize, most: u32) -> Result<()> {
    if value <= most as usize { Ok(()) } else { Err(Error::invalid(field, value, format!("it is at most {most}"))) }
}

fn threshold(field: &str, value: Option<f32>) -> Result<()> {
    match value {
        Some(value) if value.is_nan() => Err(Error::invalid(field, value, "a score is a number")),
        _ => Ok(()),
    }
}
