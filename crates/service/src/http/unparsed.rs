//! What is no request is answered by `hyper` itself: it does not become one that a handler could answer, and the answer has no body. On its way
//! out it gets the one that every problem has.
//!
//! That is HTTP/1.1. Of HTTP/2 there is nothing to be had: what cannot be read there ends the connection or the stream, as the protocol says.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::response::IntoResponse;
use forebay_api::header;
use http::{StatusCode, header as standard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::problem::Problem;
use crate::request_name::RequestName;

/// An answer that is longer is not `hyper`'s own.
const OWN_BYTES_MAX: usize = 256;

/// A connection whose answers are all problems where they are errors.
pub(super) struct Unparsed<S> {
    stream: S,
    /// What goes out instead of what was to be written, which has that many bytes.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S: AsyncWrite + Unpin> Unparsed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, instead: None }
    }

    /// Writes what stands in place of `bytes`, if something does. The caller writes the same bytes again until that is done.
    fn poll_instead(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.instead.is_none() {
            self.instead = own_status(bytes).map(|status| (answer(status), bytes.len()));
        }
        let Some((rest, stands_for)) = &mut self.instead else { return Poll::Ready(Ok(None)) };
        while !rest.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.drain(..written);
        }
        let written = *stands_for;
        self.instead = None;
        Poll::Ready(Ok(Some(written)))
    }
}

/// The status of an answer that is `hyper`'s own: an error that has not been given a name, as all of ours have.
fn own_status(bytes: &[u8]) -> Option<StatusCode> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").filter(|_| bytes.len() <= OWN_BYTES_MAX)?.get(..3)?;
    let text = str::from_utf8(bytes).ok().filter(|text| text.ends_with("\r\n\r\n"))?;
    let status = StatusCode::from_bytes(status).ok().filter(StatusCode::is_client_error)?;
    (text.contains("content-length: 0\r\n") && !text.contains(header::REQUEST_ID)).then_some(status)
}

/// The problem, as a whole answer.
fn answer(status: StatusCode) -> Vec<u8> {
    let name = RequestName::of(&http::HeaderMap::new());
    let problem = match status {
        StatusCode::URI_TOO_LONG => Problem::uri_too_long("the address has more than 65,534 bytes"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Problem::head_too_large("the request has more headers, or more bytes before its body, than are taken")
        }
        _ => Problem::malformed("this is no request of HTTP/1.1"),
    };
    let (code, body) = name.within(|| (problem.code(), problem.body().to_string()));
    tracing::debug!(request_id = %name, %code, "what came was no request");
    let mut lines = vec![format!("HTTP/1.1 {}", problem.status())];
    let headers = problem.into_response().into_parts().0.headers;
    lines.extend(headers.iter().map(|(header, value)| format!("{header}: {}", value.to_str().unwrap_or_default())));
    lines.push(format!("{}: {name}", header::REQUEST_ID));
    lines.push(format!("{}: close", standard::CONNECTION));
    lines.push(format!("{}: {}", standard::CONTENT_LENGTH, body.len()));
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

impl<S: AsyncRead + Unpin> AsyncRead for Unparsed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unparsed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_instead(context, bytes))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        match ready!(self.poll_instead(context, first))? {
            Some(written) => Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
