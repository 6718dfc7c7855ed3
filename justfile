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

# The demo of the README.
demo:
    cargo run --release -- demo

# What BENCHMARKS.md records; needs ../shared/data or NIGH_DATA.
bench:
    cargo run --release -p nigh-benches --bin passages
