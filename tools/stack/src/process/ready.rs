//! How to see that a process really answers: not that its port is open, but that *it* is behind the port and at work.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

type Answer = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One question is given up after this time; it is asked again until the process's own deadline.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);

/// A question that a process answers once it is ready. It is asked again and again while the process starts.
#[derive(Clone)]
pub struct Ready(Arc<dyn Fn(u32) -> Answer + Send + Sync>);

impl Ready {
    /// A question of your own; it gets the pid, so that it can tell this process from another one on the same port.
    pub fn new<F>(question: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self(Arc::new(move |pid| Box::pin(question(pid))))
    }

    /// Ready as soon as it runs.
    pub fn at_once() -> Self {
        Self::new(|_| async { Ok(()) })
    }

    /// Ready when `GET path` on 127.0.0.1:`port` answers 200.
    pub fn http(port: u16, path: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        Self::new(move |_| {
            let request = request.clone();
            async move {
                let mut answer = String::new();
                let mut stream = connect(port).await?;
                stream.write_all(request.as_bytes()).await.context("cannot send a request")?;
                stream.take(64 * 1024).read_to_string(&mut answer).await.context("cannot read the answer")?;
                let status = answer.lines().next().unwrap_or_default();
                let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                ensure!(status.split(' ').nth(1) == Some("200"), "it answers: {status} {body}");
                Ok(())
            }
        })
    }

    /// Asks once.
    pub(crate) async fn ask(&self, pid: u32) -> Result<()> {
        tokio::time::timeout(QUESTION_TIMEOUT, (self.0)(pid)).await.context("no answer in time")?
    }
}

pub(crate) async fn connect(port: u16) -> Result<TcpStream> {
    TcpStream::connect(("127.0.0.1", port)).await.with_context(|| format!("cannot connect to 127.0.0.1:{port}"))
}

/// Sends a request, and reads until the answer holds `enough` or the peer stops.
pub(crate) async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
    enough: &str,
) -> Result<String> {
    stream.write_all(request.as_bytes()).await.context("cannot send a request")?;
    stream.flush().await?;
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.context("cannot read the answer")?;
        let text = String::from_utf8_lossy(&answer);
        if read == 0 || text.contains(enough) || answer.len() > 64 * 1024 {
            return Ok(text.into_owned());
        }
    }
}
