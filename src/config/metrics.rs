//! `[metrics]`: where the numbers are told without a key.

use std::net::SocketAddr;

use serde::Serialize;

use super::{
    Flags,
    error::Error,
    file::MetricsTable,
    layers::{Kind, Layers},
};

/// Where `GET /metrics` is answered beside the port of clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// An address of loopback and a port of its own, where no key is wanted; port 0 lets the system choose.
    /// Default none.
    pub listen: Option<SocketAddr>,
}

const LISTEN: Kind<SocketAddr> = Kind {
    expected: "an address of loopback with its port, such as \"127.0.0.1:9464\" (beyond it /metrics is on the \
               server's own port, behind a client key)",
    read: |text| text.parse().ok().filter(|address: &SocketAddr| address.ip().to_canonical().is_loopback()),
    names: &[],
};

impl Metrics {
    /// Chooses the settings from their layers; a server for one command has no second port.
    pub(super) fn resolve(
        table: MetricsTable,
        flags: &Flags,
        layers: &mut Layers<'_>,
    ) -> Result<Self, Error> {
        let listen = layers.file(table.listen, "metrics.listen", &LISTEN)?;
        if flags.for_one_command {
            return Ok(Self::default());
        }
        let listen = layers.choose("metrics.listen", [listen]);
        Ok(Self { listen: listen.map(|it| it.value) })
    }
}
