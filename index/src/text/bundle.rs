//! A tantivy index of one segment, kept as sections of a body and read in place.
//!
//! ```text
//! tantivy.meta    what tantivy calls meta.json
//! tantivy.<kind>  the segment's file of that kind: see `KINDS`
//! ```
//!
//! tantivy names a segment by a random number. Here every segment has the same name, so that the
//! same rows give the same bytes. It indexes terms, how often a row has them and where, and nothing else:
//! no stored document, and no lengths, which it would round.

use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use bytes::Bytes;
use stable_deref_trait::StableDeref;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{FileHandle, OwnedBytes, RamDirectory, WatchCallback, WatchHandle, WritePtr};
use tantivy::index::{InvertedIndexReader, SegmentComponent, SegmentReader};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};
use tantivy::{Directory, Index, IndexBuilder, IndexSettings, SingleSegmentIndexWriter, TantivyDocument, TantivyError};

/// tantivy's doc ids end here.
pub(crate) const ROWS_MAX: u32 = i32::MAX as u32 - 1;

/// Stands behind a term of a row; no term holds it. One alone is a position without a term.
const BETWEEN: char = '\n';
/// Stands before a term that has the position of the one before it.
const SAME: char = '\r';

/// Adds a term at a position; `last` is the position of the term before it.
pub(crate) fn join(joined: &mut String, term: &str, position: u32, last: &mut Option<u32>) {
    let next = last.map_or(0, |last| last.saturating_add(1));
    if *last == Some(position) {
        joined.push(SAME);
    }
    (next..position).for_each(|_| joined.push(BETWEEN));
    joined.push_str(term);
    joined.push(BETWEEN);
    *last = Some(position);
}

const META: &str = "meta.json";
const META_SECTION: &str = "tantivy.meta";
/// The files of a segment, by their endings.
const KINDS: [&str; 6] = ["term", "idx", "pos", "fieldnorm", "fast", "store"];
const TERMS: &str = "terms";

/// The name of every segment, in the two spellings that tantivy uses.
const SEGMENT: &str = "00000000-0000-0000-0000-000000000000";
const SEGMENT_FILE: &str = "00000000000000000000000000000000";

/// The segment's tables grow with what it holds; this only decides how they begin.
const MEMORY_BUDGET: usize = 64 << 20;

/// Builds an index row by row, in the caller's thread.
pub(crate) struct Builder {
    writer: SingleSegmentIndexWriter<TantivyDocument>,
    field: Field,
    files: RamDirectory,
}

impl Builder {
    /// An index without rows.
    pub(crate) fn new() -> Result<Self> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TERMS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
            .set_fieldnorms(false);
        let field = schema.add_text_field(TERMS, TextOptions::default().set_indexing_options(indexing));
        let tokenizers = TokenizerManager::new();
        tokenizers.register(TERMS, TextAnalyzer::from(Joined));
        let settings = IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let files = RamDirectory::create();
        let writer = IndexBuilder::new()
            .schema(schema.build())
            .settings(settings)
            .tokenizers(tokenizers)
            .single_segment_index_writer(files.clone(), MEMORY_BUDGET)
            .map_err(failed)?;
        Ok(Self { writer, field, files })
    }

    /// Adds a row by its terms: what [`join`] made of them.
    pub(crate) fn add(&mut self, terms: &str) -> Result<()> {
        let mut document = TantivyDocument::new();
        if !terms.is_empty() {
            document.add_text(self.field, terms);
        }
        self.writer.add_document(document).map_err(failed)
    }

    /// Lays the index down, and gives it to be read once more.
    pub(crate) fn finish(self, out: &mut SectionsWriter<Vec<u8>>) -> Result<Arc<InvertedIndexReader>> {
        let index = self.writer.finalize().map_err(failed)?;
        let segments = index.searchable_segment_metas().map_err(failed)?;
        let [segment] = segments.as_slice() else {
            return Err(failed("an index was built of more than one segment"));
        };
        let meta = self.files.atomic_read(Path::new(META)).map_err(failed)?;
        let meta = String::from_utf8(meta).map_err(failed)?;
        let (file_name, name) = (segment.id().uuid_string(), hyphenated(&segment.id().uuid_string()));
        let meta = meta.replace(&name, SEGMENT).replace(&file_name, SEGMENT_FILE);
        out.put(META_SECTION, meta.as_bytes()).map_err(failed)?;
        for kind in KINDS {
            let file = segment.relative_path(SegmentComponent::Custom(kind.to_owned()));
            if self.files.exists(&file).map_err(failed)? {
                let bytes = self.files.open_read(&file).map_err(failed)?.read_bytes().map_err(failed)?;
                out.put(&section(kind), bytes.as_slice()).map_err(failed)?;
            }
        }
        let reader = SegmentReader::open(&index.segment(segment.clone())).map_err(failed)?;
        reader.inverted_index(self.field).map_err(failed)
    }
}

/// Opens the index of `rows` rows that lies in these sections.
pub(crate) fn open(sections: &Sections, rows: u32) -> Result<Arc<InvertedIndexReader>> {
    let corrupt = |why: TantivyError| Error::corrupt(META_SECTION, 0, why.to_string());
    let index = Index::open(Folder(sections.clone())).map_err(corrupt)?;
    let segments = index.searchable_segments().map_err(corrupt)?;
    let [segment] = segments.as_slice() else {
        return Err(Error::corrupt(META_SECTION, 0, format!("holds {} segments, not 1", segments.len())));
    };
    let reader = SegmentReader::open(segment).map_err(corrupt)?;
    if reader.max_doc() != rows {
        return Err(Error::corrupt(META_SECTION, 0, format!("holds {} rows, not {rows}", reader.max_doc())));
    }
    let field = index.schema().get_field(TERMS).map_err(corrupt)?;
    reader.inverted_index(field).map_err(corrupt)
}

fn section(kind: &str) -> String {
    format!("tantivy.{kind}")
}

fn hyphenated(name: &str) -> String {
    // As tantivy writes it into meta.json.
    uuid::Uuid::try_parse(name).map_or_else(|_| name.to_owned(), |name| name.hyphenated().to_string())
}

/// Building happens in memory, so what fails there is neither the caller's mistake nor the disk's.
fn failed(why: impl fmt::Display) -> Error {
    Error::invalid("text", "the rows given", format!("they could not be indexed: {why}"))
}

/// Cuts a row's joined terms apart again.
#[derive(Clone)]
struct Joined;

impl Tokenizer for Joined {
    type TokenStream<'a> = JoinedStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> JoinedStream<'a> {
        JoinedStream { rest: text, token: Token::default() }
    }
}

struct JoinedStream<'a> {
    rest: &'a str,
    token: Token,
}

impl TokenStream for JoinedStream<'_> {
    fn advance(&mut self) -> bool {
        while let Some((term, rest)) = self.rest.split_once(BETWEEN) {
            self.rest = rest;
            let (term, step) = term.strip_prefix(SAME).map_or((term, 1), |term| (term, 0));
            self.token.position = self.token.position.wrapping_add(step);
            if !term.is_empty() {
                self.token.text.clear();
                self.token.text.push_str(term);
                return true;
            }
        }
        false
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// The sections as tantivy wants to see them: a folder that is only read.
#[derive(Clone, Debug)]
struct Folder(Sections);

impl Folder {
    fn file(&self, path: &Path) -> std::result::Result<Bytes, OpenReadError> {
        let name = match path.to_str() {
            Some(META) => META_SECTION.to_owned(),
            _ => match (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str())) {
                (Some(SEGMENT_FILE), Some(kind)) => section(kind),
                _ => return Err(OpenReadError::FileDoesNotExist(path.to_owned())),
            },
        };
        self.0.bytes(&name).map_err(|_| OpenReadError::FileDoesNotExist(path.to_owned()))
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a body never changes")
}

impl Directory for Folder {
    fn get_file_handle(&self, path: &Path) -> std::result::Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(OwnedBytes::new(Shared(self.file(path)?))))
    }

    fn exists(&self, path: &Path) -> std::result::Result<bool, OpenReadError> {
        Ok(self.file(path).is_ok())
    }

    fn atomic_read(&self, path: &Path) -> std::result::Result<Vec<u8>, OpenReadError> {
        Ok(self.file(path)?.to_vec())
    }

    fn delete(&self, path: &Path) -> std::result::Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn open_write(&self, path: &Path) -> std::result::Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_write(&self, _path: &Path, _data: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&self, _callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// Bytes that tantivy may hold by their address.
struct Shared(Bytes);

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

// SAFETY: `Bytes` holds a pointer to memory that it shares or owns elsewhere, never inline, and
// gives no way to change or move that memory while it lives: moving a `Bytes` (and so a `Shared`)
// leaves the address of what it derefs to as it was.
unsafe impl StableDeref for Shared {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_stay_where_they_are() {
        for bytes in
            [Bytes::from(vec![1, 2, 3]), Bytes::from_static(b"abc"), Bytes::from_owner(vec![1u8, 2]).slice(1..)]
        {
            let at = bytes.as_ptr();
            let moved = Box::new(Shared(bytes));
            assert_eq!(moved.as_ptr(), at);
        }
    }

    #[test]
    fn joined_terms_come_apart() {
        let mut terms = Vec::new();
        let (mut joined, mut last) = (String::new(), None);
        for (term, position) in [("a", 0), ("bc", 1), ("b", 1), ("d", 4)] {
            join(&mut joined, term, position, &mut last);
        }
        let mut see = |token: &Token| terms.push((token.text.clone(), token.position));
        TextAnalyzer::from(Joined).token_stream(&joined).process(&mut see);
        assert_eq!(terms, [("a".to_owned(), 0), ("bc".to_owned(), 1), ("b".to_owned(), 1), ("d".to_owned(), 4)]);
    }
}
