//! The smaller tables: TLS, client keys, images, metrics.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{Integer, Moment, SecretText};

/// `[server.tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct TlsTable {
    pub(in crate::config) cert: Option<Spanned<PathBuf>>,
    pub(in crate::config) key: Option<Spanned<PathBuf>>,
}

/// One of `[[server.client_keys]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClientKeyTable {
    pub(in crate::config) id: Spanned<String>,
    pub(in crate::config) key: Option<Spanned<SecretText>>,
    pub(in crate::config) sha256: Option<Spanned<SecretText>>,
    pub(in crate::config) expires: Option<Spanned<Moment>>,
    pub(in crate::config) models: Option<Spanned<Vec<String>>>,
    pub(in crate::config) requests_per_minute: Option<Spanned<Integer>>,
    pub(in crate::config) tokens_per_minute: Option<Spanned<Integer>>,
    pub(in crate::config) max_concurrent: Option<Spanned<Integer>>,
}

/// `[images]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ImagesTable {
    pub(in crate::config) url: Option<Spanned<String>>,
}

/// `[metrics]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct MetricsTable {
    pub(in crate::config) listen: Option<Spanned<String>>,
}
