//! A point of an upsert, from the wire to what is kept of it.
//!
//! As messages its payload would become a map of trees before it is the text that is kept, and its vector would grow
//! number by number. So what nearly every client sends is read field by field; whatever has another form is unpacked as
//! messages, which also say what is wrong with it.

use super::value;
use super::vectors::{document, named};
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::operation::Incoming;
use crate::qdrant::vectors::Given;
use bytes::Bytes;
use nigh_index::id::PointId;
use nigh_proto::qdrant as q;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use serde::Serialize;
use uuid::Uuid;

/// So many keys of a payload are compared with each other; a map on the wire may have one several times.
const KEYS_MAX: usize = 32;

/// Reads a `PointStruct`.
pub(super) fn read(wire: &[u8]) -> Result<Incoming> {
    match direct(wire) {
        Some(point) => Ok(point),
        None => unpacked(wire),
    }
}

fn unpacked(wire: &[u8]) -> Result<Incoming> {
    let of = q::PointStruct::decode(wire).map_err(|err| Fault::format(format_args!("a point of points: {err}")))?;
    let payload = match of.payload.is_empty() {
        true => Bytes::new(),
        false => value::text(&of.payload).map_err(Fault::format)?.into(),
    };
    Ok(Incoming { id: value::id(of.id)?, vectors: named(of.vectors)?, payload })
}

/// What a field holds.
enum Held<'w> {
    Varint(u64),
    Fixed([u8; 8]),
    Bytes(&'w [u8]),
}

/// The next field of a message, by its number.
fn field<'w>(wire: &mut &'w [u8]) -> Option<(u32, Held<'w>)> {
    let (number, kind) = decode_key(wire).ok()?;
    let held = match kind {
        WireType::Varint => Held::Varint(decode_varint(wire).ok()?),
        WireType::SixtyFourBit => {
            let (fixed, rest) = wire.split_first_chunk()?;
            *wire = rest;
            Held::Fixed(*fixed)
        }
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(wire).ok()?).ok()?;
            let (inside, rest) = wire.split_at_checked(length)?;
            *wire = rest;
            Held::Bytes(inside)
        }
        _ => return None,
    };
    Some((number, held))
}

/// The only field of a message.
fn only(mut wire: &[u8]) -> Option<(u32, Held<'_>)> {
    let field = field(&mut wire)?;
    wire.is_empty().then_some(field)
}

/// Both fields of an entry of a map.
fn entry(mut wire: &[u8]) -> Option<(&str, &[u8])> {
    let ((1, Held::Bytes(key)), (2, Held::Bytes(value))) = (field(&mut wire)?, field(&mut wire)?) else { return None };
    wire.is_empty().then_some((std::str::from_utf8(key).ok()?, value))
}

/// A point whose parts all have the usual form.
fn direct(mut wire: &[u8]) -> Option<Incoming> {
    let (mut id, mut vectors) = (None, None);
    let (mut payload, mut keys) = (Vec::new(), Vec::new());
    while !wire.is_empty() {
        match field(&mut wire)? {
            (1, Held::Bytes(of)) if id.is_none() => id = Some(self::id(of)?),
            (3, Held::Bytes(of)) => {
                let (key, of) = entry(of)?;
                if keys.len() == KEYS_MAX || keys.contains(&key) {
                    return None;
                }
                payload.push(if keys.is_empty() { b'{' } else { b',' });
                keys.push(key);
                write(key, &mut payload)?;
                payload.push(b':');
                self::value(of, &mut payload)?;
            }
            (4, Held::Bytes(of)) if vectors.is_none() => vectors = Some(self::vectors(of)?),
            _ => return None,
        }
    }
    if !keys.is_empty() {
        payload.push(b'}');
    }
    Some(Incoming { id: id?, vectors: vectors.unwrap_or_default(), payload: payload.into() })
}

fn id(wire: &[u8]) -> Option<PointId> {
    match only(wire)? {
        (1, Held::Varint(number)) => Some(PointId::Num(number)),
        (2, Held::Bytes(text)) => Some(PointId::Uuid(Uuid::try_parse_ascii(text).ok()?)),
        _ => None,
    }
}

/// Writes a `Value` as JSON.
fn value(wire: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match only(wire)? {
        (1, Held::Varint(_)) => write((), out),
        // What JSON cannot write becomes a null.
        (2, Held::Fixed(number)) => write(f64::from_le_bytes(number), out),
        (3, Held::Varint(number)) => write(number.cast_signed(), out),
        (4, Held::Bytes(text)) => write(std::str::from_utf8(text).ok()?, out),
        (5, Held::Varint(flag)) => write(flag != 0, out),
        (6 | 7, Held::Bytes(_)) => write(value::Text(&q::Value::decode(wire).ok()?), out),
        _ => None,
    }
}

fn write(of: impl Serialize, out: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(out, &of).ok()
}

fn vectors(wire: &[u8]) -> Option<Vec<(String, Given)>> {
    match only(wire)? {
        (1, Held::Bytes(one)) => Some(vec![(String::new(), vector(one)?)]),
        (2, Held::Bytes(mut several)) => {
            let mut all: Vec<(String, Given)> = Vec::new();
            while !several.is_empty() {
                let (1, Held::Bytes(one)) = field(&mut several)? else { return None };
                let (name, one) = entry(one)?;
                if all.len() == KEYS_MAX || all.iter().any(|(known, _)| known == name) {
                    return None;
                }
                all.push((name.to_owned(), vector(one)?));
            }
            Some(all)
        }
        _ => None,
    }
}

/// A dense vector, in the field of now or in that of older clients, some of which send it number by number; or a text in
/// the place of a vector.
fn vector(wire: &[u8]) -> Option<Given> {
    const NUMBER: u8 = 1 << 3 | WireType::ThirtyTwoBit as u8;
    if wire.first() == Some(&NUMBER) {
        let (numbers, []) = wire.as_chunks::<5>() else { return None };
        let number = |[tag, number @ ..]: &[u8; 5]| (*tag == NUMBER).then(|| f32::from_le_bytes(*number));
        return Some(Given::Dense(numbers.iter().map(number).collect::<Option<_>>()?));
    }
    let packed = match only(wire)? {
        (1, Held::Bytes(packed)) => packed,
        (101, Held::Bytes(dense)) => match only(dense)? {
            (1, Held::Bytes(packed)) => packed,
            _ => return None,
        },
        (104, Held::Bytes(of)) => return Given::read(&document(q::Document::decode(of).ok()?)).ok(),
        _ => return None,
    };
    let (numbers, []) = packed.as_chunks() else { return None };
    Some(Given::Dense(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use q::point_id::PointIdOptions;
    use q::value::Kind;
    use q::vectors::VectorsOptions;
    use serde_json::Value;

    fn scalar() -> impl Strategy<Value = q::Value> {
        let kind = prop_oneof![
            Just(Some(Kind::NullValue(0))),
            any::<f64>().prop_map(|number| Some(Kind::DoubleValue(number))),
            any::<i64>().prop_map(|number| Some(Kind::IntegerValue(number))),
            "\\PC{0,5}[\"\\\\\n]?".prop_map(|text| Some(Kind::StringValue(text))),
            any::<bool>().prop_map(|flag| Some(Kind::BoolValue(flag))),
            Just(None),
        ];
        kind.prop_map(|kind| q::Value { kind })
    }

    fn any_value() -> impl Strategy<Value = q::Value> {
        scalar().prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| Kind::ListValue(q::ListValue { values }).into_value()),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|fields| Kind::StructValue(q::Struct { fields }).into_value()),
            ]
        })
    }

    trait IntoValue {
        fn into_value(self) -> q::Value;
    }

    impl IntoValue for Kind {
        fn into_value(self) -> q::Value {
            q::Value { kind: Some(self) }
        }
    }

    #[expect(deprecated, reason = "older clients fill these fields")]
    fn any_vector() -> impl Strategy<Value = q::Vector> {
        let numbers = || prop::collection::vec(any::<f32>().prop_filter("a number", |number| !number.is_nan()), 0..5);
        let dense = |vector| q::Vector { vector: Some(vector), ..Default::default() };
        prop_oneof![
            numbers().prop_map(|data| q::Vector { data, ..Default::default() }),
            numbers().prop_map(move |data| dense(q::vector::Vector::Dense(q::DenseVector { data }))),
            (numbers(), prop::collection::vec(any::<u32>(), 0..4)).prop_map(move |(values, indices)| {
                dense(q::vector::Vector::Sparse(q::SparseVector { values, indices }))
            }),
            ("[a-z ]{0,20}", prop::sample::select(vec!["qdrant/bm25", "Qdrant/BM25", "another"]), -1..4_i64).prop_map(
                move |(text, model, k)| {
                    let options = value::fields(serde_json::Map::from_iter([("k".to_owned(), k.into())]));
                    dense(q::vector::Vector::Document(q::Document { text, model: model.into(), options }))
                }
            ),
            (numbers(), 0..4_u32).prop_map(|(data, count)| q::Vector {
                data,
                vectors_count: Some(count),
                ..Default::default()
            }),
        ]
    }

    fn any_vectors() -> impl Strategy<Value = Option<q::Vectors>> {
        let options = prop_oneof![
            any_vector().prop_map(|one| Some(VectorsOptions::Vector(one))),
            prop::collection::btree_map("[a-c]{0,2}", any_vector(), 0..3)
                .prop_map(|vectors| Some(VectorsOptions::Vectors(q::NamedVectors { vectors }))),
            Just(None),
        ];
        prop::option::of(options.prop_map(|vectors_options| q::Vectors { vectors_options }))
    }

    fn any_id() -> impl Strategy<Value = Option<q::PointId>> {
        let options = prop_oneof![
            3 => any::<u64>().prop_map(|number| Some(PointIdOptions::Num(number))),
            2 => any::<u128>().prop_map(|bits| Some(PointIdOptions::Uuid(Uuid::from_u128(bits).to_string()))),
            1 => "[0-9a-f-]{0,3}".prop_map(|text| Some(PointIdOptions::Uuid(text))),
            1 => Just(None),
        ];
        prop::option::weighted(0.9, options.prop_map(|point_id_options| q::PointId { point_id_options }))
    }

    prop_compose! {
        fn any_point()(
            id in any_id(),
            payload in prop::collection::btree_map("\\PC{0,3}[\"\\\\]?", any_value(), 0..40),
            vectors in any_vectors()
        ) -> q::PointStruct {
            q::PointStruct { id, payload, vectors }
        }
    }

    /// What is read field by field is what messages say.
    fn check(wire: &[u8]) -> std::result::Result<(), TestCaseError> {
        let Some(read) = direct(wire) else { return Ok(()) };
        let expected = unpacked(wire);
        prop_assert!(expected.is_ok(), "{expected:?}");
        let expected = expected.unwrap();
        let object = |text: &Bytes| match text.is_empty() {
            true => None,
            false => Some(serde_json::from_slice::<Value>(text).unwrap()),
        };
        prop_assert_eq!(object(&read.payload), object(&expected.payload));
        prop_assert_eq!(Incoming { payload: Bytes::new(), ..read }, Incoming { payload: Bytes::new(), ..expected });
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn points_are_what_messages_say(point in any_point()) {
            check(&point.encode_to_vec())?;
        }

        #[test]
        fn damaged_points_are_what_messages_say(
            point in any_point(), changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3), 1..4)
        ) {
            let mut wire = point.encode_to_vec();
            for (at, byte, how) in changes {
                let at = at.index(wire.len() + 1);
                match how {
                    0 => wire.insert(at, byte),
                    1 => wire.truncate(at),
                    _ => wire.iter_mut().skip(at).take(1).for_each(|here| *here = byte),
                }
            }
            check(&wire)?;
            // Two messages, one behind the other, are merged.
            check(&[wire.clone(), wire].concat())?;
        }
    }

    #[test]
    #[expect(deprecated, reason = "older clients fill these fields")]
    fn what_clients_send_is_read_field_by_field() {
        let data = vec![0.5, -1.0, f32::MIN_POSITIVE];
        let old = q::Vector { data: data.clone(), ..Default::default() };
        let single: Vec<u8> = data.iter().flat_map(|number| [&[0x0d][..], &number.to_le_bytes()].concat()).collect();
        assert_eq!(vector(&single), Some(Given::Dense(data.clone())));
        assert_eq!(q::Vector::decode(&single[..]).unwrap(), old);
        assert!(old.encoded_len() < single.len(), "what is sent is packed");
        let new = q::vector::Vector::Dense(q::DenseVector { data: data.clone() });
        let new = q::Vector { vector: Some(new), ..Default::default() };
        let nested = Kind::ListValue(q::ListValue { values: vec![Kind::IntegerValue(-3).into_value()] });
        let payload = [
            ("t\"itle", Kind::StringValue("Ein \"Satz\"\n".to_owned())),
            ("year", Kind::IntegerValue(-2020)),
            ("share", Kind::DoubleValue(0.25)),
            ("there", Kind::BoolValue(true)),
            ("not", Kind::NullValue(0)),
            ("tags", nested),
        ];
        let payload = payload.map(|(key, kind)| (key.to_owned(), kind.into_value())).into();
        let id = Some(q::PointId { point_id_options: Some(PointIdOptions::Num(7)) });
        let of = |options| q::Vectors { vectors_options: Some(options) };
        let named = [("a".to_owned(), old.clone()), ("b".to_owned(), new.clone())].into();
        for (vectors, names) in [
            (of(VectorsOptions::Vector(old)), vec![""]),
            (of(VectorsOptions::Vector(new)), vec![""]),
            (of(VectorsOptions::Vectors(q::NamedVectors { vectors: named })), vec!["a", "b"]),
        ] {
            let point = q::PointStruct { id: id.clone(), payload: Clone::clone(&payload), vectors: Some(vectors) };
            let wire = point.encode_to_vec();
            let read = direct(&wire).expect("it has the usual form");
            assert_eq!(read, unpacked(&wire).unwrap());
            assert_eq!(
                read.vectors,
                names.iter().map(|name| ((*name).to_owned(), Given::Dense(data.clone()))).collect::<Vec<_>>()
            );
            assert_eq!(
                serde_json::from_slice::<Value>(&read.payload).unwrap(),
                serde_json::json!({"t\"itle": "Ein \"Satz\"\n", "year": -2020, "share": 0.25, "there": true, "not": null, "tags": [-3]})
            );
        }
        let twice = [&[0x1a, 5, 0x0a, 1, b'k', 0x12, 0][..]; 2].concat();
        assert!(direct(&twice).is_none(), "a key twice");
        let error = read(&[0x0a, 9]).unwrap_err();
        assert!(error.text.starts_with("a point of points: "), "{}", error.text);
    }
}
