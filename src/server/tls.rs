//! TLS towards clients, with a certificate and a key from files.

use std::{fmt, path::Path, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::aws_lc_rs},
};

use crate::config::server::Tls;

/// Why no TLS can be spoken; two or three lines.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be used (server.tls)\n{why}\n{mend}")]
pub struct Error {
    what: String,
    why: String,
    mend: &'static str,
}

/// Speaks TLS with clients.
#[derive(Clone)]
pub(super) struct Acceptor(pub(super) TlsAcceptor);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Acceptor {
    /// Reads both files.
    pub(super) fn new(settings: &Tls) -> Result<Self, Error> {
        let chain = certificates(&settings.cert)?;
        let key = private_key(&settings.key)?;
        let unfit = |error: rustls::Error| Error {
            what: format!("{} with {}", settings.cert.display(), settings.key.display()),
            why: error.to_string(),
            mend: "the key must be the certificate's, and the certificate the first of its file",
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(unreadable(path, &pem::Error::NoItemsFound)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &pem::Error) -> Error {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it holds no such PEM section".to_owned(),
        _ => "it is no sound PEM file".to_owned(),
    };
    Error {
        what: path.display().to_string(),
        why,
        mend: "server.tls.cert names the certificate chain and server.tls.key its private key, both in PEM",
    }
}
