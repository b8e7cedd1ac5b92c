//! A way to a server that can be spoilt while it is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Connections at one time; beyond them nothing is accepted.
const CONNECTIONS_MAX: usize = 1024;
/// How much is taken from a socket at one time.
const CHUNK: usize = 16 * 1024;

/// What a proxy does with what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Every chunk arrives later by this much.
    Delay(Duration),
    /// Each direction of each connection takes this many bytes per second.
    Throttle(u32),
    /// Connections are reset, new ones too.
    Reset,
    /// Nothing arrives, and nobody is told: connections stay open, and new ones are accepted.
    BlackHole,
    /// A connection passes this many bytes more and is reset in the middle of what it was passing.
    CutAfter(u64),
}

/// Passes connections on to a server on this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    open: Arc<AtomicUsize>,
    lossy: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A way to the server on that port of 127.0.0.1.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free for a proxy")?;
        let port = listener.local_addr()?.port();
        let (mode, modes) = watch::channel(Mode::Pass);
        let open = Arc::new(AtomicUsize::new(0));
        let lossy = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept(listener, server, modes, open.clone(), lossy.clone()));
        Ok(Self { port, mode, open, lossy, task })
    }

    /// The port to use instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens from now on, also to connections that are open.
    ///
    /// A connection that has lost something in a black hole stays one for as long as it lives: what it has lost does not
    /// come back, and only its ends can give it up.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Proxy {
    /// How many connections are open that have lost something in a black hole: nothing good can come of them any more.
    pub fn lossy(&self) -> usize {
        self.lossy.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: u16,
    modes: watch::Receiver<Mode>,
    open: Arc<AtomicUsize>,
    lossy: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        open.store(connections.len(), Ordering::Relaxed);
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
            continue;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connection(client, server, modes.clone(), lossy.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(mut client: TcpStream, server: u16, mut modes: watch::Receiver<Mode>, lossy: Arc<AtomicUsize>) {
    let loss = Loss { of_all: lossy, is_mine: AtomicBool::new(false) };
    let mode = *modes.borrow_and_update();
    match mode {
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
        let mut up = Pump {
            from: from_client,
            to: to_server,
            modes: modes.clone(),
            passed: &passed,
            loss: &loss,
            is_lossy: false,
        };
        let mut down = Pump { from: from_server, to: to_client, modes, passed: &passed, loss: &loss, is_lossy: false };
        // Either end may close its half and still read; a half that is closed is passed on.
        let ends = tokio::try_join!(up.run(), down.run());
        ends.is_err()
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
struct Loss {
    of_all: Arc<AtomicUsize>,
    is_mine: AtomicBool,
}

impl Loss {
    fn happened(&self) {
        if !self.is_mine.swap(true, Ordering::Relaxed) {
            self.of_all.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        if *self.is_mine.get_mut() {
            self.of_all.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One direction of a connection.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    modes: watch::Receiver<Mode>,
    /// How many bytes the connection has passed since it was told to cut itself.
    passed: &'a AtomicU64,
    loss: &'a Loss,
    is_lossy: bool,
}

impl Pump<'_> {
    /// Runs until this direction is closed in order.
    async fn run(&mut self) -> Result<(), Broken> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                changed = self.modes.changed() => {
                    changed.map_err(|_| Broken)?;
                    self.passed.store(0, Ordering::Relaxed);
                    if *self.modes.borrow() == Mode::Reset {
                        return Err(Broken);
                    }
                    continue;
                }
                read = self.from.read(&mut buffer) => read.map_err(|_| Broken)?,
            };
            if read == 0 {
                return self.close().await;
            }
            self.pass(&buffer[..read]).await?;
        }
    }

    async fn pass(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        let mode = *self.modes.borrow();
        self.is_lossy |= mode == Mode::BlackHole;
        if self.is_lossy {
            self.loss.happened();
            return Ok(());
        }
        match mode {
            Mode::Pass | Mode::BlackHole => {}
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
                    return Err(Broken);
                }
            }
        }
        self.to.write_all(chunk).await.map_err(|_| Broken)
    }

    /// Passes the end on, unless nothing may arrive.
    async fn close(&mut self) -> Result<(), Broken> {
        while *self.modes.borrow() == Mode::BlackHole {
            self.modes.changed().await.map_err(|_| Broken)?;
        }
        if self.is_lossy {
            return Err(Broken);
        }
        self.to.shutdown().await.map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    /// A server that says again what it is told.
    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        port
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
    }

    /// How many of these bytes come back before the connection ends or nothing comes any more.
    async fn echoed(stream: &mut TcpStream, bytes: usize) -> usize {
        let _ = stream.write_all(&vec![7; bytes]).await;
        let mut back = vec![0; bytes];
        let mut read = 0;
        while read < bytes {
            match tokio::time::timeout(SOON, stream.read(&mut back[read..])).await {
                Ok(Ok(more)) if more > 0 => read += more,
                _ => break,
            }
        }
        read
    }

    #[tokio::test]
    async fn it_passes_and_resets() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        assert_eq!(echoed(&mut stream, 100_000).await, 100_000);
        proxy.set(Mode::Reset);
        let ended = tokio::time::timeout(SOON * 10, stream.read(&mut [0; 8])).await.unwrap();
        assert!(ended.is_err(), "{ended:?}");
        proxy.set(Mode::Pass);
        assert_eq!(echoed(&mut connect(&proxy).await, 10).await, 10);
    }

    #[tokio::test]
    async fn a_black_hole_keeps_what_it_has_swallowed() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let (mut old, mut idle) = (connect(&proxy).await, connect(&proxy).await);
        assert_eq!((echoed(&mut old, 10).await, echoed(&mut idle, 10).await), (10, 10));
        proxy.set(Mode::BlackHole);
        let mut new = connect(&proxy).await;
        assert_eq!((echoed(&mut old, 10).await, echoed(&mut new, 10).await), (0, 0));
        proxy.set(Mode::Pass);
        assert_eq!((echoed(&mut old, 10).await, echoed(&mut new, 10).await), (0, 0));
        assert_eq!((echoed(&mut idle, 10).await, proxy.lossy()), (10, 2));
        drop((old, new));
        while proxy.lossy() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(echoed(&mut connect(&proxy).await, 10).await, 10);
    }

    #[tokio::test]
    async fn it_cuts_in_the_middle_and_delays() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        proxy.set(Mode::CutAfter(1000));
        assert!(echoed(&mut connect(&proxy).await, 1500).await < 1000);
        proxy.set(Mode::Delay(Duration::from_millis(50)));
        let begun = std::time::Instant::now();
        assert_eq!(echoed(&mut connect(&proxy).await, 10).await, 10);
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
}
