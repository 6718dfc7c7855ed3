//! The fuzz targets on a stable compiler, with bytes of a seed: a smoke test of what `fuzz/` runs for hours.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Bytes that a seed decides (splitmix64).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let length = next() % 40 + 1;
    (0..length).map(|_| next() as u8).collect()
}

/// So many inputs of the first seeds; `NIGH_FUZZ=seconds` goes on with others for so long, and says how many there were.
fn survives(target: fn(&[u8]), inputs: u64) {
    let seconds = std::env::var("NIGH_FUZZ").ok().map(|text| text.parse().unwrap());
    let begin = std::time::Instant::now();
    let more =
        |seed: u64| seconds.is_some_and(|seconds: u64| !seed.is_multiple_of(64) || begin.elapsed().as_secs() < seconds);
    let mut seed = 0;
    while seed < inputs || more(seed) {
        let data = noise(seed);
        if let Err(panic) = std::panic::catch_unwind(|| target(&data)) {
            eprintln!("seed {seed}: {data:?}");
            std::panic::resume_unwind(panic);
        }
        seed += 1;
    }
    if seconds.is_some() {
        println!("{seed} inputs in {:.0} s", begin.elapsed().as_secs_f64());
    }
}

#[test]
fn log() {
    survives(targets::log, 2000);
}

#[test]
fn op() {
    survives(targets::op, 20_000);
}

#[test]
fn manifest() {
    survives(targets::manifest, 2000);
}

#[test]
fn frame() {
    survives(targets::frame, 5000);
}

#[test]
fn sections() {
    survives(targets::sections, 20_000);
}

#[test]
fn bitmap() {
    survives(targets::bitmap, 20_000);
}

#[test]
fn fields() {
    survives(targets::fields, 3000);
}

#[test]
fn text() {
    survives(targets::text, 3000);
}

#[test]
fn vectors() {
    survives(targets::vectors, 3000);
}

#[test]
fn lists() {
    survives(targets::lists, 3000);
}

#[test]
fn sparse() {
    survives(targets::sparse, 3000);
}

#[test]
fn multi() {
    survives(targets::multi, 3000);
}

#[test]
fn segment() {
    survives(targets::segment, 400);
}

#[test]
fn directory() {
    survives(targets::directory, 1000);
}

#[test]
fn snapshot() {
    survives(targets::snapshot, 2000);
}

/// Words of the language, thrown together: plain noise would seldom be a filter.
#[test]
fn filter() {
    const WORDS: [&str; 24] = [
        "a",
        "size.width",
        "=",
        "!=",
        ">=",
        "<",
        "IN",
        "NOT",
        "AND",
        "OR",
        "(",
        ")",
        "IS",
        "NULL",
        ",",
        "'x'",
        "\"y\"",
        "7",
        "-0.5",
        "1e400",
        "TRUE",
        "BETWEEN",
        "EXISTS",
        "'",
    ];
    survives(
        |data| {
            let words: Vec<&str> = data.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).collect();
            targets::filter(words.join(" ").as_bytes());
            targets::filter(data);
        },
        20_000,
    );
}
