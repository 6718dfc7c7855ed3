//! The wire types of the Qdrant API, from nigh's own description of them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../../proto/qdrant");
    let descriptors = protox::compile(["qdrant/points.proto"], ["../../../proto"])?;
    // Calls that the benchmarks do not make are answered with "unimplemented".
    let builder = tonic_prost_build::configure().generate_default_stubs(true).build_client(false);
    Ok(builder.compile_fds(descriptors)?)
}
