//! One form for filters that mean the same: a key to keep under it what a filter left.
//!
//! ```text
//! tree    T | parts of must | parts of should | parts of must_not    each sorted, each part once
//! field   F | path | test
//! ids     I | ids, sorted
//! vector  V | name
//! some    A | count u64 | number u32 | parts, sorted, as often as they stand there
//! nested  N | path | part
//! part    length u32 | bytes
//! ```
//!
//! Two filters of one form leave the same rows; two that leave the same rows may have several forms.

use crate::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use crate::id::PointId;

/// A longer form is not worth keeping.
const BYTES_MAX: usize = 4096;

/// The form; `None` where it is too long.
pub fn form(condition: &Condition) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put(condition, &mut out)?;
    Some(out)
}

fn put(condition: &Condition, out: &mut Vec<u8>) -> Option<()> {
    match condition {
        Condition::Tree { must, should, must_not } => {
            // A tree of one condition that has to hold is that condition.
            match (&must[..], &should[..], &must_not[..]) {
                ([one], [], []) | ([], [one], []) => return put(one, out),
                _ => out.push(b'T'),
            }
            for conditions in [must, should, must_not] {
                let forms = conditions.iter().map(form).collect::<Option<Vec<_>>>()?;
                put_sorted(forms, out);
            }
        }
        Condition::Field { path, test } => {
            out.push(b'F');
            put_part(path.as_str().as_bytes(), out);
            put_test(test, out);
        }
        Condition::AtLeast { count, of } => {
            out.push(b'A');
            out.extend((*count as u64).to_le_bytes());
            let mut forms = of.iter().map(form).collect::<Option<Vec<_>>>()?;
            forms.sort_unstable();
            // One that is named twice counts twice.
            out.extend((forms.len() as u32).to_le_bytes());
            forms.iter().for_each(|form| put_part(form, out));
        }
        Condition::Nested { path, condition } => {
            out.push(b'N');
            put_part(path.as_str().as_bytes(), out);
            put_part(&form(condition)?, out);
        }
        Condition::HasVector(name) => {
            out.push(b'V');
            put_part(name.as_bytes(), out);
        }
        Condition::HasId(ids) => {
            out.push(b'I');
            put_sorted(ids.iter().take(BYTES_MAX).map(id).collect(), out);
        }
    }
    (out.len() <= BYTES_MAX).then_some(())
}

fn put_part(part: &[u8], out: &mut Vec<u8>) {
    out.extend((part.len() as u32).to_le_bytes());
    out.extend(part);
}

fn put_sorted(mut parts: Vec<Vec<u8>>, out: &mut Vec<u8>) {
    parts.sort_unstable();
    parts.dedup();
    out.extend((parts.len() as u32).to_le_bytes());
    parts.iter().for_each(|part| put_part(part, out));
}

fn put_test(test: &Test, out: &mut Vec<u8>) {
    let mut tagged = |tag: u8, parts: Vec<Vec<u8>>| {
        out.push(tag);
        put_sorted(parts, out);
    };
    match test {
        Test::AnyOf(scalars) => tagged(b'a', scalars.iter().map(scalar).collect()),
        Test::NoneOf(scalars) => tagged(b'n', scalars.iter().map(scalar).collect()),
        Test::Range(Range::Number(bounds)) => tagged(b'r', ends(bounds, |end| end.to_bits())),
        Test::Range(Range::Datetime(bounds)) => tagged(b'd', ends(bounds, |end| end as u64)),
        Test::Count(bounds) => tagged(b'c', ends(bounds, |end| end)),
        Test::Prefix(prefix) => tagged(b'p', vec![prefix.as_bytes().to_vec()]),
        // The order of the words of a phrase, and of the places of a ring, is part of what is asked.
        Test::Words(words) => tagged(b'w', vec![format!("{words:?}").into_bytes()]),
        Test::Geo(shape) => tagged(b'g', vec![format!("{shape:?}").into_bytes()]),
        Test::Empty => out.push(b'e'),
        Test::Null => out.push(b'0'),
    }
}

fn ends<T: Copy>(bounds: &Bounds<T>, bits: impl Fn(T) -> u64) -> Vec<Vec<u8>> {
    let ends = [(b'>', bounds.gt), (b'g', bounds.gte), (b'<', bounds.lt), (b'l', bounds.lte)];
    let end = |(tag, end): (u8, Option<T>)| end.map(|end| tagged(tag, &bits(end).to_le_bytes()));
    ends.into_iter().filter_map(end).collect()
}

fn scalar(scalar: &Scalar) -> Vec<u8> {
    match scalar {
        Scalar::Keyword(word) => tagged(b'k', word.as_bytes()),
        Scalar::Integer(number) => tagged(b'i', &number.to_le_bytes()),
        Scalar::Float(number) => tagged(b'f', &number.to_bits().to_le_bytes()),
        Scalar::Bool(is) => tagged(b'b', &[u8::from(*is)]),
    }
}

fn id(id: &PointId) -> Vec<u8> {
    match id {
        PointId::Num(number) => tagged(b'n', &number.to_le_bytes()),
        PointId::Uuid(uuid) => tagged(b'u', uuid.as_bytes()),
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse::parse;

    fn of(text: &str) -> Vec<u8> {
        form(&parse(text).unwrap()).unwrap()
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(of("a = 1 and b = 2"), of("b = 2 and a = 1"));
        assert_eq!(of("a = 1 or b = 2 or a = 1"), of("b = 2 or a = 1"));
        assert_eq!(of("a in (1, 2, 3)"), of("a in (3, 2, 1, 1)"));
        assert_eq!(form(&Condition::all(vec![parse("a = 1").unwrap()])).unwrap(), of("a = 1"));
    }

    #[test]
    fn what_means_something_else_has_another_form() {
        let forms: Vec<Vec<u8>> = [
            "a = 1",
            "a = 2",
            "b = 1",
            "a = '1'",
            "a = 1.0",
            "a = true",
            "a > 1",
            "a >= 1",
            "a < 1",
            "a <= 1",
            "a = 1 and b = 2",
            "a = 1 or b = 2",
            "not a = 1",
            "a = 1 and not b = 2",
            "a in (1, 2)",
        ]
        .map(of)
        .into();
        for (at, form) in forms.iter().enumerate() {
            assert!(!forms[..at].contains(form), "the form of number {at} stands for another one too");
        }
    }

    #[test]
    fn a_long_form_is_none() {
        let ids = |count| Condition::HasId((0..count).map(PointId::Num).collect());
        assert!(form(&ids(10)).is_some() && form(&ids(100_000)).is_none());
        assert!(form(&Condition::all(vec![ids(10), ids(100_000)])).is_none());
    }
}
