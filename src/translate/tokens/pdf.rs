//! What a PDF costs: its pages, counted by their dictionaries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

/// A page: its text, and its picture, which models are given too.
const PER_PAGE: u64 = 2_000;
/// Where pages cannot be counted, as in files whose dictionaries are packed: about 40 KB of base64 a page.
const BASE64_BYTES_PER_TOKEN: u64 = 20;
/// How much of the base64 text is looked at; of a longer one the rest is taken to be alike.
const MAX_SCANNED: usize = 8 << 20;
/// How much of it is unpacked at once; a multiple of four.
const STEP: usize = 64 << 10;
/// Longest text between `/Type` and the byte behind `/Page`.
const LONGEST_MARK: usize = 32;

/// The tokens of a file, by its URL. One that is not here has a page at least.
pub(super) fn tokens(url: &str) -> u64 {
    let Some((_, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) else {
        return PER_PAGE;
    };
    let length = super::length(data.len());
    match pages(data).filter(|&pages| pages > 0) {
        Some(pages) => {
            let scanned = super::length(data.len().min(MAX_SCANNED));
            pages.saturating_mul(length).div_ceil(scanned).saturating_mul(PER_PAGE)
        }
        None => (length / BASE64_BYTES_PER_TOKEN).max(PER_PAGE),
    }
}

/// The pages of the part that is looked at; `None` if it is no base64.
fn pages(data: &str) -> Option<u64> {
    let data = data.as_bytes();
    let data = data.get(..MAX_SCANNED).unwrap_or(data);
    let finder = memmem::Finder::new(b"/Type");
    let (mut window, mut pages) = (Vec::new(), 0);
    for step in data.chunks(STEP) {
        // What the last step left may be the first half of a mark.
        STANDARD.decode_vec(step, &mut window).ok()?;
        let certain = window.len().saturating_sub(LONGEST_MARK);
        pages += finder.find_iter(&window).filter(|&at| at < certain && is_page(&window, at)).count();
        window.drain(..certain);
    }
    pages += finder.find_iter(&window).filter(|&at| is_page(&window, at)).count();
    Some(super::length(pages))
}

/// Whether `/Type` at this place is that of a page: `/Type /Page`, and not `/Type /Pages`.
fn is_page(bytes: &[u8], at: usize) -> bool {
    let after = bytes.get(at + b"/Type".len()..).unwrap_or_default();
    let after = after.get(..LONGEST_MARK - b"/Type".len()).unwrap_or(after).trim_ascii_start();
    let Some(after) = after.strip_prefix(b"/Page") else { return false };
    after.first().is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(bytes: &[u8]) -> String {
        format!("data:application/pdf;base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn pages_are_counted_and_their_tree_is_not() {
        let pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>2 0 obj<</Type /Pages /Count 3>>\n\
                    3 0 obj<</Type/Page/Parent 2 0 R>>4 0 obj<</Type  /Page>>5 0 obj<< /Type\n/Page\n>>\
                    6 0 obj<</Type /PageLabel>>";
        assert_eq!(tokens(&url(pdf)), 3 * PER_PAGE);
        assert_eq!(tokens(&url(b"/Type /Page")), PER_PAGE);
    }

    #[test]
    fn a_mark_may_lie_across_two_steps() {
        let step_bytes = STEP / 4 * 3;
        for before in step_bytes - 2 * LONGEST_MARK..step_bytes + LONGEST_MARK {
            let mut bytes = vec![b' '; before];
            bytes.extend(b"/Type /Page /Type /Pages");
            bytes.extend(vec![b' '; 50]);
            assert_eq!(pages(url(&bytes).split_once(',').unwrap().1), Some(1), "{before}");
        }
    }

    #[test]
    fn packed_files_count_by_their_size_and_unknown_ones_as_a_page() {
        assert_eq!(tokens(&url(&vec![0; 300_000])), 20_000);
        assert_eq!(tokens(&url(b"small")), PER_PAGE);
        assert_eq!(tokens("https://example.com/a.pdf"), PER_PAGE);
        assert_eq!(tokens("data:application/pdf;base64,????"), PER_PAGE);
    }

    #[test]
    fn of_a_very_long_file_the_beginning_counts_for_the_rest() {
        let page = [b"/Type /Page ".to_vec(), vec![b' '; 12_276]].concat();
        let bytes = page.repeat(1_024);
        let counted = tokens(&url(&bytes));
        let expected = 1_024 * PER_PAGE;
        assert!(counted.abs_diff(expected) < expected / 50, "{counted} of {expected}");
    }
}
