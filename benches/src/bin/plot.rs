//! Draws frontiers: `plot FRONTIERS.json PICTURE.svg`, the first being a `nigh_benches::plot::Picture`.

use nigh_benches::error::Result;
use nigh_benches::plot::svg;
use std::fs;

fn main() -> Result<()> {
    let [from, to] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("two arguments: FRONTIERS.json PICTURE.svg".into());
    };
    Ok(fs::write(to, svg(&serde_json::from_slice(&fs::read(from)?)?))?)
}
