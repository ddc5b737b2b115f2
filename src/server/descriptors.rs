//! File descriptors: each connection needs one, and one more to the upstream.

/// Raises the soft limit of open files to the hard one, and warns if even that is too low for `max_connections`.
/// Programs that are started later inherit it, so this is for processes that only serve.
#[cfg(unix)]
pub fn raise_limit(max_connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(SPARE);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let hard = maximum.unwrap_or(u64::MAX);
    // Some containers have a hard limit of a thousand million, which nobody needs.
    let wanted = hard.min(needed.max(ENOUGH));
    let mut limit = current.unwrap_or(u64::MAX);
    if limit < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        limit = wanted;
    }
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for limits.max_connections; raise it (ulimit -Hn, LimitNOFILE)"
        );
    }
}

/// Does nothing: this system has no such limit.
#[cfg(not(unix))]
pub fn raise_limit(_: usize) {}

/// For everything that is no connection.
#[cfg(unix)]
const SPARE: u64 = 64;
#[cfg(unix)]
const ENOUGH: u64 = 1 << 20;
