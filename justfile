# Everything that CI checks.
check: fmt clippy test deny

fmt:
    cargo fmt --all -- --check

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

deny:
    cargo deny check bans licenses sources

# The order of steps of what is made by hand of locks: other tests cannot run with this feature.
interleavings:
    cargo test -p nigh-storage --features shuttle --lib interleavings

# The unsafe kernels under Miri, plainly and with AVX2; needs its component of the nightly toolchain, and some minutes.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p nigh-index --lib -- vector::kernel text::bundle::tests::shared
    RUSTFLAGS=-Ctarget-feature=+avx2,+fma,+popcnt MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p nigh-index --lib -- vector::kernel

# The demo of the README.
demo:
    cargo run --release -- demo

# What BENCHMARKS.md records; needs ../shared/data or NIGH_DATA.
bench:
    cargo run --release -p nigh-benches --bin passages
    cargo run --release -p nigh-benches --bin ann -- --threads 1,2 --rounds 5 --out target/ann

# nigh beside other software, in one run; installs it into target/peers/venv.
peers *args:
    python3 benches/peers/peers.py {{args}}
