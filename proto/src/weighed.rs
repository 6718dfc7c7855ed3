//! Messages are weighed before they are unpacked.
//!
//! Two bytes on the wire may become a message of five hundred: four megabytes of them, which is four kilobytes
//! compressed, would take two gigabytes before anybody could say that a query has at most sixteen retrievers. So what a
//! call takes is walked first, without making anything of it: every message, string and number of a list is counted with
//! what it will take up beside its own bytes, and a message that would come to more than [`PARTS_BYTES_MAX`] is refused.
//! Replies are not: whoever asks a server believes it.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

/// What a message that a call takes may take up, unpacked, beside the bytes of its texts and vectors.
pub const PARTS_BYTES_MAX: usize = 64 << 20;
/// What is deeper is refused when it is unpacked.
const DEPTH_MAX: usize = 100;

/// What the fields of a message take up, by their numbers.
#[derive(Debug)]
pub struct Shape {
    fields: &'static [(u32, Part)],
}

/// What one more of a field takes up.
#[derive(Debug)]
enum Part {
    /// A message of a list, an entry of a map, or one that is boxed; 0 bytes for one that is a part of another.
    Message { shape: &'static Shape, bytes: usize },
    /// A string of a list, beside its bytes.
    Texts,
    /// A number of a list, so many bytes each. Numbers of a fixed width take up what they take on the wire.
    Varints(usize),
}

/// What calls take or tell.
pub trait Weighed {
    /// By what it is weighed; nothing for what is only told.
    fn shape() -> Option<&'static Shape>;
}

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// More than a message may take up.
#[derive(Debug)]
struct Heavy;

/// What is left of what a message may take up.
struct Scale(usize);

impl Scale {
    fn take(&mut self, bytes: usize) -> Result<(), Heavy> {
        self.0 = self.0.checked_sub(bytes).ok_or(Heavy)?;
        Ok(())
    }

    /// Weighs a message as far as it can be read: at the first mistake unpacking will end as well.
    fn message(&mut self, shape: &Shape, mut bytes: &[u8], depth: usize) -> Result<(), Heavy> {
        while !bytes.is_empty() {
            let Ok((number, wire)) = decode_key(&mut bytes) else { return Ok(()) };
            let known = shape.fields.binary_search_by_key(&number, |(number, _)| *number);
            let part = known.ok().map(|at| &shape.fields[at].1);
            match (part, wire) {
                (Some(part), WireType::LengthDelimited) => {
                    let Some(inside) = delimited(&mut bytes) else { return Ok(()) };
                    match part {
                        Part::Texts => self.take(size_of::<String>())?,
                        Part::Varints(each) => {
                            let last = |byte: &&u8| **byte < 0x80;
                            self.take(each.saturating_mul(inside.iter().filter(last).count()))?;
                        }
                        Part::Message { shape, bytes } => {
                            self.take(*bytes)?;
                            if depth == DEPTH_MAX {
                                return Ok(());
                            }
                            self.message(shape, inside, depth + 1)?;
                        }
                    }
                }
                (part, wire) => {
                    if let Some(Part::Varints(each)) = part {
                        self.take(*each)?;
                    }
                    if skip_field(wire, number, &mut bytes, DecodeContext::default()).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// What stands behind its length.
fn delimited<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (inside, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(inside)
}

/// The codec of all services: messages as they are, those that calls take weighed first.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Weighed + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Unpacking<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        Unpacking(PhantomData)
    }
}

/// Weighs a message and unpacks it.
#[derive(Debug)]
pub struct Unpacking<U>(PhantomData<U>);

impl<U: Message + Weighed + Default> Decoder for Unpacking<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // A message is whole here, and in one piece, of which the fields of bytes are parts. Numbers are unpacked out of
        // this in half of the time that the buffer takes, which asks for each of them what is left of it.
        let whole = from.copy_to_bytes(from.remaining());
        let weighed = U::shape().map_or(Ok(()), |shape| Scale(PARTS_BYTES_MAX).message(shape, &whole, 0));
        weighed.map_err(|Heavy| {
            Status::invalid_argument(format!(
                "the message has too many parts: unpacked they take up more than {PARTS_BYTES_MAX} bytes; send it in several"
            ))
        })?;
        let message = U::decode(whole).map_err(|err| Status::internal(err.to_string()))?;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{qdrant, v1};
    use std::collections::HashMap;

    /// What the parts of a message take up.
    fn weight<M: Message + Weighed>(message: &M) -> usize {
        of_bytes::<M>(&message.encode_to_vec())
    }

    fn of_bytes<M: Weighed>(bytes: &[u8]) -> usize {
        let mut scale = Scale(usize::MAX);
        scale.message(M::shape().unwrap(), bytes, 0).unwrap();
        usize::MAX - scale.0
    }

    #[test]
    fn every_part_is_counted_with_what_it_takes_up() {
        let prefetch = vec![qdrant::PrefetchQuery::default(); 100];
        let asked = qdrant::QueryPoints { prefetch, ..Default::default() };
        assert_eq!(weight(&asked), 100 * size_of::<qdrant::PrefetchQuery>());
        let retrievers = vec![v1::Retriever::default(); 100];
        assert_eq!(weight(&v1::QueryRequest { retrievers, ..Default::default() }), 100 * size_of::<v1::Retriever>());
        let asked = qdrant::QueryBatchPoints { query_points: vec![asked; 3], ..Default::default() };
        let one = size_of::<qdrant::QueryPoints>() + 100 * size_of::<qdrant::PrefetchQuery>();
        assert_eq!(weight(&asked), 3 * one);
        // What is a part of another message, and is not repeated, is counted with that.
        let names = vec![String::new(); 50];
        let selection = v1::payload_selection::Selection::Include(v1::Names { names });
        let payload = Some(v1::PayloadSelection { selection: Some(selection) });
        assert_eq!(weight(&v1::ScrollRequest { payload, ..Default::default() }), 50 * size_of::<String>());
    }

    #[test]
    fn numbers_and_maps_are_counted_and_vectors_are_not() {
        let vector = |values: usize| v1::Vector { values: vec![1.0; values] };
        let upsert = |values| {
            let vectors = HashMap::from([("v".to_owned(), vector(values))]);
            let op = Some(v1::op::Op::Upsert(v1::Point { vectors, ..Default::default() }));
            v1::WriteRequest { ops: vec![v1::Op { op, ..Default::default() }], ..Default::default() }
        };
        let least = size_of::<v1::Op>() + size_of::<(String, v1::Vector)>();
        assert_eq!(weight(&upsert(1)), weight(&upsert(100_000)));
        let one = weight(&upsert(1));
        assert!((least..2 * least).contains(&one), "{one}");
        assert!(100_000 * one < PARTS_BYTES_MAX, "a batch has up to 100,000 operations, of {one} bytes each");
        let indices = |data: Vec<u32>| qdrant::SearchPoints {
            sparse_indices: Some(qdrant::SparseIndices { data }),
            ..Default::default()
        };
        assert_eq!(weight(&indices(vec![0; 1000])), 4000);
        assert_eq!(weight(&indices(vec![u32::MAX; 1000])), 4000);
    }

    #[test]
    fn what_is_too_heavy_is_refused_wherever_it_stands() {
        let heavy =
            |bytes: &[u8]| Scale(PARTS_BYTES_MAX).message(qdrant::QueryPoints::shape().unwrap(), bytes, 0).is_err();
        let empties = [0x12, 0].repeat(1 << 21);
        assert!(heavy(&empties));
        assert!(!heavy(&empties[..1000]));
        // Behind fields that nobody knows, a group among them, which unpacking skips.
        let unknown = [0xfb, 0x3f, 0x08, 0x01, 0xfc, 0x3f, 0xfa, 0x3f, 0x01, 0x61].to_vec();
        assert!(heavy(&[unknown.clone(), empties.clone()].concat()));
        assert!(qdrant::QueryPoints::decode(&[unknown, empties[..1000].to_vec()].concat()[..]).is_ok());
        // One inside of the other, boxed: a level takes a few bytes on the wire.
        let mut deep = qdrant::Expression::default();
        for _ in 0..40 {
            deep = qdrant::Expression { variant: Some(qdrant::expression::Variant::Neg(Box::new(deep))) };
        }
        let formula = qdrant::Formula { expression: Some(deep), ..Default::default() };
        let query = Some(qdrant::Query { variant: Some(qdrant::query::Variant::Formula(formula)) });
        let nested = qdrant::QueryPoints { query, ..Default::default() };
        assert!(weight(&nested) >= 40 * size_of::<qdrant::Expression>());
    }

    #[test]
    fn what_is_broken_is_left_to_unpacking() {
        let whole = qdrant::QueryPoints { prefetch: vec![qdrant::PrefetchQuery::default(); 9], ..Default::default() };
        let whole = whole.encode_to_vec();
        for cut in 0..whole.len() {
            of_bytes::<qdrant::QueryPoints>(&whole[..cut]);
        }
        for byte in 0..=255 {
            of_bytes::<qdrant::QueryPoints>(&[byte; 64]);
        }
    }
}
