//! Signature Version 4 read from a request: who claims to have signed what, for which day, region and service.
//!
//! It refuses to judge: whether the key exists and the signature holds is for [`crate::Authority`].
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

pub(crate) mod canonical;
pub(crate) mod chunked;
pub(crate) mod key;
mod query;

use crate::refusal::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_base::Timestamp;
use http::header::{AUTHORIZATION, DATE, HeaderMap};
use http::{Method, Uri};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest a presigned URL may live: a week.
const EXPIRES_SECONDS_MAX: u64 = 604_800;
/// More signed headers than any client sends.
const SIGNED_HEADERS_MAX: usize = 100;

/// A request without its body.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query as sent; over HTTP/2 with the authority, which stands in for a missing `Host`.
    pub uri: &'a Uri,
    /// All headers as sent.
    pub headers: &'a HeaderMap,
}

/// What a signature is good for: `20150830/us-east-1/iam/aws4_request`, with the key that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The access key id.
    pub access_key_id: String,
    /// The day, eight digits.
    pub date: String,
    /// The region, not yet checked.
    pub region: String,
    /// The signing name of the service.
    pub service: String,
}

/// A signature as found on a request: well-formed, not yet verified.
#[derive(Debug, Clone)]
pub struct Signature {
    /// What it is good for.
    pub scope: Scope,
    pub(crate) time: Timestamp,
    /// The time as the string to sign has it.
    pub(crate) time_text: String,
    /// Lower-case names, sorted, each once, with semicolons between: a line of the canonical request.
    pub(crate) signed_headers: String,
    pub(crate) value: [u8; 32],
    pub(crate) token: Option<String>,
    /// How long it is valid, for signatures in the query that say so.
    pub(crate) expires: Option<Duration>,
    /// Whether it came in the query: a presigned URL.
    pub(crate) presigned: bool,
}

impl Signature {
    /// Reads the signature of a request from its `Authorization` header or its query. `None` when it has none.
    ///
    /// # Errors
    /// A signature that is malformed, lacks a part, or comes in both places.
    pub fn read(head: &Head<'_>) -> Result<Option<Self>, Refusal> {
        let presigned = query::is_signed(head.uri);
        let signature = match head.headers.get(AUTHORIZATION) {
            Some(_) if presigned => return Err(Refusal::TwoMechanisms),
            Some(value) => {
                let text = value.to_str().map_err(|_| {
                    Refusal::Incomplete("The Authorization header is not printable ASCII.".into())
                })?;
                Self::from_header(text, head.headers)?
            }
            None if presigned => query::signature(head)?,
            None => return Ok(None),
        };
        // Were the action unsigned, a signed request could be turned into another one on its way.
        if head.headers.contains_key("x-amz-target")
            && !signature.signed_headers.split(';').any(|name| name == "x-amz-target")
        {
            let message = "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.";
            return Err(Refusal::Scope(message.into()));
        }
        Ok(Some(signature))
    }

    fn from_header(authorization: &str, headers: &HeaderMap) -> Result<Self, Refusal> {
        let fields = Fields::read(authorization)?;
        let (time, time_text) = header_time(headers)?.unwrap_or_default();
        let (Some(credential), Some(names), Some(value), false) =
            (fields.credential, fields.signed_headers, fields.signature, time_text.is_empty())
        else {
            return Err(fields.incomplete(authorization, time_text.is_empty()));
        };
        let token = match headers.get("x-amz-security-token") {
            None => None,
            Some(token) => Some(token.to_str().map_err(|_| Refusal::UnknownToken)?.to_owned()),
        };
        Ok(Self {
            scope: Scope::read(credential, &time_text)?,
            time,
            time_text,
            signed_headers: signed_headers(names)?,
            value: signature_value(value)?,
            token,
            expires: None,
            presigned: false,
        })
    }
}

/// The parameters of an `Authorization` header, as far as they are there.
#[derive(Default)]
struct Fields<'a> {
    credential: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(authorization: &'a str) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let (algorithm, rest) = authorization.trim().split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            if algorithm.starts_with("AWS4-") {
                let message = format!(
                    "Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} is accepted here)."
                );
                return Err(Refusal::Incomplete(message));
            }
            return Ok(fields);
        }
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(Refusal::Incomplete(format!(
                    "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header: \
                     '{authorization}'."
                )));
            };
            match name {
                "Credential" => fields.credential = Some(value),
                "SignedHeaders" => fields.signed_headers = Some(value),
                "Signature" => fields.signature = Some(value),
                _ => {}
            }
        }
        Ok(fields)
    }

    /// Names everything that is missing, as AWS does.
    fn incomplete(&self, authorization: &str, no_time: bool) -> Refusal {
        let mut message = String::new();
        let parameters = [
            ("Credential", self.credential.is_none()),
            ("Signature", self.signature.is_none()),
            ("SignedHeaders", self.signed_headers.is_none()),
        ];
        for (name, _) in parameters.iter().filter(|(_, missing)| *missing) {
            write!(message, "Authorization header requires '{name}' parameter. ")
                .expect("writing to a String does not fail");
        }
        if no_time {
            message.push_str(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
            );
        }
        // AWS: the header is told hashed, so that a bearer token sent here by mistake is not spread in logs.
        let hash = STANDARD.encode(Sha256::digest(authorization));
        write!(message, "(Hashed with SHA-256 and encoded with Base64) Authorization={hash}")
            .expect("writing to a String does not fail");
        Refusal::Incomplete(message)
    }
}

/// The time of signing: `X-Amz-Date`, or else `Date`.
fn header_time(headers: &HeaderMap) -> Result<Option<(Timestamp, String)>, Refusal> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if let Some(value) = text("x-amz-date") {
        return amz_date(value).map(Some);
    }
    let Some(value) = text(DATE.as_str()) else { return Ok(None) };
    let time = Timestamp::parse_http_date(value).or_else(|| Timestamp::parse_sigv4(value));
    match time {
        Some(time) => Ok(Some((time, time.sigv4()))),
        None => Err(bad_time(value)),
    }
}

fn amz_date(value: &str) -> Result<(Timestamp, String), Refusal> {
    let time = Timestamp::parse_sigv4(value).ok_or_else(|| bad_time(value))?;
    Ok((time, value.to_owned()))
}

fn bad_time(value: &str) -> Refusal {
    Refusal::Incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{value}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

impl Scope {
    /// Reads `keyid/date/region/service/aws4_request` and holds its day against the time of signing.
    fn read(credential: &str, time_text: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = parts[..] else {
            return Err(Refusal::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, \
                 got '{credential}'"
            )));
        };
        if terminator != "aws4_request" {
            return Err(Refusal::Scope(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            )));
        }
        let day = time_text.get(..8).unwrap_or_default();
        if date != day {
            return Err(Refusal::Scope(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{date}' != '{day}', from '{time_text}'."
            )));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// The scope without the key: a line of the string to sign.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

fn signed_headers(list: &str) -> Result<String, Refusal> {
    if list.split(';').count() > SIGNED_HEADERS_MAX {
        return Err(Refusal::Incomplete(format!("More than {SIGNED_HEADERS_MAX} SignedHeaders.")));
    }
    if !list.split(';').any(|name| name.eq_ignore_ascii_case("host") || name == ":authority") {
        return Err(Refusal::Scope(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    let canonical = list.split(';').is_sorted_by(|name, next| name < next)
        && !list.bytes().any(|byte| byte.is_ascii_uppercase());
    if canonical {
        return Ok(list.to_owned());
    }
    let lower = list.to_ascii_lowercase();
    let mut names: Vec<&str> = lower.split(';').collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.join(";"))
}

/// A signature is 64 hexadecimal digits; anything else cannot match.
fn signature_value(text: &str) -> Result<[u8; 32], Refusal> {
    unhex(text).ok_or(Refusal::Mismatch)
}

/// Reads 32 bytes of lower-case hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Writes 32 bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
