//! Every kind of retriever, alone and in trees, under filters, against a naive evaluator: while points are written and
//! deleted, in many segments, and after they were merged. Groups and facets beside them.
//!
//! A failure prints its seed; `NIGH_SEED=7` runs that one alone, `NIGH_CASES=50000` asks so many queries.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::Client;
use nigh_proto::v1;
use nigh_tests::clauses::{Asks, Clause};
use nigh_tests::model::{Ask, Held, Model};
use nigh_tests::random::Random;
use nigh_tests::ranked::{DOT, FAR, Kind, MULTI, Node, Points, Ranking, SIZE, SPARSE, TEXT, Target, numbers};
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire::{self, Door};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const C: &str = "c";
const IDS: u64 = 160;
/// Queries of one round of writes; half of them before its parts are merged.
const QUERIES: u64 = 60;
/// More points than there are: a ranking that is not cut.
const ALL: usize = 1_000;
const COLOURS: [&str; 3] = ["red", "green", "blue"];
const WORDS: [&str; 8] = ["owl", "fox", "moss", "rain", "stone", "river", "night", "light"];

fn vector(random: &mut Random) -> Vec<f32> {
    (0..SIZE).map(|_| random.below(5) as f32 - 2.0).collect()
}

fn held(random: &mut Random) -> Held {
    let mut payload = Map::new();
    if random.below(5) > 0 {
        let n = |random: &mut Random| json!(random.below(9) as i64 - 3);
        let value = if random.below(4) == 0 { (0..3).map(|_| n(random)).collect() } else { n(random) };
        payload.insert("n".to_owned(), value);
    }
    if random.below(5) > 0 {
        let some: Vec<Value> = (0..random.below(3)).map(|_| json!(random.pick(&COLOURS))).collect();
        payload.insert("colour".to_owned(), if some.len() == 1 { some[0].clone() } else { Value::Array(some) });
    }
    let words: Vec<&str> = (0..random.below(9)).map(|_| random.pick(&WORDS)).collect();
    payload.insert(TEXT.to_owned(), json!(words.join(" ")));
    let fields = [DOT, FAR].into_iter().filter(|_| random.below(8) > 0).collect::<Vec<_>>();
    let vectors = fields.into_iter().map(|field| (field.to_owned(), vector(random))).collect();
    let sparse = if random.below(6) > 0 { sparse(random) } else { BTreeMap::new() };
    let multi = if random.below(6) > 0 { several(random) } else { Vec::new() };
    Held { vectors, sparse, multi, payload, ..Held::default() }
}

fn sparse(random: &mut Random) -> BTreeMap<u32, f32> {
    // Numbers below zero too, and none that is zero.
    (0..=random.below(5))
        .map(|_| (random.below(12) as u32 * 1_000, random.pick(&[-2.0, -0.5, 0.5, 1.0, 3.0])))
        .collect()
}

fn several(random: &mut Random) -> Vec<Vec<f32>> {
    (0..=random.below(3)).map(|_| vector(random)).collect()
}

fn clause(random: &mut Random) -> Clause {
    let word = |random: &mut Random| random.pick(&WORDS).to_owned();
    let asks = match random.below(4) {
        0 => Asks::Phrase((0..1 + random.below(2)).map(|_| word(random)).collect()),
        1 => Asks::Beginning(random.pick(&["r", "ri", "s", "li", "no", "x"]).to_owned()),
        _ => Asks::Word(word(random)),
    };
    Clause { sign: random.pick(&[None, None, Some('+'), Some('-')]), asks }
}

/// One that is given, or that of a point that has it.
fn points<T>(
    random: &mut Random,
    model: &Model,
    has: impl Fn(&Held) -> bool,
    given: impl FnOnce(&mut Random) -> T,
) -> Points<T> {
    let mut ids = model.iter().filter(|(_, held)| has(held)).map(|(id, _)| *id);
    match ids.nth(random.below(IDS) as usize) {
        Some(id) if random.below(3) == 0 => Points::Of(id),
        _ => Points::Given(given(random)),
    }
}

/// One, two or four: means of them are exact.
fn examples(random: &mut Random, model: &Model, field: &str, counts: &[u64]) -> Vec<Target> {
    (0..random.pick(counts)).map(|_| target(random, model, field)).collect()
}

fn ask(random: &mut Random) -> Ask {
    match random.below(5) {
        0 => Ask::Range("n", random.below(4) as f64 - 3.0, random.below(7) as f64),
        1 => Ask::AnyOf("colour", vec![json!(random.pick(&COLOURS))]),
        2 => Ask::NoneOf("colour", vec![json!(random.pick(&COLOURS))]),
        3 => Ask::Empty("n"),
        _ => Ask::Tree(Vec::new(), vec![ask(random), ask(random)], vec![ask(random)]),
    }
}

fn target(random: &mut Random, model: &Model, field: &str) -> Target {
    let mut ids = model.iter().filter(|(_, held)| held.vectors.contains_key(field)).map(|(id, _)| *id);
    match ids.nth(random.below(IDS) as usize) {
        Some(id) if random.below(2) == 0 => Target::Point(id),
        _ => Target::Vector(vector(random)),
    }
}

fn targets(random: &mut Random, model: &Model, field: &str, least: u64) -> Vec<Target> {
    (0..least + random.below(3)).map(|_| target(random, model, field)).collect()
}

/// A retriever that looks at rows. Scores of words are near, not equal, so no ranking of theirs is cut or ranked upon.
fn leaf(random: &mut Random, model: &Model, words: bool) -> Node {
    let field = random.pick(&[DOT, FAR]);
    let kind = match random.below(if words { 15 } else { 12 }) {
        0 | 1 => Kind::Dense(field, target(random, model, field)),
        2 => {
            Kind::Diverse(field, target(random, model, field), random.below(5) as f32 / 4.0, random.below(40) as usize)
        }
        3 => {
            let (liked, not) = (targets(random, model, field, 1), targets(random, model, field, 0));
            Kind::Examples(field, random.below(2) == 0, liked, not)
        }
        4 => {
            let to = (random.below(2) == 0).then(|| target(random, model, field));
            let pair = |random: &mut Random| (target(random, model, field), target(random, model, field));
            Kind::Pairs(field, to, (0..=random.below(3)).map(|_| pair(random)).collect())
        }
        5 | 6 => {
            let from = (random.below(3) == 0).then(|| random.below(6) as i64 - 2);
            Kind::Order("n", random.below(2) == 0, from)
        }
        7 | 8 => Kind::Sparse(points(
            random,
            model,
            |held| !held.sparse.is_empty(),
            |random| sparse(random).into_iter().collect(),
        )),
        9 | 10 => Kind::Multi(points(random, model, |held| !held.multi.is_empty(), several)),
        11 => {
            let (liked, not) = (examples(random, model, field, &[1, 2, 4]), examples(random, model, field, &[0, 1, 2]));
            Kind::Average(field, liked, not)
        }
        12 => Kind::Syntax((0..=random.below(3)).map(|_| clause(random)).collect()),
        _ => Kind::Text((0..=random.below(4)).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")),
    };
    let mut node = Node::new(kind, 1 + random.below(60) as usize);
    match node.kind {
        Kind::Text(_) | Kind::Syntax(_) => node.limit = ALL,
        Kind::Dense(field, _) | Kind::Average(field, ..) if random.below(4) == 0 => {
            node.threshold = Some(if field == FAR { random.below(7) as f32 } else { random.below(8) as f32 - 4.0 });
        }
        _ => {}
    }
    node
}

fn tree(random: &mut Random, model: &Model, depth: u32, words: bool) -> Node {
    let mut node = if depth == 0 || random.below(3) == 0 {
        leaf(random, model, words)
    } else {
        let weights = |random: &mut Random, count: usize| (0..count).map(|_| random.below(4) as f32 / 2.0).collect();
        let count = 1 + random.below(3) as usize;
        let (kind, words) = match random.below(6) {
            0 => (Kind::Ranks(random.pick(&[0.0, 1.0, 60.0]), weights(random, count)), false),
            1 => (Kind::Scores(random.below(2) == 0, weights(random, count)), false),
            2 => {
                let half = |random: &mut Random| random.below(5) as f64 / 2.0 - 1.0;
                (Kind::Formula(half(random), half(random), half(random), ask(random)), words)
            }
            3 => (Kind::WeighedRanks(random.pick(&[0.0, 1.0, 60.0]), weights(random, count)), false),
            4 => {
                let bounds = (0..count).map(|_| {
                    let low = random.below(9) as f32 - 6.0;
                    (low, low + 1.0 + random.below(8) as f32)
                });
                let bounds = bounds.collect();
                (Kind::Bounds(bounds, weights(random, count)), false)
            }
            // Ranks what others found.
            _ => (leaf(random, model, words).kind, true),
        };
        let sources = (0..count).map(|_| tree(random, model, depth - 1, words)).collect();
        Node { sources, ..Node::new(kind, 1 + random.below(60) as usize) }
    };
    if has_words(&node) {
        node.limit = ALL;
    }
    if random.below(4) == 0 {
        node.filter = Some(ask(random));
    }
    node
}

fn size(node: &Node) -> usize {
    1 + node.sources.iter().map(size).sum::<usize>()
}

fn has_words(node: &Node) -> bool {
    matches!(node.kind, Kind::Text(_) | Kind::Syntax(_)) || node.sources.iter().any(has_words)
}

/// What comes back of a page of the whole ranking.
fn agree(node: &Node, whole: &Ranking, page: std::ops::Range<usize>, hits: &[v1::Hit]) -> Result<(), String> {
    let expected = &whole[page.start.min(whole.len())..page.end.min(whole.len())];
    let found: Vec<(u64, f64)> = hits.iter().map(|hit| (wire::number(&hit.id), f64::from(hit.score))).collect();
    let expected: Vec<(u64, f64)> = expected.iter().map(|(id, score)| (*id, node.shown(*score))).collect();
    // A formula may take scores of 32 bits from one another: what is left near 0 has the error of what it was made of.
    let near = |one: f64, other: f64| (one - other).abs() <= 1e-5 * one.abs().max(other.abs()).max(0.3);
    let scores = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| near(a.1, b.1));
    let own: BTreeMap<u64, f64> = whole.iter().copied().collect();
    let ids = match has_words(node) {
        // Words that are as frequent score nearly, not exactly the same: of such, any may come first.
        true => found.iter().all(|(id, score)| own.get(id).is_some_and(|own| near(node.shown(*own), *score))),
        false => found.iter().map(|one| one.0).eq(expected.iter().map(|one| one.0)),
    };
    if scores && ids { Ok(()) } else { Err(format!("{node:#?}\nfound    {found:?}\nexpected {expected:?}")) }
}

async fn ranks(door: &Door, random: &mut Random, model: &Model) {
    let mut node = tree(random, model, 3, true);
    while size(&node) > 16 {
        node = tree(random, model, 3, true);
    }
    let outer: Vec<Ask> = (random.below(3) == 0).then(|| ask(random)).into_iter().collect();
    let (offset, limit) = (random.below(8) as usize, 1 + random.below(30) as usize);
    if let Err(why) = asked(door, model, &node, &outer, offset..offset + limit).await {
        // The smallest tree that is ranked otherwise tells most.
        let mut below = subtrees(&node, &outer);
        below.sort_by_key(|(node, _)| size(node));
        for (node, outer) in below {
            asked(door, model, &node, &outer, 0..ALL).await.unwrap_or_else(|why| panic!("under {outer:?}\n{why}"));
        }
        panic!("{why}");
    }
}

/// Every retriever of a tree with the filters that hold for it.
fn subtrees(node: &Node, outer: &[Ask]) -> Vec<(Node, Vec<Ask>)> {
    let inner: Vec<Ask> = outer.iter().chain(&node.filter).cloned().collect();
    let below = node.sources.iter().flat_map(|source| subtrees(source, &inner));
    below.chain([(node.clone(), outer.to_vec())]).collect()
}

async fn asked(
    door: &Door,
    model: &Model,
    node: &Node,
    outer: &[Ask],
    page: std::ops::Range<usize>,
) -> Result<(), String> {
    let asks: Vec<&Ask> = outer.iter().collect();
    let limit = page.len().min(if page.end == ALL { node.limit } else { ALL });
    let least = Node { limit: node.limit.max(page.start + limit), ..node.clone() };
    let whole = match node.kind {
        // Of what is diverse the end depends on the limit.
        Kind::Diverse(..) => least.rank(model, &asks),
        _ => Node { limit: ALL, ..node.clone() }.rank(model, &asks),
    };
    let must = outer.iter().map(Ask::condition).collect();
    let request = v1::QueryRequest {
        filter: (!outer.is_empty()).then(|| wire::must(must)),
        offset: page.start as u32,
        explain: true,
        ..wire::query(C, vec![node.wire()], limit as u32)
    };
    let reply = door.query(request).await.map_err(|status| format!("{status}: {node:#?}"))?;
    told(&reply.explanation.unwrap(), node, &reply.hits);
    agree(&least, &whole, page.start..page.start + limit, &reply.hits)
}

/// Every hit tells its place in every retriever below the root, and the stages add up.
fn told(explanation: &v1::Explanation, node: &Node, hits: &[v1::Hit]) {
    let retrievers = size(node);
    assert_eq!(explanation.retrievers.len(), retrievers);
    let placings = if retrievers == 1 { 1 } else { retrievers - 1 };
    assert!(hits.iter().all(|hit| hit.placings.len() == placings));
    // Nothing but scores of sources is beside the root: whoever is ranked was found below.
    assert!(hits.iter().all(|hit| hit.placings.iter().any(|placing| placing.rank > 0)));
    let sum: u64 = explanation.stages.iter().map(|stage| stage.took_us).sum();
    // Each is told to the nearest microsecond.
    let slack = explanation.stages.len() as u64;
    assert!(sum.abs_diff(explanation.total_us) <= slack, "{explanation:?}");
}

/// The keys that put a point into groups or facets: strings and integers, each once.
fn keys(held: &Held, path: &str) -> Vec<Value> {
    let mut keys: Vec<Value> = match held.payload.get(path) {
        Some(Value::Array(items)) => items.clone(),
        other => other.cloned().into_iter().collect(),
    };
    let mut seen = Vec::new();
    keys.retain(|key| !seen.contains(key) && (seen.push(key.clone()), true).1);
    keys
}

async fn groups(door: &Door, random: &mut Random, model: &Model) {
    let node = leaf(random, model, false);
    let (path, count, size) = (random.pick(&["n", "colour"]), 1 + random.below(5), 1 + random.below(4));
    let group_by = v1::GroupBy { path: path.into(), groups: count as u32, size: size as u32, lookup: None };
    let request = v1::QueryRequest { group_by: Some(group_by), ..wire::query(C, vec![node.wire()], 1) };
    if matches!(node.kind, Kind::Diverse(..)) {
        return;
    }
    let mut expected: Vec<(Value, Vec<u64>)> = Vec::new();
    for (id, _) in (Node { limit: ALL, ..node.clone() }).rank(model, &[]) {
        for key in keys(&model[&id], path) {
            match expected.iter().position(|group| group.0 == key) {
                Some(at) if (expected[at].1.len() as u64) < size => expected[at].1.push(id),
                None if (expected.len() as u64) < count => expected.push((key, vec![id])),
                _ => {}
            }
        }
    }
    let reply = door.query(request).await.unwrap_or_else(|status| panic!("{status}: {node:#?}"));
    let group = |group: &v1::Group| {
        let ids: Vec<u64> = group.hits.iter().map(|hit| wire::number(&hit.id)).collect();
        (group.key.clone().unwrap(), ids)
    };
    let found: Vec<(v1::Scalar, Vec<u64>)> = reply.groups.iter().map(group).collect();
    let expected: Vec<_> = expected.into_iter().map(|(key, ids)| (wire::scalar(&key), ids)).collect();
    assert_eq!(found, expected, "{path} {node:#?}");
}

async fn facets(door: &Door, random: &mut Random, model: &Model) {
    let (path, filter) = (random.pick(&["n", "colour", TEXT, "absent"]), (random.below(2) == 0).then(|| ask(random)));
    let mut counts: Vec<(Value, u64)> = Vec::new();
    for (_, held) in model.iter().filter(|(id, held)| filter.as_ref().is_none_or(|ask| ask.holds(**id, held))) {
        for key in keys(held, path) {
            match counts.iter_mut().find(|one| one.0 == key) {
                Some(one) => one.1 += 1,
                None => counts.push((key, 1)),
            }
        }
    }
    let order = |key: &Value| (key.as_i64().is_none(), key.as_i64(), key.as_str().map(str::to_owned));
    counts.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), order(key)));
    let distinct = counts.len() as u64;
    counts.truncate(7);
    let request = v1::FacetRequest {
        collection: C.into(),
        path: path.into(),
        filter: filter.as_ref().map(Ask::filter),
        limit: 7,
        ..Default::default()
    };
    let reply = door.points.clone().facet(request).await.unwrap().into_inner();
    let found: Vec<_> = reply.values.into_iter().map(|one| (one.value.unwrap(), one.count)).collect();
    let expected: Vec<_> = counts.iter().map(|(key, count)| (wire::scalar(key), *count)).collect();
    assert_eq!((found, reply.distinct), (expected, distinct), "{path} {filter:?}");
}

/// A sample is of what matches, the same for its seed, and longer ones begin with shorter ones.
async fn sample(door: &Door, random: &mut Random, model: &Model) {
    let (filter, seed) = (ask(random), random.bits());
    let taken = async |limit: u32| {
        let sample = v1::retriever::Kind::Sample(v1::Sample { seed: Some(seed) });
        let retriever = v1::Retriever { kind: Some(sample), ..Default::default() };
        let request = v1::QueryRequest { filter: Some(filter.filter()), ..wire::query(C, vec![retriever], limit) };
        let hits = door.query(request).await.unwrap().hits;
        hits.iter().map(|hit| wire::number(&hit.id)).collect::<Vec<_>>()
    };
    let (few, all) = (taken(5).await, taken(ALL as u32).await);
    assert!(all.starts_with(&few));
    let mut rising = all.clone();
    rising.sort_unstable();
    let matching = model.iter().filter(|(id, held)| filter.holds(**id, held)).map(|(id, _)| *id);
    assert_eq!(rising, matching.collect::<Vec<_>>(), "everything once");
}

async fn story(seed: u64, queries: u64) {
    let random = &mut Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(50), ..Tuning::default() }).await;
    let (door, client) = (Door::open(&server.url).await, Client::connect(&server.url).await.unwrap());
    let metrics = [v1::Metric::Dot, v1::Metric::Euclid];
    let mut spec = wire::spec(&[(DOT, SIZE as u32), (FAR, SIZE as u32)], &[(TEXT, "standard")]);
    spec.sparse = vec![v1::SparseField { name: SPARSE.into(), idf: false }];
    spec.multi = vec![v1::MultiField { name: MULTI.into(), size: SIZE as u32, metric: v1::Metric::Dot.into() }];
    spec.vectors.iter_mut().zip(metrics).for_each(|(field, metric)| field.metric = metric.into());
    door.create(C, spec).await.unwrap();
    let mut model = Model::new();
    for query in 0..queries {
        if query % QUERIES == 0 {
            for _ in 0..4 {
                door.write(C, batch(random, &mut model)).await.unwrap();
            }
        } else if query % QUERIES == QUERIES / 2 {
            client.optimize(C).await.unwrap();
        }
        match random.below(12) {
            0 => groups(&door, random, &model).await,
            1 => facets(&door, random, &model).await,
            2 => sample(&door, random, &model).await,
            _ => ranks(&door, random, &model).await,
        }
    }
    server.stop().await;
}

fn batch(random: &mut Random, model: &mut Model) -> Vec<v1::Op> {
    let mut ops = Vec::new();
    for _ in 0..30 {
        let id = random.below(IDS);
        if random.below(4) == 0 {
            model.remove(&id);
            ops.push(wire::delete(vec![wire::num(id)]));
        } else {
            let held = held(random);
            let vectors: Vec<(&str, &[f32])> = held.vectors.iter().map(|(name, own)| (&name[..], &own[..])).collect();
            let payload = serde_json::to_string(&held.payload).unwrap();
            let mut point = wire::point(wire::num(id), &vectors, &payload);
            if !held.sparse.is_empty() {
                let (indices, values) = held.sparse.iter().unzip();
                point.sparse.insert(SPARSE.into(), v1::SparseVector { indices, values });
            }
            if !held.multi.is_empty() {
                let vectors = held.multi.iter().map(|values| v1::Vector { values: values.clone() }).collect();
                point.multi.insert(MULTI.into(), v1::MultiVector { vectors });
            }
            ops.push(wire::upsert(point));
            model.insert(id, held);
        }
    }
    ops
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ranking_is_that_of_a_naive_evaluator() {
    const CASES_A_STORY: u64 = 300;
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("NIGH_SEED") {
        return story(seed, CASES_A_STORY).await;
    }
    let cases = number("NIGH_CASES").unwrap_or(900);
    for seed in 0..cases.div_ceil(CASES_A_STORY) {
        eprintln!("NIGH_SEED={seed}");
        story(seed, CASES_A_STORY).await;
    }
}

#[test]
fn the_naive_evaluator_reads_lists_too() {
    let payload = json!({"n": [1, "x", 2.5]}).as_object().unwrap().clone();
    assert_eq!(numbers(&Held { payload, ..Held::default() }, "n"), [1.0, 2.5]);
}
