//! What Linux tells of processes and connections under `/proc`.

use super::LIVENESS;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until a connection to this port of loopback has this timer (1: retransmission, 2: keepalive), and returns
/// when it runs out.
pub fn wait_for_tcp_timer(remote_port: u16, timer: u8) -> Duration {
    let find = || {
        let connections = fs::read_to_string("/proc/net/tcp").unwrap();
        connections.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_established = fields[3] == "01";
            let (active, hundredths) = fields[5].split_once(':')?;
            let found = is_established
                && port_of(fields[2]) == Some(remote_port)
                && u8::from_str_radix(active, 16) == Ok(timer);
            let hundredths = u64::from_str_radix(hundredths, 16).ok()?;
            found.then(|| Duration::from_millis(hundredths * 10))
        })
    };
    wait("a timer on the connection", find)
}

/// Waits until the process listens on a TCP port of IPv4, and returns it.
pub fn wait_for_listening_port(process: u32) -> u16 {
    wait("a listening port", || {
        let folder = Path::new("/proc").join(process.to_string());
        let sockets: Vec<String> = fs::read_dir(folder.join("fd"))
            .ok()?
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned))
            .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let connections = fs::read_to_string("/proc/net/tcp").ok()?;
        connections.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_listening = fields[3] == "0A" && sockets.iter().any(|socket| socket == fields[9]);
            is_listening.then(|| port_of(fields[1])).flatten()
        })
    })
}

/// The processor time that the process has used.
pub fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).unwrap();
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let hundredths: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(hundredths * 10)
}

fn port_of(address: &str) -> Option<u16> {
    u16::from_str_radix(address.split_once(':')?.1, 16).ok()
}

fn wait<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIVENESS;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}
