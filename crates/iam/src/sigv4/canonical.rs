//! The canonical request: the one text that client and server both sign for a request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use super::{ALGORITHM, Head, Signature, hex};
use http::header::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path, whose slashes stay.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The canonical request but for its last line, the hash of the payload.
pub(crate) fn request_before_payload(head: &Head<'_>, signature: &Signature) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b'\n');
    text.extend_from_slice(path(head.uri.path(), &signature.scope.service).as_bytes());
    text.push(b'\n');
    query(head.uri.query().unwrap_or_default(), signature.presigned, &mut text);
    text.push(b'\n');
    for name in signature.signed_headers.split(';') {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        header(head, name, &mut text);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signature.signed_headers.as_bytes());
    text.push(b'\n');
    text
}

/// What the signing key signs, given the canonical request up to its payload and the payload's hash.
pub(crate) fn string_to_sign(before_payload: &[u8], payload: &str, signature: &Signature) -> String {
    let mut digest = Sha256::new();
    digest.update(before_payload);
    digest.update(payload.as_bytes());
    let hash = hex(&digest.finalize().into());
    format!("{ALGORITHM}\n{}\n{}\n{hash}", signature.time_text, signature.scope.text())
}

/// The path, normalised and encoded once more than it was sent; S3 signs it exactly once encoded.
fn path(sent: &str, service: &str) -> String {
    if matches!(service, "s3" | "s3express" | "s3-outposts" | "s3-object-lambda") {
        let raw: Vec<u8> = percent_decode_str(sent).collect();
        let encoded = percent_encode(&raw, RESERVED_IN_PATH).to_string();
        return if encoded.is_empty() { "/".into() } else { encoded };
    }
    percent_encode(normalise(sent).as_bytes(), RESERVED_IN_PATH).to_string()
}

/// Takes out `.`, `..` and empty segments; a slash at the end stays.
fn normalise(sent: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in sent.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut path = format!("/{}", segments.join("/"));
    if path.len() > 1 && (sent.ends_with('/') || sent.ends_with("/.") || sent.ends_with("/..")) {
        path.push('/');
    }
    path
}

/// The parameters encoded and sorted by name, then by value. The signature itself is left out.
fn query(sent: &str, presigned: bool, text: &mut Vec<u8>) {
    let mut parameters: Vec<(String, String)> = sent
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded_again(name), encoded_again(value))
        })
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    parameters.sort_unstable();
    for (index, (name, value)) in parameters.iter().enumerate() {
        if index > 0 {
            text.push(b'&');
        }
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        text.extend_from_slice(value.as_bytes());
    }
}

/// Decodes as a form does (`+` is a space) and encodes canonically, whatever the client chose to leave bare.
fn encoded_again(sent: &str) -> String {
    let spaced;
    let sent = if sent.contains('+') {
        spaced = sent.replace('+', " ");
        &spaced
    } else {
        sent
    };
    let raw: Vec<u8> = percent_decode_str(sent).collect();
    percent_encode(&raw, RESERVED).to_string()
}

/// All values of a header, trimmed, with runs of blanks as one, joined by commas; nothing when it is absent.
fn header(head: &Head<'_>, name: &str, text: &mut Vec<u8>) {
    let mut values = head.headers.get_all(name).iter().peekable();
    if values.peek().is_none() && matches!(name, "host" | ":authority") {
        text.extend_from_slice(authority(head).as_bytes());
        return;
    }
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let words =
            value.as_bytes().split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        for (place, word) in words.enumerate() {
            if place > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word);
        }
    }
}

/// Over HTTP/2 the authority of the URI is what HTTP/1.1 calls the host.
fn authority<'a>(head: &Head<'a>) -> &'a str {
    let host = |headers: &'a HeaderMap| headers.get(http::header::HOST)?.to_str().ok();
    host(head.headers).or_else(|| Some(head.uri.authority()?.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_encoded_twice_except_for_s3() {
        for (sent, service, expected) in [
            ("/", "iam", "/"),
            ("", "iam", "/"),
            ("//example//", "iam", "/example/"),
            ("/a/./b/../c", "iam", "/a/c"),
            ("/a/..", "iam", "/"),
            ("/2015-03-31/functions/arn%3Aaws/x", "lambda", "/2015-03-31/functions/arn%253Aaws/x"),
            ("/bucket//a/../b", "s3", "/bucket//a/../b"),
            ("/bucket/a%20b:c+d", "s3", "/bucket/a%20b%3Ac%2Bd"),
            ("/bucket/%e4", "s3", "/bucket/%E4"),
        ] {
            assert_eq!(path(sent, service), expected, "{sent} for {service}");
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        for (sent, expected) in [
            ("b=2&a=1&a=0", "a=0&a=1&b=2"),
            ("acl", "acl="),
            ("a+b=c%20d", "a%20b=c%20d"),
            ("q=%e1%88%b4&-._~=x/y", "-._~=x%2Fy&q=%E1%88%B4"),
            ("X-Amz-Signature=1&a=", "a="),
        ] {
            let mut text = Vec::new();
            query(sent, true, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
