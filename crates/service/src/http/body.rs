//! Request bodies: none may stall, and none is left half read when its answer is there.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header;
use http::request::Parts;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::problem::Problem;

/// How long the rest of a body is read and thrown away after the answer: a client that still sends would otherwise meet a
/// reset connection, which may destroy the answer before the client has read it.
const DISCARD: Duration = Duration::from_secs(3);

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client sent nothing for too long.
    #[error("nothing of the body arrived for {} s", .0.as_secs_f64())]
    Stalled(Duration),
    /// The connection broke, or the body was not what its head announced.
    #[error("the body ended before it was complete")]
    Torn(#[source] hyper::Error),
}

/// The problem that describes an error from a request's body, also when it is wrapped, as a decompressor's is.
pub fn body_problem(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<RequestBodyError>() {
            Some(error @ RequestBodyError::Stalled(_)) => return Problem::request_timeout(error.to_string()),
            Some(error @ RequestBodyError::Torn(_)) => return Problem::malformed(error.to_string()),
            None => {}
        }
        // An io::Error made from another error is skipped by its own source().
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Problem::malformed(format!("the body cannot be read: {error}"))
}

/// Reads a body of at most `bytes_max` bytes that has to arrive within `deadline`.
///
/// A body that announces more is refused unread. One that arrives in a piece is not copied.
pub async fn read_whole(body: Body, bytes_max: usize, deadline: Duration) -> Result<Bytes, Problem> {
    timeout(deadline, collect(body, bytes_max)).await.unwrap_or_else(|_| {
        Err(Problem::request_timeout(format!("the body did not arrive within {} s", deadline.as_secs_f64())))
    })
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {bytes_max} bytes"));
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_large());
    }
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(announced.max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(chunk) = next_chunk(&mut body).await? {
        if whole.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(body_problem(&error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(_trailers) => {}
            },
        }
    }
}

/// The body of every request that the server hands to its router.
pub(super) struct RequestBody {
    /// None once it was handed over to be discarded.
    incoming: Option<Incoming>,
    idle_max: Duration,
    /// Runs only while the body waits for the client, so a body that is already there costs no timer.
    idle: Option<Pin<Box<Sleep>>>,
    /// The client waits for "100 Continue" before it sends; reading would invite it.
    waits_for_invitation: bool,
    is_uninvited: Uninvited,
    discards: TaskTracker,
}

/// Whether a body was refused that its client has waited to be invited to send: whether it still comes is anybody's guess, so that the
/// connection is of no use any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Uninvited(Arc<AtomicBool>);

impl Uninvited {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl RequestBody {
    /// What is left of it when it is dropped is thrown away by one of `discards`.
    pub(super) fn new(incoming: Incoming, head: &Parts, idle_max: Duration, discards: TaskTracker) -> Self {
        let waits_for_invitation = head.headers.contains_key(header::EXPECT);
        let is_uninvited = Uninvited::default();
        Self { incoming: Some(incoming), idle_max, idle: None, waits_for_invitation, is_uninvited, discards }
    }

    /// Tells, once it was dropped, whether the connection is to be closed.
    pub(super) fn uninvited(&self) -> Uninvited {
        self.is_uninvited.clone()
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        this.waits_for_invitation = false;
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) {
            this.idle = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Torn)));
        }
        let idle_max = this.idle_max;
        ready!(this.idle.get_or_insert_with(|| Box::pin(sleep(idle_max))).as_mut().poll(context));
        this.incoming = None;
        Poll::Ready(Some(Err(RequestBodyError::Stalled(idle_max))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if incoming.is_end_stream() {
            return;
        }
        if self.waits_for_invitation {
            self.is_uninvited.0.store(true, Ordering::Release);
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.discards.spawn_on(timeout(DISCARD, discard(incoming)), &runtime);
        }
    }
}

async fn discard(mut incoming: Incoming) {
    while let Some(Ok(_)) = std::future::poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn cause_is_found_inside_what_a_decompressor_makes_of_it() {
        let stalled = || RequestBodyError::Stalled(Duration::from_secs(20));
        let wrapped = io::Error::other(axum::Error::new(stalled()));
        let twice = io::Error::other(io::Error::other(stalled()));
        for error in [wrapped, twice] {
            let problem = body_problem(&error);
            assert_eq!(
                (problem.code(), problem.detail()),
                (Code::RequestTimeout, "nothing of the body arrived for 20 s")
            );
        }
        let torn_gzip = io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected end of file");
        assert_eq!(body_problem(&torn_gzip).detail(), "the body cannot be read: unexpected end of file");
    }
}
