//! What an image costs: its size in pixels, read from the first bytes, and OpenAI's two formulas.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An image of unknown size.
const UNKNOWN: u64 = 1_600;
/// Newer models see patches of so many pixels a side, and not more of them than this.
const PATCH_PIXELS: u64 = 32;
const MAX_PATCHES: u64 = 1_536;
/// Older models see tiles of so many pixels a side, after the image was brought into a square and its shorter
/// side to a length.
const TILE_PIXELS: u64 = 512;
const LONG_SIDE_PIXELS: u64 = 2_048;
const SHORT_SIDE_PIXELS: u64 = 768;
const PER_TILED_IMAGE: u64 = 85;
const PER_TILE: u64 = 170;
/// How much of the base64 text is looked at, in characters: photographs may have a preview and a colour profile
/// before the segment that tells the size. A multiple of four.
const MAX_HEAD: usize = 256 << 10;
/// What all formats but JPEG need.
const SHORT_HEAD: usize = 64;

/// The tokens of an image, by its URL.
pub(super) fn tokens(url: &str, model: &str) -> u64 {
    match size(url) {
        Some(size) if sees_tiles(model) => by_tiles(size),
        Some(size) => by_patches(size),
        None => UNKNOWN,
    }
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    width: u64,
    height: u64,
}

/// GPT-4o, GPT-4.1, GPT-4.5, o1 and o3; their `mini` and `nano`, and everything newer, see patches.
fn sees_tiles(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let older = ["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-4-", "chatgpt-4o", "o1", "o3"];
    let smaller = ["gpt-4.1-mini", "gpt-4.1-nano"];
    let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    is(&older) && !is(&smaller)
}

fn by_patches(Size { width, height }: Size) -> u64 {
    let patches = width.div_ceil(PATCH_PIXELS).saturating_mul(height.div_ceil(PATCH_PIXELS));
    patches.clamp(1, MAX_PATCHES)
}

fn by_tiles(Size { width, height }: Size) -> u64 {
    let (mut long, mut short) = (width.max(height).max(1), width.min(height).max(1));
    if long > LONG_SIDE_PIXELS {
        short = (short * LONG_SIDE_PIXELS / long).max(1);
        long = LONG_SIDE_PIXELS;
    }
    if short > SHORT_SIDE_PIXELS {
        long = long * SHORT_SIDE_PIXELS / short;
        short = SHORT_SIDE_PIXELS;
    }
    PER_TILED_IMAGE + PER_TILE * long.div_ceil(TILE_PIXELS) * short.div_ceil(TILE_PIXELS)
}

/// The size of an image in a `data:` URL.
fn size(url: &str) -> Option<Size> {
    let (_, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    let head = decode_head(data, SHORT_HEAD)?;
    if head.starts_with(b"\xFF\xD8") {
        return of_jpeg(&decode_head(data, MAX_HEAD)?);
    }
    let size = of_png(&head).or_else(|| of_gif(&head)).or_else(|| of_webp(&head))?;
    (size.width > 0 && size.height > 0).then_some(size)
}

fn decode_head(data: &str, length: usize) -> Option<Vec<u8>> {
    let head = data.as_bytes().get(..length).unwrap_or(data.as_bytes());
    STANDARD.decode(head).ok()
}

fn of_png(bytes: &[u8]) -> Option<Size> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1A\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    Some(Size { width: big_endian(header.get(..4)?), height: big_endian(header.get(4..8)?) })
}

fn of_gif(bytes: &[u8]) -> Option<Size> {
    let rest = bytes.strip_prefix(b"GIF87a").or_else(|| bytes.strip_prefix(b"GIF89a"))?;
    Some(Size { width: little_endian(rest.get(..2)?), height: little_endian(rest.get(2..4)?) })
}

fn of_webp(bytes: &[u8]) -> Option<Size> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let (kind, chunk) = (rest.get(..4)?, rest.get(8..)?);
    match kind {
        b"VP8 " => {
            let frame = chunk.get(3..)?.strip_prefix(b"\x9D\x01\x2A")?;
            // The two highest bits scale, which only decoders mind.
            let side = |bytes: &[u8]| little_endian(bytes) & 0x3FFF;
            Some(Size { width: side(frame.get(..2)?), height: side(frame.get(2..4)?) })
        }
        b"VP8L" => {
            let bits = little_endian(chunk.strip_prefix(b"\x2F")?.get(..4)?);
            Some(Size { width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1 })
        }
        b"VP8X" => {
            let (width, height) = (little_endian(chunk.get(4..7)?), little_endian(chunk.get(7..10)?));
            Some(Size { width: width + 1, height: height + 1 })
        }
        _ => None,
    }
}

/// A JPEG is a list of segments; one of them begins the picture and tells its size.
fn of_jpeg(bytes: &[u8]) -> Option<Size> {
    let mut rest = bytes.strip_prefix(b"\xFF\xD8")?;
    loop {
        // Any number of FF may stand before a marker.
        let start = rest.iter().position(|byte| *byte != 0xFF).filter(|&fill| fill > 0)?;
        let (marker, after) = rest.get(start..)?.split_first()?;
        let segment_length = usize::try_from(big_endian(after.get(..2)?)).ok()?;
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let (height, width) = (big_endian(after.get(3..5)?), big_endian(after.get(5..7)?));
            return (width > 0 && height > 0).then_some(Size { width, height });
        }
        // Each turn consumes at least the two bytes of the length.
        rest = after.get(segment_length.max(2)..)?;
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(bytes: &[u8]) -> String {
        format!("data:image/x;base64,{}", STANDARD.encode(bytes))
    }

    fn size_of(bytes: &[u8]) -> Option<(u64, u64)> {
        size(&url(bytes)).map(|size| (size.width, size.height))
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0, 1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn every_format_tells_its_size() {
        assert_eq!(size_of(&png(1024, 768)), Some((1024, 768)));
        assert_eq!(size_of(b"GIF89a\x40\x01\xC8\x00\xF7\0\0"), Some((320, 200)));
        assert_eq!(
            size_of(b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\x30\x01\0\x9D\x01\x2A\x40\x41\xC8\x40"),
            Some((320, 200))
        );
        // 319 and 199 in fourteen bits each.
        let lossless = 319_u32 + (199 << 14);
        let mut bytes = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2F".to_vec();
        bytes.extend(lossless.to_le_bytes());
        assert_eq!(size_of(&bytes), Some((320, 200)));
        assert_eq!(size_of(b"RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\x10\0\0\0\x3F\x01\0\xC7\0\0"), Some((320, 200)));
    }

    #[test]
    fn the_size_of_a_jpeg_stands_behind_other_segments() {
        let mut bytes = b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xFF\xE1".to_vec();
        bytes.extend(60_000_u16.to_be_bytes());
        bytes.extend(vec![7; 59_998]);
        // A table of the same family of markers, fill bytes, then the frame: height before width.
        bytes.extend(b"\xFF\xC4\0\x04\0\0\xFF\xFF\xFF\xC2\0\x11\x08\0\xC8\x01\x40\x03");
        assert_eq!(size_of(&bytes), Some((320, 200)));
        assert_eq!(size_of(&bytes[..bytes.len() - 4]), None);
        assert_eq!(size_of(b"\xFF\xD8\xFF\xE0\0\0\xFF\xE0\0\0"), None);
        assert_eq!(size_of(b"\xFF\xD8\xFF\xFF\xFF"), None);
    }

    #[test]
    fn what_cannot_be_read_is_of_unknown_size() {
        for url in
            ["https://example.com/a.png", "data:image/png;base64,", "data:image/png;base64,?", "data:,x", ""]
        {
            assert_eq!(tokens(url, "gpt-6-sol"), UNKNOWN, "{url}");
        }
        let whole = png(9, 9);
        for end in 0..24 {
            assert_eq!(size_of(&whole[..end]), None, "{end}");
        }
        assert_eq!(size_of(&png(0, 5)), None);
        assert!(tokens(&url(&png(u32::MAX, u32::MAX)), "gpt-4o") > 0);
    }

    #[test]
    fn newer_models_see_patches() {
        let tokens = |width, height| tokens(&url(&png(width, height)), "gpt-6-sol");
        assert_eq!(tokens(1, 1), 1);
        assert_eq!(tokens(1024, 1024), 1_024);
        assert_eq!(tokens(1025, 1024), 1_056);
        assert_eq!(tokens(4000, 3000), 1_536);
    }

    #[test]
    fn older_models_see_tiles() {
        let tokens = |model, width, height| tokens(&url(&png(width, height)), model);
        for model in ["gpt-4o", "openai/gpt-4.1", "o3"] {
            // OpenAI's own two examples.
            assert_eq!(tokens(model, 1024, 1024), 765);
            assert_eq!(tokens(model, 2048, 4096), 1_105);
            assert_eq!(tokens(model, 100, 100), 255);
        }
        for model in ["gpt-4.1-mini", "gpt-6-sol", "qwen3-vl", "gpt-5"] {
            assert_eq!(tokens(model, 1024, 1024), 1_024, "{model}");
        }
    }
}
