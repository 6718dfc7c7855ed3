//! Every index is held against the naive evaluator: random payloads, random filters.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use crate::filter::eval::{eval, holds};
use crate::filter::field::{Fields, Rows};
use crate::filter::geo::{Place, Shape};
use crate::filter::live::{Extracted, LiveFields};
use crate::filter::rules::{FieldRules, PATHS_MAX};
use crate::filter::sealed::{SealedFields, gathered, seal};
use crate::filter::slice::Slice;
use crate::filter::words::{How, Words};
use crate::id::PointId;
use crate::row::{Kept, Row};
use crate::value::Path;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const AUTO: FieldRules = FieldRules { auto: true };

struct Payloads(Vec<Value>);

impl Rows for Payloads {
    fn rows(&self) -> u32 {
        self.0.len() as u32
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        (0..self.rows()).map(Row).find(|row| id_of(*row) == *id)
    }

    fn id(&self, row: Row) -> PointId {
        id_of(row)
    }

    fn payload(&self, row: Row) -> Result<Value> {
        Ok(self.0[row.at()].clone())
    }
}

impl Payloads {
    fn extracted(&self, rules: &FieldRules) -> Vec<Extracted> {
        self.0.iter().map(|payload| Extracted::of(payload, rules)).collect()
    }

    fn expected(&self, condition: &Condition) -> Bitmap {
        let rows = (0..self.rows()).filter(|row| holds(condition, &id_of(Row(*row)), &self.0[*row as usize]));
        Bitmap::from_rows(rows)
    }

    /// Every way of asking gives what the naive evaluator gives; the paths that were scanned.
    fn check(&self, fields: &dyn Fields, condition: &Condition) -> Vec<String> {
        let matched = eval(condition, fields, self).unwrap();
        assert_eq!(matched.rows, self.expected(condition), "{condition:?}\n{:?}", self.0);
        if let Condition::Field { path, test } = condition {
            let told = fields.lookup(path, test).unwrap();
            assert!(told.is_none() || matched.scanned.is_empty());
            if let Some(candidates) = fields.candidates(path, test).unwrap() {
                let mut outside = matched.rows.clone();
                outside.minus(&candidates);
                assert!(outside.is_empty(), "{condition:?} holds outside of its candidates");
            }
        }
        matched.scanned
    }
}

fn id_of(row: Row) -> PointId {
    PointId::Num(u64::from(row.0) * 3)
}

fn sealed(fields: &LiveFields) -> SealedFields {
    SealedFields::open(seal(fields).unwrap().into(), fields.rows).unwrap()
}

fn long() -> String {
    "z".repeat(257)
}

const KEYS: [&str; 6] = ["a", "b", "c", "d.e", "ü", ""];
const PATHS: [&str; 15] = [
    "a",
    "b",
    "c",
    "a.b",
    "b.a",
    "a.a.a",
    "\"d.e\"",
    "\"d.e\".ü",
    "ü",
    "c[].b",
    "a.a.a.a.a.a.a.a.a",
    "c[0].b",
    "a[1]",
    "a[][0]",
    "b[0].a[0]",
];
const STRINGS: [&str; 15] = [
    "",
    "x y",
    "Y-x, 2020",
    "x",
    "y",
    "Ünï",
    "2020-01-01",
    "2020-01-01T00:00:00Z",
    "2020-01-01T01:00:00+02:00",
    "2021-06-01",
    "2020-13-01",
    "0999-12-31",
    "1",
    "null",
    "true",
];
const INTEGERS: [i64; 8] = [0, 1, 2, -1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1];
const FLOATS: [f64; 9] = [
    0.0,
    -0.0,
    1.0,
    1.5,
    -1.5,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    1e300,
    -9_223_372_036_854_775_808.0,
];

fn scalar_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        4 => select(&INTEGERS[..]).prop_map(Value::from),
        4 => select(&FLOATS[..]).prop_map(Value::from),
        1 => select(vec![1u64 << 63, (1 << 63) + 1, u64::MAX]).prop_map(Value::from),
        4 => select(&STRINGS[..]).prop_map(Value::from),
        1 => Just(Value::from(long())),
    ]
}

fn degrees() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => select(vec![json!(0), json!(1), json!(1.0), json!(-1.5), json!(10), json!(89.5), json!(-90)]),
        3 => select(vec![json!(170), json!(-170.0), json!(180), json!(-180)]),
        1 => select(vec![json!(181), json!(null), json!("1"), json!([1])]),
    ]
}

fn place_value() -> impl Strategy<Value = Value> {
    (degrees(), degrees(), any::<bool>()).prop_map(|(lat, lon, more)| match more {
        true => json!({"lat": lat, "lon": lon}),
        false => json!({"lon": lon, "lat": lat, "a": 1}),
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![8 => scalar_value(), 3 => place_value()].prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(&KEYS[..]), inner), 0..4).prop_map(object),
        ]
    })
}

fn object<K: Into<String>>(fields: Vec<(K, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map<_, _>>())
}

/// A payload over a few keys, nested.
pub(crate) fn payload() -> impl Strategy<Value = Value> {
    vec((select(&KEYS[..]), value()), 0..5).prop_map(object)
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        6 => select(&STRINGS[..]).prop_map(|text| Scalar::Keyword(text.to_owned())),
        1 => Just(Scalar::Keyword(long())),
        4 => select(&INTEGERS[..]).prop_map(Scalar::Integer),
        4 => select(&FLOATS[..]).prop_map(Scalar::Float),
        2 => any::<bool>().prop_map(Scalar::Bool),
    ]
}

fn bounds<T: Copy + std::fmt::Debug + 'static>(ends: Vec<T>) -> impl Strategy<Value = Bounds<T>> {
    let end = move || prop::option::weighted(0.4, select(ends.clone()));
    (end(), end(), end(), end()).prop_map(|(gt, gte, lt, lte)| Bounds { gt, gte, lt, lte })
}

fn field_test() -> impl Strategy<Value = Test> {
    let instants = vec![0, 1_577_836_800_000_000, 1_577_833_200_000_000, 1_622_505_600_000_000];
    prop_oneof![
        3 => vec(scalar(), 0..4).prop_map(Test::AnyOf),
        3 => vec(scalar(), 0..4).prop_map(Test::NoneOf),
        2 => bounds([&FLOATS[..], &[0.5, f64::NAN, f64::INFINITY]].concat())
            .prop_map(|bounds| Test::Range(Range::Number(bounds))),
        2 => bounds(instants).prop_map(|bounds| Test::Range(Range::Datetime(bounds))),
        1 => Just(Test::Empty),
        1 => Just(Test::Null),
        1 => select(vec!["", "x", "2020-", "Ü", "z", "y"]).prop_map(|prefix| Test::Prefix(prefix.to_owned())),
        1 => select(vec!["", "x", "-0", "nï", "z", "T00"]).prop_map(|part| Test::Substring(part.to_owned())),
        2 => (select(vec!["x", "x y", "Y X", "2020 0", "zz", ""]), select(vec![How::All, How::Any, How::Phrase, How::Prefix]))
            .prop_map(|(text, how)| Test::Words(Words::new(text, how))),
        3 => shape().prop_map(Test::Geo),
        2 => bounds(vec![0, 1, 2, 3]).prop_map(Test::Count),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    (select(vec![0.0, 1.0, -1.5, 10.0, 90.0, -90.0]), select(vec![0.0, 1.0, -1.5, 10.0, 175.0, -180.0]))
        .prop_map(|(lat, lon)| Place { lat, lon })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (place(), select(vec![0.0, 1e5, 2e5, 3e6, 2.1e7]))
            .prop_map(|(center, meters)| Shape::Circle { center, meters }),
        (place(), place()).prop_map(|(one, other)| Shape::Box {
            south: one.lat.min(other.lat),
            west: one.lon,
            north: one.lat.max(other.lat),
            east: other.lon,
        }),
        vec(place(), 3..6).prop_map(|outer| Shape::Polygon { outer, holes: Vec::new() }),
    ]
}

fn leaf() -> impl Strategy<Value = Condition> {
    prop_oneof![
        8 => (select(&PATHS[..]), field_test())
            .prop_map(|(path, test)| Condition::Field { path: Path::parse(path).unwrap(), test }),
        1 => vec((0u64..60).prop_map(PointId::Num), 0..9).prop_map(Condition::HasId),
        1 => (0u32..4, 1u32..4).prop_map(|(index, total)| Condition::Slice(Slice { index: index % total, total })),
    ]
}

/// Any filter over the keys that [`payload`] uses.
pub(crate) fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            4 => (vec(inner.clone(), 0..3), vec(inner.clone(), 0..3), vec(inner.clone(), 0..3))
                .prop_map(|(must, should, must_not)| Condition::Tree { must, should, must_not }),
            1 => (0usize..4, vec(inner.clone(), 0..4)).prop_map(|(count, of)| Condition::AtLeast { count, of }),
            2 => (select(&PATHS[..]), inner.prop_map(without_ids)).prop_map(|(path, condition)| Condition::Nested {
                path: Path::parse(path).unwrap(),
                condition: Box::new(condition),
            }),
        ]
    })
}

/// What is nested asks for no ids.
fn without_ids(condition: Condition) -> Condition {
    let all = |conditions: Vec<Condition>| conditions.into_iter().map(without_ids).collect();
    match condition {
        Condition::HasId(_) | Condition::HasVector(_) | Condition::Slice(_) => Condition::always(),
        Condition::Tree { must, should, must_not } => {
            Condition::Tree { must: all(must), should: all(should), must_not: all(must_not) }
        }
        Condition::AtLeast { count, of } => Condition::AtLeast { count, of: all(of) },
        other => other,
    }
}

/// Whether a condition asks for what payloads may have to be read for.
fn may_scan(condition: &Condition) -> bool {
    let text = format!("{condition:?}");
    // The last two are of paths that go to one element.
    let scans = ["Nested", "Count(", "Geo(", "Prefix(", "Substring(", "Words(", "[0]", "[1]"];
    scans.iter().any(|name| text.contains(name)) || text.contains(&long())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn indexes_agree_with_payloads(
        payloads in vec(payload(), 0..40),
        conditions in vec(condition(), 1..8),
    ) {
        let payloads = Payloads(payloads);
        let live = LiveFields::build(payloads.extracted(&AUTO), &AUTO);
        let sealed = sealed(&live);
        let blind = LiveFields::build(payloads.extracted(&FieldRules { auto: false }), &AUTO);
        for condition in &conditions {
            let scanned = payloads.check(&live, condition);
            prop_assert!(scanned.is_empty() || may_scan(condition), "{:?}", scanned);
            prop_assert_eq!(payloads.check(&sealed, condition), scanned);
            payloads.check(&blind, condition);
        }
    }

    #[test]
    fn concat_keeps_what_is_kept(
        parts in vec(vec((payload(), any::<bool>(), 0..2usize), 0..12), 1..5),
        whole in any::<bool>(),
        conditions in vec(condition(), 1..6),
    ) {
        let mut left = Vec::new();
        let mut built = Vec::new();
        for part in parts {
            let extracted = part.iter().map(|(payload, _, _)| Extracted::of(payload, &AUTO));
            let kept: Vec<Row> =
                (0..part.len() as u32).filter(|row| whole || part[*row as usize].1).map(Row).collect();
            built.push((LiveFields::build(extracted, &AUTO), kept.clone()));
            left.extend(kept.iter().map(|row| part[row.at()].0.clone()));
        }
        let kept: Vec<_> = built.iter().map(|(part, rows)| Kept { part, rows }).collect();
        let concat = LiveFields::concat(&kept, &AUTO);
        let payloads = Payloads(left);
        prop_assert_eq!(concat.rows, payloads.rows());
        for condition in &conditions {
            let scanned = payloads.check(&concat, condition);
            prop_assert!(scanned.is_empty() || may_scan(condition), "{:?}", scanned);
        }
        // The same bytes as if the rows had always been one part: live history leaves no trace.
        let fresh = LiveFields::build(payloads.extracted(&AUTO), &AUTO);
        prop_assert_eq!(seal(&concat).unwrap(), seal(&fresh).unwrap());
    }

    #[test]
    fn limits_cost_scans_but_no_answers(
        parts in vec((vec(payload(), 0..6), any::<bool>(), any::<bool>()), 1..4),
        asked in vec((0..2 * PATHS_MAX, field_test()), 1..6),
        conditions in vec(condition(), 1..4),
    ) {
        let mut all = Vec::new();
        let mut built = Vec::new();
        for (mut part, wide, blind) in parts {
            if wide {
                part.push(object((0..2 * PATHS_MAX).map(|at| (format!("k{at}"), json!(at % 3))).collect()));
                part.push(object((0..PATHS_MAX).map(|at| (format!("k{}", at * 2), json!([at, at + 1]))).collect()));
            }
            let rules = FieldRules { auto: !blind };
            built.push(LiveFields::build(part.iter().map(|payload| Extracted::of(payload, &rules)), &rules));
            all.extend(part);
        }
        let rows: Vec<Vec<Row>> = built.iter().map(|part| (0..part.rows).map(Row).collect()).collect();
        let kept: Vec<_> = built.iter().zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
        let concat = LiveFields::concat(&kept, &AUTO);
        prop_assert!(concat.columns.len() <= PATHS_MAX);
        let payloads = Payloads(all);
        let sealed = sealed(&concat);
        let asked = asked.into_iter().map(|(at, test)| Condition::Field { path: Path::parse(&format!("k{at}")).unwrap(), test });
        for condition in conditions.into_iter().chain(asked) {
            let scanned = payloads.check(&concat, &condition);
            prop_assert_eq!(payloads.check(&sealed, &condition), scanned);
        }
    }

    #[test]
    fn damage_never_panics(
        payloads in vec(payload(), 1..90),
        damage in vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        conditions in vec(leaf(), 1..12),
    ) {
        let payloads = Payloads(payloads);
        let mut body = seal(&LiveFields::build(payloads.extracted(&AUTO), &AUTO)).unwrap();
        for (at, bit) in damage {
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
        }
        if let Ok(fields) = SealedFields::open(body.into(), payloads.rows()) {
            for condition in &conditions {
                if let Ok(matched) = eval(condition, &fields, &payloads) {
                    prop_assert!(matched.rows.max().is_none_or(|row| row.0 < payloads.rows()));
                }
            }
        }
    }
}

#[test]
fn cut_and_random_bytes_never_panic() {
    let payloads = Payloads((0..200).map(|row| json!({"n": row % 7, "s": format!("s{row}"), "t": ["x"]})).collect());
    let body = seal(&LiveFields::build(payloads.extracted(&AUTO), &AUTO)).unwrap();
    for cut in 0..body.len() {
        assert!(SealedFields::open(body[..cut].to_vec().into(), 200).is_err(), "{cut}");
    }
    assert!(SealedFields::open(body.clone().into(), 199).is_err());
    // A linear congruential generator overwrites stretches of the body.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let tests = [Test::Empty, Test::Null, Test::NoneOf(Vec::new()), Test::Range(Range::Number(Bounds::default()))];
    for _ in 0..4000 {
        let mut damaged = body.clone();
        let (from, length) = (next() % body.len(), 1 + next() % 16);
        for byte in damaged.iter_mut().skip(from).take(length) {
            *byte = next() as u8;
        }
        if let Ok(fields) = SealedFields::open(damaged.into(), 200) {
            for (path, test) in ["n", "s", "t"].into_iter().flat_map(|path| tests.iter().map(move |test| (path, test)))
            {
                let _ = fields.lookup(&Path::parse(path).unwrap(), test);
            }
        }
    }
}

#[test]
fn chunks_leave_no_trace() {
    let payloads = Payloads(
        (0..300)
            .map(|row| json!({"n": row % 70, "f": row as f64 / 7.0, "s": [format!("s{}", row % 9), "x"]}))
            .collect(),
    );
    let extracted = payloads.extracted(&AUTO);
    let whole = seal(&LiveFields::build(extracted.clone(), &AUTO)).unwrap();
    for chunk_rows in [1, 7, 100, 299, 300, 4096] {
        let gathered = gathered(300, chunk_rows, &AUTO, &mut |row| Ok(extracted[row.at()].clone())).unwrap();
        assert_eq!(seal(&gathered).unwrap(), whole, "{chunk_rows}");
    }
    assert_eq!(SealedFields::build(300, &AUTO, &mut |row| Ok(extracted[row.at()].clone())).unwrap(), whole);
    let none = SealedFields::build(0, &AUTO, &mut |_| unreachable!()).unwrap();
    let none = SealedFields::open(none.into(), 0).unwrap();
    assert!(none.lookup(&Path::parse("n").unwrap(), &Test::Empty).unwrap().unwrap().is_empty());
}

/// Every kind of value against every test that names it, alone and beside its neighbour.
#[test]
fn every_value_against_every_scalar() {
    let mut values: Vec<Value> =
        vec![Value::Null, json!({}), json!({"b": 1}), json!([]), json!(long()), json!(true), json!(false)];
    values.extend(INTEGERS.map(Value::from));
    values.extend(FLOATS.map(Value::from));
    values.extend([1u64 << 63, (1 << 63) + 1, u64::MAX].map(Value::from));
    values.extend(STRINGS.map(Value::from));
    let pairs = values.windows(2).map(|pair| json!({ "a": pair })).collect::<Vec<_>>();
    let payloads = Payloads(values.into_iter().map(|value| json!({ "a": value })).chain(pairs).collect());
    let live = LiveFields::build(payloads.extracted(&AUTO), &AUTO);
    let sealed = sealed(&live);
    let mut scalars = vec![Scalar::Keyword(long()), Scalar::Bool(true), Scalar::Bool(false), Scalar::Float(f64::NAN)];
    scalars.extend(INTEGERS.map(Scalar::Integer));
    scalars.extend(FLOATS.map(Scalar::Float));
    scalars.extend(STRINGS.map(|text| Scalar::Keyword(text.to_owned())));
    let mut tests = vec![Test::Empty, Test::Null, Test::Range(Range::Datetime(Bounds::default()))];
    tests.extend(scalars.iter().map(|scalar| Test::AnyOf(vec![scalar.clone()])));
    tests.extend(scalars.iter().map(|scalar| Test::NoneOf(vec![scalar.clone()])));
    for end in FLOATS.into_iter().chain([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
        let none = Bounds::default();
        for bounds in [
            Bounds { gt: Some(end), ..none },
            Bounds { gte: Some(end), ..none },
            Bounds { lt: Some(end), ..none },
            Bounds { lte: Some(end), ..none },
            Bounds { gte: Some(end), lte: Some(end), ..none },
        ] {
            tests.push(Test::Range(Range::Number(bounds)));
        }
    }
    for test in tests {
        let condition = Condition::Field { path: Path::parse("a").unwrap(), test };
        payloads.check(&live, &condition);
        payloads.check(&sealed, &condition);
    }
}

/// Below the depth of the rules a path is absent only where no row goes that deep.
#[test]
fn deep_paths_are_scanned_where_there_are_any() {
    let deep = |levels: usize| (0..levels).fold(json!(7), |inner, _| json!({ "k": inner }));
    let field =
        |levels: usize, test: Test| Condition::Field { path: Path::parse(&vec!["k"; levels].join(".")).unwrap(), test };
    for (payloads, scanned) in [(vec![deep(8), json!({})], false), (vec![json!({}), deep(9), deep(12)], true)] {
        let payloads = Payloads(payloads);
        let live = LiveFields::build(payloads.extracted(&AUTO), &AUTO);
        for fields in [&live as &dyn Fields, &sealed(&live)] {
            for levels in [1, 8, 9, 12, 13] {
                for test in [Test::AnyOf(vec![Scalar::Integer(7)]), Test::Empty] {
                    let found = payloads.check(fields, &field(levels, test));
                    assert_eq!(!found.is_empty(), scanned && levels > 8, "{levels}");
                }
            }
        }
    }
}

/// The rule for a list of nulls and for objects: a list is entered, so what counts is whether it
/// holds anything but nulls; an object is something, even an empty one.
#[test]
fn empty_and_null_as_documented() {
    let payloads = Payloads(vec![
        json!({}),
        json!({"a": null}),
        json!({"a": []}),
        json!({"a": [null, []]}),
        json!({"a": {}}),
        json!({"a": [{"b": 1}]}),
        json!({"a": [null, 1]}),
        json!({"a": ""}),
    ]);
    let live = LiveFields::build(payloads.extracted(&AUTO), &AUTO);
    let lookup = |test: &Test| live.lookup(&Path::parse("a").unwrap(), test).unwrap().unwrap();
    assert_eq!(lookup(&Test::Empty), Bitmap::from_rows([0, 1, 2, 3]));
    assert_eq!(lookup(&Test::Null), Bitmap::from_rows([1, 3, 6]));
    assert_eq!(lookup(&Test::NoneOf(Vec::new())), Bitmap::from_rows([6, 7]));
}
