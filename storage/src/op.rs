//! What the log holds: operations that are resolved, so that a replay decides nothing.
//!
//! ```text
//! batch   = | version u8 | heading | count u32 | operation ... |
//! heading = | op id | count u32 | position ... |          op id   = | 0 u8 | or | 1 u8 | 16 bytes |
//!                                                         position = | source key | partition key | offset u64 |
//! upsert  = | 1 u8 | id | vectors | payload | expiry |    payload = | length u32 | bytes |
//! delete  = | 2 u8 | ids |                                ids     = | count u32 | id ... |
//! set     = | 3 u8 | ids | payload |                      id      = | 0 u8 | number u64 | or | 1 u8 | uuid 16 |
//! replace = | 4 u8 | ids | payload |                      vectors = | dense | sparse | multi |, counted each
//! unset   = | 5 u8 | ids | keys |                         dense   = | field u16 | length u32 | f32 ... |
//! clear   = | 6 u8 | ids |                                sparse  = | field u16 | length u32 | index u32, f32 ... |
//! update  = | 7 u8 | id | vectors |                       multi   = | field u16 | count u32 | length u32 | f32 ... |
//! drop    = | 8 u8 | ids | fields |                       fields  = | count u32 | kind u8, field u16 ... |
//! expire  = | 9 u8 | ids | expiry |                       expiry  = | 0 u8 | or | 1 u8 | Unix milliseconds u64 |
//! forget  = | 10 u8 | source key |                        keys    = | count u32 | key = length u32, UTF-8 ... |
//! ```
//!
//! Numbers are little-endian. A count is checked against the bytes that are left before anything
//! is allocated for it.

use crate::point::Point;
use crate::schema::VectorPlace;
use crate::write::Position;
use bytes::Bytes;
use nigh_index::id::PointId;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::MultiVector;
use uuid::Uuid;

const VERSION: u8 = 1;

const UPSERT: u8 = 1;
const DELETE: u8 = 2;
const SET_PAYLOAD: u8 = 3;
const OVERWRITE_PAYLOAD: u8 = 4;
const DELETE_PAYLOAD_KEYS: u8 = 5;
const CLEAR_PAYLOAD: u8 = 6;
const UPDATE_VECTORS: u8 = 7;
const DELETE_VECTORS: u8 = 8;
const SET_EXPIRY: u8 = 9;
const DROP_SOURCE: u8 = 10;

const ID_NUM: u8 = 0;
const ID_UUID: u8 = 1;

/// One operation, as it stands in the log: filters are ids by now.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// Replaces the whole point.
    Upsert(Point),
    /// Deletes points.
    Delete(Vec<PointId>),
    /// Sets these top-level keys, keeps the others. The text of a JSON object.
    SetPayload(Vec<PointId>, Bytes),
    /// Replaces the payload. The text of a JSON object.
    OverwritePayload(Vec<PointId>, Bytes),
    /// Takes these top-level keys out.
    DeletePayloadKeys(Vec<PointId>, Vec<String>),
    /// Takes the whole payload out.
    ClearPayload(Vec<PointId>),
    /// Sets the vectors of this point in an existing one, which keeps its others, its payload and its time.
    UpdateVectors(Point),
    /// Takes the vectors of these fields out.
    DeleteVectors(Vec<PointId>, Vec<VectorPlace>),
    /// Sets when points expire, in Unix milliseconds; `None`: never.
    SetExpiry(Vec<PointId>, Option<u64>),
    /// Forgets how far this source has come.
    DropSource(String),
}

impl Op {
    /// The points that it speaks of.
    pub fn ids(&self) -> &[PointId] {
        match self {
            Self::Upsert(point) | Self::UpdateVectors(point) => std::slice::from_ref(&point.id),
            Self::Delete(ids)
            | Self::SetPayload(ids, _)
            | Self::OverwritePayload(ids, _)
            | Self::DeletePayloadKeys(ids, _)
            | Self::ClearPayload(ids)
            | Self::DeleteVectors(ids, _)
            | Self::SetExpiry(ids, _) => ids,
            Self::DropSource(_) => &[],
        }
    }
}

/// What stands before the operations of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Heading {
    /// The name that the batch was given, by which a repetition is known.
    pub op_id: Option<Uuid>,
    /// How far its sources have come with it. `after` is asked when it is written, and not logged.
    pub positions: Vec<Position>,
}

/// Bytes that are no batch of operations.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at byte {at} of the batch: {why}")]
pub struct OpError {
    /// Where in the batch.
    pub at: u64,
    /// What does not hold.
    pub why: &'static str,
}

/// Lays a batch down at the end of `out`.
pub fn encode(heading: &Heading, ops: &[Op], out: &mut Vec<u8>) {
    out.push(VERSION);
    put_heading(heading, out);
    put_len(ops.len(), out);
    for op in ops {
        put_op(op, out);
    }
}

/// How many bytes a batch of these operations is laid down in, roughly: room that is made once.
pub(crate) fn usual_bytes(ops: &[Op]) -> usize {
    let of_point = |point: &Point| {
        let dense = point.vectors.iter().map(|(_, values)| values.len() * 4 + 6).sum::<usize>();
        let sparse = point.sparse.iter().map(|(_, vector)| vector.indices().len() * 8 + 6).sum::<usize>();
        let multi = point.multi.iter().map(|(_, multi)| multi.values.len() * 4 + 10).sum::<usize>();
        dense + sparse + multi + point.payload.len() + 48
    };
    let of = |op: &Op| match op {
        Op::Upsert(point) | Op::UpdateVectors(point) => of_point(point),
        other => other.ids().len() * 17 + 16,
    };
    64 + ops.iter().map(of).sum::<usize>()
}

/// Reads a batch; payloads share its memory.
pub fn decode(body: &Bytes) -> std::result::Result<(Heading, Vec<Op>), OpError> {
    let mut reader = Reader { body, at: 0 };
    if reader.byte()? != VERSION {
        return Err(OpError { at: 0, why: "the version is unknown" });
    }
    let heading = reader.heading()?;
    let ops = reader.many(5, Reader::op)?;
    match reader.at == body.len() {
        true => Ok((heading, ops)),
        false => reader.fail("bytes behind the last operation"),
    }
}

fn put_heading(heading: &Heading, out: &mut Vec<u8>) {
    match heading.op_id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            out.extend_from_slice(id.as_bytes());
        }
    }
    put_len(heading.positions.len(), out);
    for position in &heading.positions {
        put_bytes(position.source.as_bytes(), out);
        put_bytes(position.partition.as_bytes(), out);
        out.extend_from_slice(&position.offset.to_le_bytes());
    }
}

fn put_expiry(expires_at_ms: Option<u64>, out: &mut Vec<u8>) {
    match expires_at_ms {
        None => out.push(0),
        Some(time_ms) => {
            out.push(1);
            out.extend_from_slice(&time_ms.to_le_bytes());
        }
    }
}

fn put_op(op: &Op, out: &mut Vec<u8>) {
    match op {
        Op::Upsert(point) => {
            out.push(UPSERT);
            put_id(&point.id, out);
            put_vectors(point, out);
            put_bytes(&point.payload, out);
            put_expiry(point.expires_at_ms, out);
        }
        Op::Delete(ids) => put_ids(DELETE, ids, out),
        Op::SetPayload(ids, payload) => {
            put_ids(SET_PAYLOAD, ids, out);
            put_bytes(payload, out);
        }
        Op::OverwritePayload(ids, payload) => {
            put_ids(OVERWRITE_PAYLOAD, ids, out);
            put_bytes(payload, out);
        }
        Op::DeletePayloadKeys(ids, keys) => {
            put_ids(DELETE_PAYLOAD_KEYS, ids, out);
            put_len(keys.len(), out);
            keys.iter().for_each(|key| put_bytes(key.as_bytes(), out));
        }
        Op::ClearPayload(ids) => put_ids(CLEAR_PAYLOAD, ids, out),
        Op::UpdateVectors(point) => {
            out.push(UPDATE_VECTORS);
            put_id(&point.id, out);
            put_vectors(point, out);
        }
        Op::DeleteVectors(ids, fields) => {
            put_ids(DELETE_VECTORS, ids, out);
            put_len(fields.len(), out);
            fields.iter().for_each(|field| put_place(*field, out));
        }
        Op::SetExpiry(ids, expires_at_ms) => {
            put_ids(SET_EXPIRY, ids, out);
            put_expiry(*expires_at_ms, out);
        }
        Op::DropSource(source) => {
            out.push(DROP_SOURCE);
            put_bytes(source.as_bytes(), out);
        }
    }
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len).expect("a batch is far below 4 GiB: the queue bounds its bytes");
    out.extend_from_slice(&len.to_le_bytes());
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_ids(tag: u8, ids: &[PointId], out: &mut Vec<u8>) {
    out.push(tag);
    put_len(ids.len(), out);
    ids.iter().for_each(|id| put_id(id, out));
}

fn put_id(id: &PointId, out: &mut Vec<u8>) {
    match id {
        PointId::Num(number) => {
            out.push(ID_NUM);
            out.extend_from_slice(&number.to_le_bytes());
        }
        PointId::Uuid(uuid) => {
            out.push(ID_UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
    }
}

fn put_place(place: VectorPlace, out: &mut Vec<u8>) {
    let (kind, field) = match place {
        VectorPlace::Dense(field) => (0, field),
        VectorPlace::Sparse(field) => (1, field),
        VectorPlace::Multi(field) => (2, field),
    };
    out.push(kind);
    out.extend_from_slice(&field.to_le_bytes());
}

fn put_vectors(point: &Point, out: &mut Vec<u8>) {
    put_len(point.vectors.len(), out);
    for (field, values) in &point.vectors {
        out.extend_from_slice(&field.to_le_bytes());
        put_values(values, out);
    }
    put_len(point.sparse.len(), out);
    for (field, vector) in &point.sparse {
        out.extend_from_slice(&field.to_le_bytes());
        put_len(vector.indices().len(), out);
        for (index, value) in vector.iter() {
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    put_len(point.multi.len(), out);
    for (field, multi) in &point.multi {
        out.extend_from_slice(&field.to_le_bytes());
        out.extend_from_slice(&multi.count.to_le_bytes());
        put_values(&multi.values, out);
    }
}

fn put_values(values: &[f32], out: &mut Vec<u8>) {
    put_len(values.len(), out);
    let start = out.len();
    out.resize(start + values.len() * 4, 0);
    for (bytes, value) in out[start..].chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

type Read<T> = std::result::Result<T, OpError>;

struct Reader<'b> {
    body: &'b Bytes,
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, why: &'static str) -> Read<T> {
        Err(OpError { at: self.at as u64, why })
    }

    fn take(&mut self, len: usize) -> Read<std::ops::Range<usize>> {
        if len > self.body.len() - self.at {
            return self.fail("the batch ends early");
        }
        let start = self.at;
        self.at += len;
        Ok(start..self.at)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let range = self.take(N)?;
        Ok(self.body[range].try_into().expect("as many bytes were taken"))
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn half(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn long(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn optional<T>(&mut self, one: impl Fn(&mut Self) -> Read<T>) -> Read<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(one(self)?)),
            _ => self.fail("neither there nor not there"),
        }
    }

    fn heading(&mut self) -> Read<Heading> {
        let op_id = self.optional(|reader| Ok(Uuid::from_bytes(reader.array()?)))?;
        Ok(Heading { op_id, positions: self.many(16, Self::position)? })
    }

    fn position(&mut self) -> Read<Position> {
        Ok(Position { source: self.key()?, partition: self.key()?, offset: self.long()?, after: None })
    }

    /// A count of things that take at least this many bytes each.
    fn count(&mut self, bytes_each: usize) -> Read<usize> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        match count <= (self.body.len() - self.at) / bytes_each {
            true => Ok(count),
            false => self.fail("a count is larger than the bytes that are left"),
        }
    }

    fn many<T>(&mut self, bytes_each: usize, one: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.count(bytes_each)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn payload(&mut self) -> Read<Bytes> {
        let len = self.count(1)?;
        let range = self.take(len)?;
        Ok(self.body.slice(range))
    }

    fn key(&mut self) -> Read<String> {
        let bytes = self.payload()?;
        match std::str::from_utf8(&bytes) {
            Ok(key) => Ok(key.to_owned()),
            Err(_) => self.fail("a key is not UTF-8"),
        }
    }

    fn id(&mut self) -> Read<PointId> {
        match self.byte()? {
            ID_NUM => Ok(PointId::Num(u64::from_le_bytes(self.array()?))),
            ID_UUID => Ok(PointId::Uuid(Uuid::from_bytes(self.array()?))),
            _ => self.fail("an id is neither a number nor a UUID"),
        }
    }

    fn ids(&mut self) -> Read<Vec<PointId>> {
        self.many(9, Self::id)
    }

    fn word(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn values(&mut self) -> Read<Vec<f32>> {
        let len = self.count(4)?;
        let range = self.take(len * 4)?;
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(self.body[range].chunks_exact(4).map(value).collect())
    }

    fn sparse(&mut self) -> Read<(u16, SparseVector)> {
        let field = self.half()?;
        let pairs = self.many(8, |reader| Ok((reader.word()?, f32::from_bits(reader.word()?))))?;
        let (indices, values): (Vec<u32>, _) = pairs.into_iter().unzip();
        // A batch has one form: what was laid down rises.
        if !indices.is_sorted() {
            return self.fail("a sparse vector whose indices do not rise");
        }
        match SparseVector::new(indices, values) {
            Ok(vector) => Ok((field, vector)),
            Err(_) => self.fail("no sparse vector"),
        }
    }

    fn multi(&mut self) -> Read<(u16, MultiVector)> {
        let (field, count) = (self.half()?, self.word()?);
        Ok((field, MultiVector { count, values: self.values()? }))
    }

    /// A point that has nothing but vectors.
    fn vectors(&mut self) -> Read<Point> {
        Ok(Point {
            vectors: self.many(6, |reader| Ok((reader.half()?, reader.values()?)))?,
            sparse: self.many(6, Self::sparse)?,
            multi: self.many(10, Self::multi)?,
            ..Point::new(0)
        })
    }

    fn place(&mut self) -> Read<VectorPlace> {
        match (self.byte()?, self.half()?) {
            (0, field) => Ok(VectorPlace::Dense(field)),
            (1, field) => Ok(VectorPlace::Sparse(field)),
            (2, field) => Ok(VectorPlace::Multi(field)),
            _ => self.fail("a field of an unknown kind"),
        }
    }

    fn op(&mut self) -> Read<Op> {
        Ok(match self.byte()? {
            UPSERT => {
                let (id, vectors, payload) = (self.id()?, self.vectors()?, self.payload()?);
                Op::Upsert(Point { id, payload, expires_at_ms: self.optional(Self::long)?, ..vectors })
            }
            DELETE => Op::Delete(self.ids()?),
            SET_PAYLOAD => Op::SetPayload(self.ids()?, self.payload()?),
            OVERWRITE_PAYLOAD => Op::OverwritePayload(self.ids()?, self.payload()?),
            DELETE_PAYLOAD_KEYS => Op::DeletePayloadKeys(self.ids()?, self.many(4, Self::key)?),
            CLEAR_PAYLOAD => Op::ClearPayload(self.ids()?),
            UPDATE_VECTORS => {
                let id = self.id()?;
                Op::UpdateVectors(Point { id, ..self.vectors()? })
            }
            DELETE_VECTORS => Op::DeleteVectors(self.ids()?, self.many(3, Self::place)?),
            SET_EXPIRY => Op::SetExpiry(self.ids()?, self.optional(Self::long)?),
            DROP_SOURCE => Op::DropSource(self.key()?),
            _ => return self.fail("an operation of an unknown kind"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = PointId> {
        prop_oneof![
            any::<u64>().prop_map(PointId::Num),
            any::<u128>().prop_map(|bits| PointId::Uuid(Uuid::from_u128(bits)))
        ]
    }

    fn payload() -> impl Strategy<Value = Bytes> {
        vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    fn vectors() -> impl Strategy<Value = Point> {
        let values = || vec(-1e30f32..1e30, 0..20);
        let sparse = vec((any::<u32>(), -1e30f32..1e30), 0..9).prop_map(|pairs| {
            let (indices, values) = pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().unzip();
            SparseVector::new(indices, values).unwrap()
        });
        let multi = (any::<u32>(), values()).prop_map(|(count, values)| MultiVector { count, values });
        let of = (vec((any::<u16>(), values()), 0..4), vec((any::<u16>(), sparse), 0..3));
        (of, vec((any::<u16>(), multi), 0..3)).prop_map(|((vectors, sparse), multi)| Point {
            vectors,
            sparse,
            multi,
            ..Point::new(0)
        })
    }

    fn heading() -> impl Strategy<Value = Heading> {
        let position = (".{0,8}", ".{0,3}", any::<u64>());
        let position =
            position.prop_map(|(source, partition, offset)| Position { source, partition, offset, after: None });
        (prop::option::of(any::<u128>()), vec(position, 0..3))
            .prop_map(|(id, positions)| Heading { op_id: id.map(Uuid::from_u128), positions })
    }

    fn op() -> impl Strategy<Value = Op> {
        let ids = || vec(id(), 0..5);
        let place = prop_oneof![
            any::<u16>().prop_map(VectorPlace::Dense),
            any::<u16>().prop_map(VectorPlace::Sparse),
            any::<u16>().prop_map(VectorPlace::Multi)
        ];
        prop_oneof![
            (id(), vectors(), payload(), any::<Option<u64>>()).prop_map(|(id, vectors, payload, expires_at_ms)| {
                Op::Upsert(Point { id, payload, expires_at_ms, ..vectors })
            }),
            (ids(), any::<Option<u64>>()).prop_map(|(ids, expires_at_ms)| Op::SetExpiry(ids, expires_at_ms)),
            ".{0,8}".prop_map(Op::DropSource),
            ids().prop_map(Op::Delete),
            (ids(), payload()).prop_map(|(ids, payload)| Op::SetPayload(ids, payload)),
            (ids(), payload()).prop_map(|(ids, payload)| Op::OverwritePayload(ids, payload)),
            (ids(), vec(".{0,8}", 0..4)).prop_map(|(ids, keys)| Op::DeletePayloadKeys(ids, keys)),
            ids().prop_map(Op::ClearPayload),
            (id(), vectors()).prop_map(|(id, vectors)| Op::UpdateVectors(Point { id, ..vectors })),
            (ids(), vec(place, 0..5)).prop_map(|(ids, fields)| Op::DeleteVectors(ids, fields)),
        ]
    }

    fn encoded(heading: &Heading, ops: &[Op]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(heading, ops, &mut out);
        out
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(heading in heading(), ops in vec(op(), 0..6)) {
            prop_assert_eq!(decode(&encoded(&heading, &ops).into()).unwrap(), (heading, ops));
        }

        #[test]
        fn no_damage_panics(heading in heading(), ops in vec(op(), 1..4), bit in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
            let whole = encoded(&heading, &ops);
            let cut = cut.index(whole.len());
            prop_assert!(decode(&Bytes::copy_from_slice(&whole[..cut])).is_err());
            let mut flipped = whole.clone();
            let bit = bit.index(whole.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped.into());
        }

        #[test]
        fn noise_does_not_panic(noise in vec(any::<u8>(), 0..200)) {
            let mut body = vec![VERSION, 0, 0, 0, 0, 0, 1, 0, 0, 0];
            body.extend(noise);
            let _ = decode(&body.into());
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_it_is_allocated() {
        let body = [&[VERSION, 0, 0, 0, 0, 0, 1, 0, 0, 0, DELETE][..], &u32::MAX.to_le_bytes(), &[0; 32]].concat();
        assert_eq!(decode(&body.into()).unwrap_err().why, "a count is larger than the bytes that are left");
    }

    /// Found by the fuzzer: what was read was not what would be written.
    #[test]
    fn a_sparse_vector_out_of_order_is_refused() {
        let sparse = SparseVector::new(vec![1, 2], vec![3.0, 4.0]).unwrap();
        let mut body =
            encoded(&Heading::default(), &[Op::Upsert(Point { sparse: vec![(0, sparse)], ..Point::new(7) })]);
        assert!(decode(&body.clone().into()).is_ok());
        let first = body.windows(4).position(|four| four == 3f32.to_le_bytes()).unwrap() - 4;
        body[first] = 9;
        assert_eq!(decode(&body.into()).unwrap_err().why, "a sparse vector whose indices do not rise");
    }

    #[test]
    fn payloads_share_the_memory_of_the_batch() {
        let payload = Bytes::from_static(b"{\"a\":1}");
        let ops = [Op::Upsert(Point { payload, ..Point::new(7) })];
        let body = Bytes::from(encoded(&Heading::default(), &ops));
        let Op::Upsert(point) = decode(&body).unwrap().1.remove(0) else { panic!("an upsert") };
        assert!(body.as_ptr_range().contains(&point.payload.as_ptr()));
    }
}
