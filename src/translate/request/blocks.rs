//! Content blocks as parts: text, images, documents (protocol.md §2.4, §2.5).

use super::browser;
use super::part::{FileData, Marker, Part, PartKind};
use super::place::Place;
use super::{FileUrls, Translation, report_unknown};
use crate::protocol::anthropic::block::{Block, BlockKind, Content, Document, SearchResult, Source};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::ToolChange;
use crate::protocol::json::Escaped;
use crate::translate::report::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

impl Translation<'_> {
    /// What every kind of block may carry beside its content; returns its cache marker, if the upstream takes any.
    pub(super) fn extras(&mut self, block: &Block, place: &Place) -> Option<Marker> {
        let marker = self.marker(block.cache_control.as_deref(), place);
        let Some(stray) = block.stray.as_deref() else { return marker };
        for name in &stray.ignored {
            let reason = "it means nothing to another vendor's model";
            self.report.add(&place.child(*name), Kind::Ignored, reason);
        }
        report_unknown(&stray.unknown, place, &mut self.report);
        report_unknown(&stray.unknown_in_source, &place.child("source"), &mut self.report);
        marker
    }

    /// Content that holds nothing but text, images and documents, as parts. Blank texts are left out: OpenAI and
    /// Mistral refuse empty parts.
    pub(super) fn parts(&mut self, content: Content, place: &Place) -> Result<Vec<Part>, Error> {
        self.parts_without(&[], content, place)
    }

    /// [`Translation::parts`] without the blocks at these places, which the caller has dealt with.
    pub(super) fn parts_without(
        &mut self,
        skipped: &[usize],
        content: Content,
        place: &Place,
    ) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        match content {
            Content::Text(text) => {
                self.text_part(text, place, &mut parts);
                self.mark(None, &mut parts);
            }
            Content::Blocks(blocks) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    if skipped.contains(&index) {
                        continue;
                    }
                    self.block(block, &place.child(index), &mut parts)?;
                }
            }
        }
        Ok(parts)
    }

    /// One block as parts.
    pub(super) fn block(&mut self, block: Block, place: &Place, parts: &mut Vec<Part>) -> Result<(), Error> {
        let marker = self.extras(&block, place);
        let before = parts.len();
        self.kind(block.kind, place, parts)?;
        self.mark(marker, parts.get_mut(before..).unwrap_or_default());
        Ok(())
    }

    fn kind(&mut self, kind: BlockKind, place: &Place, parts: &mut Vec<Part>) -> Result<(), Error> {
        match kind {
            BlockKind::Text { text, cited } => {
                if cited {
                    let reason = "the upstream knows no citations";
                    self.report.add(&place.child("citations"), Kind::Ignored, reason);
                }
                self.text_part(text, place, parts);
            }
            BlockKind::Image { source } => parts.push(self.image(source, place)?),
            BlockKind::Document(document) => {
                let Document { source, title, context, citations } = *document;
                if citations {
                    let reason = "the upstream answers without citations";
                    self.report.add(&place.child("citations"), Kind::Dropped, reason);
                }
                self.document(source, title, context.as_deref(), place, parts)?;
            }
            BlockKind::SearchResult(result) => {
                let SearchResult { source, title, content, citations } = *result;
                self.report.add(place, Kind::Approximated, "a search result became text");
                if citations {
                    let reason = "the upstream answers without citations";
                    self.report.add(&place.child("citations"), Kind::Dropped, reason);
                }
                let open = format!(
                    "<search_result source=\"{}\" title=\"{}\">",
                    attribute(&source),
                    attribute(&title)
                );
                self.wrapped(&open, "</search_result>", content, place, parts)?;
            }
            BlockKind::ToolReference { tool_name } => {
                parts.push(Part::text(format!("Tool loaded: {tool_name}")));
            }
            BlockKind::BrowserState(state) => {
                self.report.add(place, Kind::Approximated, "the state of a browser became text");
                for (pointer, unknown) in state.unknown() {
                    report_unknown(unknown, &format_args!("{place}/{pointer}"), &mut self.report);
                }
                parts.push(Part::text(browser::text(&state)));
            }
            // The changes were applied to the list of tools before.
            BlockKind::Compaction { content, tool_changes: _ } => {
                let Some(content) = content else {
                    self.report.add(place, Kind::Ignored, "a compaction without content");
                    return Ok(());
                };
                self.report.add(place, Kind::Approximated, "a compaction became its text");
                self.wrapped("Summary of the earlier conversation:", "", content, place, parts)?;
            }
            BlockKind::Marker => self.report.add(place, Kind::Ignored, "a marker without content"),
            // They were applied to the list of tools before.
            BlockKind::ToolAddition(ToolChange::Definition(None))
            | BlockKind::ToolRemoval(ToolChange::Definition(None)) => {}
            BlockKind::ToolAddition(_) | BlockKind::ToolRemoval(_) => {
                return Err(place.refuse("changes of the tools belong into the content of a message"));
            }
            BlockKind::ContainerUpload => {
                return Err(place.refuse("a container_upload needs Anthropic's code execution"));
            }
            BlockKind::ToolUse { .. } => {
                return Err(place.refuse("a tool_use belongs to an assistant message"));
            }
            BlockKind::ToolResult { .. } => return Err(place.refuse("a tool_result does not belong here")),
            BlockKind::Thinking { .. } | BlockKind::RedactedThinking { .. } => {
                return Err(place.refuse("thinking belongs to an assistant message"));
            }
            BlockKind::ServerToolUse { .. }
            | BlockKind::ServerToolResult { .. }
            | BlockKind::WebSearchResult { .. }
            | BlockKind::ServerToolOutput { .. }
            | BlockKind::ProgramOutput { .. } => {
                return Err(place.refuse("results of server tools belong to an assistant message"));
            }
            BlockKind::Other(kind) => {
                return Err(place.refuse(format_args!("blocks of type `{kind}` are unknown")));
            }
        }
        Ok(())
    }

    fn text_part(&mut self, text: Escaped, place: &Place, parts: &mut Vec<Part>) {
        if text.is_blank() {
            self.report.add(place, Kind::Ignored, "blank text");
        } else {
            parts.push(Part::text(text));
        }
    }

    fn image(&mut self, source: Source, place: &Place) -> Result<Part, Error> {
        if !self.options.quirks.images {
            return Err(place.refuse("the upstream takes no images"));
        }
        let url = match source {
            Source::Base64 { media_type, data } => {
                let found = media_type_of(&data);
                if found.is_none() && !IMAGE_TYPES.contains(&media_type.as_str()) {
                    let known = "image/jpeg, image/png, image/gif, image/webp";
                    return Err(place
                        .refuse(format_args!("`{media_type}` is no known image type; known are {known}")));
                }
                if let Some(found) = found.filter(|found| *found != media_type) {
                    let reason = format!("the bytes are {found}");
                    self.report.add(&place.child("source").child("media_type"), Kind::Repaired, reason);
                }
                data_url(found.unwrap_or(&media_type), &data)
            }
            Source::Url(url) if is_http(&url) => self.allowed_url(url, place)?.into(),
            Source::Url(_) => return Err(place.refuse("an image's url must begin with http:// or https://")),
            other => return Err(refuse_source(&other, "image", place)),
        };
        Ok(PartKind::Image { url }.into())
    }

    fn allowed_url(&self, url: String, place: &Place) -> Result<String, Error> {
        match self.options.media_urls.refusal(&url) {
            Some(reason) => Err(place.child("source/url").refuse(reason)),
            None => Ok(url),
        }
    }

    fn document(
        &mut self,
        source: Source,
        title: Option<String>,
        context: Option<&str>,
        place: &Place,
        parts: &mut Vec<Part>,
    ) -> Result<(), Error> {
        let quirks = &self.options.quirks;
        let data = match source {
            Source::Text(text) => {
                return self.text_document(Content::Text(text), title.as_deref(), context, place, parts);
            }
            Source::Content(content) => {
                return self.text_document(content, title.as_deref(), context, place, parts);
            }
            Source::Base64 { media_type, data } if media_type == "application/pdf" && quirks.files => {
                FileData::Inline(data_url("application/pdf", &data))
            }
            Source::Url(url) if is_http(&url) && quirks.files && self.form.file_urls != FileUrls::Refused => {
                if title.is_some() && self.form.file_urls == FileUrls::Nameless {
                    let reason = "a file that is named by URL has no other name";
                    self.report.add(&place.child("title"), Kind::Dropped, reason);
                }
                FileData::Url(self.allowed_url(url, place)?.into())
            }
            Source::Base64 { media_type, .. } if media_type != "application/pdf" => {
                return Err(place.refuse(format_args!("documents of type `{media_type}` are not supported")));
            }
            Source::Base64 { .. } => return Err(place.refuse("the upstream takes no PDF documents")),
            Source::Url(_) => {
                return Err(place.refuse("the upstream takes no documents by URL; send the bytes"));
            }
            other => return Err(refuse_source(&other, "document", place)),
        };
        if context.is_some() {
            self.report.add(&place.child("context"), Kind::Dropped, "a file part has no place for it");
        }
        let filename = title.unwrap_or_else(|| "document.pdf".to_owned());
        parts.push(PartKind::File { filename, data }.into());
        Ok(())
    }

    fn text_document(
        &mut self,
        content: Content,
        title: Option<&str>,
        context: Option<&str>,
        place: &Place,
        parts: &mut Vec<Part>,
    ) -> Result<(), Error> {
        self.report.add(place, Kind::Approximated, "a document became text");
        let mut open = "<document".to_owned();
        for (name, value) in [("title", title), ("context", context)] {
            if let Some(value) = value {
                open = format!("{open} {name}=\"{}\"", attribute(value));
            }
        }
        open.push('>');
        self.wrapped(&open, "</document>", content, &place.child("source"), parts)
    }

    /// Content between two lines; a single text joins them, so that the common case stays one part.
    fn wrapped(
        &mut self,
        open: &str,
        close: &str,
        content: Content,
        place: &Place,
        parts: &mut Vec<Part>,
    ) -> Result<(), Error> {
        let mut inner = self.parts(content, &place.child("content"))?;
        if inner.iter().all(Part::is_text) {
            let mut joined = Part::joined(inner, "\n");
            if let Some(text) = joined.text_mut() {
                text.prepend(&format!("{open}\n"));
                text.push_str(&format!("\n{close}"));
                text.trim_end();
            }
            parts.push(joined);
        } else {
            parts.push(Part::text(open));
            parts.append(&mut inner);
            if !close.is_empty() {
                parts.push(Part::text(close));
            }
        }
        Ok(())
    }
}

fn refuse_source(source: &Source, block: &str, place: &Place) -> Error {
    let kind = match source {
        Source::File => {
            return place.refuse("files stored with Anthropic cannot be read here; send the bytes");
        }
        Source::Base64 { .. } => "base64",
        Source::Url(_) => "url",
        Source::Text(_) => "text",
        Source::Content(_) => "content",
        Source::Other(kind) => kind,
    };
    place.refuse(format_args!("source.type: an {block} of type `{kind}` is not supported"))
}

const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What the first bytes say; clients mislabel images, and upstreams refuse those.
fn media_type_of(base64: &Escaped) -> Option<&'static str> {
    let head: String = base64.chars().take(16).collect();
    let head = STANDARD.decode(head.get(..16)?).ok()?;
    if head.starts_with(b"\xFF\xD8\xFF") {
        Some("image/jpeg")
    } else if head.starts_with(b"\x89PNG\r\n\x1A\n") {
        Some("image/png")
    } else if head.starts_with(b"GIF8") {
        Some("image/gif")
    } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

fn data_url(media_type: &str, base64: &Escaped) -> Escaped {
    let mut url = Escaped::with_capacity(media_type.len() + base64.inner().len() + 16);
    url.push_str(&format!("data:{media_type};base64,"));
    url.push(base64);
    url
}

fn is_http(url: &str) -> bool {
    let scheme = |name: &str| url.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    scheme("https://") || scheme("http://")
}

/// A value between double quotes.
fn attribute(value: &str) -> String {
    value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
