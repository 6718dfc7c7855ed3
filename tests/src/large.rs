//! A collection with a segment that is large enough for a graph and for inverted lists, of few and small vectors, and
//! what they answer: for tests that damage files, and for stored directories of every format.

use crate::random::Random;
use crate::sample::Answers;
use nigh_index::params::{Plan, Route};
use nigh_index::row::Hit;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::{HnswSpec, IvfCode, IvfSpec, VectorSpec};
use nigh_storage::part::Part;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, VectorField};
use nigh_storage::store::Store;
use nigh_storage::write::{Durability, Write};
use serde_json::{Value, json};
use std::sync::Arc;

/// The collection's name.
pub const LARGE: &str = "large";
/// Smaller parts have neither graph nor lists.
const ROWS: u64 = 2_100;
const SIZE: u32 = 4;
/// As many as are asked for.
const K: usize = 10;
/// So often.
const QUERIES: usize = 5;
/// The routes by which each field is searched.
const ROUTES: [(&str, Route, u32); 3] =
    [("graph", Route::Graph, 64), ("lists", Route::Ivf, 6), ("bits", Route::Ivf, 6)];

fn spec() -> CollectionSpec {
    let field = |name: &str, spec: VectorSpec| VectorField { name: name.to_owned(), spec };
    let lists = |code| VectorSpec {
        ivf: Some(IvfSpec { lists: 12, code, rerank: 0 }),
        ..VectorSpec::new(SIZE, Metric::Euclid)
    };
    let graph = VectorSpec { hnsw: HnswSpec { m: 4, ef_construct: 16 }, ..VectorSpec::new(SIZE, Metric::Euclid) };
    let vectors = vec![
        field(ROUTES[0].0, graph),
        field(ROUTES[1].0, lists(IvfCode::Pq4)),
        field(ROUTES[2].0, lists(IvfCode::Bits(2))),
    ];
    CollectionSpec { vectors, ..CollectionSpec::default() }
}

/// Numbers that one byte holds: the file of the vectors is small.
fn vector(random: &mut Random) -> Vec<f32> {
    (0..SIZE).map(|_| random.below(200) as f32).collect()
}

/// Lays it down: one segment.
pub fn lay_down(store: &Store) {
    let random = &mut Random::new(11);
    store.create(LARGE, spec()).unwrap();
    let collection = store.collection(LARGE).unwrap();
    let point = |at: u64, random: &mut Random| {
        let one = vector(random);
        let vectors = (0..ROUTES.len() as u16).map(|field| (field, one.clone())).collect();
        Write::Upsert(Point { vectors, ..Point::new(at) })
    };
    collection.write((0..ROWS).map(|at| point(at, random)).collect(), Durability::Durable).unwrap();
    collection.seal().unwrap();
}

/// What every field answers by its route, as ids and distances; and exactly, which the routes come near.
pub fn answers(store: &Arc<Store>) -> Result<Answers, String> {
    let collection = store.collection(LARGE).map_err(|err| err.to_string())?;
    let snapshot = collection.snapshot();
    let part: &Arc<dyn Part> = &snapshot.parts.first().ok_or("there is no segment")?.part;
    let mut answers = Answers::from([("points".to_owned(), snapshot.points().into())]);
    for (field, (name, route, effort)) in ROUTES.into_iter().enumerate() {
        let nearest = part.nearest(field);
        let random = &mut Random::new(12);
        let mut near = 0;
        for number in 0..QUERIES {
            let query = vector(random);
            let by = |plan: Plan| nearest.search(&query, K, None, &plan).hits;
            let (exact, found) = (by(Plan::by(Route::Exact, 0)), by(Plan::by(route, effort)));
            near += found.iter().filter(|hit| exact.contains(hit)).count();
            let shown = |hit: &Hit| json!([part.id(hit.row).to_string(), format!("{:.3}", hit.score)]);
            let hits: Vec<Value> = found.iter().map(shown).collect();
            answers.insert(format!("{name} {number} by {}", route.name()), hits.into());
        }
        if near < QUERIES * K * 8 / 10 {
            return Err(format!("{name} finds {near} of {} by {}", QUERIES * K, route.name()));
        }
        let outline = nearest.outline();
        let has = json!({"graph": outline.efforts.is_some(), "lists": outline.lists.is_some()});
        if outline.efforts.is_none() && outline.lists.is_none() {
            return Err(format!("{name} has neither graph nor lists"));
        }
        answers.insert(format!("{name} has"), has);
    }
    Ok(answers)
}
