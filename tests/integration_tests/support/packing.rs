//! What compressors would make of bytes, without compressing them: the formats have blocks for that.

/// What zstd makes of the bytes (RFC 8878): blocks of the kind "raw".
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd_frame(bytes.chunks(ZSTD_BLOCK).map(|block| (0, block.len(), block.to_vec())).collect())
}

/// What zstd makes of so many equal bytes: blocks of the kind "run".
pub fn zstd_run(byte: u8, count: usize) -> Vec<u8> {
    assert_eq!(count % ZSTD_BLOCK, 0);
    zstd_frame(vec![(1, ZSTD_BLOCK, vec![byte]); count / ZSTD_BLOCK])
}

const ZSTD_BLOCK: usize = 128 << 10;

fn zstd_frame(blocks: Vec<(usize, usize, Vec<u8>)>) -> Vec<u8> {
    // The magic number, no options, a window of 1 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    let last = blocks.len() - 1;
    for (number, (kind, size, contents)) in blocks.into_iter().enumerate() {
        let head = usize::from(number == last) | kind << 1 | size << 3;
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(contents);
    }
    frame
}

/// What brotli makes of the bytes (RFC 7932): uncompressed meta-blocks.
pub fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    // The first bit of the stream says that the window has 16 bits.
    let mut before = 1;
    for block in bytes.chunks(1 << 16) {
        // Not the last one, a length of four half bytes, uncompressed; then the rest of the byte is skipped.
        let head = ((block.len() - 1) << 3 | 1 << 19) << before;
        packed.extend(&head.to_le_bytes()[..3]);
        packed.extend(block);
        before = 0;
    }
    // The last one, and empty.
    packed.push(3);
    packed
}
