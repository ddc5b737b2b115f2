//! Compressed request bodies: gzip is understood, within the limit that holds for plain ones.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};

use super::error::ApiError;
use crate::protocol::anthropic::error::{Error, ErrorDetails, ErrorKind};

/// How a request's body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

impl ContentEncoding {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    /// When it is another one than gzip, with the code that the SDKs know.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::Identity) };
        let name = value.to_str().unwrap_or("unknown").trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            _ => {
                let message = format!("content-encoding {name:?} is not supported for requests; gzip is");
                Err(refused(Error::invalid_request(message), "request_body_encoding_unsupported"))
            }
        }
    }

    /// Unpacks a body of at most `limit` bytes.
    ///
    /// # Errors
    /// When the bytes are not what the header says, or are more than the limit once unpacked.
    pub(crate) async fn decode(self, packed: Bytes, limit: usize) -> Result<Bytes, ApiError> {
        if self == Self::Identity {
            return Ok(packed);
        }
        // Megabytes take milliseconds, which the threads that serve everybody do not have.
        let unpacked = tokio::task::spawn_blocking(move || gunzip(&packed, limit));
        unpacked.await.unwrap_or_else(|crash| Err(ApiError::crashed(crash)))
    }
}

fn gunzip(packed: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if let Err(error) = MultiGzDecoder::new(packed).take(most).read_to_end(&mut bytes) {
        let message = format!("the request body is not what content-encoding gzip says: {error}");
        return Err(refused(Error::invalid_request(message), "request_body_encoding_invalid"));
    }
    if bytes.len() > limit {
        let message = format!(
            "the unpacked request body is longer than the gateway's limit of {limit} bytes (MAX_REQUEST_SIZE)"
        );
        let error = Error::new(ErrorKind::TooLarge, message);
        return Err(refused(error, "request_body_too_large_after_decoding"));
    }
    Ok(bytes.into())
}

fn refused(mut error: Error, error_code: &'static str) -> ApiError {
    error.details = Some(ErrorDetails { error_code, unsupported: &[] });
    error.into()
}
