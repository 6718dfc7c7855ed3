//! One form for filters that mean the same: a key to keep under it what a filter left.
//!
//! ```text
//! tree    T | parts of must | parts of should | parts of must_not    each sorted, each part once
//! field   F | path | test
//! ids     I | ids, sorted
//! vector  V | name
//! slice   S | index u32 | total u32
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

/// A longer list has no form: not even counted are those that stand in it twice. Of a list's beginning there
/// must be no form either, it would be that of a shorter list.
const LIST_MAX: usize = BYTES_MAX;

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
                put_sorted(forms.into_iter(), out)?;
            }
        }
        Condition::Field { path, test } => {
            out.push(b'F');
            put_part(path.as_str().as_bytes(), out);
            put_test(test, out)?;
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
        Condition::Slice(slice) => {
            out.push(b'S');
            out.extend(slice.index.to_le_bytes());
            out.extend(slice.total.to_le_bytes());
        }
        Condition::HasId(ids) => {
            out.push(b'I');
            put_sorted(ids.iter().map(id), out)?;
        }
    }
    (out.len() <= BYTES_MAX).then_some(())
}

fn put_part(part: &[u8], out: &mut Vec<u8>) {
    out.extend((part.len() as u32).to_le_bytes());
    out.extend(part);
}

fn put_sorted(parts: impl ExactSizeIterator<Item = Vec<u8>>, out: &mut Vec<u8>) -> Option<()> {
    if parts.len() > LIST_MAX {
        return None;
    }
    let mut parts: Vec<Vec<u8>> = parts.collect();
    parts.sort_unstable();
    parts.dedup();
    out.extend((parts.len() as u32).to_le_bytes());
    parts.iter().for_each(|part| put_part(part, out));
    Some(())
}

fn put_test(test: &Test, out: &mut Vec<u8>) -> Option<()> {
    let one = |bytes: Vec<u8>| [bytes].into_iter();
    let tag = match test {
        Test::AnyOf(_) => b'a',
        Test::NoneOf(_) => b'n',
        Test::Range(Range::Number(_)) => b'r',
        Test::Range(Range::Datetime(_)) => b'd',
        Test::Count(_) => b'c',
        Test::Prefix(_) => b'p',
        Test::Substring(_) => b's',
        Test::Words(_) => b'w',
        Test::Geo(_) => b'g',
        Test::Empty => b'e',
        Test::Null => b'0',
    };
    out.push(tag);
    match test {
        Test::AnyOf(scalars) | Test::NoneOf(scalars) => put_sorted(scalars.iter().map(scalar), out),
        Test::Range(Range::Number(bounds)) => put_sorted(ends(bounds, |end| end.to_bits()), out),
        Test::Range(Range::Datetime(bounds)) => put_sorted(ends(bounds, |end| end as u64), out),
        Test::Count(bounds) => put_sorted(ends(bounds, |end| end), out),
        Test::Prefix(text) | Test::Substring(text) => put_sorted(one(text.as_bytes().to_vec()), out),
        // The order of the words of a phrase, and of the places of a ring, is part of what is asked.
        Test::Words(words) => put_sorted(one(format!("{words:?}").into_bytes()), out),
        Test::Geo(shape) => put_sorted(one(format!("{shape:?}").into_bytes()), out),
        Test::Empty | Test::Null => Some(()),
    }
}

fn ends<T: Copy>(bounds: &Bounds<T>, bits: impl Fn(T) -> u64) -> std::vec::IntoIter<Vec<u8>> {
    let ends = [(b'>', bounds.gt), (b'g', bounds.gte), (b'<', bounds.lt), (b'l', bounds.lte)];
    let end = |(tag, end): (u8, Option<T>)| end.map(|end| tagged(tag, &bits(end).to_le_bytes()));
    ends.into_iter().filter_map(end).collect::<Vec<_>>().into_iter()
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
    use crate::value::Path;

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
            "a starts with 'x'",
            "a contains substring 'x'",
            "slice(1 of 2)",
            "slice(1 of 3)",
            "a[0] = 1",
            "a[1] = 1",
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
        let words = |count: u32| {
            let words = (0..count).map(|word| Scalar::Keyword(word.to_string())).collect();
            Condition::Field { path: Path::parse("a").unwrap(), test: Test::AnyOf(words) }
        };
        assert!(form(&words(10)).is_some() && form(&words(100_000)).is_none());
    }

    /// The end of a long list counts: it must not have the form of the list's beginning.
    #[test]
    fn a_list_that_repeats_itself_has_no_form_of_a_shorter_one() {
        let repeated = vec![PointId::Num(1); LIST_MAX];
        let ids = |more: &[u64]| {
            let more = more.iter().map(|number| PointId::Num(*number));
            form(&Condition::HasId(repeated.iter().copied().chain(more).collect()))
        };
        let one = form(&Condition::HasId(vec![PointId::Num(1)])).unwrap();
        assert_eq!(ids(&[]).as_ref(), Some(&one));
        assert_ne!(ids(&[2, 3]).as_ref(), Some(&one));
        assert_ne!(ids(&[2]), Some(form(&Condition::HasId(vec![PointId::Num(2)])).unwrap()));
    }
}
