//! HTTP/1.1 by hand, so that a test can be as rude as a peer can be.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::SOON;

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("somebody listens"), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.expect("the server takes it");
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// The next answer; panics when there is none in time or the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    pub(crate) async fn try_answer(&mut self) -> io::Result<Answer> {
        let Answer { status, headers, .. } = self.try_head().await?;
        let body_len = headers.get("content-length").map_or(0, |len| len.parse().expect("a length"));
        while self.read.len() < body_len {
            self.more().await?;
        }
        let body = String::from_utf8(self.read.drain(..body_len).collect()).expect("a body is text");
        Ok(Answer { status, headers, body })
    }

    /// An answer without its body.
    pub(crate) async fn try_head(&mut self) -> io::Result<Answer> {
        let head_len = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read.drain(..head_len).collect()).expect("a head is text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Ok(Answer { status: status.expect("a status line"), headers, body: String::new() })
    }

    /// Waits until the server ends the connection; panics when it does not in time.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_ok() {}
    }

    /// Reads what comes next; an error of the kind `UnexpectedEof` or of the connection means that it has ended.
    async fn more(&mut self) -> io::Result<()> {
        let read =
            timeout(SOON, self.stream.read_buf(&mut self.read)).await.expect("the server does something in time")?;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
