//! The `nigh` command.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// Builds take and free large blocks side by side with small ones that stay: the system's allocator keeps most of
/// that memory for itself, this one gives it back (ARCHITECTURE.md, "Memory"; settings in .cargo/config.toml).
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
