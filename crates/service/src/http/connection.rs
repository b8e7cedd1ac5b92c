//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, Version, header};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::body::RequestBody;
use super::limits::HttpLimits;
use super::unparsed::Unparsed;
use crate::http::peer::Peer;

/// How long a connection that was told to close may stay without a request.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// HTTP/2: a batch that is uploaded should fill the path without waiting for every 64 KiB to be acknowledged.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const STREAMS_MAX: u32 = 128;

/// What all connections share.
#[derive(Clone)]
pub(super) struct HttpServer {
    shared: Arc<Shared>,
}

struct Shared {
    builder: Builder<TokioExecutor>,
    router: Router,
    limits: HttpLimits,
    /// Throw away what handlers leave of bodies.
    discards: TaskTracker,
}

impl HttpServer {
    pub(super) fn new(router: Router, limits: HttpLimits) -> Self {
        // With its state in place a router need not build its routes anew for each call.
        let router = router.with_state(());
        Self { shared: Arc::new(Shared { builder: builder(&limits), router, limits, discards: TaskTracker::new() }) }
    }

    /// Serves a connection to its end. From `stopping` on its answers ask the peer to close it, as do those to bodies that were not wanted; at `closing` it is closed
    /// as soon as it has no request underway.
    pub(super) async fn run(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        peer: Peer,
        stopping: CancellationToken,
        closing: CancellationToken,
    ) {
        let Shared { builder, router, limits, discards } = &*self.shared;
        let activity = Arc::new(Activity::default());
        let service = service_fn(|request: Request<Incoming>| {
            let underway = Underway::begin(&activity);
            let (router, peer, stopping) = (router.clone(), peer.clone(), stopping.clone());
            let (head, body) = request.into_parts();
            let body = RequestBody::new(body, &head, limits.body_idle_timeout, discards.clone());
            let request = Request::from_parts(head, body);
            async move { Ok::<_, Infallible>(answer(router, request, peer, &stopping, underway).await) }
        });
        // `hyper` has no time-out for writing, so a peer that asks for much and reads nothing would hold its connection, and all
        // that the answer holds, for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_stall_timeout));
        let io = TokioIo::new(Unparsed::new(Box::pin(stream)));
        let mut connection = pin!(builder.serve_connection(io, service));
        // How a connection ends matters to nobody: its requests have been answered, or their peer has gone.
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = closing.cancelled() => {}
            () = quiet_for(&activity, limits.idle_timeout) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = quiet_for(&activity, CLOSE_TIMEOUT) => {}
        }
    }
}

fn builder(limits: &HttpLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // It would set a timer for every request; `quiet_for` needs one for a connection, and sees more.
        .header_read_timeout(None)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}

async fn answer(
    mut router: Router,
    mut request: Request<RequestBody>,
    peer: Peer,
    stopping: &CancellationToken,
    underway: Underway,
) -> Response<AnswerBody> {
    let http1 = request.version() <= Version::HTTP_11;
    let uninvited = request.body().uninvited();
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(mut response) = router.call(request).await;
    if http1 && (stopping.is_cancelled() || uninvited.is_so()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| AnswerBody { body, _underway: underway })
}

/// Resolves when no request was underway for a `period`, and at the latest a quarter of it later.
///
/// So it ends connections that are idle, that send a request's head too slowly, that never get as far as telling HTTP/1
/// from HTTP/2, or that keep HTTP/2 open for nothing.
async fn quiet_for(activity: &Activity, period: Duration) {
    let mut before = activity.read();
    let mut quiet = 0;
    while quiet < 4 {
        sleep(period / 4).await;
        let (begun, ended) = activity.read();
        quiet = if begun == ended && (begun, ended) == before { quiet + 1 } else { 0 };
        before = (begun, ended);
    }
}

/// How many requests a connection has begun and ended; a request ends when its answer's body does.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Activity {
    fn read(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }
}

/// A request that was begun and ends when this is dropped.
struct Underway {
    activity: Arc<Activity>,
}

impl Underway {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        Self { activity: Arc::clone(activity) }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer's body, which keeps its request underway until it is sent.
struct AnswerBody {
    body: Body,
    _underway: Underway,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
