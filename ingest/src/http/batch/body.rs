//! The body of a batch, decompressed, as chunks.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use axum::body::Body;
use bytes::Bytes;
use forebay_service::{Problem, http::body_problem};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::http::media::Encoding;

/// Bytes of a chunk that a decompressor gives.
const CHUNK_BYTES: usize = 64 * 1024;

/// The largest window that a zstd stream may ask memory for, as a power of two: 8 MiB, what every decoder must support
/// (RFC 8878, section 3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The chunks of a body. It ends after the first error.
pub(super) fn chunks(body: Body, encoding: Encoding) -> BoxStream<'static, Result<Bytes, Problem>> {
    let raw = body.into_data_stream();
    if encoding == Encoding::Identity {
        return raw.map_err(|error| body_problem(&error)).boxed();
    }
    let reader = StreamReader::new(raw.map_err(io::Error::other));
    let decoder: Pin<Box<dyn AsyncRead + Send>> = match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        _ => {
            let window = async_compression::zstd::DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX);
            let mut decoder = ZstdDecoder::with_params(reader, &[window]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    };
    let name = if encoding == Encoding::Gzip { "gzip" } else { "zstd" };
    ReaderStream::with_capacity(decoder, CHUNK_BYTES).map_err(move |error| problem_of(&error, name)).boxed()
}

/// An error of the connection stays what it is; an error of the decoder means that the bytes are not what they should be.
fn problem_of(error: &io::Error, encoding: &str) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::malformed(format!("the {encoding} body is torn: it ends too early")),
        _ if error.get_ref().is_some_and(|inner| inner.source().is_some() || inner.is::<axum::Error>()) => {
            body_problem(error)
        }
        _ => Problem::malformed(format!("the body is not {encoding}: {error}")),
    }
}
