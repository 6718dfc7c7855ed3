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
