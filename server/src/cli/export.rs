//! `nigh export`: a whole collection as one Parquet file, which others read and `nigh import` takes back.
//!
//! ```text
//! _id       text: a number, or a UUID                  rows stand in rising order of id
//! <field>   one column for each vector field: a list of so many f32, a struct of indices and values where it is sparse,
//!           a list of such lists where it has several vectors a point; null where a point has none
//! _payload  text: the JSON object
//! _expires_at  when the point expires, in milliseconds since 1970; null where it stays
//! <key>     a column for each payload key that was asked for; left out by an import, as _payload has all of it
//! ```
//!
//! The rows are those of one version: the one that is named, or one that is kept for the time of the export. Who is told to
//! stop leaves neither that version behind nor a part of a file.

use crate::cli::Server;
use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::interrupt::interrupted;
use crate::cli::output::{Output, bytes, thousands};
use crate::cli::progress::Bar;
use crate::cli::source::{Extent, kinds, wrong};
use arrow_array::builder::{
    BooleanBuilder, FixedSizeListBuilder, Float32Builder, Float64Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use nigh_client::{Client, CollectionSpec, Point, Scroll, VectorsWanted};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

/// The id's column.
pub(crate) const ID: &str = "_id";
/// The payload's column.
pub(crate) const PAYLOAD: &str = "_payload";
/// A file's key that says that it is an export.
pub(crate) const MARK: &str = "nigh.export";

/// Rows that are handed to the writer at once.
const ROWS: usize = 1024;
/// A row group is closed when it holds about this many bytes.
const GROUP_BYTES: usize = 32 << 20;

/// A server that does not answer is waited for so long when the version is given back.
const UNPIN_WITHIN: Duration = Duration::from_secs(20);

/// Writes a whole collection into a Parquet file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, which must not be there yet
    file: PathBuf,
    /// The collection
    #[arg(long, short)]
    collection: String,
    /// The version to export; the newest state where it is left out
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
    /// A payload key that gets a column of its own: text, int, float or bool
    #[arg(long = "column", value_name = "KEY:TYPE")]
    columns: Vec<Column>,
    #[command(flatten)]
    server: Server,
}

/// A payload key as a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    key: String,
    of: Scalar,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Scalar {
    Text,
    Int,
    Float,
    Bool,
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (key, of) = text.rsplit_once(':').ok_or("a column is written KEY:TYPE")?;
        let of = match of {
            "text" => Scalar::Text,
            "int" => Scalar::Int,
            "float" => Scalar::Float,
            "bool" => Scalar::Bool,
            other => return Err(format!("`{other}` is no type: text, int, float or bool")),
        };
        Ok(Self { key: key.to_owned(), of })
    }
}

/// Runs it.
pub(crate) async fn run(args: Args, out: Output) -> Result<()> {
    let client = args.server.connect().await?;
    let spec = client.describe_collection(&args.collection).await?.spec;
    // From here on: a signal must not come between the version and who gives it back.
    let interrupted = interrupted();
    let kept = match &args.at {
        Some(_) => None,
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
            let name = format!("export-{now}-{}", std::process::id());
            Some(client.pin(&args.collection, &name).await?.name)
        }
    };
    let version = args.at.clone().or_else(|| kept.clone()).unwrap_or_default();
    let written = tokio::select! {
        written = export(&client, &args, version, spec) => written,
        () = interrupted => Err(Failure::Interrupted),
    };
    if let Some(kept) = kept {
        let unpinned = tokio::time::timeout(UNPIN_WITHIN, client.unpin(&args.collection, &kept)).await;
        let unpinned = unpinned.map_err(|_| Failure::Stream(format!("the server does not answer: `{kept}` stays")));
        // What went wrong first is told; that the version stays, only where nothing did.
        if written.is_ok() {
            unpinned??;
        }
    }
    let rows = written?;
    let size = fs::metadata(&args.file).map_err(doing("measure", &args.file))?.len();
    out.either(
        || json!({"rows": rows, "bytes": size}),
        || format!("{} rows, {} in {}\n", thousands(rows), bytes(size), args.file.display()),
    )
}

async fn export(client: &Client, args: &Args, version: String, spec: CollectionSpec) -> Result<u64> {
    let points = client.count_at(&args.collection, &version, None).await?;
    let bar = Bar::new(&Extent::Rows(points), 0);
    let (chunks, waiting) = mpsc::channel::<Vec<Point>>(2);
    let (writer, part) = Writer::create(&args.file, spec, args.columns.clone())?;
    let writing = tokio::task::spawn_blocking(move || writer.all(waiting));
    let scroll = Scroll { page: ROWS as u32, vectors: VectorsWanted::All, version, ..Scroll::default() };
    let mut stream = client.scroll(&args.collection, scroll);
    let (mut chunk, mut rows, mut failed) = (Vec::with_capacity(ROWS), 0, None);
    loop {
        let next = stream.next().await;
        let ended = next.is_none();
        match next.transpose() {
            Ok(point) => chunk.extend(point),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        if chunk.len() == ROWS || ended {
            rows += chunk.len() as u64;
            bar.reach(rows);
            // A writer that failed says so itself.
            if chunks.send(std::mem::replace(&mut chunk, Vec::with_capacity(ROWS))).await.is_err() || ended {
                break;
            }
        }
    }
    drop(chunks);
    let written = writing.await.unwrap_or_else(|_| Err(wrong(&args.file, Place::Whole, "it could not be written")));
    bar.finish();
    match failed {
        Some(error) => return Err(error.into()),
        None => written?,
    }
    fs::rename(&part.0, &args.file).map_err(doing("rename", &part.0))?;
    Ok(rows)
}

/// The file while it is not whole; what has that name still when this goes is removed.
struct Part(PathBuf);

impl Part {
    fn of(path: &Path) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        Self(path.with_file_name(name))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Writer {
    path: PathBuf,
    schema: Arc<Schema>,
    spec: CollectionSpec,
    columns: Vec<Column>,
    writer: ArrowWriter<File>,
}

impl Writer {
    fn create(path: &Path, spec: CollectionSpec, columns: Vec<Column>) -> Result<(Self, Part)> {
        if path.exists() {
            return Err(Failure::Usage(format!("{} is there already", path.display())));
        }
        let mut fields = vec![Field::new(ID, DataType::Utf8, false)];
        for field in &spec.vectors {
            let item = Arc::new(Field::new("item", DataType::Float32, true));
            let size = i32::try_from(field.size).unwrap_or(i32::MAX);
            fields.push(Field::new(&field.name, DataType::FixedSizeList(item, size), true));
        }
        fields.extend(spec.sparse.iter().map(|field| kinds::sparse_column(&field.name)));
        fields.extend(spec.multi.iter().map(|field| kinds::multi_column(&field.name, field.size)));
        fields.push(Field::new(PAYLOAD, DataType::Utf8, false));
        fields.push(kinds::expiry_column());
        fields.extend(columns.iter().map(|column| Field::new(&column.key, column.of.arrow(), true)));
        let twice = |at: usize| fields[..at].iter().any(|field| field.name() == fields[at].name());
        if let Some(at) = (0..fields.len()).find(|at| twice(*at)) {
            return Err(Failure::Usage(format!("there would be two columns `{}`", fields[at].name())));
        }
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![KeyValue::new(MARK.to_owned(), "1".to_owned())]))
            .build();
        let part = Part::of(path);
        let file = File::create(&part.0).map_err(doing("create", &part.0))?;
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(|err| broken(path, &err))?;
        Ok((Self { path: path.to_owned(), schema, spec, columns, writer }, part))
    }

    /// Everything that comes; the file is on disk when this returns.
    fn all(mut self, mut chunks: mpsc::Receiver<Vec<Point>>) -> Result<()> {
        while let Some(chunk) = chunks.blocking_recv() {
            let batch = self.batch(&chunk)?;
            self.writer.write(&batch).map_err(|err| broken(&self.path, &err))?;
            if self.writer.in_progress_size() >= GROUP_BYTES {
                self.writer.flush().map_err(|err| broken(&self.path, &err))?;
            }
        }
        let file = self.writer.into_inner().map_err(|err| broken(&self.path, &err))?;
        file.sync_all().map_err(doing("sync", &self.path))
    }

    fn batch(&self, points: &[Point]) -> Result<RecordBatch> {
        let mut ids = StringBuilder::new();
        let mut payloads = StringBuilder::new();
        for point in points {
            ids.append_value(point.id.to_string());
            payloads.append_value(point.payload.to_string());
        }
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids.finish())];
        for field in &self.spec.vectors {
            let size = i32::try_from(field.size).unwrap_or(i32::MAX);
            let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), size);
            for point in points {
                match point.vectors.get(&field.name) {
                    Some(vector) => lists.values().append_slice(vector),
                    None => lists.values().append_nulls(field.size as usize),
                }
                lists.append(point.vectors.contains_key(&field.name));
            }
            arrays.push(Arc::new(lists.finish()));
        }
        arrays.extend(self.spec.sparse.iter().map(|field| kinds::sparse_array(&field.name, points)));
        arrays.extend(self.spec.multi.iter().map(|field| kinds::multi_array(&field.name, field.size, points)));
        arrays.push(Arc::new(payloads.finish()));
        arrays.push(kinds::expiry_array(points));
        arrays.extend(self.columns.iter().map(|column| column.array(points)));
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|err| wrong(&self.path, Place::Whole, err.to_string()))
    }
}

fn broken(path: &Path, error: &parquet::errors::ParquetError) -> Failure {
    wrong(path, Place::Whole, error.to_string())
}

impl Scalar {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
        }
    }
}

impl Column {
    /// A value of another type is a null.
    fn array(&self, points: &[Point]) -> ArrayRef {
        let values = points.iter().map(|point| point.payload.get(&self.key));
        match self.of {
            Scalar::Text => {
                let mut out = StringBuilder::new();
                values.for_each(|value| out.append_option(value.and_then(Value::as_str)));
                Arc::new(out.finish())
            }
            Scalar::Int => {
                let mut out = Int64Builder::new();
                values.for_each(|value| out.append_option(value.and_then(Value::as_i64)));
                Arc::new(out.finish())
            }
            Scalar::Float => {
                let mut out = Float64Builder::new();
                values.for_each(|value| out.append_option(value.and_then(Value::as_f64)));
                Arc::new(out.finish())
            }
            Scalar::Bool => {
                let mut out = BooleanBuilder::new();
                values.for_each(|value| out.append_option(value.and_then(Value::as_bool)));
                Arc::new(out.finish())
            }
        }
    }
}
