//! Queries by examples through the door for clients of the Qdrant API, against a model that compares everything.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_tests::http;
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const POINTS: u64 = 60;
const QUERIES: u64 = 400;
const SIZE: usize = 4;
const DENSE: [(&str, &str); 4] = [("cos", "Cosine"), ("dot", "Dot"), ("far", "Euclid"), ("taxi", "Manhattan")];

struct Door {
    addr: String,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
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

fn vector(random: &mut Random) -> Value {
    json!(random.vector(SIZE))
}

fn filled(random: &mut Random) -> (Value, Points) {
    let vectors: Map<String, Value> = DENSE
        .iter()
        .map(|(name, distance)| ((*name).to_owned(), json!({"size": SIZE, "distance": distance})))
        .collect();
    let mut points = Points::new();
    for id in 1..=POINTS {
        let mut named = Map::new();
        for (name, _) in DENSE {
            if random.below(8) > 0 {
                named.insert(name.to_owned(), vector(random));
            }
        }
        points.insert(id, named);
    }
    (json!({"vectors": vectors}), points)
}

fn metric(field: &str) -> &'static str {
    DENSE.iter().find(|(name, _)| *name == field).map(|(_, distance)| *distance).unwrap()
}

/// How similar two vectors of a field are, inside.
fn similar(field: &str, a: &Value, b: &Value) -> f64 {
    let (a, b) = (numbers(a), numbers(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match metric(field) {
        "Cosine" => dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt(),
        "Dot" => dot(&a, &b),
        "Euclid" => -a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
        _ => -a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>(),
    }
}

/// A query, and what each point that has the field scores, and who is asked about.
struct Asked {
    field: &'static str,
    query: Value,
    scores: BTreeMap<u64, f64>,
}

/// An example, and the vector that it stands for.
fn example(random: &mut Random, field: &str, points: &Points, named: &mut BTreeSet<u64>) -> (Value, Value) {
    let id = random.below(POINTS) + 1;
    match points[&id].get(field) {
        Some(own) if random.below(3) == 0 => {
            named.insert(id);
            (json!(id), own.clone())
        }
        _ => {
            let made = vector(random);
            (made.clone(), made)
        }
    }
}

fn feedback(random: &mut Random, points: &Points) -> Asked {
    let field = random.pick(&DENSE).0;
    let mut named = BTreeSet::new();
    let target = example(random, field, points, &mut named);
    let (a, b, c) = (random.float(), random.pick(&[0.0, 0.5, 1.0, 2.0]), random.float());
    let mut given = Vec::new();
    for _ in 0..random.below(5) {
        given.push((example(random, field, points, &mut named), random.pick(&[-1.0f32, 0.0, 0.25, 2.5])));
    }
    let score = |own: &Value| {
        let mut sum = f64::from(a) * similar(field, &target.1, own);
        for (better, high) in &given {
            for (worse, low) in given.iter().filter(|(_, low)| high > low) {
                let weight = f64::from(high - low).powf(b) * f64::from(c);
                sum += weight * (similar(field, &better.1, own) - similar(field, &worse.1, own));
            }
        }
        sum
    };
    let known = points.iter().filter(|(id, _)| !named.contains(id));
    let scores = known.filter_map(|(id, of)| Some((*id, score(of.get(field)?)))).collect();
    let given: Vec<Value> =
        given.iter().map(|((example, _), score)| json!({"example": example, "score": score})).collect();
    let strategy = json!({"naive": {"a": a, "b": b, "c": c}});
    let query = json!({"relevance_feedback": {"target": target.0, "feedback": given, "strategy": strategy}});
    Asked { field, query, scores }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(1.0)
}

/// The best come back, each with the score that it has; of equal ones any may.
fn check(asked: &Asked, limit: usize, found: &Value) {
    let mut best: Vec<f64> = asked.scores.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
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
    let (config, points) = filled(&mut random);
    let door = Door::open().await;
    door.good("PUT", "/collections/c", &config).await;
    let written: Vec<Value> = points.iter().map(|(id, vectors)| json!({"id": id, "vector": vectors})).collect();
    door.good("PUT", "/collections/c/points?wait=true", &json!({ "points": written })).await;
    for _ in 0..QUERIES {
        let asked = feedback(&mut random, &points);
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
