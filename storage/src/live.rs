//! A live part: rows in memory, with the same indexes as a segment, for which the log stands.

use crate::error::Result;
use crate::expiry::Expiries;
use crate::kinds::OtherVectors;
use crate::part::Part;
use crate::prepare::{NewRow, Schema, TextReader, parse_payload};
use crate::schema::VectorPlace;
use bytes::Bytes;
use nigh_index::filter::field::Fields;
use nigh_index::filter::live::LiveFields;
use nigh_index::id::PointId;
use nigh_index::row::{Kept, Row};
use nigh_index::text::bm25::{self, TextPart};
use nigh_index::text::live::{Analysed, LiveText};
use nigh_index::vector::live::LiveVectors;
use nigh_index::vector::nearest::{self, Nearest};
use nigh_index::vector::sealed::SealedVectors;
use std::borrow::Cow;

/// Rows in memory. Never changes; small ones are melted into larger ones.
pub(crate) struct LivePart {
    ids: Vec<PointId>,
    versions: Vec<u64>,
    expiries: Option<Expiries>,
    /// The same ids, sorted, each with its row.
    sorted: Vec<(PointId, Row)>,
    payloads: Vec<Bytes>,
    payload_bytes: u64,
    fields: LiveFields,
    /// `None` where the field was dropped.
    vectors: Vec<Option<LiveVectors>>,
    others: OtherVectors,
    /// `None` where the field was dropped, or was added after the part was made.
    texts: Vec<Option<LiveText>>,
    bytes: u64,
}

impl LivePart {
    /// From new rows, no id twice.
    pub(crate) fn build(schema: &Schema, rows: Vec<NewRow>) -> Self {
        let vectors = (0..schema.spec.vectors.len())
            .map(|field| {
                let spec = &schema.spec.vectors[field].spec;
                let there = !schema.spec.is_dropped(VectorPlace::Dense(field as u16));
                there.then(|| LiveVectors::build(spec, rows.iter().map(|row| vector_of(row, field))))
            })
            .collect();
        let others = OtherVectors::build(schema, &rows);
        let mut parts = Columns::with_capacity(rows.len(), schema);
        for row in rows {
            parts.push(row, schema);
        }
        let texts = parts.texts.into_iter().map(|column| column.map(LiveText::build)).collect();
        let fields = LiveFields::build(parts.extracted, &schema.rules);
        let known = Known { ids: parts.ids, versions: parts.versions, expiring: parts.expiring };
        Self::assemble(known, parts.payloads, fields, (vectors, others), texts)
    }

    /// The kept rows of several live parts, one after another.
    pub(crate) fn concat(schema: &Schema, kept: &[Kept<'_, LivePart>]) -> Self {
        let mut known = Known { ids: Vec::new(), versions: Vec::new(), expiring: Vec::new() };
        let mut payloads = Vec::new();
        for from in kept {
            let start = known.ids.len() as u32;
            known.expiring.extend(
                from.rows.iter().zip(start..).filter_map(|(row, at)| Some((at, from.part.expires_at_ms(*row)?))),
            );
            known.versions.extend(from.rows.iter().map(|row| from.part.versions[row.at()]));
            known.ids.extend(from.rows.iter().map(|row| from.part.ids[row.at()]));
            payloads.extend(from.rows.iter().map(|row| from.part.payloads[row.at()].clone()));
        }
        let vectors = (0..schema.spec.vectors.len())
            .map(|field| {
                let spec = &schema.spec.vectors[field].spec;
                let none = LiveVectors::build(spec, std::iter::empty::<Option<&[f32]>>());
                // A row beyond the end of the empty part has no vector.
                let of = kept.iter().map(|from| Kept {
                    part: from.part.vectors.get(field).and_then(Option::as_ref).unwrap_or(&none),
                    rows: from.rows,
                });
                let there = !schema.spec.is_dropped(VectorPlace::Dense(field as u16));
                there.then(|| LiveVectors::concat(spec, &of.collect::<Vec<_>>()))
            })
            .collect();
        let of: Vec<_> = kept.iter().map(|from| Kept { part: &from.part.others, rows: from.rows }).collect();
        let others = OtherVectors::concat(schema, &of);
        let texts = schema.texts.iter().enumerate().map(|(field, reader)| {
            let reader = reader.as_ref()?;
            let own: Vec<Cow<'_, LiveText>> = kept.iter().map(|from| from.part.read_text(field, reader)).collect();
            let of: Vec<_> = own.iter().zip(kept).map(|(text, from)| Kept { part: &**text, rows: from.rows }).collect();
            Some(LiveText::concat(&of))
        });
        let texts = texts.collect();
        let of: Vec<_> = kept.iter().map(|from| Kept { part: &from.part.fields, rows: from.rows }).collect();
        let fields = LiveFields::concat(&of, &schema.rules);
        Self::assemble(known, payloads, fields, (vectors, others), texts)
    }

    /// The text of a field, which is read now where the part was made before the field was added.
    fn read_text(&self, field: usize, reader: &TextReader) -> Cow<'_, LiveText> {
        match self.texts.get(field) {
            Some(Some(text)) => Cow::Borrowed(text),
            _ => Cow::Owned(LiveText::build(self.payloads.iter().map(|payload| analysed(reader, payload)))),
        }
    }

    fn assemble(
        known: Known,
        payloads: Vec<Bytes>,
        fields: LiveFields,
        (vectors, others): (Vec<Option<LiveVectors>>, OtherVectors),
        texts: Vec<Option<LiveText>>,
    ) -> Self {
        let Known { ids, versions, expiring } = known;
        let expiries = Expiries::build(&expiring);
        let mut sorted: Vec<_> = ids.iter().enumerate().map(|(row, id)| (*id, Row(row as u32))).collect();
        sorted.sort_unstable();
        let own = size_of::<PointId>() + size_of::<(PointId, Row)>() + size_of::<u64>() + size_of::<Bytes>();
        let payload_bytes = payloads.iter().map(|payload| payload.len() as u64).sum::<u64>();
        let bytes = payload_bytes
            + (payloads.len() * own) as u64
            + fields.memory_bytes()
            + expiries.as_ref().map_or(0, Expiries::memory_bytes)
            + vectors.iter().flatten().map(LiveVectors::memory_bytes).sum::<u64>()
            + others.memory_bytes()
            + texts.iter().flatten().map(LiveText::memory_bytes).sum::<u64>();
        Self { ids, versions, expiries, sorted, payloads, payload_bytes, fields, vectors, others, texts, bytes }
    }
}

/// What a part knows of its rows themselves.
struct Known {
    ids: Vec<PointId>,
    versions: Vec<u64>,
    /// Rows that expire, rising, each with its time.
    expiring: Vec<(u32, u64)>,
}

/// What stands in one column for every row.
struct Columns {
    ids: Vec<PointId>,
    versions: Vec<u64>,
    expiring: Vec<(u32, u64)>,
    payloads: Vec<Bytes>,
    extracted: Vec<nigh_index::filter::live::Extracted>,
    /// `None` where the field was dropped.
    texts: Vec<Option<Vec<Option<Analysed>>>>,
}

impl Columns {
    fn with_capacity(rows: usize, schema: &Schema) -> Self {
        Self {
            ids: Vec::with_capacity(rows),
            versions: Vec::with_capacity(rows),
            expiring: Vec::new(),
            payloads: Vec::with_capacity(rows),
            extracted: Vec::with_capacity(rows),
            texts: schema.texts.iter().map(|reader| reader.as_ref().map(|_| Vec::with_capacity(rows))).collect(),
        }
    }

    fn push(&mut self, row: NewRow, schema: &Schema) {
        let at = self.ids.len() as u32;
        self.expiring.extend(row.point.expires_at_ms.map(|time_ms| (at, time_ms)));
        self.ids.push(row.point.id);
        self.versions.push(row.version);
        let mut texts = row.texts.into_iter();
        for (column, reader) in self.texts.iter_mut().zip(&schema.texts) {
            let known = texts.next();
            let (Some(column), Some(reader)) = (column, reader) else { continue };
            // A row that was prepared before the field was added is read for it now.
            column.push(known.unwrap_or_else(|| analysed(reader, &row.point.payload)));
        }
        self.payloads.push(row.point.payload);
        self.extracted.push(row.extracted);
    }
}

fn analysed(reader: &TextReader, payload: &Bytes) -> Option<Analysed> {
    // It was parsed before it was written.
    reader.analyse(&parse_payload("payload", payload).ok()?)
}

fn vector_of(row: &NewRow, field: usize) -> Option<&[f32]> {
    let vectors = &row.point.vectors;
    let at = vectors.binary_search_by_key(&field, |(have, _)| usize::from(*have)).ok()?;
    Some(&vectors[at].1)
}

impl Part for LivePart {
    fn segment(&self) -> u64 {
        0
    }

    fn rows(&self) -> u32 {
        self.ids.len() as u32
    }

    fn id(&self, row: Row) -> PointId {
        self.ids[row.at()]
    }

    fn version(&self, row: Row) -> u64 {
        self.versions[row.at()]
    }

    fn expiries(&self) -> Option<&Expiries> {
        self.expiries.as_ref()
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        let at = self.sorted.binary_search_by(|(have, _)| have.cmp(id)).ok()?;
        Some(self.sorted[at].1)
    }

    fn ids_from(&self, from: &PointId) -> Box<dyn Iterator<Item = (PointId, Row)> + '_> {
        let at = self.sorted.partition_point(|(have, _)| have < from);
        Box::new(self.sorted[at..].iter().copied())
    }

    fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    fn payload(&self, row: Row) -> Result<Bytes> {
        Ok(self.payloads[row.at()].clone())
    }

    fn fields(&self) -> &dyn Fields {
        &self.fields
    }

    fn nearest(&self, field: usize) -> &dyn Nearest {
        match self.vectors.get(field) {
            Some(Some(vectors)) => vectors,
            _ => nearest::absent(),
        }
    }

    fn others(&self) -> &OtherVectors {
        &self.others
    }

    fn sealed(&self, _field: usize) -> Option<&SealedVectors> {
        None
    }

    fn text(&self, field: usize) -> &dyn TextPart {
        match self.texts.get(field) {
            Some(Some(text)) => text,
            _ => bm25::absent(),
        }
    }

    fn has_text(&self, field: usize) -> bool {
        self.texts.get(field).is_some_and(Option::is_some)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn held_bytes(&self) -> u64 {
        self.bytes
    }
}
