//! `health`: asks a running server whether it is well, for a container's HEALTHCHECK.
//!
//! A request in its simplest form over a plain socket: no runtime, no client, nothing that could itself fail.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use color_eyre::Result;
use url::Url;

use super::{
    GlobalArgs,
    exit::{Exit, Failure},
    output::{self, plain},
};
use crate::config::{Config, Sources};

mod tls;

/// Ask a running server whether it is well
///
/// Prints one line and exits with 0, or with 1 if there is no good answer within three seconds.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// What to ask; default: /health at the configured port of this machine
    ///
    /// Without a path, /health is meant.
    url: Option<Url>,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy health
  aiapiproxy health http://127.0.0.1:8082/health/ready

Exit codes:
  0  the server is well
  1  it is not, or does not answer
  2  the URL is wrong";

/// For everything together.
const DEADLINE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read; its first line is what counts.
const MAX_HEAD_BYTES: usize = 1024;

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let (url, certificate) = match &args.url {
        Some(url) => (checked(url)?, None),
        None => match own_url(&global.sources()) {
            Ok(own) => own,
            Err(problem) => {
                output::data(&format!("{}\n", plain(&problem)))?;
                return Ok(Exit::Failure);
            }
        },
    };
    let answer = ask(&url, certificate.as_deref());
    let (exit, text) = match answer {
        Ok(status @ 200..=299) => (Exit::Success, format!("ok ({status})")),
        Ok(status) => (Exit::Failure, format!("not well ({status})")),
        Err(error) => (Exit::Failure, format!("no answer: {error}")),
    };
    output::data(&format!("{url}: {}\n", plain(&text)))?;
    Ok(exit)
}

/// The path defaults to `/health`; only plain HTTP is spoken.
fn checked(url: &Url) -> Result<Url> {
    if url.scheme() != "http" || url.host().is_none() {
        let problem = format!("{url} is no http URL");
        return Err(Failure::new(Exit::Usage, problem).mend("write http://HOST:PORT/health").into());
    }
    let mut url = url.clone();
    if url.path() == "/" {
        url.set_path("/health");
    }
    Ok(url)
}

/// Where the server listens that the configuration describes, and the file of its certificate if it speaks TLS.
fn own_url(sources: &Sources) -> Result<(Url, Option<PathBuf>), String> {
    let sources = Sources { key_optional: true, ..sources.clone() };
    let server = Config::load(&sources).map_err(|error| error.to_string())?.config.server;
    let host = match server.host.parse::<IpAddr>() {
        // A server that listens everywhere also listens here.
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => server.host,
    };
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{}/health", server.port);
    let url = Url::parse(&url).map_err(|error| format!("{url}: {error}"))?;
    Ok((url, server.tls.map(|tls| tls.cert)))
}

/// The status of the answer.
fn ask(url: &Url, certificate: Option<&Path>) -> io::Result<u16> {
    let end = Instant::now() + DEADLINE;
    let socket = connect(url, end)?;
    let mut stream: Box<dyn Stream> = match certificate {
        Some(path) => Box::new(tls::wrap(socket.try_clone()?, path)?),
        None => Box::new(socket.try_clone()?),
    };
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: aiapiproxy-health\r\nconnection: close\r\n\r\n"
    );
    socket.set_write_timeout(Some(left(end)?))?;
    socket.set_read_timeout(Some(left(end)?))?;
    stream.write_all(request.as_bytes())?;

    let mut head = Vec::new();
    let mut buffer = [0; MAX_HEAD_BYTES];
    loop {
        if let Some(status) = status(&head) {
            return Ok(status);
        }
        socket.set_read_timeout(Some(left(end)?))?;
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() > MAX_HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"));
        }
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// A socket, with TLS over it or without.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn connect(url: &Url, end: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (
        url.host_str().unwrap_or_default().trim_matches(['[', ']']),
        url.port_or_known_default().unwrap_or(80),
    )
        .to_socket_addrs()?
        .collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(end)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// `HTTP/1.1 200 OK` → 200, once that much has come.
fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    #[test]
    fn the_path_defaults_and_https_is_refused() {
        let url = |text: &str| checked(&Url::parse(text).unwrap()).map(|url| url.to_string());
        assert_eq!(url("http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1/health");
        assert_eq!(url("http://[::1]:1/health/live").unwrap(), "http://[::1]:1/health/live");
        assert!(url("https://127.0.0.1:1").is_err());
        assert!(url("mailto:x").is_err());
    }

    #[test]
    fn the_status_is_read_however_the_answer_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/health", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            for piece in ["HT", "TP/1.1 5", "03 No\r\n\r\n"] {
                stream.write_all(piece.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
            String::from_utf8(request).unwrap()
        });
        assert_eq!(ask(&url, None).unwrap(), 503);
        assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\nhost: 127.0.0.1:"));
    }
}
