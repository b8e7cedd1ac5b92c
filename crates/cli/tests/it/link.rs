//! A link to a service that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on to a service, until it does not.
#[derive(Clone)]
pub(crate) struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// A connection that has brought more is closed, as long as there are cuts left.
    cut_after: u64,
    cuts_left: AtomicI64,
    /// When all connections together have brought more, none brings anything.
    silent_after: AtomicU64,
    is_silent: AtomicBool,
    passed: AtomicU64,
}

impl Link {
    /// Cuts the first `cuts` connections that bring more than `cut_after` bytes.
    pub(crate) async fn cutting(to: SocketAddr, cut_after: u64, cuts: i64) -> Self {
        let (cuts_left, silent_after) = (AtomicI64::new(cuts), AtomicU64::new(u64::MAX));
        Self::new(to, State { cut_after, cuts_left, silent_after, ..State::default() }).await
    }

    /// Passes on `silent_after` bytes in all, and then nothing, without closing.
    pub(crate) async fn falling_silent(to: SocketAddr, silent_after: u64) -> Self {
        Self::new(to, State { silent_after: AtomicU64::new(silent_after), ..State::default() }).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many cuts were not made; negative where there were more chances than cuts.
    pub(crate) fn cuts_left(&self) -> i64 {
        self.state.cuts_left.load(Ordering::SeqCst)
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.state.is_silent.load(Ordering::SeqCst)
    }

    /// How many bytes came.
    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// New connections are good from now on.
    pub(crate) fn heal(&self) {
        self.state.silent_after.store(u64::MAX, Ordering::SeqCst);
    }

    async fn new(to: SocketAddr, state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Self { address: listener.local_addr().unwrap(), state: Arc::new(state) };
        let state = Arc::clone(&link.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, Arc::clone(&state)));
            }
        });
        link
    }
}

async fn pass(client: TcpStream, to: SocketAddr, state: Arc<State>) {
    let Ok(service) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_service, mut to_service) = service.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_service, &mut to_client).await });
    let mut buffer = vec![0; 16 * 1024];
    let mut brought = 0;
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        brought += read as u64;
        if state.passed.fetch_add(read as u64, Ordering::SeqCst) > state.silent_after.load(Ordering::SeqCst) {
            state.is_silent.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        if brought > state.cut_after && state.cuts_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            break;
        }
        if to_service.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    // With both halves of the client's side dropped it is closed, answered or not.
    back.abort();
}
