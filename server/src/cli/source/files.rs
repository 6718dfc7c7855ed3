//! Which files an import reads: one, those of a folder or of a pattern, or objects of a bucket; one behind the other, in
//! the order of their names.

use super::identity::Identity;
use super::{Extent, Format, Opening, Record, wrong};
use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::mapping::Mapping;
use glob::{MatchOptions, Pattern, glob_with};
use nigh_client::Point;
use nigh_server::engine::target::Target;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

/// No import reads more files.
const FILES_MAX: usize = 100_000;
/// Folders inside one another go no deeper.
const DEPTH_MAX: usize = 32;
const BUCKET: &str = "s3://";
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Where a file is.
#[derive(Clone)]
enum Held {
    Here,
    /// An object, by its key below the bucket and the tag of what it holds; it is fetched when its turn comes.
    Bucket(Arc<Target>, String, String),
}

/// A file.
#[derive(Clone)]
struct Input {
    /// How people call it.
    path: PathBuf,
    bytes: u64,
    format: Format,
    place: Held,
}

/// All files of an import.
pub(crate) struct Files {
    inputs: Vec<Input>,
    /// Whether it is one file, named as such.
    single: bool,
}

impl Files {
    /// Finds them. `format` is that of all files; else their names tell, and in folders and patterns a file whose name
    /// does not is passed over.
    pub(crate) async fn find(path: &Path, format: Option<Format>) -> Result<Self> {
        let text = path.to_string_lossy();
        if let Some(place) = text.strip_prefix(BUCKET) {
            return of_bucket(place, format).await;
        }
        if text == "-" {
            let format = format.unwrap_or(Format::Jsonl);
            let input = Input { path: path.to_owned(), bytes: 0, format, place: Held::Here };
            return Ok(Self { inputs: vec![input], single: true });
        }
        let paths = match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => below(path, 0)?,
            Ok(meta) => {
                let format = format.or_else(|| Format::of(path));
                let format = format.ok_or_else(|| unknown(path))?;
                let input = Input { path: path.to_owned(), bytes: meta.len(), format, place: Held::Here };
                return Ok(Self { inputs: vec![input], single: true });
            }
            Err(_) if text.contains(['*', '?', '[']) => {
                let found = glob_with(&text, OPTIONS);
                let found = found.map_err(|error| Failure::Usage(format!("{text}: {error}")))?;
                let found = found.take(FILES_MAX + 1).collect::<Result<Vec<_>, _>>();
                let found = found.map_err(|error| doing("read", path)(error.into()))?;
                found.into_iter().filter(|path| path.is_file()).collect()
            }
            Err(error) => return Err(doing("open", path)(error)),
        };
        let input = |path: PathBuf| {
            let format = format.or_else(|| Format::of(&path))?;
            let bytes = std::fs::metadata(&path).map_err(doing("open", &path)).map(|meta| meta.len());
            Some(bytes.map(|bytes| Input { path, bytes, format, place: Held::Here }))
        };
        let mut inputs = paths.into_iter().filter_map(input).collect::<Result<Vec<_>>>()?;
        inputs.sort_by(|a, b| a.path.cmp(&b.path));
        Self { inputs, single: false }.checked(path)
    }

    fn checked(self, path: &Path) -> Result<Self> {
        match self.inputs.len() {
            0 => {
                Err(wrong(path, Place::Whole, "there is no file of a format that is known; --format says which it is"))
            }
            files if files > FILES_MAX => {
                Err(wrong(path, Place::Whole, format!("there are more than {FILES_MAX} files")))
            }
            _ => Ok(self),
        }
    }

    /// Whether it is one file, named as such.
    pub(crate) fn is_single(&self) -> bool {
        self.single
    }

    /// Whether any of them has such a format.
    pub(crate) fn any(&self, such: impl Fn(Format) -> bool) -> bool {
        self.inputs.iter().any(|input| such(input.format))
    }

    /// What a change of any of them changes, and of the file of vectors beside them. Reads a little of each.
    pub(crate) fn identity(&self, vectors: Option<&Path>) -> Result<String> {
        let mut identity = Identity::default();
        for input in &self.inputs {
            match &input.place {
                // Nobody knows what standard input is read from.
                Held::Here if input.path.as_os_str() == "-" => {}
                Held::Here => identity.file(&input.path)?,
                Held::Bucket(_, _, tag) => identity.object(input.bytes, tag),
            }
        }
        vectors.map_or(Ok(()), |path| identity.file(path))?;
        Ok(identity.told())
    }

    /// Opens the first file, and the others as they come; rows are counted on from file to file.
    pub(crate) fn open(self, options: Options, mapping: Mapping) -> Result<Rows> {
        let Options { vectors, vector_field, skip } = options;
        let mut rows = Rows {
            inputs: self.inputs.into_iter(),
            extent: Extent::Unknown,
            vectors,
            vector_field,
            mapping,
            single: self.single,
            skip,
            before: 0,
            reading: None,
            failed: false,
        };
        rows.turn()?;
        if let (true, Some(reading)) = (self.single, &rows.reading) {
            rows.extent = reading.extent.clone();
        }
        Ok(rows)
    }
}

/// How files are read.
pub(crate) struct Options {
    /// A `.npy` file whose rows stand beside the lines.
    pub(crate) vectors: Option<PathBuf>,
    /// The vector field of files that hold nothing but vectors, and of that one.
    pub(crate) vector_field: String,
    /// Rows to leave out at the start.
    pub(crate) skip: u64,
}

/// The file that is being read.
struct Reading {
    path: PathBuf,
    /// What was opened: the same, or what was fetched.
    opened: PathBuf,
    records: Box<dyn Iterator<Item = Result<Record>> + Send>,
    extent: Extent,
    mapping: Mapping,
    /// Its row of the next record.
    next: u64,
    /// What was fetched for it; removed with it.
    _fetched: Option<NamedTempFile>,
}

/// The points of all files. An error is the last one.
pub(crate) struct Rows {
    inputs: std::vec::IntoIter<Input>,
    /// How much there is, where it is one file.
    pub(crate) extent: Extent,
    vectors: Option<PathBuf>,
    vector_field: String,
    mapping: Mapping,
    single: bool,
    /// Rows that are still to be left out.
    skip: u64,
    /// Rows of the files before.
    before: u64,
    reading: Option<Reading>,
    failed: bool,
}

impl Rows {
    /// Goes to the next file; one of which nothing is left is passed over.
    fn turn(&mut self) -> Result<()> {
        self.reading = None;
        while let Some(input) = self.inputs.next() {
            let fetched = match &input.place {
                Held::Here => None,
                Held::Bucket(target, key, _) => Some(fetch(target, key, &input.path)?),
            };
            let path = fetched.as_ref().map_or_else(|| input.path.clone(), |file| file.path().to_owned());
            let named = |failure: Failure| failure.named(&path, &input.path);
            let opening = |skip| Opening {
                path: path.clone(),
                format: input.format,
                vectors: self.vectors.clone(),
                vector_field: self.vector_field.clone(),
                skip,
            };
            // One file may know how to begin in its middle; of several it has to be known how many rows each has.
            let first = if self.single { self.skip } else { 0 };
            let mut source = opening(first).open(&self.mapping).map_err(named)?;
            let mut skipped = first;
            if let (false, Extent::Rows(rows)) = (self.single, &source.extent) {
                let rows = *rows;
                if self.skip >= rows {
                    self.skip -= rows;
                    self.before += rows;
                    continue;
                }
                if self.skip > 0 {
                    skipped = self.skip;
                    source = opening(skipped).open(&self.mapping).map_err(named)?;
                }
            }
            self.skip -= skipped;
            let mapping = if source.exported { self.mapping.clone().of_export() } else { self.mapping.clone() };
            let (records, extent) = (source.records, source.extent);
            let reading = Reading {
                path: input.path.clone(),
                opened: path.clone(),
                records,
                extent,
                mapping,
                next: skipped,
                _fetched: fetched,
            };
            self.reading = Some(reading);
            return Ok(());
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Point>> {
        loop {
            let Some(reading) = &mut self.reading else { return Ok(None) };
            let Some(record) = reading.records.next() else {
                self.before += reading.next;
                self.turn()?;
                continue;
            };
            let mut record = record.map_err(|failure| failure.named(&reading.opened, &reading.path))?;
            reading.next = record.row + 1;
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            record.row += self.before;
            let place = record.place;
            return reading.mapping.point(record).map(Some).map_err(|why| wrong(&reading.path, place, why));
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Point>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let point = self.read();
        self.failed = point.is_err();
        point.transpose()
    }
}

fn unknown(path: &Path) -> Failure {
    Failure::Usage(format!("{}: say its format with --format", path.display()))
}

/// All files below a folder but hidden ones.
fn below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    if depth > DEPTH_MAX {
        return Err(wrong(folder, Place::Whole, format!("lies deeper than {DEPTH_MAX} folders")));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(doing("read", folder))? {
        let path = entry.map_err(doing("read", folder))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_dir() {
            found.extend(below(&path, depth + 1)?);
        } else if !hidden {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            break;
        }
    }
    Ok(found)
}

/// An object, those of a folder (`s3://bucket/folder/`), or those of a pattern (`s3://bucket/*/part-?.parquet`).
async fn of_bucket(place: &str, format: Option<Format>) -> Result<Files> {
    let shown = PathBuf::from(format!("{BUCKET}{place}"));
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    let target = Arc::new(Target::open("import", &format!("{BUCKET}{bucket}"))?);
    let pattern = match key.contains(['*', '?', '[']) {
        true => Some(Pattern::new(key).map_err(|error| Failure::Usage(format!("{}: {error}", shown.display())))?),
        false => None,
    };
    let folder = match &pattern {
        // What stands before the first mark, without its last part.
        Some(_) => {
            key.split(['*', '?', '[']).next().and_then(|start| start.rsplit_once('/')).map_or("", |(folder, _)| folder)
        }
        None => key.trim_end_matches('/'),
    };
    let input = |key: &str, bytes, tag| {
        let path = PathBuf::from(format!("{BUCKET}{bucket}/{key}"));
        let format = format.or_else(|| Format::of(&path))?;
        Some(Input { path, bytes, format, place: Held::Bucket(Arc::clone(&target), key.to_owned(), tag) })
    };
    if pattern.is_none()
        && !key.is_empty()
        && !key.ends_with('/')
        && let Some((bytes, tag)) = target.state(key).await?
    {
        let input = input(key, bytes, tag).ok_or_else(|| unknown(&shown))?;
        return Ok(Files { inputs: vec![input], single: true });
    }
    let mut inputs = Vec::new();
    for listed in target.list(folder).await? {
        let key = if folder.is_empty() { listed.name } else { format!("{folder}/{}", listed.name) };
        if pattern.as_ref().is_none_or(|pattern| pattern.matches_with(&key, OPTIONS)) {
            inputs.extend(input(&key, listed.bytes, listed.tag));
        }
    }
    Files { inputs, single: false }.checked(&shown)
}

/// Fetches an object into a file beside other temporary ones.
fn fetch(target: &Target, key: &str, shown: &Path) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new().map_err(doing("fetch", shown))?;
    let mut wrong = None;
    let fetched = Handle::current().block_on(target.stream(key, &mut |bytes| {
        if wrong.is_none() {
            wrong = file.write_all(&bytes).err();
        }
        Ok(())
    }));
    match wrong {
        Some(error) => Err(doing("fetch", shown)(error)),
        None => Ok(fetched.map(|()| file)?),
    }
}
