//! The soak: the figures of RELIABILITY.md, measured on the built program.
//!
//! `cargo bench --bench soak -- [MINUTES] [PART…] [PROGRAM]` runs all of it, or the parts that are named (see
//! [`PARTS`]). The mixed load takes so many minutes (default 10), the rest about four. `PROGRAM` is the path of another
//! build to be measured. Linux only, loopback only; not part of the tests, because figures need a quiet machine.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program of measurement: what goes wrong shall stop it, and numbers are small"
)]

#[path = "soak/client.rs"]
mod client;
#[path = "soak/gateway.rs"]
mod gateway;
#[path = "soak/processes.rs"]
mod processes;
#[path = "soak/upstream.rs"]
mod upstream;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time,
};

use self::{gateway::Gateway, upstream::Upstream};

#[tokio::main]
async fn main() -> io::Result<()> {
    raise_descriptors();
    let minutes = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let upstream = Upstream::start().await?;
    let named: Vec<String> = std::env::args().filter(|argument| PARTS.contains(&argument.as_str())).collect();
    for part in PARTS.into_iter().filter(|part| named.is_empty() || named.iter().any(|it| it == part)) {
        match part {
            "cancels" => all_cancels(&upstream).await?,
            "streams" => mass_abort(&upstream).await?,
            "keep-alive" => keep_alive(&upstream).await?,
            "retries" => amplification(&upstream).await?,
            "slow-heads" => slow_heads(&upstream).await?,
            "unread" => unread(&upstream).await?,
            "sizes" => sizes(&upstream).await?,
            "overload" => overload(&upstream).await?,
            "silence" => silence(&upstream).await?,
            "drain" => drain(&upstream).await?,
            "restarts" => processes::restarts(&upstream).await?,
            "keys" => processes::wrong_keys(&upstream).await?,
            "starts" => processes::bad_starts()?,
            _ => mixed(&upstream, Duration::from_secs(minutes * 60)).await?,
        }
    }
    Ok(())
}

/// What can be measured alone, in the order of all.
const PARTS: [&str; 14] = [
    "cancels",
    "streams",
    "keep-alive",
    "retries",
    "slow-heads",
    "unread",
    "sizes",
    "overload",
    "silence",
    "drain",
    "restarts",
    "keys",
    "starts",
    "mixed",
];

async fn all_cancels(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "stream_idle_timeout = '2s'\n");
    row("resident at start", format!("{:.1} MiB", gateway.resident_kib() as f64 / 1024.0));
    cancels(upstream, &gateway, "hold", true, "3 cancel in the middle of a stream").await?;
    cancels(upstream, &gateway, "mute", true, "4 cancel before the first token").await?;
    cancels(upstream, &gateway, "mute", false, "4 cancel of a whole answer").await
}

fn row(figure: &str, value: impl std::fmt::Display) {
    println!("| {figure} | {value} |");
}

fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
}

/// Median, 99th percentile and maximum.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).or_else(|| times.last());
    let ms = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let (median, late, last) = (ms(at(0.5)), ms(at(0.99)), ms(times.last()));
    format!("n={} median {median:.2} ms, p99 {late:.2} ms, max {last:.2} ms", times.len())
}

/// Waits until `done`, half a minute at most.
async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        time::sleep(Duration::from_micros(200)).await;
    }
}

/// F1–F3: from the client's close to the moment in which the upstream sees it.
async fn cancels(
    upstream: &Upstream,
    gateway: &Gateway,
    model: &str,
    stream: bool,
    name: &str,
) -> io::Result<()> {
    let seen = &upstream.seen;
    let mut times = Vec::new();
    for number in 0..200 {
        seen.closed.lock().expect("no panic").clear();
        let before = seen.requests.load(Ordering::Relaxed);
        let mut connection = client::send(gateway.address, &format!("{model}-{number}"), stream).await?;
        if model == "hold" {
            client::wait_for(&mut connection, "held").await?;
        } else {
            until("the request at the upstream", || seen.requests.load(Ordering::Relaxed) > before).await;
        }
        let closed = Instant::now();
        drop(connection);
        until("the close at the upstream", || !seen.closed.lock().expect("no panic").is_empty()).await;
        let at = seen.closed.lock().expect("no panic")[0].1;
        times.push(at.saturating_duration_since(closed));
    }
    row(name, spread(times));
    Ok(())
}

/// Opens so many streams that have begun.
async fn open_streams(gateway: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut opening = JoinSet::new();
    for number in 0..count {
        opening.spawn(async move {
            let mut connection = client::send(gateway, &format!("hold-{number}"), true).await?;
            client::wait_for(&mut connection, "held").await.map(|()| connection)
        });
    }
    opening.join_all().await.into_iter().collect()
}

/// Scorecard 5, 13 and 14: a thousand streams, their memory, and their end at once.
async fn mass_abort(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "stream_idle_timeout = '300s'\n");
    let at_rest = gateway.resident_kib();
    let mut after = Vec::new();
    for round in 1..=3 {
        let streams = open_streams(gateway.address, 1_000).await?;
        let with_streams = gateway.resident_kib();
        let begun = Instant::now();
        drop(streams);
        until("no stream at the upstream", || upstream.seen.running.load(Ordering::Relaxed) == 0).await;
        let took = begun.elapsed();
        if round == 1 {
            row(
                "13 resident per stream, 1,000 streams",
                format!("{:.1} KiB", (with_streams - at_rest) as f64 / 1e3),
            );
        }
        row(&format!("5 1,000 aborts at once, round {round}"), format!("{:.0} ms", took.as_secs_f64() * 1e3));
        time::sleep(Duration::from_secs(10)).await;
        after.push(format!("{:.1}", gateway.resident_kib() as f64 / 1024.0));
    }
    row("14 resident 10 s after each of three bursts", format!("{} MiB", after.join(", ")));
    Ok(())
}

/// F32: posts at the edge of the upstream's idle time, and connections that die at their second use.
async fn keep_alive(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "");
    for (model, count, pause) in [("idle", 600, 20), ("reuse", 100, 0)] {
        let mut faults = 0;
        for number in 0..count {
            let answer = client::ask(gateway.address, model, false).await;
            faults += usize::from(client::fault(model, false, &answer).is_some());
            // Around the very moment in which the upstream closes.
            let jitter = Duration::from_micros((number * 7_919 % 4_000) as u64);
            time::sleep(Duration::from_millis(pause).saturating_sub(Duration::from_millis(2)) + jitter).await;
        }
        row(&format!("6 keep-alive race ({model})"), format!("{faults} errors in {count}"));
    }
    Ok(())
}

/// F33: how often an upstream is asked that refuses everything.
async fn amplification(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "");
    let before = upstream.seen.requests.load(Ordering::Relaxed);
    let mut calls = JoinSet::new();
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(30) {
        let address = gateway.address;
        calls.spawn(async move { client::ask(address, "busy", false).await });
        sent += 1;
        time::sleep_until((begun + Duration::from_millis(10 * sent)).into()).await;
    }
    let answers = calls.join_all().await;
    let wrong = answers.iter().filter(|answer| client::fault("busy", false, answer).is_some()).count();
    let asked = upstream.seen.requests.load(Ordering::Relaxed) - before;
    let factor = asked as f64 / answers.len() as f64;
    row(
        "8 retry amplification, 30 s of 503 at 100/s",
        format!("{factor:.3} ({asked} for {}), {wrong} wrong", answers.len()),
    );
    Ok(())
}

/// F26: two thousand heads that never end.
async fn slow_heads(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "");
    let measure = async || {
        let mut times = Vec::new();
        for _ in 0..300 {
            let begun = Instant::now();
            let answer = client::ask(gateway.address, "whole-0", false).await;
            assert!(client::fault("whole-0", false, &answer).is_none(), "a good request failed");
            times.push(begun.elapsed());
        }
        times
    };
    row("12 good requests alone", spread(measure().await));
    let mut slow = Vec::new();
    for _ in 0..2_000 {
        let mut connection = TcpStream::connect(gateway.address).await?;
        connection.write_all(b"POST /v1/messages HTTP/1.1\r\nhost: loc").await?;
        slow.push((Instant::now(), connection));
    }
    row("12 good requests beside 2,000 slow heads", spread(measure().await));
    let mut closed = JoinSet::new();
    for (begun, mut connection) in slow {
        closed.spawn(async move {
            drop(connection.read(&mut [0; 64]).await);
            begun.elapsed()
        });
    }
    row("12 slow heads closed after (limit 10 s)", spread(closed.join_all().await));
    Ok(())
}

/// F11: a hundred clients that read nothing of what an eager upstream sends.
async fn unread(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "client_write_timeout = '60s'\n");
    let written = upstream.seen.written.load(Ordering::Relaxed);
    // The first request of a process costs once.
    client::ask(gateway.address, "whole-0", false).await?;
    let before = gateway.resident_kib();
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(client::send(gateway.address, "flood-20000", true).await?);
    }
    time::sleep(Duration::from_secs(10)).await;
    let held = (gateway.resident_kib() - before) as f64 / 100.0;
    let pushed = (upstream.seen.written.load(Ordering::Relaxed) - written) / 100;
    row(
        "16 held for a client that does not read",
        format!("{held:.0} KiB in the process; the upstream got rid of {} KiB", pushed >> 10),
    );
    Ok(())
}

/// F12, F20: processor time of a long line, memory of a long body.
async fn sizes(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "");
    client::ask(gateway.address, "whole-0", false).await?;
    let before = gateway.processor_time();
    for _ in 0..5 {
        let answer = client::ask(gateway.address, "line-8192", true).await?;
        assert!(answer.is_whole && answer.body.len() > 8 << 20, "the line was cut");
    }
    let used = gateway.processor_time().saturating_sub(before) / 5;
    row("17 processor time of an 8 MiB event in 8 KiB pieces", format!("{} ms", used.as_millis()));
    let gateway = Gateway::start(upstream.address, "");
    client::ask(gateway.address, "whole-0", false).await?;
    let before = gateway.resident_kib();
    gateway.reset_peak();
    let answer = client::ask_long(gateway.address, "whole-0", 31 << 20).await?;
    let peak = gateway.peak_kib().saturating_sub(before) as f64 / f64::from(31 << 10);
    row("18 peak memory of a 31 MiB body", format!("{peak:.2} bodies (status {})", answer.status));
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        client::ask_long(gateway.address, "whole-0", 1 << 20).await?;
        times.push(begun.elapsed());
    }
    row("20 a request of 1 MiB, whole exchange", spread(times));
    Ok(())
}

/// F28: five times as many clients as places.
async fn overload(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "max_concurrent_requests = 50\n");
    let load = async |clients: usize| {
        let deadline = Instant::now() + Duration::from_secs(8);
        let address = gateway.address;
        let mut running = JoinSet::new();
        for _ in 0..clients {
            running.spawn(async move {
                let (mut good, mut shed, mut wrong) = (0_usize, Vec::new(), 0_usize);
                while Instant::now() < deadline {
                    let begun = Instant::now();
                    match client::ask(address, "whole-100", false).await {
                        Ok(answer) if answer.status == 200 => good += 1,
                        Ok(answer) if answer.status == 529 => {
                            shed.push(begun.elapsed());
                            // As `retry-after` says, but sooner, so that the pressure stays.
                            time::sleep(Duration::from_millis(100)).await;
                        }
                        _ => wrong += 1,
                    }
                }
                (good, shed, wrong)
            });
        }
        let each = running.join_all().await;
        let good: usize = each.iter().map(|it| it.0).sum();
        let wrong: usize = each.iter().map(|it| it.2).sum();
        (good, each.into_iter().flat_map(|it| it.1).collect::<Vec<_>>(), wrong)
    };
    let (alone, ..) = load(50).await;
    let (good, shed, wrong) = load(250).await;
    let at_once: Vec<Duration> =
        shed.iter().copied().filter(|time| *time < Duration::from_millis(900)).collect();
    row(
        "22 goodput at five times the places",
        format!(
            "{:.1} % of {alone} in 8 s; {wrong} wrong; {} shed at once: {}; {} after their second",
            100.0 * good as f64 / alone as f64,
            at_once.len(),
            spread(at_once.clone()),
            shed.len() - at_once.len()
        ),
    );
    Ok(())
}

/// F6: pings while the upstream is silent, and its end.
async fn silence(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "stream_idle_timeout = '35s'\n");
    let mut connection = client::send(gateway.address, "stall-2-0", true).await?;
    let (begun, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = connection.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
        all.extend_from_slice(&piece[..count]);
    }
    let has_error = String::from_utf8_lossy(&all).contains("timeout_error");
    row(
        "24 longest gap seen during 35 s of silence",
        format!(
            "{:.2} s; ended after {:.2} s by an error event: {has_error}",
            longest.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        ),
    );
    Ok(())
}

/// F30: five hundred streams when the signal comes.
async fn drain(upstream: &Upstream) -> io::Result<()> {
    let gateway = Gateway::start(upstream.address, "shutdown_grace = '60s'\n");
    let mut streams = JoinSet::new();
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..500 {
        let (address, begun) = (gateway.address, Arc::clone(&begun));
        streams.spawn(async move {
            let model = "stream-50-200";
            let mut connection = client::send(address, model, true).await?;
            begun.fetch_add(1, Ordering::Relaxed);
            let answer = client::read(&mut connection).await;
            Ok::<_, io::Error>(client::fault(model, true, &answer))
        });
    }
    until("all streams at the upstream", || upstream.seen.running.load(Ordering::Relaxed) >= 500).await;
    gateway.terminate();
    let ended = streams.join_all().await;
    let whole = ended.iter().filter(|end| matches!(end, Ok(None))).count();
    row("9 streams that finished after SIGTERM", format!("{whole} of 500; exit {:?}", gateway.wait()));
    Ok(())
}

/// Everything at once: a thousand slow streams, sixty hurried clients, a fifth of whose requests go wrong.
async fn mixed(upstream: &Upstream, duration: Duration) -> io::Result<()> {
    let gateway =
        Gateway::start(upstream.address, "stream_idle_timeout = '10s'\nmax_concurrent_requests = 2000\n");
    let (address, begun) = (gateway.address, Instant::now());
    let deadline = begun + duration;
    let faults = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::new(AtomicUsize::new(0));
    let mut load = JoinSet::new();
    for _ in 0..1_000 {
        let (faults, requests) = (Arc::clone(&faults), Arc::clone(&requests));
        let model = format!("stream-{}-1000", duration.as_secs().saturating_sub(20).max(5));
        load.spawn(async move {
            let answer = client::ask(address, &model, true).await;
            requests.fetch_add(1, Ordering::Relaxed);
            faults.lock().expect("no panic").extend(client::fault(&model, true, &answer));
        });
    }
    for worker in 0..60 {
        let (faults, requests) = (Arc::clone(&faults), Arc::clone(&requests));
        load.spawn(async move { hurried(address, worker, deadline, &requests, &faults).await });
    }
    let mut samples = Vec::new();
    while Instant::now() < deadline {
        time::sleep(Duration::from_secs(5)).await;
        samples.push((
            begun.elapsed().as_secs_f64(),
            gateway.resident_kib() as f64,
            gateway.descriptors() as f64,
        ));
    }
    load.join_all().await;
    let faults = std::mem::take(&mut *faults.lock().expect("no panic"));
    for fault in faults.iter().take(10) {
        println!("WRONG: {fault}");
    }
    row(
        "15 mixed load",
        format!(
            "{} requests in {} s, 1,000 streams beside them, {} wrong answers",
            requests.load(Ordering::Relaxed),
            duration.as_secs(),
            faults.len()
        ),
    );
    // The first quarter warms up; in the last seconds the long streams end.
    let steady: Vec<_> = samples
        .iter()
        .filter(|it| it.0 > duration.as_secs_f64() / 4.0 && it.0 < duration.as_secs_f64() - 25.0)
        .collect();
    let slope = |value: fn(&(f64, f64, f64)) -> f64| {
        let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| {
            steady.iter().map(|it| of(it)).sum::<f64>() / steady.len() as f64
        };
        let (x, y) = (mean(&|it| it.0), mean(&value));
        let over = steady.iter().map(|it| (it.0 - x) * (value(it) - y)).sum::<f64>();
        3_600.0 * over / steady.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>()
    };
    let last = steady.last().map_or(0.0, |it| it.1);
    row(
        "15 slope of resident memory",
        format!("{:+.2} MiB/h around {:.1} MiB", slope(|it| it.1) / 1024.0, last / 1024.0),
    );
    row("15 slope of descriptors", format!("{:+.1} per hour", slope(|it| it.2)));
    time::sleep(Duration::from_secs(10)).await;
    row(
        "15 afterwards",
        format!("{:.1} MiB, {} descriptors", gateway.resident_kib() as f64 / 1024.0, gateway.descriptors()),
    );
    Ok(())
}

/// One client after the other, until the time is over.
async fn hurried(
    address: SocketAddr,
    worker: usize,
    deadline: Instant,
    requests: &AtomicUsize,
    faults: &Mutex<Vec<String>>,
) {
    let mut state = worker as u64 * 2_654_435_761 + 1;
    while Instant::now() < deadline {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (model, stream) = match (state >> 33) % 20 {
            0 => (["reset-20-5", "fin-20-5", "error-20-5", "garbage-20-5"][(state >> 40) as usize % 4], true),
            1 => ("stall-6-5", true),
            2 => (["html", "busy"][(state >> 40) as usize % 2], (state >> 50).is_multiple_of(2)),
            3 => {
                // Goes away in the middle.
                if let Ok(mut connection) = client::send(address, "stream-40-20", true).await {
                    drop(client::wait_for(&mut connection, "rd5").await);
                }
                requests.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            4..=7 => ("whole-5", false),
            8..=9 => ("sliced-20-5", true),
            _ => ("stream-20-5", true),
        };
        let answer = client::ask(address, model, stream).await;
        requests.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = client::fault(model, stream, &answer) {
            faults.lock().expect("no panic").push(fault);
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}
