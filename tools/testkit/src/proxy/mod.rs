//! A way to a server that can be spoilt while it is in use.

mod connection;
mod mode;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use connection::connection;
pub use mode::Mode;
use mode::State;

/// Connections at one time; beyond them nothing is accepted.
const CONNECTIONS_MAX: usize = 1024;

/// Passes connections on to a server on this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
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
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, server, Arc::clone(&state)));
        Ok(Self { port, state, task })
    }

    /// The port to use instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the server, as it is by this way: with another port.
    pub fn url(&self, of_server: &str) -> String {
        of_server.replacen(&format!(":{}", port_of(of_server)), &format!(":{}", self.port), 1)
    }

    /// Changes what happens from now on, also to connections that are open.
    ///
    /// A connection that has lost something in a black hole stays one for as long as it lives: what it has lost does not
    /// come back, and only its ends can give it up.
    pub fn set(&self, mode: Mode) {
        self.state.set(mode);
    }

    /// What happens now.
    pub fn mode(&self) -> Mode {
        self.state.mode()
    }

    /// Resets every connection that is open. New ones pass as the mode says.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }

    /// How many connections are open that have lost something in a black hole: nothing good can come of them any more.
    pub fn lossy(&self) -> usize {
        self.state.lossy.load(Ordering::Relaxed)
    }

    /// How many connections were reset in the middle, by [`Mode::CutAfter`].
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// How many bytes clients have brought.
    pub fn brought(&self) -> u64 {
        self.state.brought.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The port in an address such as `nats://127.0.0.1:4222` or `postgres://forebay@127.0.0.1:5440/forebay`.
pub fn port_of(url: &str) -> u16 {
    let port = url.rsplit_once(':').map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in {url}"))
}

async fn accept(listener: TcpListener, server: u16, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        state.open.store(connections.len(), Ordering::Relaxed);
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
            continue;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connection(client, server, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

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
    async fn a_cut_ends_what_is_open_and_nothing_that_comes_later() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        assert_eq!(echoed(&mut stream, 10).await, 10);
        proxy.cut();
        proxy.set(Mode::Pass);
        let ended = tokio::time::timeout(SOON * 10, stream.read(&mut [0; 8])).await.unwrap();
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!(echoed(&mut connect(&proxy).await, 10).await, 10);
    }

    #[tokio::test]
    async fn what_is_stalled_comes_later() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await;
        assert_eq!(echoed(&mut stream, 10).await, 10);
        proxy.set(Mode::Stall);
        assert_eq!(echoed(&mut stream, 10).await, 0);
        proxy.set(Mode::Pass);
        stream.read_exact(&mut [0; 10]).await.unwrap();
        assert_eq!(proxy.lossy(), 0);
    }

    #[tokio::test]
    async fn it_falls_silent_when_enough_was_brought() {
        let proxy = Proxy::to(echo().await).await.unwrap();
        proxy.set(Mode::BlackHoleAfter(1000));
        let mut stream = connect(&proxy).await;
        assert_eq!((echoed(&mut stream, 1000).await, proxy.mode()), (1000, Mode::BlackHoleAfter(1000)));
        assert_eq!((echoed(&mut stream, 10).await, proxy.mode(), proxy.brought()), (0, Mode::BlackHole, 1010));
    }

    #[test]
    fn an_address_by_this_way_differs_in_its_port_alone() {
        assert_eq!(port_of("postgres://forebay@127.0.0.1:5440/forebay"), 5440);
        assert_eq!(port_of("nats://127.0.0.1:4222"), 4222);
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
        assert_eq!(proxy.cuts(), 1);
        proxy.set(Mode::Delay(Duration::from_millis(50)));
        let begun = std::time::Instant::now();
        assert_eq!(echoed(&mut connect(&proxy).await, 10).await, 10);
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
}
