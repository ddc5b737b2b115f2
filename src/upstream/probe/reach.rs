//! The steps that need no key: name, port, TLS.

use std::time::Duration;

use tokio::{
    net::{TcpStream, lookup_host},
    time,
};

use super::{Failure, Outcome, Step, Steps, Trial};
use crate::upstream::{Error, Unreachable, Upstream, request};

/// Name, port and TLS. Behind a proxy the direct way may be closed, so what fails directly is tried through the
/// client before it counts.
pub(super) async fn all<F: FnMut(&Step)>(
    upstream: &Upstream,
    patience: Duration,
    steps: &mut Steps<F>,
) -> bool {
    let url = &upstream.settings().base_url;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let resolve = Trial::start("resolve", host.clone());
    let addresses = match time::timeout(patience, lookup_host((host.as_str(), port))).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let Some(first) = addresses.first() else {
        if upstream.knock().await.is_ok() {
            steps.add(resolve.skipped("the upstream is reached through a proxy"));
            return true;
        }
        let cure = "check the base URL's spelling, and the network";
        let cause = format!("the name {host} does not resolve (DNS)");
        steps.add(resolve.failed(Failure::Unreachable, cause, Some(cure)));
        return false;
    };
    steps.add(resolve.ok(Some(first.ip().to_string())));
    let tcp = Trial::start("tcp", format!("{host}:{port}"));
    let connected = time::timeout(patience, TcpStream::connect(addresses.as_slice())).await;
    let refused = match connected {
        Ok(Ok(_)) => None,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Some("connection refused: nothing listens at that port".to_owned())
        }
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("nobody answered within {} s", patience.as_secs_f64())),
    };
    match refused {
        None => steps.add(tcp.ok(None)),
        Some(_) if upstream.knock().await.is_ok() => {
            steps.add(tcp.skipped("the upstream is reached through a proxy"));
        }
        Some(cause) => {
            let cure = "start the server, or correct the base URL";
            steps.add(tcp.failed(Failure::Unreachable, cause, Some(cure)));
            return false;
        }
    }
    tls(upstream, steps).await
}

async fn tls<F: FnMut(&Step)>(upstream: &Upstream, steps: &mut Steps<F>) -> bool {
    let url = &upstream.settings().base_url;
    let trial = Trial::start("tls", request::authority(upstream.settings()));
    if url.scheme() != "https" {
        steps.add(trial.skipped("plain http"));
        return true;
    }
    let knock = upstream.knock().await;
    let step = match &knock {
        Err(Error::Connect { reason: Unreachable::Tls(reason), .. }) => {
            let cure = "check that the base URL names a TLS port and that this machine trusts the issuer";
            trial.failed(Failure::Unreachable, reason.clone(), Some(cure))
        }
        // A server that slams the door on a stranger's HEAD has shaken hands before.
        Ok(()) | Err(Error::NoAnswer { .. } | Error::Unreadable { .. } | Error::Timeout { .. }) => {
            trial.ok(None)
        }
        Err(error) => trial.error(error),
    };
    let reached = step.outcome == Outcome::Ok;
    steps.add(step);
    reached
}
