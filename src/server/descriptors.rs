//! File descriptors: each connection needs one, and one more to the upstream.

/// Raises the soft limit of open files to the hard one, and warns if even that is too low for `max_connections`.
#[cfg(unix)]
pub(super) fn raise_limit(max_connections: usize) {
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(SPARE);
    // Some containers have a hard limit of a thousand million, which nobody needs.
    match rlimit::increase_nofile_limit(needed.max(ENOUGH)) {
        Ok(limit) if limit >= needed => {}
        Ok(limit) => tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for limits.max_connections; raise it (ulimit -Hn, LimitNOFILE)"
        ),
        Err(error) => tracing::debug!(%error, "the limit of open files cannot be read"),
    }
}

#[cfg(not(unix))]
pub(super) fn raise_limit(_: usize) {}

/// For everything that is no connection.
#[cfg(unix)]
const SPARE: u64 = 64;
#[cfg(unix)]
const ENOUGH: u64 = 1 << 20;
