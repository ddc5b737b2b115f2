//! What is said, in no dialect: texts, images and files; what each dialect makes of them is its own affair.

/// One part of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text; never blank.
    Text(String),
    /// An image.
    Image {
        /// An `http(s)` or `data:` URL.
        url: String,
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
    Inline(String),
    /// At an `http(s)` address.
    Url(String),
}

impl Part {
    /// What a reader would call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image { .. } => "image",
            Self::File { .. } => "file",
        }
    }

    pub(crate) const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    pub(super) const fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image { .. } | Self::File { .. } => None,
        }
    }
}

/// The texts of the parts; other parts must have been taken out before.
pub(crate) fn joined_text(parts: Vec<Part>, separator: &str) -> String {
    let texts: Vec<String> = parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Image { .. } | Part::File { .. } => None,
        })
        .collect();
    texts.join(separator)
}
