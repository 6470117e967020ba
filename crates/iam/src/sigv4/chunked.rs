//! The `aws-chunked` framing: a body sent in chunks, each with a signature that continues the last one's, and
//! perhaps headers after them.
//!
//! It works on a body that has been read within its bound.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use super::key::SigningKey;
use super::{hex, unhex};
use crate::refusal::Refusal;
use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a chunk's head (its size and signature) or of one trailing header.
const LINE_BYTES_MAX: usize = 8_192;
/// Trailing headers; SDKs send one checksum.
const TRAILERS_MAX: usize = 16;

/// What the chunk signatures hang on. Without it, chunks are unsigned.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) key: SigningKey,
    pub(crate) time_text: String,
    pub(crate) scope_text: String,
    /// The signature of the request, then of each chunk in turn.
    pub(crate) previous: [u8; 32],
}

impl Chain {
    fn check(&mut self, given: Option<[u8; 32]>, kind: &str, hashes: &str) -> Result<(), Refusal> {
        let (time, scope, previous) = (&self.time_text, &self.scope_text, hex(&self.previous));
        let expected = self.key.sign(&format!("{kind}\n{time}\n{scope}\n{previous}\n{hashes}"));
        let given = given.ok_or(Refusal::Mismatch)?;
        if !bool::from(expected.ct_eq(&given)) {
            return Err(Refusal::Mismatch);
        }
        self.previous = expected;
        Ok(())
    }

    fn check_chunk(&mut self, given: Option<[u8; 32]>, data: &[u8]) -> Result<(), Refusal> {
        let hashes = format!("{}\n{}", hash(b""), hash(data));
        self.check(given, "AWS4-HMAC-SHA256-PAYLOAD", &hashes)
    }

    fn check_trailer(&mut self, given: Option<[u8; 32]>, canonical: &str) -> Result<(), Refusal> {
        self.check(given, "AWS4-HMAC-SHA256-TRAILER", &hash(canonical.as_bytes()))
    }
}

fn hash(data: &[u8]) -> String {
    hex(&Sha256::digest(data).into())
}

/// A body out of its framing.
#[derive(Debug)]
pub(crate) struct Unframed {
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// Takes the framing off `framed`. With a `chain`, every signature must hold. `announced` is `x-amz-trailer`: no
/// other trailing headers are taken, and none when it is `None`.
pub(crate) fn unframe(
    framed: Bytes,
    mut chain: Option<Chain>,
    announced: Option<&str>,
    decoded_length: Option<u64>,
) -> Result<Unframed, Refusal> {
    let mut rest = framed;
    let mut chunks = Vec::new();
    loop {
        let head = line(&mut rest)?;
        let (size, signature) = chunk_head(&head)?;
        if rest.len() < size {
            return Err(Refusal::Framing("The body ends within a chunk."));
        }
        let data = rest.split_to(size);
        if let Some(chain) = &mut chain {
            chain.check_chunk(signature, &data)?;
        }
        if size == 0 {
            break;
        }
        if rest.len() < 2 || rest.split_to(2) != b"\r\n"[..] {
            return Err(Refusal::Framing("A chunk is longer than its size."));
        }
        chunks.push(data);
    }
    let body = joined(chunks);
    if decoded_length.is_some_and(|length| length != body.len() as u64) {
        return Err(Refusal::Framing(
            "You did not provide the number of bytes specified by the x-amz-decoded-content-length header.",
        ));
    }
    let trailers = trailers(rest, chain, announced)?;
    Ok(Unframed { body, trailers })
}

/// One chunk, as most bodies are, is handed on as it is.
fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() <= 1 {
        return chunks.pop().unwrap_or_default();
    }
    let mut body = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        body.extend_from_slice(&chunk);
    }
    body.freeze()
}

/// Takes a line up to CR LF off the front.
fn line(rest: &mut Bytes) -> Result<Bytes, Refusal> {
    let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = window
        .windows(2)
        .position(|pair| pair == b"\r\n")
        .ok_or(Refusal::Framing("A line of the aws-chunked framing has no end."))?;
    let line = rest.split_to(end);
    let _end_of_line = rest.split_to(2);
    Ok(line)
}

/// Reads `10000;chunk-signature=…`.
fn chunk_head(line: &[u8]) -> Result<(usize, Option<[u8; 32]>), Refusal> {
    const BAD: Refusal = Refusal::Framing("A chunk of the aws-chunked framing has no valid size.");
    let text = std::str::from_utf8(line).map_err(|_| BAD)?;
    let (size, extension) = text.split_once(';').unwrap_or((text, ""));
    let digits = size.trim();
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(BAD);
    }
    let size = usize::from_str_radix(digits, 16).map_err(|_| BAD)?;
    Ok((size, extension.trim().strip_prefix("chunk-signature=").and_then(unhex)))
}

/// Reads the lines after the last chunk: announced headers, their signature, and an empty line.
fn trailers(mut rest: Bytes, chain: Option<Chain>, announced: Option<&str>) -> Result<HeaderMap, Refusal> {
    let names: Vec<String> = announced
        .map(|list| list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect())
        .unwrap_or_default();
    let mut trailers = HeaderMap::new();
    let mut canonical = String::new();
    let mut signature = None;
    while !rest.is_empty() {
        let line = line(&mut rest)?;
        if line.is_empty() {
            continue;
        }
        let text =
            std::str::from_utf8(&line).map_err(|_| Refusal::Framing("A trailing header is not text."))?;
        let (name, value) =
            text.split_once(':').ok_or(Refusal::Framing("A trailing header has no colon."))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            signature = unhex(value);
            continue;
        }
        if !names.contains(&name) || trailers.len() >= TRAILERS_MAX {
            return Err(Refusal::Framing("A trailing header was not announced in x-amz-trailer."));
        }
        canonical.push_str(&format!("{name}:{value}\n"));
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
            return Err(Refusal::Framing("A trailing header is malformed."));
        };
        trailers.append(name, value);
    }
    match chain {
        // Trailing headers that were announced are signed, so that nobody can leave them out.
        Some(mut chain) if announced.is_some() => chain.check_trailer(signature, &canonical)?,
        _ => {}
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests;
