//! An upstream behind TLS, whose certificate may be wrong in the ways that certificates are.

use super::watched::Watched;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use super::wire::{Framing, Head};

/// What is wrong with the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing, for who trusts its issuer.
    None,
    /// It was good until the year 2001.
    Expired,
    /// It is for another name.
    OtherName,
}

/// The running upstream, which answers every request with one body.
pub struct TlsUpstream {
    address: SocketAddr,
    issuer: String,
    protocols: Watched<Vec<Option<String>>>,
}

impl TlsUpstream {
    /// Starts one that would speak HTTP/2, too.
    pub fn start(flaw: Flaw, body: String) -> Self {
        let (config, issuer) = config(flaw);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().unwrap();
        let protocols = Watched::new(Vec::new());
        let shared = protocols.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (shared, body) = (shared.clone(), body.clone());
                // Whoever does not like the certificate goes away, which is no fault of this side.
                thread::spawn(move || drop(converse(StreamOwned::new(connection, stream), &body, &shared)));
            }
        });
        Self { address, issuer, protocols }
    }

    /// `https://127.0.0.1:PORT`, without a path.
    pub fn base_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The issuer's certificate in PEM.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The protocol that was agreed on for each request.
    pub fn protocols(&self) -> Vec<Option<String>> {
        self.protocols.read(Clone::clone)
    }
}

fn config(flaw: Flaw) -> (Arc<ServerConfig>, String) {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();

    let name = if flaw == Flaw::OtherName { "other.example" } else { "127.0.0.1" };
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if flaw == Flaw::Expired {
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(config), issuer.pem())
}

fn converse(
    stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    body: &str,
    protocols: &Watched<Vec<Option<String>>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(head) = Head::read(&mut reader)? {
        head.framing(Framing::Ended).rest(&mut reader)?;
        let agreed =
            reader.get_ref().conn.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        protocols.update(|protocols| protocols.push(agreed));
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        reader.get_mut().write_all(format!("{head}{body}").as_bytes())?;
    }
    Ok(())
}
