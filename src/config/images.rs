//! `[images]`: what becomes of the URLs of images and documents.

use serde::Serialize;

use super::{
    error::Error,
    file::ImagesTable,
    layers::{Kind, Layers},
};
use crate::translate::quirks::MediaUrls;

/// What becomes of the URLs of images and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Images {
    /// Which are passed on to the upstream, which fetches them. Default [`MediaUrls::HttpsOnly`].
    pub url: MediaUrls,
}

impl Default for Images {
    fn default() -> Self {
        Self { url: MediaUrls::HttpsOnly }
    }
}

const URL: Kind<MediaUrls> = Kind {
    expected: "\"https_only\", \"pass\" or \"block\"",
    read: |text| MediaUrls::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, rule)| rule),
    names: &["https_only", "pass", "block"],
};

impl Images {
    /// Chooses the settings from their layers.
    pub(super) fn resolve(table: ImagesTable, layers: &mut Layers<'_>) -> Result<Self, Error> {
        let url = layers.file(table.url, "images.url", &URL)?;
        let url = layers.choose("images.url", [url]);
        Ok(url.map_or_else(Self::default, |it| Self { url: it.value }))
    }
}
