//! The process itself, by the names that every Prometheus client has. Linux only: elsewhere nothing is told.

use std::{fs, sync::OnceLock};

/// What the kernel says of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// Processor time used, in seconds, user and system together.
    pub cpu_seconds: f64,
    /// Memory held, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Descriptors that are open.
    pub open_fds: u64,
    /// Descriptors that may be; none where there is no limit.
    pub max_fds: Option<u64>,
    /// When it began, in seconds since 1970.
    pub start_seconds: f64,
}

/// Units in which the kernel tells times to programs: always a hundredth of a second on what Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Asks the kernel; `None` where there is no `/proc`.
pub fn read() -> Option<Process> {
    let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
    // The directory that is read is one of those that are open.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(Process {
        cpu_seconds: stat.cpu_ticks / TICKS_PER_SECOND,
        resident_bytes: resident_bytes()?,
        virtual_bytes: stat.virtual_bytes,
        open_fds: u64::try_from(open).unwrap_or(u64::MAX),
        max_fds: fs::read_to_string("/proc/self/limits").ok().and_then(|limits| max_fds(&limits)),
        start_seconds: booted()? + stat.start_ticks / TICKS_PER_SECOND,
    })
}

/// The memory this process holds.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Of `/proc/self/stat`, see proc(5).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    /// After the machine was booted.
    start_ticks: f64,
    virtual_bytes: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name, which may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and the first two are gone.
        let field = |number: usize| fields.get(number - 3).copied();
        let ticks = |number: usize| field(number)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: ticks(14)? + ticks(15)?,
            start_ticks: ticks(22)?,
            virtual_bytes: field(23)?.parse().ok()?,
        })
    }
}

/// When the machine was booted, in seconds since 1970: read once, for on large machines that file is long.
fn booted() -> Option<f64> {
    static BOOTED: OnceLock<Option<f64>> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

/// The limit that holds, of the two on the line.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_moves_no_field() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 4200 1048576 300 18446744073709551615";
        let expected = Stat { cpu_ticks: 300.0, start_ticks: 4200.0, virtual_bytes: 1_048_576 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[test]
    fn the_limit_that_holds_is_the_first() {
        let line = "Max open files            1024                 524288               files     \n";
        assert_eq!(max_fds(line), Some(1024));
        assert_eq!(max_fds("Max open files            unlimited  unlimited files"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_alive() {
        let process = read().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - 86_400.0..now + 2.0).contains(&process.start_seconds), "{process:?} at {now}");
        assert!(process.resident_bytes > 1 << 20 && process.open_fds > 2 && process.virtual_bytes > 1 << 20);
    }
}
