//! A client by hand: it signs on its own, speaks HTTP/1.1 to the byte, and reads what comes back.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const NOW: &str = "20261123T120000Z";
pub(super) const HOST: &str = "127.0.0.1:4566";

/// A request to be.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) uri: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) fn ask(method: &'static str, uri: &str) -> Asked {
    Asked { method, uri: uri.to_owned(), headers: vec![("host".into(), HOST.into())], body: Vec::new() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Asked {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("content-length", &length)
    }

    /// Signs everything that is there, with key `test` or another whose secret is `test`. For paths and queries that are
    /// canonical as they stand.
    pub(super) fn sign(self, key: &str, service: &str) -> Self {
        let asked = self.header("x-amz-date", NOW);
        let declared = asked.headers.iter().find(|(name, _)| name == "x-amz-content-sha256");
        let payload = declared.map_or_else(|| hex(&Sha256::digest(&asked.body)), |(_, value)| value.clone());
        let headers: BTreeMap<&String, &String> =
            asked.headers.iter().map(|(name, value)| (name, value)).collect();
        let names = headers.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(";");
        let lines =
            headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ":" + value + "\n");
        let (path, query) = asked.uri.split_once('?').unwrap_or((&asked.uri, ""));
        let request = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{payload}", asked.method);
        let scope = format!("20261123/eu-west-1/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{NOW}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let signing = ["20261123", "eu-west-1", service, "aws4_request"]
            .iter()
            .fold(b"AWS4test".to_vec(), |key, part| hmac(&key, part));
        let signature = hex(&hmac(&signing, &text));
        asked.header(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        )
    }

    /// The head as it goes over the wire.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.uri);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        (head + "\r\n").into_bytes()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A connection.
pub(super) struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends, whether or not the server still reads.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.unwrap_or(0) > 0
    }

    /// Reads a head, and gives nothing when the server closes before it sends one.
    pub(super) async fn read_head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if !self.more().await {
                return None;
            }
        };
        let head: Vec<u8> = self.read.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Answer { status, headers, body: String::new() })
    }

    pub(super) async fn read(&mut self) -> Option<Answer> {
        let mut answer = self.read_head().await?;
        if let Ok(length) = answer.header("content-length").parse::<usize>() {
            while self.read.len() < length {
                assert!(self.more().await, "the body is cut off");
            }
            answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        } else if answer.header("transfer-encoding") == "chunked" {
            while !self.read.ends_with(b"0\r\n\r\n") {
                assert!(self.more().await, "the body is cut off");
            }
            answer.body = String::from_utf8(std::mem::take(&mut self.read)).unwrap();
        }
        Some(answer)
    }

    /// Sends a request and reads its answer.
    pub(super) async fn ask(&mut self, asked: &Asked) -> Answer {
        self.send(&asked.bytes()).await;
        self.read().await.expect("the server answers")
    }
}
