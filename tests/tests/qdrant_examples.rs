//! Queries by examples through the door for clients of the Qdrant API, against a model that compares everything.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_tests::http;
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const POINTS: u64 = 60;
const QUERIES: u64 = 1_500;
const SIZE: usize = 4;
/// Fields: how vectors are compared, and how many of them a point has.
const FIELDS: [(&str, &str, Shape); 9] = [
    ("cos", "Cosine", Shape::One),
    ("dot", "Dot", Shape::One),
    ("far", "Euclid", Shape::One),
    ("taxi", "Manhattan", Shape::One),
    ("words", "Dot", Shape::Sparse),
    ("rare", "idf", Shape::Sparse),
    ("many", "Cosine", Shape::Several),
    ("lots", "Euclid", Shape::Several),
    ("town", "Manhattan", Shape::Several),
];

#[derive(Copy, Clone, PartialEq, Debug)]
enum Shape {
    One,
    Several,
    Sparse,
}

struct Door {
    addr: String,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        Self::tuned(&Tuning::default()).await
    }

    async fn tuned(tuning: &Tuning) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), tuning).await;
        Self { addr: server.http.clone(), server, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (addr, method, path, body) = (self.addr.clone(), method.to_owned(), path.to_owned(), body.clone());
        tokio::task::spawn_blocking(move || http::json(&addr, &method, &path, &body)).await.unwrap()
    }

    async fn good(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer["result"].clone()
    }

    async fn bad(&self, status: u16, body: &Value) -> String {
        let (got, answer) = self.ask("POST", "/collections/c/points/query", body).await;
        assert_eq!(got, status, "{body}: {answer}");
        answer["status"]["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// Points as the model has them: their vectors by field, as they were written.
type Points = BTreeMap<u64, Map<String, Value>>;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn sparse(value: &Value) -> BTreeMap<u64, f64> {
    let indices = value["indices"].as_array().unwrap().iter().map(|index| index.as_u64().unwrap());
    indices.zip(numbers(&value["values"])).collect()
}

/// The vectors of one: one, or several.
fn rows(value: &Value) -> Vec<Vec<f64>> {
    match value[0].is_array() {
        true => value.as_array().unwrap().iter().map(numbers).collect(),
        false => vec![numbers(value)],
    }
}

fn made(random: &mut Random, shape: Shape) -> Value {
    match shape {
        Shape::One => json!(random.vector(SIZE)),
        Shape::Several => json!((0..=random.below(3)).map(|_| random.vector(SIZE)).collect::<Vec<_>>()),
        Shape::Sparse => {
            let indices: BTreeSet<u64> = (0..=random.below(4)).map(|_| random.below(12)).collect();
            json!({"indices": indices, "values": random.vector(indices.len())})
        }
    }
}

fn filled(random: &mut Random) -> (Value, Points) {
    let (mut vectors, mut sparse) = (Map::new(), Map::new());
    for (name, distance, shape) in FIELDS {
        let several = (shape == Shape::Several).then(|| json!({"comparator": "max_sim"}));
        let dense = json!({"size": SIZE, "distance": distance, "multivector_config": several});
        match shape {
            Shape::Sparse if distance == "idf" => sparse.insert(name.to_owned(), json!({"modifier": "idf"})),
            Shape::Sparse => sparse.insert(name.to_owned(), json!({})),
            _ => vectors.insert(name.to_owned(), dense),
        };
    }
    let mut points = Points::new();
    for id in 1..=POINTS {
        let mut named = Map::new();
        for (name, _, shape) in FIELDS {
            if random.below(8) > 0 {
                named.insert(name.to_owned(), made(random, shape));
            }
        }
        points.insert(id, named);
    }
    (json!({"vectors": vectors, "sparse_vectors": sparse}), points)
}

/// A field, and what has to be known of all points to compare in it.
struct Field {
    name: &'static str,
    distance: &'static str,
    shape: Shape,
    /// Points that have the field, and how many have each index.
    with: f64,
    frequencies: BTreeMap<u64, f64>,
}

impl Field {
    fn any(random: &mut Random, points: &Points) -> Self {
        let (name, distance, shape) = random.pick(&FIELDS);
        let mut field = Self { name, distance, shape, with: 0.0, frequencies: BTreeMap::new() };
        if distance == "idf" {
            for own in points.values().filter_map(|of| of.get(name)) {
                field.with += 1.0;
                sparse(own).keys().for_each(|index| *field.frequencies.entry(*index).or_default() += 1.0);
            }
        }
        field
    }

    /// How similar a vector is to an example, inside; `None` where they share no index.
    fn shared(&self, example: &Value, own: &Value) -> Option<f64> {
        if self.shape == Shape::Sparse {
            let (example, own) = (sparse(example), sparse(own));
            let weight = |index: &u64| {
                let frequency = self.frequencies.get(index).copied().unwrap_or_default();
                if self.distance == "idf" {
                    (1.0 + (self.with - frequency + 0.5) / (frequency + 0.5)).ln()
                } else {
                    1.0
                }
            };
            let shared: Vec<f64> =
                example.iter().filter_map(|(index, value)| Some(value * own.get(index)? * weight(index))).collect();
            return (!shared.is_empty()).then(|| shared.iter().sum());
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let near = |a: &[f64], b: &[f64]| match self.distance {
            "Cosine" => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
            "Dot" => dot(a, b),
            "Euclid" => -a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
            _ => -a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>(),
        };
        let own = rows(own);
        let best = |a: &Vec<f64>| own.iter().map(|b| near(a, b)).fold(f64::NEG_INFINITY, f64::max);
        Some(rows(example).iter().map(best).sum())
    }

    fn similar(&self, example: &Value, own: &Value) -> f64 {
        self.shared(example, own).unwrap_or(0.0)
    }

    /// One vector that is made of examples.
    fn average(&self, positive: &[Value], negative: &[Value]) -> Value {
        let twice = if negative.is_empty() { 1.0 } else { 2.0 };
        match self.shape {
            Shape::Several => {
                let turned = |row: Vec<f64>| row.into_iter().map(|value| -value).collect();
                let positive = positive.iter().flat_map(rows);
                json!(positive.chain(negative.iter().flat_map(rows).map(turned)).collect::<Vec<Vec<f64>>>())
            }
            Shape::Sparse => {
                let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
                for (some, weight) in [(positive, twice), (negative, -1.0)] {
                    for (index, value) in some.iter().flat_map(sparse) {
                        *sums.entry(index).or_default() += value * weight / some.len() as f64;
                    }
                }
                let (indices, values): (Vec<u64>, Vec<f64>) = sums.into_iter().unzip();
                json!({"indices": indices, "values": values})
            }
            Shape::One => {
                let mut sums = vec![0.0; SIZE];
                for (some, weight) in [(positive, twice), (negative, -1.0)] {
                    for one in some.iter().map(numbers) {
                        let length = one.iter().map(|value| value * value).sum::<f64>().sqrt();
                        let length = if self.distance == "Cosine" { length } else { 1.0 };
                        let add = |(sum, value): (&mut f64, f64)| *sum += value / length * weight / some.len() as f64;
                        sums.iter_mut().zip(one).for_each(add);
                    }
                }
                json!(sums)
            }
        }
    }
}

/// A query, and what each point that may be found scores.
struct Asked {
    field: &'static str,
    query: Value,
    scores: BTreeMap<u64, f64>,
    /// Less is better.
    rising: bool,
}

/// Examples as they are asked, the vectors that they stand for, and the points that they name.
#[derive(Default)]
struct Examples {
    asked: Vec<Value>,
    vectors: Vec<Value>,
    named: BTreeSet<u64>,
}

impl Examples {
    fn some(random: &mut Random, count: u64, field: &Field, points: &Points) -> Self {
        let mut some = Self::default();
        for _ in 0..count {
            let id = random.below(POINTS) + 1;
            let own = points[&id].get(field.name).filter(|_| random.below(3) == 0);
            let vector = own.cloned().unwrap_or_else(|| made(random, field.shape));
            some.asked.push(if own.is_some() { json!(id) } else { vector.clone() });
            some.vectors.push(vector);
            some.named.extend(own.map(|_| id));
        }
        some
    }
}

fn squeezed(x: f64) -> f64 {
    0.5 * (x / (1.0 + x.abs()) + 1.0)
}

fn asked(random: &mut Random, points: &Points) -> Asked {
    let field = Field::any(random, points);
    let kind = random.below(6);
    // Of discoveries and contexts these are pairs, behind the target of a discovery.
    let count = match kind {
        0..=2 => 1 + random.below(3),
        3 => 1 + 2 * random.below(3),
        4 => 2 + 2 * random.below(2),
        _ => 1 + random.below(5),
    };
    let liked = Examples::some(random, count, &field, points);
    let count = if kind <= 2 { random.below(3) } else { 0 };
    let not = Examples::some(random, count, &field, points);
    let scored: Vec<f32> = liked.asked.iter().map(|_| random.pick(&[-1.0, 0.0, 0.25, 2.5])).collect();
    let (a, b, c) = (random.float(), random.pick(&[0.0, 0.5, 1.0, 2.0]), random.float());
    let pairs = |from: usize| -> Vec<Value> {
        let pair = |pair: &[Value]| json!({"positive": pair[0], "negative": pair[1]});
        liked.asked[from..].chunks(2).map(pair).collect()
    };
    let recommend =
        |strategy: &str| json!({"recommend": {"positive": liked.asked, "negative": not.asked, "strategy": strategy}});
    let query = match kind {
        0 => recommend("average_vector"),
        1 => recommend("best_score"),
        2 => recommend("sum_scores"),
        3 => json!({"discover": {"target": liked.asked[0], "context": pairs(1)}}),
        4 => json!({"context": pairs(0)}),
        _ => {
            let item = |(example, score): (&Value, &f32)| json!({"example": example, "score": score});
            let given: Vec<Value> = liked.asked.iter().zip(&scored).skip(1).map(item).collect();
            let strategy = json!({"naive": {"a": a, "b": b, "c": c}});
            json!({"relevance_feedback": {"target": liked.asked[0], "feedback": given, "strategy": strategy}})
        }
    };
    let average = (kind == 0).then(|| field.average(&liked.vectors, &not.vectors));
    let score = |own: &Value| -> Option<f64> {
        let to = |some: &Examples| -> Vec<f64> { some.vectors.iter().map(|one| field.similar(one, own)).collect() };
        let (liked, not) = (to(&liked), to(&not));
        let best = |some: &[f64]| some.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(match kind {
            0 => match (field.shared(average.as_ref()?, own)?, field.distance) {
                (near, "Euclid") => near.abs().sqrt(),
                (near, "Manhattan") => near.abs(),
                (near, _) => near,
            },
            1 if best(&liked) > best(&not) => squeezed(best(&liked)),
            1 => -squeezed(best(&not)),
            2 => liked.iter().sum::<f64>() - not.iter().sum::<f64>(),
            3 => {
                let side = |pair: &[f64]| (pair[0] - pair[1]).partial_cmp(&0.0).unwrap() as i64 as f64;
                liked[1..].chunks(2).map(side).sum::<f64>() + squeezed(liked[0])
            }
            4 => {
                let loss = |pair: &[f64]| {
                    let lost = (pair[0] - pair[1] - f64::from(f32::EPSILON)).min(0.0);
                    lost / (1.0 + lost.abs())
                };
                liked.chunks(2).map(loss).sum()
            }
            _ => {
                let mut sum = f64::from(a) * liked[0];
                for better in 1..scored.len() {
                    for worse in (1..scored.len()).filter(|worse| scored[better] > scored[*worse]) {
                        let weight = f64::from(scored[better] - scored[worse]).powf(b) * f64::from(c);
                        sum += weight * (liked[better] - liked[worse]);
                    }
                }
                sum
            }
        })
    };
    let known = points.iter().filter(|(id, _)| !liked.named.contains(id) && !not.named.contains(id));
    let scores = known.filter_map(|(id, of)| Some((*id, score(of.get(field.name)?)?))).collect();
    let rising = kind == 0 && ["Euclid", "Manhattan"].contains(&field.distance);
    Asked { field: field.name, query, scores, rising }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(1.0)
}

/// The best come back, each with the score that it has; of equal ones any may.
fn check(asked: &Asked, limit: usize, found: &Value) {
    let mut best: Vec<f64> = asked.scores.values().copied().collect();
    best.sort_by(|a, b| if asked.rising { a.total_cmp(b) } else { b.total_cmp(a) });
    best.truncate(limit);
    let found = found["points"].as_array().unwrap();
    assert_eq!(found.len(), best.len(), "{} {}: {found:?}", asked.field, asked.query);
    for (hit, best) in found.iter().zip(best) {
        let (id, score) = (hit["id"].as_u64().unwrap(), hit["score"].as_f64().unwrap());
        let own = asked.scores.get(&id).copied();
        let told = || format!("{} {}: {id} {score}, {own:?} and {best}", asked.field, asked.query);
        assert!(own.is_some_and(|own| near(own, score)) && near(score, best), "{}", told());
    }
}

#[tokio::test]
async fn examples_score_what_they_score_in_a_model() {
    let seed = 7;
    let mut random = Random::new(seed);
    let ((config, before), (_, points)) = (filled(&mut random), filled(&mut random));
    // Parts of a few rows, and some of those are dead.
    let door = Door::tuned(&Tuning { seal_rows: Some(16), ..Tuning::default() }).await;
    door.good("PUT", "/collections/c", &config).await;
    for points in [before, points.clone()] {
        let written: Vec<Value> = points.iter().map(|(id, vectors)| json!({"id": id, "vector": vectors})).collect();
        for some in written.chunks(7) {
            door.good("PUT", "/collections/c/points?wait=true", &json!({ "points": some })).await;
        }
    }
    for _ in 0..QUERIES {
        let asked = asked(&mut random, &points);
        let limit = random.below(20) as usize + 1;
        let request = json!({"query": asked.query, "using": asked.field, "limit": limit});
        check(&asked, limit, &door.good("POST", "/collections/c/points/query", &request).await);
    }
    door.server.stop().await;
}

#[tokio::test]
async fn feedback_that_is_none_is_refused_by_its_name() {
    let door = Door::open().await;
    door.good("PUT", "/collections/c", &json!({"vectors": {"size": 2, "distance": "Dot"}})).await;
    let points = json!({"points": [{"id": 1, "vector": [1, 0]}, {"id": 2, "vector": [0, 2]}]});
    door.good("PUT", "/collections/c/points?wait=true", &points).await;
    let naive = |a: f64, b: f64, c: f64| json!({"naive": {"a": a, "b": b, "c": c}});
    let asked = |feedback: Value, strategy: Value| json!({"query": {"relevance_feedback": {"target": [1, 1], "feedback": feedback, "strategy": strategy}}});
    let scored = |score: f64| json!([{"example": [1, 0], "score": score}, {"example": [0, 1], "score": 0}]);
    let many = |count: usize| json!(vec![json!({"example": 404, "score": 1}); count]);
    for (status, request, says) in [
        (400, asked(json!([]), naive(1.0, -0.5, 1.0)), "relevance_feedback.strategy.naive.b is -0.5; it is at least 0"),
        (400, asked(json!([]), naive(1e300, 1.0, 1.0)), "relevance_feedback.strategy.naive.a is inf; it is finite"),
        (400, asked(scored(-1e39), naive(1.0, 1.0, 1.0)), "relevance_feedback.feedback[0].score is -inf; it is finite"),
        (400, asked(scored(1e30), naive(1.0, 9.0, 1.0)), "relevance_feedback.weight of feedback[0] is "),
        (400, asked(json!([]), json!({"other": {}})), "relevance_feedback.strategy is naive"),
        (400, asked(json!([]), json!({"naive": {"a": 1, "b": 1}})), "relevance_feedback.strategy.naive.c is a number"),
        (400, asked(json!([{"example": 1}]), naive(1.0, 1.0, 1.0)), "relevance_feedback.feedback[0].score is a number"),
        (400, asked(json!([{"score": 1}]), naive(1.0, 1.0, 1.0)), "feedback has an example and a score"),
        (400, asked(Value::Null, naive(1.0, 1.0, 1.0)), "relevance_feedback.feedback is a list"),
        (400, json!({"query": {"relevance_feedback": {"feedback": []}}}), "relevance_feedback has a target"),
        (400, asked(json!([{"example": [1], "score": 1}]), naive(1.0, 1.0, 1.0)), "expected dim: 2, got 1"),
        (400, asked(many(256), naive(1.0, 1.0, 1.0)), "number of examples is 257; there are 1 to 256"),
        (404, asked(many(255), naive(1.0, 1.0, 1.0)), "No point with id 404 found"),
    ] {
        let told = door.bad(status, &request).await;
        assert!(told.contains(says), "{request}: {told}");
    }
    door.server.stop().await;
}

/// Points of several vectors may have millions of numbers each: a small request must not bring hundreds of them into memory.
#[tokio::test]
async fn examples_of_too_many_numbers_are_refused() {
    let door = Door::open().await;
    let several = json!({"size": 65_536, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}});
    for name in ["c", "d"] {
        door.good("PUT", &format!("/collections/{name}"), &json!({"vectors": {"m": several}})).await;
    }
    let most = json!({"points": [{"id": 1, "vector": {"m": vec![vec![0; 65_536]; 64]}}]});
    door.good("PUT", "/collections/c/points?wait=true", &most).await;
    let small = json!({"points": [{"id": 7, "vector": {"m": [vec![0; 65_536]]}}]});
    door.good("PUT", "/collections/d/points?wait=true", &small).await;
    let asked = |positive: Value, strategy: &str| json!({"query": {"recommend": {"positive": positive, "strategy": strategy}}, "using": "m"});
    for strategy in ["best_score", "average_vector"] {
        let fits = door.good("POST", "/collections/c/points/query", &asked(json!([1]), strategy)).await;
        assert_eq!(fits["points"], json!([]), "the example is left out");
        let told = door.bad(400, &asked(json!([1, 1]), strategy)).await;
        assert!(told.contains("numbers of all examples is over 4194304"), "{told}");
    }
    let mut elsewhere = asked(json!([1, 1]), "sum_scores");
    elsewhere["lookup_from"] = json!({"collection": "c", "vector": "m"});
    let (status, told) = door.ask("POST", "/collections/d/points/query", &elsewhere).await;
    assert!(status == 400 && told.to_string().contains("numbers of all examples is over 4194304"), "{told}");
    door.server.stop().await;
}

#[tokio::test]
async fn examples_are_vectors_of_their_field() {
    let door = Door::open().await;
    let several = json!({"size": 2, "distance": "Euclid", "multivector_config": {"comparator": "max_sim"}});
    let config = json!({"vectors": {"m": several, "v": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"s": {}}});
    door.good("PUT", "/collections/c", &config).await;
    let points = json!({"points": [
        {"id": 1, "vector": {"m": [[1, 0], [0, 1]], "s": {"indices": [1], "values": [2]}}},
        {"id": 2, "vector": {"m": [[3, 0]], "s": {"indices": [5], "values": [-1]}}},
        {"id": 3, "vector": {"v": [1, 1]}},
    ]});
    door.good("PUT", "/collections/c/points?wait=true", &points).await;
    let asked = |using: &str, positive: Value| json!({"query": {"recommend": {"positive": positive, "strategy": "sum_scores"}}, "using": using});
    for (using, positive, says) in [
        ("m", json!([{"indices": [1], "values": [1]}]), "Wrong vector type: `m` is a multi vector, not a sparse one"),
        ("s", json!([[1, 2]]), "Wrong vector type: `s` is a sparse vector, not a dense one"),
        ("v", json!([[[1, 2]]]), "Wrong vector type: `v` is a dense vector, not a multi one"),
        ("m", json!([[[1, 2, 3]]]), "expected dim: 2, got 3"),
        ("x", json!([1]), "Not existing vector name"),
    ] {
        let told = door.bad(400, &asked(using, positive)).await;
        assert!(told.contains(says), "{told}");
    }
    for using in ["m", "s"] {
        let told = door.bad(404, &asked(using, json!([404]))).await;
        assert!(told.contains("No point with id 404 found"), "{told}");
        let told = door.bad(404, &asked(using, json!([3]))).await;
        assert!(told.contains("there is no vector of this field at point `3`"), "{told}");
    }
    // One vector stands for a list of one, and every point that has the field is compared, whatever it shares.
    let found = door.good("POST", "/collections/c/points/query", &asked("m", json!([[1, 0]]))).await;
    assert_eq!(found["points"][1]["score"], -4.0);
    let sparse = asked("s", json!([{"indices": [1], "values": [1.5]}]));
    let found = door.good("POST", "/collections/c/points/query", &sparse).await;
    assert_eq!((&found["points"][0]["score"], &found["points"][1]["score"]), (&json!(3.0), &json!(0.0)));
    // A threshold of a distance that several vectors come to is not a hit itself.
    let mut near = json!({"query": [[1, 0]], "using": "m", "score_threshold": 2.0});
    let found = door.good("POST", "/collections/c/points/query", &near).await;
    assert_eq!(found["points"].as_array().unwrap().len(), 1);
    near["score_threshold"] = json!(2.0001);
    let found = door.good("POST", "/collections/c/points/query", &near).await;
    assert_eq!(found["points"].as_array().unwrap().len(), 2);
    door.server.stop().await;
}
