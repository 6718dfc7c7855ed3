//! Retrievers by words, and what they show of texts, from the wire and back.

use super::filter::at_place;
use super::query;
use crate::engine::error::{Error, Result};
use crate::engine::query::retriever::Kind;
use crate::engine::words::{Highlight, Piece, Words};
use nigh_proto::v1;
use nigh_storage::schema::CollectionSpec;

/// Bytes of a piece, where no number is said, and at most.
const PIECE_BYTES: (u32, u32) = (160, 4_096);
/// Pieces of a field, likewise.
const PIECES: (u32, u32) = (3, 64);

/// A retriever by words.
pub(super) fn text(wire: v1::Text, spec: &CollectionSpec) -> Result<Kind> {
    let (at, names): (Vec<usize>, Vec<&str>) = spec.text_fields().map(|(at, field)| (at, &field.name[..])).unzip();
    let fields = match wire.fields.is_empty() {
        true => vec![(at[query::place("text", &wire.field, &names)?], 1.0)],
        false if !wire.field.is_empty() => {
            return Err(Error::invalid("text.field", "given beside fields", "a retriever has one of the two"));
        }
        false => {
            let one = |(number, one): (usize, v1::TextWeight)| {
                let place = query::place("text", &one.field, &names);
                Ok((at[place.map_err(|err| at_place(err, "text.fields", number))?], one.weight))
            };
            wire.fields.into_iter().enumerate().map(one).collect::<Result<Vec<(usize, f32)>>>()?
        }
    };
    let mut places: Vec<usize> = fields.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    places.dedup();
    if places.len() < fields.len() {
        return Err(Error::invalid("text.fields", "a field twice", "a field is given once"));
    }
    let highlight = wire.highlight.map(|asked| {
        let bytes = within("text.highlight.bytes", asked.bytes, PIECE_BYTES)?;
        Ok::<_, Error>(Highlight { bytes, pieces: within("text.highlight.pieces", asked.pieces, PIECES)? })
    });
    Ok(Kind::Text(Words {
        fields,
        query: wire.query,
        syntax: wire.syntax,
        rarity_under_filter: wire.rarity_under_filter,
        highlight: highlight.transpose()?,
        ..Words::default()
    }))
}

fn within(field: &str, asked: u32, (usual, most): (u32, u32)) -> Result<usize> {
    match asked {
        0 => Ok(usual as usize),
        asked if asked <= most => Ok(asked as usize),
        asked => Err(Error::invalid(field, asked, format!("it is at most {most}"))),
    }
}

/// What is shown of a point's texts.
pub(super) fn shown_out(shown: Vec<Piece>, spec: &CollectionSpec) -> Vec<v1::Highlight> {
    let one = |piece: Piece| v1::Highlight {
        field: spec.texts[piece.field].name.clone(),
        text: piece.text,
        from: piece.from as u64,
        words: piece.words.iter().map(|word| v1::Span { from: word.start as u32, to: word.end as u32 }).collect(),
    };
    shown.into_iter().map(one).collect()
}
