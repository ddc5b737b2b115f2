//! Figures that need many processes, or a key: restarts under load, bad starts, wrong keys.

use std::{
    io,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, spawn_blocking},
    time,
};

use crate::{
    client,
    gateway::{Gateway, program},
    row, spread,
    upstream::Upstream,
};

/// Twenty restarts on a socket that is handed over, under fifty requests a second.
pub(crate) async fn restarts(upstream: &Upstream) -> io::Result<()> {
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    let mut gateway = on_socket(&socket, upstream)?;
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let load = tokio::spawn({
        let (done, asked, failures) = (Arc::clone(&done), Arc::clone(&asked), Arc::clone(&failures));
        async move {
            let mut tick = time::interval(Duration::from_millis(20));
            let mut running = JoinSet::new();
            while !done.load(Ordering::Relaxed) {
                tick.tick().await;
                let failures = Arc::clone(&failures);
                let stream = asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                running.spawn(async move {
                    let model = if stream { "stream-20-5" } else { "whole-5" };
                    let answer = client::ask(address, model, stream).await;
                    failures.lock().expect("no panic").extend(client::fault(model, stream, &answer));
                });
            }
            running.join_all().await;
        }
    });
    for _ in 0..20 {
        time::sleep(Duration::from_millis(500)).await;
        gateway.terminate();
        let ended = spawn_blocking(move || gateway.wait()).await?;
        assert_eq!(ended, Some(0), "it did not end well");
        gateway = on_socket(&socket, upstream)?;
    }
    done.store(true, Ordering::Relaxed);
    load.await?;
    let failures = std::mem::take(&mut *failures.lock().expect("no panic"));
    for failure in failures.iter().take(10) {
        println!("WRONG: {failure}");
    }
    row(
        "10 failed requests in 20 restarts at 50 a second",
        format!("{} of {}", failures.len(), asked.load(Ordering::Relaxed)),
    );
    Ok(())
}

/// The socket as systemd hands it over: as descriptor 3, named by variables.
fn on_socket(socket: &TcpListener, upstream: &Upstream) -> io::Result<Gateway> {
    let hand_over = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", hand_over]).arg(program()).stdin(OwnedFd::from(socket.try_clone()?));
    Ok(Gateway::start_by(command, upstream.address, ""))
}

/// Starts that must fail, and how long each takes to say so.
pub(crate) fn bad_starts() -> io::Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let bad = [
        vec!["serve".to_owned(), "--port".to_owned(), port],
        vec!["serve".to_owned(), "--config".to_owned(), file("a.toml", "[limits]\nping_intervall = 3\n")],
        vec!["serve".to_owned(), "--config".to_owned(), file("b.toml", "[limits\n")],
        vec!["serve".to_owned(), "--config".to_owned(), file("c.toml", "[server]\nport = 'high'\n")],
        vec!["serve".to_owned(), "--config".to_owned(), "/nonexistent/aiapiproxy.toml".to_owned()],
        vec!["serve".to_owned(), "--host".to_owned(), "nowhere.invalid.".to_owned()],
        vec!["serve".to_owned(), "--prot".to_owned()],
        vec!["check".to_owned(), "--config".to_owned(), file("d.toml", "[upstream]\nbase_url = 'nothing'\n")],
    ];
    let mut times = Vec::new();
    for arguments in bad.iter().cycle().take(200) {
        let begun = Instant::now();
        let mut command = Command::new(program());
        command.args(arguments).env_clear().env("HOME", folder.path()).env("OPENAI_API_KEY", "sk-soak");
        let status =
            command.current_dir(folder.path()).stderr(Stdio::null()).stdout(Stdio::null()).status()?;
        times.push(begun.elapsed());
        assert!(!status.success(), "{arguments:?}");
    }
    row("30 a bad start, until it has ended", spread(times));
    Ok(())
}

/// Keys that are wrong at their beginning and at their end, in turn.
pub(crate) async fn wrong_keys(upstream: &Upstream) -> io::Result<()> {
    const KEY: &str = "aap_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let config = format!("[server]\nclient_keys = [{{ id = 'a', key = '{KEY}' }}]\n");
    let gateway = Gateway::start_by(Command::new(program()), upstream.address, &config);
    let mut connection = TcpStream::connect(gateway.address).await?;
    connection.set_nodelay(true)?;
    let mut times = [Vec::new(), Vec::new()];
    let wrong = [KEY.replacen('a', "b", 1), KEY.replace('G', "H")];
    let mut answer = [0; 4096];
    for number in 0..40_000_usize {
        let key = &wrong[number % 2];
        let request = format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n");
        let begun = Instant::now();
        connection.write_all(request.as_bytes()).await?;
        let count = connection.read(&mut answer).await?;
        let elapsed = begun.elapsed();
        assert!(answer[..count].starts_with(b"HTTP/1.1 4"), "a wrong key was let in");
        // The first refusals are worded otherwise than those of a throttled address.
        if number >= 1_000 {
            times[number % 2].push(elapsed);
        }
    }
    let [first, last] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos()
    });
    row(
        "28 a wrong key, by the place of its fault",
        format!("first character {first} ns, last {last} ns (medians of 19,500 each, in turn)"),
    );
    Ok(())
}
