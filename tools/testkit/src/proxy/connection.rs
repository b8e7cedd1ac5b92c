//! One connection through a proxy, in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::mode::{Mode, Order, State};

/// How much is taken from a socket at one time.
const CHUNK: usize = 16 * 1024;

/// Passes a connection on until either end, or the proxy, ends it.
pub(super) async fn connection(mut client: TcpStream, server: u16, state: Arc<State>) {
    let mut orders = state.orders();
    let loss = Loss { state: &state, is_mine: AtomicBool::new(false) };
    let order = *orders.borrow_and_update();
    match order.mode {
        Mode::Reset => return reset(&client),
        // The client has to find out by itself, and to give up by itself.
        Mode::BlackHole => {
            loss.happened();
            swallow(&mut client).await;
            return;
        }
        _ => {}
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let passed = AtomicU64::new(0);
        let pump = |from, to, is_up| {
            let (orders, cuts_before) = (orders.clone(), order.cuts);
            Pump { from, to, orders, cuts_before, passed: &passed, loss: &loss, is_lossy: false, is_up }
        };
        let (mut up, mut down) = (pump(from_client, to_server, true), pump(from_server, to_client, false));
        // Either end may close its half and still read; a half that is closed is passed on.
        tokio::try_join!(up.run(), down.run()).is_err()
    };
    if is_reset {
        reset(&client);
        reset(&server);
    }
}

/// Closing then sends a reset.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn swallow(stream: &mut TcpStream) {
    let mut buffer = vec![0; CHUNK];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// The connection is to be reset.
struct Broken;

/// Whether a connection has lost something; it counts for as long as the connection is open.
struct Loss<'a> {
    state: &'a State,
    is_mine: AtomicBool,
}

impl Loss<'_> {
    fn happened(&self) {
        if !self.is_mine.swap(true, Ordering::Relaxed) {
            self.state.lossy.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Loss<'_> {
    fn drop(&mut self) {
        if *self.is_mine.get_mut() {
            self.state.lossy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One direction of a connection.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    orders: watch::Receiver<Order>,
    cuts_before: u64,
    /// How many bytes the connection has passed since it was told to cut itself.
    passed: &'a AtomicU64,
    loss: &'a Loss<'a>,
    is_lossy: bool,
    /// From the client to the server.
    is_up: bool,
}

impl Pump<'_> {
    fn mode(&self) -> Mode {
        self.orders.borrow().mode
    }

    /// Runs until this direction is closed in order.
    async fn run(&mut self) -> Result<(), Broken> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let is_stalled = self.mode() == Mode::Stall;
            let read = tokio::select! {
                // Else a peer that never stops would keep it from being told.
                biased;
                changed = self.orders.changed() => {
                    changed.map_err(|_| Broken)?;
                    self.follow()?;
                    continue;
                }
                read = self.from.read(&mut buffer), if !is_stalled => read.map_err(|_| Broken)?,
            };
            if read == 0 {
                return self.close().await;
            }
            self.pass(&buffer[..read]).await?;
        }
    }

    /// Takes note of an order that has come.
    fn follow(&self) -> Result<(), Broken> {
        self.passed.store(0, Ordering::Relaxed);
        let order = *self.orders.borrow();
        if order.mode == Mode::Reset || order.cuts != self.cuts_before { Err(Broken) } else { Ok(()) }
    }

    async fn pass(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        if self.is_up {
            self.loss.state.bring(chunk.len());
        }
        let mode = self.mode();
        self.is_lossy |= mode == Mode::BlackHole;
        if self.is_lossy {
            self.loss.happened();
            return Ok(());
        }
        match mode {
            Mode::Pass | Mode::Stall | Mode::BlackHole | Mode::BlackHoleAfter(_) => {}
            Mode::Reset => return Err(Broken),
            Mode::Delay(delay) => tokio::time::sleep(delay).await,
            Mode::Throttle(bytes_per_s) => {
                let seconds = chunk.len() as f64 / f64::from(bytes_per_s.max(1));
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            Mode::CutAfter(bytes_max) => {
                let before = self.passed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                let left = usize::try_from(bytes_max.saturating_sub(before)).unwrap_or(usize::MAX);
                if left < chunk.len() {
                    let _ = self.to.write_all(&chunk[..left]).await;
                    self.loss.state.cuts.fetch_add(1, Ordering::Relaxed);
                    return Err(Broken);
                }
            }
        }
        self.to.write_all(chunk).await.map_err(|_| Broken)
    }

    /// Passes the end on, unless nothing may arrive.
    async fn close(&mut self) -> Result<(), Broken> {
        while self.mode() == Mode::BlackHole {
            self.orders.changed().await.map_err(|_| Broken)?;
        }
        if self.is_lossy {
            return Err(Broken);
        }
        self.to.shutdown().await.map_err(|_| Broken)
    }
}
