//! What a function returns, as an HTTP response: payload format 2.0, and the prelude of a streamed response.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use hearth_wire::{Body, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

/// What stands between a prelude and the body.
const DELIMITER: [u8; 8] = [0; 8];
/// Bytes of a prelude.
const PRELUDE_BYTES_MAX: usize = 1 << 20;
/// The connection is ours, and so is the length of what goes through it.
const OURS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE];

/// A function returned what no response can be made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAResponse;

/// The beginning of a streamed response.
#[derive(Default)]
pub(super) struct Prelude(BytesMut);

/// The response that a whole payload is; none when it cannot be one.
pub(super) fn buffered(payload: Bytes) -> Option<Response> {
    match serde_json::from_slice::<Value>(&payload) {
        Ok(Value::Object(object)) if object.contains_key("statusCode") => {
            let mut response = head(&object).ok()?;
            response.body = Body::Bytes(body(&object).ok()?);
            Some(response)
        }
        // AWS: what says nothing of a status is the body itself.
        Ok(_) => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Some(Response { status: StatusCode::OK, headers, body: Body::Bytes(payload) })
        }
        Err(_) => None,
    }
}

impl Prelude {
    /// Takes a piece; gives the response and the beginning of its body once the prelude is whole.
    pub(super) fn read(&mut self, piece: Bytes) -> Result<Option<(Response, Bytes)>, NotAResponse> {
        let from = self.0.len().saturating_sub(DELIMITER.len() - 1);
        self.0.extend_from_slice(&piece);
        let found = self.0[from..].windows(DELIMITER.len()).position(|window| window == DELIMITER);
        let Some(at) = found else {
            return if self.0.len() > PRELUDE_BYTES_MAX { Err(NotAResponse) } else { Ok(None) };
        };
        let all = std::mem::take(&mut self.0).freeze();
        let (prelude, body) = (all.slice(..from + at), all.slice(from + at + DELIMITER.len()..));
        let object: Map<String, Value> = serde_json::from_slice(&prelude).map_err(|_| NotAResponse)?;
        Ok(Some((head(&object)?, body)))
    }
}

/// Status and headers.
fn head(object: &Map<String, Value>) -> Result<Response, NotAResponse> {
    let status = match object.get("statusCode") {
        None => StatusCode::OK,
        Some(code) => code
            .as_u64()
            .or_else(|| code.as_str()?.parse().ok())
            .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
            // What goes before a response is no response.
            .filter(|status| !status.is_informational())
            .ok_or(NotAResponse)?,
    };
    let mut headers = HeaderMap::new();
    match object.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (name, value) in given {
                let name = HeaderName::try_from(name).map_err(|_| NotAResponse)?;
                let value = HeaderValue::try_from(text(value)?).map_err(|_| NotAResponse)?;
                if !OURS.contains(&name) {
                    headers.append(name, value);
                }
            }
        }
        Some(_) => return Err(NotAResponse),
    }
    match object.get("cookies") {
        None | Some(Value::Null) => {}
        Some(Value::Array(cookies)) => {
            for cookie in cookies {
                headers.append(SET_COOKIE, HeaderValue::try_from(text(cookie)?).map_err(|_| NotAResponse)?);
            }
        }
        Some(_) => return Err(NotAResponse),
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(Response { status, headers, body: Body::empty() })
}

/// Text, or what has one obvious text.
fn text(value: &Value) -> Result<String, NotAResponse> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(bool) => Ok(bool.to_string()),
        _ => Err(NotAResponse),
    }
}

fn body(object: &Map<String, Value>) -> Result<Bytes, NotAResponse> {
    let encoded = match object.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(encoded)) => *encoded,
        Some(_) => return Err(NotAResponse),
    };
    match object.get("body") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(body)) if encoded => {
            STANDARD.decode(body).map(Bytes::from).map_err(|_| NotAResponse)
        }
        Some(Value::String(body)) => Ok(Bytes::from(body.clone())),
        Some(_) => Err(NotAResponse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(response: Response) -> (u16, HeaderMap, Bytes) {
        let Body::Bytes(body) = response.body else { panic!("nothing streams here") };
        (response.status.as_u16(), response.headers, body)
    }

    #[test]
    fn a_payload_with_a_status_is_a_response_and_one_without_is_a_body() {
        for (payload, status, body) in [
            (r#"{"statusCode": 201, "body": "made"}"#, 201, "made"),
            (r#"{"statusCode": "404"}"#, 404, ""),
            (r#"{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true}"#, 200, "hi"),
            (r#"{"statusCode": 200, "body": null, "headers": null, "cookies": null}"#, 200, ""),
            (r#"{"message": "hello"}"#, 200, r#"{"message": "hello"}"#),
            (r#""text""#, 200, r#""text""#),
            ("null", 200, "null"),
        ] {
            let (got, headers, bytes) = bytes(buffered(payload.into()).unwrap());
            assert_eq!((got, &bytes[..]), (status, body.as_bytes()), "{payload}");
            assert_eq!(headers[CONTENT_TYPE], "application/json");
        }
    }

    #[test]
    fn headers_and_cookies_go_out_but_for_those_of_the_connection() {
        let payload = r#"{"statusCode": 200, "cookies": ["a=1; Secure", "b=2"], "headers":
            {"Content-Type": "text/html", "X-Number": 3, "X-Bool": true, "Content-Length": "999", "Transfer-Encoding": "chunked"}}"#;
        let (_, headers, _) = bytes(buffered(payload.into()).unwrap());
        assert_eq!(headers[CONTENT_TYPE], "text/html");
        assert_eq!(
            (&headers["x-number"], &headers["x-bool"]),
            (&"3".parse().unwrap(), &"true".parse().unwrap())
        );
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Secure", "b=2"]);
        assert!(!headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING));
    }

    #[test]
    fn what_is_no_response_is_none() {
        for payload in [
            r#"{"statusCode": "x"}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 100}"#,
            r#"{"statusCode": 1000}"#,
            r#"{"statusCode": null}"#,
            r#"{"statusCode": 200, "body": {}}"#,
            r#"{"statusCode": 200, "body": "%", "isBase64Encoded": true}"#,
            r#"{"statusCode": 200, "isBase64Encoded": "yes"}"#,
            r#"{"statusCode": 200, "headers": []}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "headers": {"a": "b\r\nc: d"}}"#,
            r#"{"statusCode": 200, "headers": {"a": ["b"]}}"#,
            r#"{"statusCode": 200, "cookies": "a=1"}"#,
            "not json",
        ] {
            assert!(buffered(payload.into()).is_none(), "{payload}");
        }
    }

    #[test]
    fn a_prelude_is_found_wherever_its_pieces_end() {
        let whole = b"{\"statusCode\":418,\"headers\":{\"a\":\"b\"}}\0\0\0\0\0\0\0\0body";
        for at in 1..whole.len() {
            let mut prelude = Prelude::default();
            let (first, second) = whole.split_at(at);
            let mut rest = Bytes::copy_from_slice(second);
            let (response, begun) = match prelude.read(Bytes::copy_from_slice(first)).unwrap() {
                Some(found) => found,
                None => prelude.read(std::mem::take(&mut rest)).unwrap().unwrap(),
            };
            assert_eq!((response.status.as_u16(), &response.headers["a"]), (418, &"b".parse().unwrap()));
            assert_eq!([&begun[..], &rest[..]].concat(), b"body", "cut at {at}");
        }
    }

    #[test]
    fn a_prelude_that_is_none_is_refused() {
        for wrong in
            [&b"no json\0\0\0\0\0\0\0\0"[..], b"[]\0\0\0\0\0\0\0\0", b"{\"statusCode\":1}\0\0\0\0\0\0\0\0"]
        {
            assert_eq!(Prelude::default().read(Bytes::from_static(wrong)).unwrap_err(), NotAResponse);
        }
        let mut prelude = Prelude::default();
        let piece = Bytes::from(vec![b'x'; PRELUDE_BYTES_MAX]);
        assert!(prelude.read(piece.clone()).unwrap().is_none());
        assert!(prelude.read(piece).is_err(), "a prelude has a bound");
    }
}
