//! Filters over a hundred thousand real passages: the counts that come with them, by every index
//! and by the naive evaluator.

use flate2::read::GzDecoder;
use nigh_index::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use nigh_index::filter::eval::{eval, holds};
use nigh_index::filter::field::{Fields, Rows};
use nigh_index::filter::live::{Extracted, LiveFields};
use nigh_index::filter::parse::parse;
use nigh_index::filter::rules::FieldRules;
use nigh_index::filter::sealed::SealedFields;
use nigh_index::id::PointId;
use nigh_index::row::{Kept, Row};
use nigh_index::value::Path;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

const RULES: FieldRules = FieldRules { auto: true };

/// Passages that one group of writes brings.
const GROUP: usize = 256;

struct Passages(Vec<Value>);

impl Rows for Passages {
    fn rows(&self) -> u32 {
        self.0.len() as u32
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        match id {
            PointId::Num(number) => u32::try_from(*number).ok().filter(|row| *row < self.rows()).map(Row),
            PointId::Uuid(_) => None,
        }
    }

    fn id(&self, row: Row) -> PointId {
        PointId::Num(row.0.into())
    }

    fn payload(&self, row: Row) -> nigh_index::error::Result<Value> {
        Ok(self.0[row.at()].clone())
    }
}

fn folder() -> PathBuf {
    std::env::var_os("NIGH_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from)
        .join("passages")
}

fn condition(filter: &Value) -> Condition {
    let clauses = |group: &str| filter[group].as_array().into_iter().flatten().map(clause).collect();
    Condition::Tree { must: clauses("must"), should: clauses("should"), must_not: clauses("must_not") }
}

fn clause(clause: &Value) -> Condition {
    let path = Path::parse(clause["field"].as_str().unwrap()).unwrap();
    let number = |name: &str| clause[name].as_f64();
    let test = if let Some(values) = clause["in"].as_array() {
        Test::AnyOf(values.iter().map(scalar).collect())
    } else if let Some(value) = clause.get("eq").or(clause.get("contains")) {
        Test::AnyOf(vec![scalar(value)])
    } else if clause["missing"] == true {
        Test::Empty
    } else {
        let (gt, gte, lt, lte) = (number("gt"), number("gte"), number("lt"), number("lte"));
        Test::Range(Range::Number(Bounds { gt, gte, lt, lte }))
    };
    Condition::field(path, test)
}

fn scalar(value: &Value) -> Scalar {
    match value {
        Value::String(text) => Scalar::Keyword(text.clone()),
        Value::Bool(flag) => Scalar::Bool(*flag),
        other => Scalar::Integer(other.as_i64().unwrap()),
    }
}

/// Groups become parts, and parts of like size become one, as a collection does it.
fn melted(rows: Vec<Extracted>) -> LiveFields {
    let mut parts: Vec<LiveFields> = Vec::new();
    let mut sizes: Vec<u32> = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let group: Vec<_> = rows.by_ref().take(GROUP).collect();
        sizes.push(group.len() as u32);
        parts.push(LiveFields::build(group, &RULES));
        while let [.., before, last] = sizes[..]
            && before < last * 2
        {
            join(&mut parts, &mut sizes, 2);
        }
    }
    let all = parts.len();
    join(&mut parts, &mut sizes, all);
    parts.remove(0)
}

/// The last `count` parts become one.
fn join(parts: &mut Vec<LiveFields>, sizes: &mut Vec<u32>, count: usize) {
    let from = parts.len() - count;
    let rows: Vec<Vec<Row>> = sizes[from..].iter().map(|size| (0..*size).map(Row).collect()).collect();
    let kept: Vec<_> = parts[from..].iter().zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
    let joined = LiveFields::concat(&kept, &RULES);
    parts.truncate(from);
    parts.push(joined);
    let size = sizes.drain(from..).sum();
    sizes.push(size);
}

#[test]
fn passages_match_as_many_as_they_say() {
    let folder = folder();
    let (Ok(base), Ok(filters)) = (File::open(folder.join("base.jsonl.gz")), File::open(folder.join("filters.json")))
    else {
        eprintln!("skipped: no passages in {}", folder.display());
        return;
    };
    let lines = BufReader::new(GzDecoder::new(base)).lines();
    let passages = Passages(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect());
    let filters: Vec<Value> = serde_json::from_reader(BufReader::new(filters)).unwrap();

    let extracted: Vec<_> = passages.0.iter().map(|passage| Extracted::of(passage, &RULES)).collect();
    let body = SealedFields::build(passages.rows(), &RULES, &mut |row| Ok(extracted[row.at()].clone())).unwrap();
    let sealed = SealedFields::open(body.into(), passages.rows()).unwrap();
    let live = melted(extracted);

    assert_eq!(filters.len(), 9);
    for filter in &filters {
        let name = filter["name"].as_str().unwrap();
        let matching = filter["matching"].as_u64().unwrap();
        let condition = condition(&filter["filter"]);
        let naive = passages.0.iter().filter(|passage| holds(&condition, &PointId::Num(0), passage)).count();
        assert_eq!(naive as u64, matching, "{name}");
        for fields in [&live as &dyn Fields, &sealed] {
            for condition in [&condition, &parse(&condition.to_string()).unwrap()] {
                let matched = eval(condition, fields, &passages).unwrap();
                assert_eq!(matched.rows.len(), matching, "{name}");
                assert!(matched.scanned.is_empty(), "{name}");
                assert!(matched.rows.iter().all(|row| holds(condition, &PointId::Num(0), &passages.0[row.at()])));
            }
        }
    }
}

/// Every kind of condition through the door: live rows, then sealed ones.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_condition_goes_through_the_door() {
    use nigh_client::filter::{How, Place, Range, Shape, at_least};
    use nigh_client::{Client, CollectionSpec, Filter, Point, field};
    let folder = tempfile::tempdir().unwrap();
    let server = nigh_tests::server::Server::start_in(folder.path(), &Default::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    client.create_collection("c", CollectionSpec::new()).await.unwrap();
    let payloads = [
        serde_json::json!({"t": "a quick brown fox", "home": {"lat": 52.52, "lon": 13.405}, "n": 1}),
        serde_json::json!({"t": "Quick, brown dogs", "home": {"lat": 48.8566, "lon": 2.3522}, "tags": ["x", "y"]}),
        serde_json::json!({"t": "slow", "who": [{"name": "ada", "age": 30}, {"name": "bob", "age": 50}]}),
        serde_json::json!({"t": "z".repeat(300), "n": 2, "tags": ["x"]}),
    ];
    let points = payloads.iter().enumerate().map(|(id, payload)| Point::new(id as u64).payload(payload.clone()));
    client.upsert("c", points).await.unwrap();
    let box_of = |south: f64, west: f64, north: f64, east: f64| Shape::Box {
        south_west: Place { lat: south, lon: west },
        north_east: Place { lat: north, lon: east },
    };
    let triangle = [(50.0, 12.0), (50.0, 15.0), (55.0, 13.4)].map(|(lat, lon)| Place { lat, lon }).to_vec();
    let young_ada = Filter::must([field("name").eq("ada"), field("age").below(40)]);
    let old_ada = Filter::must([field("name").eq("ada"), field("age").above(40)]);
    for sealed in [false, true] {
        for (expected, condition) in [
            (1, field("t").starts_with("a qu")),
            (1, field("t").starts_with("zz")),
            (2, field("t").words("brown quick", How::All)),
            (3, field("t").words("slow quick", How::Any)),
            (1, field("t").words("brown fox", How::Phrase)),
            (2, field("t").words("quick bro", How::Prefix)),
            (1, field("home").near(52.5, 13.4, 10_000.0)),
            (2, field("home").within(box_of(40.0, 0.0, 60.0, 20.0))),
            (1, field("home").within(Shape::Polygon { outer: triangle.clone(), holes: Vec::new() })),
            (1, field("tags").count(Range { gte: Some(2), ..Range::default() })),
            (2, field("tags").count(Range { lte: Some(0), ..Range::default() })),
            (1, field("who").has(young_ada.clone())),
            (0, field("who").has(old_ada.clone())),
            (1, at_least(2, [field("n").eq(2), field("tags").eq("x"), field("t").eq("slow")])),
        ] {
            let count = client.count("c", Some(condition.clone().into())).await.unwrap();
            assert_eq!(count, expected, "sealed: {sealed}, {condition:?}");
        }
        client.optimize("c").await.unwrap();
    }
    let wrong = client.count("c", Some(field("home").near(95.0, 0.0, 1.0).into())).await.unwrap_err().to_string();
    assert!(wrong.contains("latitudes are -90 to 90"), "{wrong}");
    server.stop().await;
}
