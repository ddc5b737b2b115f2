//! Translation between dialects, without IO (filled in below).
pub mod quirks;
