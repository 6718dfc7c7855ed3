//! What a text is read as.

use crate::calls::{call, text_field_out};
use crate::client::Client;
use crate::error::Result;
use crate::query::Retriever;
use crate::retry::Repeat;
use crate::schema::TextField;
use nigh_proto::v1;
use std::ops::Range;

/// A term as it stands in the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The term.
    pub term: String,
    /// The number of its word in the text; what is inside a word has that of the word.
    pub position: u32,
    /// Where the word stands, in bytes of the text.
    pub bytes: Range<usize>,
}

impl Client {
    /// What an analyzer makes of a text: "standard", or a language by its name or code, with options: "german+fold".
    pub async fn analyze(&self, analyzer: impl Into<String>, text: impl Into<String>) -> Result<Vec<Token>> {
        let request = v1::AnalyzeRequest { analyzer: analyzer.into(), text: text.into() };
        let reply = call!(self, Harmless, collections.analyze, request).await?;
        let token = |token: v1::Token| Token {
            bytes: token.from as usize..token.to as usize,
            term: token.term,
            position: token.position,
        };
        Ok(reply.tokens.into_iter().map(token).collect())
    }

    /// Adds a text field, and waits until all that was written before has been read for it. Fails where a field has this
    /// name.
    pub async fn add_text(&self, collection: &str, field: TextField) -> Result<()> {
        self.text_added(collection, field, false).await.map(|_| ())
    }

    /// As [`Self::add_text`], but fine where an equal field is there; whether it was added.
    pub async fn add_text_if_absent(&self, collection: &str, field: TextField) -> Result<bool> {
        self.text_added(collection, field, true).await
    }

    /// Drops a text field; payloads keep their texts. Whether there was one of this name.
    pub async fn drop_text(&self, collection: &str, name: &str) -> Result<bool> {
        let request = v1::DropTextRequest { collection: collection.to_owned(), name: name.to_owned() };
        Ok(call!(self, Matters, collections.drop_text, request).await?.dropped)
    }

    async fn text_added(&self, collection: &str, field: TextField, if_absent: bool) -> Result<bool> {
        let request =
            v1::AddTextRequest { collection: collection.to_owned(), field: Some(text_field_out(field)), if_absent };
        Ok(match if_absent {
            true => call!(self, Harmless, collections.add_text, request).await?,
            false => call!(self, Matters, collections.add_text, request).await?,
        }
        .added)
    }
}

/// How a retriever by words reads its query, and what it shows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TextOptions {
    /// Several fields, each with its weight, instead of the retriever's own.
    pub fields: Vec<(String, f32)>,
    /// Whether `+must -not "a phrase" begin*` mean something.
    pub syntax: bool,
    /// Whether words are as rare as they are among the points that the filter leaves.
    pub rarity_under_filter: bool,
    /// What of the texts comes back with the hits.
    pub highlight: Option<Highlighting>,
}

/// What of a text comes back; 0 is the default.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Highlighting {
    /// Bytes of a piece, at most; 160.
    pub bytes: u32,
    /// Pieces of a field, at most; 3.
    pub pieces: u32,
}

/// A piece of a text with the words that were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Highlight {
    /// The text field.
    pub field: String,
    /// The piece.
    pub text: String,
    /// Where it begins in the string that it is of, in bytes.
    pub from: usize,
    /// The words in it, in bytes of it.
    pub words: Vec<Range<usize>>,
}

impl Retriever {
    /// By words in several text fields: a point scores the weighted sum of them.
    pub fn text_in<S: Into<String>>(fields: impl IntoIterator<Item = (S, f32)>, words: impl Into<String>) -> Self {
        let mut retriever = Self::text("", words);
        retriever.text.fields = fields.into_iter().map(|(field, weight)| (field.into(), weight)).collect();
        retriever
    }

    /// Reads signs, quotes and stars in its words: `+must -not "a phrase" begin*`.
    pub fn syntax(mut self) -> Self {
        self.text.syntax = true;
        self
    }

    /// Counts how rare words are among the points that the filter leaves.
    pub fn rarity_under_filter(mut self) -> Self {
        self.text.rarity_under_filter = true;
        self
    }

    /// Shows the words that were found in pieces of the texts.
    pub fn highlight(mut self, highlighting: Highlighting) -> Self {
        self.text.highlight = Some(highlighting);
        self
    }
}

pub(crate) fn text_out(field: String, query: String, options: TextOptions) -> v1::Text {
    let weighted = |(field, weight): (String, f32)| v1::TextWeight { field, weight };
    v1::Text {
        field,
        query,
        syntax: options.syntax,
        fields: options.fields.into_iter().map(weighted).collect(),
        rarity_under_filter: options.rarity_under_filter,
        highlight: options.highlight.map(|asked| v1::Highlighting { bytes: asked.bytes, pieces: asked.pieces }),
    }
}

pub(crate) fn highlight_in(wire: v1::Highlight) -> Highlight {
    let words = wire.words.into_iter().map(|span| span.from as usize..span.to as usize).collect();
    Highlight { field: wire.field, text: wire.text, from: wire.from as usize, words }
}
