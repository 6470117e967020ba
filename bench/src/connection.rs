//! One keep-alive HTTP/1.1 connection: what a client holds while it invokes again and again.
//!
//! It refuses to retry: a broken connection ends the measurement. Only a server that says that it closes one after each answer is
//! given another each time, as some of Hearth's peers have it.

use crate::failure::Failure;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// An open connection. Its driver runs as a task until the connection is dropped.
pub struct Connection {
    server: &'static str,
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    /// Whether the server closes it after the last answer.
    is_spent: bool,
}

/// A whole answer.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
}

impl Connection {
    /// Connects; `server` names it in failures.
    pub async fn open(server: &'static str, address: SocketAddr) -> Result<Self, Failure> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect.await.map_err(Failure::machine(format!("connect to {server} at {address}")))?;
        let broke = |source| Failure::Connection(server, source);
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(broke)?;
        // Its error reaches whoever waits for an answer.
        tokio::spawn(async move { drop(driver.await) });
        Ok(Self { server, address, sender, is_spent: false })
    }

    /// Sends a request and reads all of its answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        if self.is_spent {
            *self = Self::open(self.server, self.address).await?;
        }
        let broke = |source| Failure::Connection(self.server, source);
        self.sender.ready().await.map_err(broke)?;
        let (head, body) = self.sender.send_request(request).await.map_err(broke)?.into_parts();
        let body = body.collect().await.map_err(broke)?.to_bytes();
        let said = head.headers.get(CONNECTION).map_or(&b""[..], |value| value.as_bytes());
        self.is_spent = said.eq_ignore_ascii_case(b"close")
            || (head.version == Version::HTTP_10 && !said.eq_ignore_ascii_case(b"keep-alive"));
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}
