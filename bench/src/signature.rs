//! Signing requests with Signature Version 4, as every AWS client does: part of what an invocation costs its caller.
//!
//! It refuses paths and headers that would need escaping: the benchmark sends none.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hearth_base::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const KEY_ID: &str = "test";
const SECRET: &str = "test";
const REGION: &str = "us-east-1";

/// Signs requests of the development key to one service. The day's key is derived once, as the AWS SDKs keep it.
pub struct Signer {
    service: &'static str,
    day: String,
    key: [u8; 32],
}

/// The headers that a signature adds.
pub struct Signed {
    /// `x-amz-date`.
    pub date: String,
    /// `authorization`.
    pub authorization: String,
}

impl Signer {
    /// A signer for a service, by its name in signatures, that has signed nothing yet.
    pub fn new(service: &'static str) -> Self {
        Self { service, day: String::new(), key: [0; 32] }
    }

    /// Signs `method path?query` to `host` with this body, as of `now`.
    pub fn sign(&mut self, now: Timestamp, request: &Unsigned<'_>) -> Signed {
        let date = now.sigv4();
        let day = &date[..8];
        if self.day != day {
            self.key = key(day, self.service);
            day.clone_into(&mut self.day);
        }
        let Unsigned { method, path, query, host, target, body } = request;
        let body = hex(&Sha256::digest(body));
        let (header, name) = match *target {
            "" => (String::new(), ""),
            target => (format!("x-amz-target:{target}\n"), ";x-amz-target"),
        };
        let names = format!("host;x-amz-date{name}");
        let canonical =
            format!("{method}\n{path}\n{query}\nhost:{host}\nx-amz-date:{date}\n{header}\n{names}\n{body}");
        let canonical = hex(&Sha256::digest(canonical));
        let scope = format!("{day}/{REGION}/{}/aws4_request", self.service);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
        let signature = hex(&hmac(&self.key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        Signed { date, authorization }
    }
}

/// What is signed of a request.
pub struct Unsigned<'a> {
    /// `GET` and its like.
    pub method: &'a str,
    /// Unreserved characters and slashes only.
    pub path: &'a str,
    /// Sorted and escaped, or empty.
    pub query: &'a str,
    /// With the port.
    pub host: &'a str,
    /// `x-amz-target`, or empty.
    pub target: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

fn key(day: &str, service: &str) -> [u8; 32] {
    let first = hmac(format!("AWS4{SECRET}").as_bytes(), day.as_bytes());
    [REGION, service, "aws4_request"].iter().fold(first, |key, part| hmac(&key, part.as_bytes()))
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
