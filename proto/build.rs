//! Generates the Rust types from the `.proto` files, with a compiler written in Rust.

#[path = "build/shapes.rs"]
mod shapes;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use shapes::Messages;
use std::path::PathBuf;
use tonic_prost_build::Builder;

/// Weighs messages before it unpacks them.
const CODEC: &str = "crate::weighed::Codec";

/// Messages of the Qdrant API that say how a collection is set up. They are kept and shown as JSON in its other form.
const SETTINGS: &[&str] = &[
    "VectorParams",
    "VectorParamsDiff",
    "MultiVectorConfig",
    "SparseVectorParams",
    "SparseIndexConfig",
    "HnswConfigDiff",
    "WalConfigDiff",
    "OptimizersConfigDiff",
    "ScalarQuantization",
    "ProductQuantization",
    "BinaryQuantization",
    "TurboQuantization",
    "QuantizationConfig",
    "QuantizationConfigDiff",
    "Disabled",
    "StrictModeConfig",
    "StrictModeMultivectorConfig",
    "StrictModeMultivector",
    "StrictModeSparseConfig",
    "StrictModeSparse",
    "DenseVectorCreationConfig",
    "SparseVectorCreationConfig",
    "KeywordIndexParams",
    "IntegerIndexParams",
    "FloatIndexParams",
    "GeoIndexParams",
    "TextIndexParams",
    "BoolIndexParams",
    "DatetimeIndexParams",
    "UuidIndexParams",
];

/// Of them, those that are a map and nothing else: their JSON is the map.
const MAPS: &[&str] = &["StrictModeMultivectorConfig", "StrictModeSparseConfig"];

/// Of the fields, those whose JSON has another shape, by what turns one into the other.
const SHAPED: &[(&str, &str)] = &[
    ("max_optimization_threads", "threads"),
    ("query_encoding", "query_encoding"),
    ("stopwords", "stopwords"),
    ("stemmer", "stemmer"),
    ("scoring", "scoring"),
    ("prefix", "prefix"),
];

/// The older number of a field beside the newer one: only the wire has it.
const OLDER: &str = "deprecated_max_optimization_threads";

/// Lists of messages that are unpacked one by one, by whoever reads them: on the wire a message is its bytes.
const PACKED: &[&str] = &[".qdrant.UpsertPoints.points", ".qdrant.PointsUpdateOperation.PointStructList.points"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let files = [
        "nigh/v1/common.proto",
        "nigh/v1/collections.proto",
        "nigh/v1/integrity.proto",
        "nigh/v1/points.proto",
        "nigh/v1/ranking.proto",
        "nigh/v1/sources.proto",
        "nigh/v1/versions.proto",
    ];
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=nigh");
    let descriptors = protox::compile(files, ["."])?;
    std::fs::write(out.join("nigh.v1.bin"), descriptors.encode_to_vec())?;
    let mut shapes = Messages::of(&descriptors, "nigh.v1", "crate::v1").source(&descriptors);
    tonic_prost_build::configure().codec_path(CODEC).compile_fds(descriptors)?;

    println!("cargo:rerun-if-changed=qdrant");
    let files = ["qdrant/collections.proto", "qdrant/points.proto", "qdrant/service.proto"];
    let mut descriptors = protox::compile(files, ["."])?;
    std::fs::write(out.join("qdrant.bin"), descriptors.encode_to_vec())?;
    shapes += &Messages::of(&descriptors, "qdrant", "crate::qdrant").source(&descriptors);
    std::fs::write(out.join("shapes.rs"), shapes)?;
    let kept_packed = PACKED.iter().map(|path| keep_packed(&mut descriptors, path)).collect::<Option<Vec<()>>>();
    kept_packed.ok_or("a field that is kept packed is not there")?;
    descriptors.file.iter_mut().flat_map(|file| &mut file.message_type).for_each(pack);
    let settings = descriptors.file.iter().flat_map(|file| &file.message_type);
    let settings = settings.filter(|message| SETTINGS.contains(&message.name()));
    let builder = PACKED.iter().fold(tonic_prost_build::configure().codec_path(CODEC).btree_map("."), Builder::bytes);
    let builder = settings.fold(builder, as_json);
    builder.compile_fds(descriptors)?;
    Ok(())
}

/// Numbers of a list are sent in one piece. The generator takes those of a field that has any option for others.
fn pack(message: &mut DescriptorProto) {
    for field in message.field.iter_mut().filter(|field| field.label() == Label::Repeated) {
        let numbers = !matches!(field.r#type(), Type::Message | Type::String | Type::Bytes | Type::Group);
        if let Some(options) = field.options.as_mut().filter(|_| numbers) {
            options.packed = Some(true);
        }
    }
    message.nested_type.iter_mut().for_each(pack);
}

/// Makes bytes of a field of messages.
fn keep_packed(descriptors: &mut FileDescriptorSet, path: &str) -> Option<()> {
    let mut names = path.strip_prefix(".qdrant.")?.split('.');
    let (name, field) = (names.next()?, names.next_back()?);
    let messages = descriptors.file.iter_mut().filter(|file| file.package() == "qdrant");
    let mut message = messages.flat_map(|file| &mut file.message_type).find(|message| message.name() == name)?;
    for name in names {
        message = message.nested_type.iter_mut().find(|message| message.name() == name)?;
    }
    let field = message.field.iter_mut().find(|known| known.name() == field)?;
    field.set_type(Type::Bytes);
    field.type_name = None;
    Some(())
}

/// The message as JSON: what was not set is left out, values of enums go by name.
fn as_json(mut builder: Builder, message: &DescriptorProto) -> Builder {
    let path = format!(".qdrant.{}", message.name());
    let derive = "#[derive(serde::Serialize, serde::Deserialize)]";
    let form = if MAPS.contains(&message.name()) { "transparent" } else { "default" };
    builder = builder.message_attribute(&path, format!("{derive}\n#[serde({form})]"));
    for oneof in message.oneof_decl.iter().filter(|oneof| !oneof.name().starts_with('_')) {
        // Without the dot before it a path stands for itself alone, and not for what lies below it.
        let oneof = format!("qdrant.{}.{}", message.name(), oneof.name());
        builder = builder
            .type_attribute(&oneof, format!("{derive}\n#[serde(rename_all = \"snake_case\")]"))
            .field_attribute(&oneof, "#[serde(flatten)]");
    }
    for field in message.field.iter().filter(|field| !in_oneof(field)) {
        if let Some(attribute) = attribute(field) {
            builder = builder.field_attribute(format!("{path}.{}", field.name()), attribute);
        }
    }
    builder
}

/// Whether it is one of several, and not merely optional.
fn in_oneof(field: &FieldDescriptorProto) -> bool {
    field.oneof_index.is_some() && !field.proto3_optional()
}

fn attribute(field: &FieldDescriptorProto) -> Option<String> {
    if field.name() == OLDER {
        return Some("#[serde(skip)]".to_owned());
    }
    let optional = field.proto3_optional() || (field.r#type() == Type::Message && field.label() != Label::Repeated);
    let mut said = Vec::new();
    if optional {
        said.push("skip_serializing_if = \"Option::is_none\"".to_owned());
    }
    if let Some((_, shape)) = SHAPED.iter().find(|(name, _)| *name == field.name()) {
        said.push(format!("with = \"crate::shaped::{shape}\""));
    }
    if field.name() == "tokenizer" {
        said.push("skip_serializing_if = \"crate::shaped::unset\"".to_owned());
    }
    if field.r#type() == Type::Enum {
        let name = field.type_name().rsplit('.').next()?;
        let spelling = if name == "Distance" { "Named" } else { "Snake" };
        let holder = if optional { "Optional" } else { "Plain" };
        said.push(format!("with = \"crate::spelling::{holder}::<{name}, crate::spelling::{spelling}>\""));
    }
    (!said.is_empty()).then(|| format!("#[serde({})]", said.join(", ")))
}
