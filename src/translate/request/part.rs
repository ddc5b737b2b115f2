//! What is said, in no dialect: texts, images and files; what each dialect makes of them is its own affair.

use crate::protocol::json::Escaped;

/// One part of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// What it is.
    pub(crate) kind: PartKind,
    /// The prompt up to here is worth caching.
    pub(crate) marker: Option<Box<Marker>>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// Text; never blank.
    Text(Escaped),
    /// An image.
    Image {
        /// An `http(s)` or `data:` URL.
        url: Escaped,
    },
    /// A file, such as a PDF.
    File {
        /// Its name.
        filename: String,
        /// Where its bytes are.
        data: FileData,
    },
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileData {
    /// In a `data:` URL.
    Inline(Escaped),
    /// At an `http(s)` address.
    Url(Escaped),
}

/// A cache marker of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Where it stood: a JSON pointer.
    pub(super) pointer: String,
    /// How long to keep what is cached, such as `5m`.
    pub(crate) ttl: Option<String>,
}

impl Part {
    pub(crate) fn text(text: impl Into<Escaped>) -> Self {
        PartKind::Text(text.into()).into()
    }

    /// The texts of the parts as one, with the last of their markers; other parts must have been taken out before.
    pub(crate) fn joined(parts: Vec<Self>, separator: &str) -> Self {
        let (mut texts, mut marker) = (Vec::with_capacity(parts.len()), None);
        for part in parts {
            marker = part.marker.or(marker);
            if let PartKind::Text(text) = part.kind {
                texts.push(text);
            }
        }
        Self { kind: PartKind::Text(Escaped::join(texts, separator)), marker }
    }

    /// What a reader would call it.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            PartKind::Text(_) => "text",
            PartKind::Image { .. } => "image",
            PartKind::File { .. } => "file",
        }
    }

    pub(crate) const fn is_text(&self) -> bool {
        matches!(self.kind, PartKind::Text(_))
    }

    pub(super) const fn text_mut(&mut self) -> Option<&mut Escaped> {
        match &mut self.kind {
            PartKind::Text(text) => Some(text),
            PartKind::Image { .. } | PartKind::File { .. } => None,
        }
    }
}

impl From<PartKind> for Part {
    fn from(kind: PartKind) -> Self {
        Self { kind, marker: None }
    }
}
