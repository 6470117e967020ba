//! The one place where it is decided who a caller is; what it may do is decided in [`crate::authorisation`].
//!
//! Authentication goes in two steps around the reading of the body, so that a stranger's body is not read at all:
//! [`Authority::claim`] looks at the head, [`Claim::verify`] at the body.

use crate::credentials::{Credentials, Origin};
use crate::refusal::Refusal;
use crate::sigv4::canonical::{request_before_payload, string_to_sign};
use crate::sigv4::chunked::{Chain, Unframed, unframe};
use crate::sigv4::key::{SigningKey, SigningKeys};
use crate::sigv4::{Head, Signature, hex, unhex};
use crate::sources::Sources;
use arc_swap::ArcSwap;
use bytes::Bytes;
use hearth_api::{Principal, Session};
use hearth_base::{AccountId, Clock, Region, RequestId};
use http::header::HeaderMap;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far the client's clock may be from ours.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Decides who callers are and what they may do. Only it makes a [`hearth_api::Grant`].
pub struct Authority {
    sources: ArcSwap<Sources>,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
    keys: SigningKeys,
}

/// A caller that has proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The account of the credentials: the one whose resources are meant.
    pub account: AccountId,
    /// The region of the signature's scope.
    pub region: Region,
    /// What its session carries; none when its credentials are long-term ones.
    pub session: Option<Arc<Session>>,
}

/// The circumstances of a call that one service makes to another in this process.
#[derive(Debug, Clone)]
pub struct Call {
    /// The account whose resources are meant.
    pub account: AccountId,
    /// The region whose resources are meant.
    pub region: Region,
    /// The id of the request, or of the one that caused it.
    pub request_id: RequestId,
    /// Scheme and authority for URLs in answers.
    pub endpoint: Arc<str>,
}

impl Authority {
    /// An authority over these keys.
    pub fn new(credentials: Arc<Credentials>, clock: Arc<dyn Clock>) -> Self {
        Self { sources: ArcSwap::default(), credentials, clock, keys: SigningKeys::default() }
    }

    /// Decides by these from now on.
    pub fn set_sources(&self, sources: Sources) {
        self.sources.store(Arc::new(sources));
    }

    pub(crate) fn sources(&self) -> Arc<Sources> {
        self.sources.load_full()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The keys.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Looks at a request's head: the key must exist and the time be right. When the head also says the payload's
    /// hash, the signature must hold already.
    ///
    /// # Errors
    /// Why the request is not believed.
    pub fn claim(&self, head: &Head<'_>, signature: Signature, origin: Origin) -> Result<Claim, Refusal> {
        let scope = &signature.scope;
        let found = self.credentials.find(&scope.access_key_id, signature.token.as_deref(), origin)?;
        self.check_time(&signature)?;
        let region: Region = scope.region.parse().map_err(|_| {
            Refusal::Scope(format!("Credential should be scoped to a valid region, not '{}'. ", scope.region))
        })?;
        let account = found.principal.account().ok_or(Refusal::UnknownKey)?;
        let key = self.keys.get(&found.secret, scope);
        self.credentials.note_use(scope);
        let mut claim = Claim {
            caller: Caller { principal: found.principal, account, region, session: found.session },
            before_payload: request_before_payload(head, &signature),
            payload: Payload::of(head, &signature)?,
            key,
            signature,
        };
        if let Some(hash) = claim.payload.known_hash() {
            claim.check_signature(&hash)?;
        }
        // What is not needed to check the body is let go before the body is waited for.
        if !matches!(claim.payload, Payload::Hashed) {
            claim.before_payload = Vec::new();
        }
        Ok(claim)
    }

    fn check_time(&self, signature: &Signature) -> Result<(), Refusal> {
        let (now, signed) = (self.clock.now(), signature.time);
        let minutes = SKEW_MAX.as_secs() / 60;
        let latest = now.after(SKEW_MAX);
        if signed > latest {
            return Err(Refusal::Skewed(format!(
                "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
                signed.sigv4(),
                latest.sigv4(),
                now.sigv4(),
            )));
        }
        if let Some(expires) = signature.expires {
            let end = signed.after(expires);
            if now > end {
                let (end, now) = (end.sigv4(), now.sigv4());
                return Err(Refusal::UrlExpired(format!(
                    "Signature expired: {end} is now earlier than {now}"
                )));
            }
            return Ok(());
        }
        if now.since(signed) > SKEW_MAX {
            let skew = i64::try_from(SKEW_MAX.as_millis()).expect("five minutes fit");
            let earliest = hearth_base::Timestamp::from_millis(now.millis() - skew);
            return Err(Refusal::Skewed(format!(
                "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
                signed.sigv4(),
                earliest.sigv4(),
                now.sigv4(),
            )));
        }
        Ok(())
    }
}

/// What a request says about its payload.
#[derive(Debug, Clone)]
enum Payload {
    /// Nothing: the hash of the body is part of the signature.
    Hashed,
    /// The hash, which the body must have.
    Declared([u8; 32]),
    /// That it is not signed.
    Unsigned,
    /// That it comes in chunks.
    Chunked { word: &'static str, signed: bool, announced: Option<String>, decoded_length: Option<u64> },
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The words for chunked payloads, and whether the chunks are signed.
const CHUNKED: [(&str, bool); 3] = [
    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true),
    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true),
    ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", false),
];

impl Payload {
    fn of(head: &Head<'_>, signature: &Signature) -> Result<Self, Refusal> {
        let text = |name| head.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let Some(word) = text("x-amz-content-sha256") else {
            let s3_url = signature.presigned && signature.scope.service == "s3";
            return Ok(if s3_url { Self::Unsigned } else { Self::Hashed });
        };
        if word == UNSIGNED {
            return Ok(Self::Unsigned);
        }
        if let Some((word, signed)) = CHUNKED.into_iter().find(|(chunked, _)| *chunked == word) {
            let decoded_length = match text("x-amz-decoded-content-length") {
                None => None,
                Some(length) => Some(
                    length
                        .parse()
                        .map_err(|_| Refusal::Framing("x-amz-decoded-content-length is not a number."))?,
                ),
            };
            let announced = text("x-amz-trailer").map(str::to_owned);
            return Ok(Self::Chunked { word, signed, announced, decoded_length });
        }
        match unhex(word) {
            Some(hash) => Ok(Self::Declared(hash)),
            None => Err(Refusal::Incomplete(format!(
                "x-amz-content-sha256 must be {UNSIGNED}, a STREAMING-… word or a SHA-256 in hexadecimal, got '{word}'"
            ))),
        }
    }

    /// The last line of the canonical request, when the body is not needed for it.
    fn known_hash(&self) -> Option<String> {
        match self {
            Self::Hashed => None,
            Self::Declared(hash) => Some(hex(hash)),
            Self::Unsigned => Some(UNSIGNED.into()),
            Self::Chunked { word, .. } => Some((*word).into()),
        }
    }
}

/// A request whose head is believed, as far as heads go.
#[derive(Debug)]
pub struct Claim {
    caller: Caller,
    signature: Signature,
    key: SigningKey,
    before_payload: Vec<u8>,
    payload: Payload,
}

/// The hash of a body while it arrives, so that a large one does not keep a thread at the end.
#[derive(Debug)]
pub struct PayloadDigest(Option<Sha256>);

impl PayloadDigest {
    /// For a body whose hash nobody asks for.
    pub fn none() -> Self {
        Self(None)
    }

    /// Takes in the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        if let Some(digest) = &mut self.0 {
            digest.update(piece);
        }
    }
}

/// A request that is believed.
#[derive(Debug)]
pub struct Verified {
    /// Who sent it.
    pub caller: Caller,
    /// The body, out of any `aws-chunked` framing.
    pub body: Bytes,
    /// The headers that came after the chunks.
    pub trailers: HeaderMap,
}

impl Claim {
    /// The account that the body is for, if it turns out to be genuine.
    pub fn account(&self) -> AccountId {
        self.caller.account
    }

    /// Whether the body comes in `aws-chunked` framing.
    pub fn is_chunked(&self) -> bool {
        matches!(self.payload, Payload::Chunked { .. })
    }

    /// What the pieces of the body go into as they arrive.
    pub fn payload_digest(&self) -> PayloadDigest {
        let needed = matches!(self.payload, Payload::Hashed | Payload::Declared(_));
        PayloadDigest(needed.then(Sha256::new))
    }

    /// Checks the body, whose every byte has been through `digest`.
    ///
    /// # Errors
    /// When the signature does not cover this body.
    pub fn verify(self, digest: PayloadDigest, body: Bytes) -> Result<Verified, Refusal> {
        let hash: Option<[u8; 32]> = digest.0.map(|digest| digest.finalize().into());
        match &self.payload {
            Payload::Hashed => {
                let hash = hash.ok_or(Refusal::PayloadMismatch)?;
                self.check_signature(&hex(&hash))?;
            }
            Payload::Declared(declared) if hash.as_ref() != Some(declared) => {
                return Err(Refusal::PayloadMismatch);
            }
            Payload::Declared(_) | Payload::Unsigned => {}
            Payload::Chunked { .. } => return self.verify_chunks(body),
        }
        Ok(Verified { caller: self.caller, body, trailers: HeaderMap::new() })
    }

    fn verify_chunks(self, framed: Bytes) -> Result<Verified, Refusal> {
        let Self { caller, signature, key, payload, .. } = self;
        let Payload::Chunked { signed, announced, decoded_length, .. } = payload else {
            return Err(Refusal::PayloadMismatch);
        };
        let chain = signed.then(|| Chain {
            key,
            scope_text: signature.scope.text(),
            time_text: signature.time_text,
            previous: signature.value,
        });
        let Unframed { body, trailers } = unframe(framed, chain, announced.as_deref(), decoded_length)?;
        Ok(Verified { caller, body, trailers })
    }

    fn check_signature(&self, payload: &str) -> Result<(), Refusal> {
        let expected = self.key.sign(&string_to_sign(&self.before_payload, payload, &self.signature));
        if bool::from(expected.ct_eq(&self.signature.value)) { Ok(()) } else { Err(Refusal::Mismatch) }
    }
}

#[cfg(test)]
mod tests;
