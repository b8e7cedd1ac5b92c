//! HTTP/1.1 over one connection that is kept alive, with nothing between the request and the socket.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An open connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Connection {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn open(port: u16) -> Result<Self> {
        let host = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come out of the requests.
        tokio::spawn(connection);
        Ok(Self { sender, host })
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// Where there is no whole answer.
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<Answer> {
        let request = Request::post(path).header("host", &self.host).header("content-type", "application/json");
        read(self.begin(request.body(Full::new(body))?).await?).await
    }

    /// Asks.
    ///
    /// # Errors
    /// Where there is no whole answer.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = Request::get(path).header("host", &self.host);
        read(self.begin(request.body(Full::default())?).await?).await
    }

    /// Asks for a form, and gives the answer to be read piece by piece.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn stream(&mut self, path: &str, form: &str) -> Result<http::Response<Incoming>> {
        let request = Request::get(path).header("host", &self.host).header("accept", form);
        self.begin(request.body(Full::default())?).await
    }

    async fn begin(&mut self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>> {
        self.sender.ready().await.context("the connection is closed")?;
        Ok(self.sender.send_request(request).await?)
    }
}

async fn read(response: http::Response<Incoming>) -> Result<Answer> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.context("the answer is torn")?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}
