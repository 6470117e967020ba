//! Signatures in the query: presigned URLs.
//!
//! It reads and checks the form only.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use super::{
    ALGORITHM, EXPIRES_SECONDS_MAX, Head, Scope, Signature, amz_date, signature_value, signed_headers,
};
use crate::refusal::Refusal;
use http::Uri;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::time::Duration;

/// Whether the query says that it carries a signature.
pub(super) fn is_signed(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        query.split('&').any(|pair| {
            pair.starts_with("X-Amz-Signature=")
                || pair.starts_with("X-Amz-Algorithm=")
                || pair.starts_with("X-Amz-Credential=")
        })
    })
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_decode_str(raw).decode_utf8_lossy())
}

pub(super) fn signature(head: &Head<'_>) -> Result<Signature, Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let required = |name: &str| {
        parameter(query, name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::Incomplete(format!("AWS query-string parameters must include '{name}'.")))
    };
    let algorithm = required("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(Refusal::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} is accepted here)."
        )));
    }
    let credential = required("X-Amz-Credential")?;
    let names = required("X-Amz-SignedHeaders")?;
    let value = required("X-Amz-Signature")?;
    let (time, time_text) = amz_date(&required("X-Amz-Date")?)?;
    Ok(Signature {
        scope: Scope::read(&credential, &time_text)?,
        time,
        time_text,
        signed_headers: signed_headers(&names)?,
        value: signature_value(&value)?,
        token: parameter(query, "X-Amz-Security-Token").map(Cow::into_owned),
        expires: expires(parameter(query, "X-Amz-Expires").as_deref())?,
        presigned: true,
    })
}

fn expires(text: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let seconds: i64 =
        text.parse().map_err(|_| Refusal::QueryParameter("X-Amz-Expires should be a number".into()))?;
    let seconds = u64::try_from(seconds)
        .map_err(|_| Refusal::QueryParameter("X-Amz-Expires must be non-negative".into()))?;
    if seconds > EXPIRES_SECONDS_MAX {
        return Err(Refusal::QueryParameter(format!(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
             than {EXPIRES_SECONDS_MAX} seconds"
        )));
    }
    Ok(Some(Duration::from_secs(seconds)))
}
