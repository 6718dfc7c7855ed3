//! Generates the Rust types of nigh.v1 from the `.proto` files, with a compiler written in Rust.

use prost::Message;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "nigh/v1/common.proto",
        "nigh/v1/collections.proto",
        "nigh/v1/integrity.proto",
        "nigh/v1/points.proto",
        "nigh/v1/ranking.proto",
        "nigh/v1/sources.proto",
        "nigh/v1/versions.proto",
    ];
    println!("cargo:rerun-if-changed=nigh");
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("nigh.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
