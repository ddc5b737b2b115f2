//! The program's entry: what must be in place before the command line is read, and the exit code.

use std::{panic, process::ExitCode};

use aiapiproxy::cli::{
    self,
    exit::{Exit, PanicNote},
};
use color_eyre::config::HookBuilder;

/// Gives memory back after a burst, which the C library's does not; figures in `benches/README.md`.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let hooks = HookBuilder::blank().display_env_section(false).panic_message(PanicNote);
    // Installing fails only if it was done before; errors would then look different, nothing more.
    drop(hooks.install());
    panic::catch_unwind(cli::run).unwrap_or(Exit::Internal).into()
}
