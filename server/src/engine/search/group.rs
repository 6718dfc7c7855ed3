//! Hits in groups of those that have a value of their payload in common.

use super::walk::{Reach, Trail, Walk};
use crate::engine::error::Result;
use crate::engine::query::answer::{Group, Record};
use crate::engine::query::retriever::Kind;
use crate::engine::query::{Grouping, Lookup};
use crate::engine::ranking::Ranking;
use crate::engine::read;
use nigh_index::filter::condition::Scalar;
use nigh_index::id::PointId;
use nigh_storage::snapshot::Snapshot;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A ranking is first read to so many times the hits of all groups.
const FIRST: usize = 4;
/// And then to so many times what was read before, as long as groups are not full.
const FURTHER: usize = 4;
/// A point belongs to at most so many groups: to those of the first values.
const KEYS_MAX: usize = 1_024;

/// What hits have in common, so that it can be looked up.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Keyword(String),
    Integer(i64),
}

/// A group that is being filled: places in the ranking, rising.
struct Open {
    key: Key,
    places: Vec<usize>,
}

impl Walk<'_> {
    /// The groups, of a ranking that is read as far down as it takes to fill them, within the limit of hits.
    pub(super) fn grouped(
        &self,
        grouping: &Grouping,
        other: Option<&Snapshot>,
        trail: &mut Trail,
    ) -> Result<Vec<Group>> {
        let query = self.query;
        let wanted = grouping.groups.saturating_mul(grouping.size);
        // What sources found is all there is: it is read at once.
        let most = match &query.root.kind {
            Kind::Diverse { candidates, .. } => query.root.limit.max(*candidates),
            _ => self.hits_max,
        };
        let mut k = match query.root.sources.is_empty() {
            true => wanted.saturating_mul(FIRST).clamp(1, most.max(1)),
            false => most,
        };
        loop {
            trail.again();
            let ranking = self.rank(&query.root, query.filter.as_ref(), 0, Reach::Best(k), trail)?;
            let open = self.opened(grouping, &ranking)?;
            trail.clock.end("group");
            let full = open.len() == grouping.groups && open.iter().all(|one| one.places.len() == grouping.size);
            if full || ranking.placed.len() < k || k >= most {
                let groups = open.into_iter().map(|one| self.closed(grouping, one, &ranking, other, trail)).collect();
                trail.clock.end("read");
                return groups;
            }
            k = k.saturating_mul(FURTHER).min(most);
        }
    }

    fn opened(&self, grouping: &Grouping, ranking: &Ranking) -> Result<Vec<Open>> {
        let mut open: Vec<Open> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for (at, placed) in ranking.placed.iter().enumerate() {
            if !ranking.values.is_empty() || ranking.sight.passes(placed.score, self.query.score_threshold) {
                self.deadline.check()?;
                let payload = self.snapshot.parts[placed.part].payload(placed.row)?;
                for key in keys(grouping, &payload) {
                    let place = match places.get(&key) {
                        Some(place) => *place,
                        None if open.len() == grouping.groups => continue,
                        None => {
                            places.insert(key.clone(), open.len());
                            open.push(Open { key, places: Vec::new() });
                            open.len() - 1
                        }
                    };
                    if open[place].places.len() < grouping.size {
                        open[place].places.push(at);
                    }
                }
            }
        }
        Ok(open)
    }

    fn closed(
        &self,
        grouping: &Grouping,
        open: Open,
        ranking: &Ranking,
        other: Option<&Snapshot>,
        trail: &Trail,
    ) -> Result<Group> {
        let hits = open.places.iter().map(|at| self.hit(ranking, *at, trail)).collect::<Result<_>>()?;
        let lookup = match (&grouping.lookup, other) {
            (Some(lookup), Some(other)) => looked_up(lookup, other, &open.key)?,
            _ => None,
        };
        self.room.take(lookup.as_ref().map_or(0, Record::bytes), self.deadline)?;
        let key = match open.key {
            Key::Keyword(text) => Scalar::Keyword(text),
            Key::Integer(integer) => Scalar::Integer(integer),
        };
        Ok(Group { key, hits, lookup })
    }
}

/// The groups that a payload belongs to, each once.
fn keys(grouping: &Grouping, payload: &Value) -> Vec<Key> {
    let (mut keys, mut known) = (Vec::new(), HashSet::new());
    grouping.path.each(payload, &mut |value| {
        if keys.len() == KEYS_MAX {
            return;
        }
        let key = match value {
            Value::String(text) => Key::Keyword(text.clone()),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Key::Integer(integer),
                None => return,
            },
            _ => return,
        };
        if known.insert(key.clone()) {
            keys.push(key);
        }
    });
    keys
}

/// The point whose id is the key.
fn looked_up(lookup: &Lookup, other: &Snapshot, key: &Key) -> Result<Option<Record>> {
    let id = match key {
        Key::Integer(integer) => u64::try_from(*integer).ok().map(PointId::Num),
        Key::Keyword(text) => text.parse().ok(),
    };
    let Some((id, (part, row))) = id.and_then(|id| Some((id, other.find(&id)?))) else { return Ok(None) };
    read::record(&other.parts[part], row, id, &lookup.payload, &lookup.vectors).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::value::Path;
    use serde_json::json;

    #[test]
    fn a_point_belongs_to_each_group_once_and_to_so_many_at_the_most() {
        let path = Path::parse("of").unwrap();
        let grouping = Grouping { path, groups: 1, size: 1, lookup: None };
        let of = |values: Value| keys(&grouping, &json!({ "of": values }));
        let texts = |keys: Vec<Key>| -> Vec<String> {
            let text = |key: &Key| match key {
                Key::Keyword(text) => text.clone(),
                Key::Integer(integer) => integer.to_string(),
            };
            keys.iter().map(text).collect()
        };
        assert_eq!(texts(of(json!(["b", 2, "b", 2.5, null, "2", "a"]))), ["b", "2", "2", "a"]);
        let many: Vec<u64> = (0..200_000).map(|at| at / 2).collect();
        let found = of(json!(many));
        assert_eq!((found.len(), &texts(found)[KEYS_MAX - 1][..]), (KEYS_MAX, "1023"));
    }
}
