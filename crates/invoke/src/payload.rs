//! What a caller may send: JSON within AWS's limits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_api::lambda::errors;
use hearth_base::limits::CLIENT_CONTEXT_BYTES_MAX;
use hearth_wire::Failure;
use serde::de::IgnoredAny;

/// The event of a request: JSON as it came, or `{}` when nothing was sent.
///
/// # Errors
/// AWS's errors for payloads over the limit and for what is not JSON.
pub(crate) fn event(payload: Option<Bytes>, bytes_max: usize) -> Result<Bytes, Failure> {
    let payload = payload.filter(|payload| !payload.is_empty()).unwrap_or(Bytes::from_static(b"{}"));
    if payload.len() > bytes_max {
        return Err(errors::request_too_large(format!(
            "Request must be smaller than {bytes_max} bytes for the InvokeFunction operation"
        )));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(errors::invalid_request_content(format!(
            "Could not parse request body into json: Could not parse payload into json: {}",
            complaint(&payload, &error)
        ))),
    }
}

/// AWS: the complaint is that of its Java JSON reader; these are its forms for the mistakes people make.
fn complaint(payload: &[u8], error: &serde_json::Error) -> String {
    let text = String::from_utf8_lossy(payload);
    let shown: String = text.chars().take(500).collect();
    let (line, column) = (error.line().max(1), error.column());
    let first = text.trim_start().chars().next();
    let what = match first {
        _ if error.is_eof() => "Unexpected end-of-input".to_owned(),
        Some(letter) if letter.is_ascii_alphabetic() => {
            let token: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
            format!(
                "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            )
        }
        _ => {
            let wrong =
                text.lines().nth(line - 1).and_then(|line| line.chars().nth(column.saturating_sub(1)));
            let wrong = wrong.or(first).unwrap_or(' ');
            format!(
                "Unexpected character ('{wrong}' (code {})): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
                u32::from(wrong)
            )
        }
    };
    format!("{what}\n at [Source: (byte[])\"{shown}\"; line: {line}, column: {column}]")
}

/// The client context as JSON text.
///
/// # Errors
/// AWS's error for what is too long, not base64 or not JSON.
pub(crate) fn client_context(encoded: Option<String>) -> Result<Option<String>, Failure> {
    let Some(encoded) = encoded else { return Ok(None) };
    if encoded.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(errors::invalid_request_content(format!(
            "Client context must be no more than {CLIENT_CONTEXT_BYTES_MAX} bytes when base64-encoded."
        )));
    }
    let text = STANDARD.decode(&encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let json = text.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    match json {
        // Written anew, it is one line and fits a header.
        Some(json) => Ok(Some(json.to_string())),
        None => {
            Err(errors::invalid_request_content("Client context must be a valid Base64-encoded JSON object."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::limits::SYNCHRONOUS_PAYLOAD_BYTES_MAX as MAX;

    #[test]
    fn an_event_is_json_or_nothing() {
        assert_eq!(event(None, MAX).unwrap(), "{}");
        assert_eq!(event(Some(Bytes::new()), MAX).unwrap(), "{}");
        for json in ["{\"a\": 1}", "null", "[]", "\"x\"", " 12 "] {
            assert_eq!(event(Some(json.into()), MAX).unwrap(), json);
        }
        for (wrong, words) in [
            ("hello", "Unrecognized token 'hello': was expecting (JSON String"),
            ("{\"a\"", "Unexpected end-of-input"),
            ("<xml/>", "Unexpected character ('<' (code 60)): expected a valid value"),
        ] {
            let failure = event(Some(wrong.into()), MAX).unwrap_err();
            assert_eq!(failure.code, "InvalidRequestContentException");
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }

    #[test]
    fn events_over_six_megabytes_are_refused() {
        let large = format!("\"{}\"", "x".repeat(MAX - 2));
        assert!(event(Some(large.clone().into()), MAX).is_ok());
        let failure = event(Some(format!("{large} ").into()), MAX).unwrap_err();
        assert_eq!((failure.status, failure.code.as_ref()), (413, "RequestTooLargeException"));
    }

    #[test]
    fn client_contexts_arrive_as_one_line_of_json() {
        let encoded = STANDARD.encode("{\"custom\":\n {\"a\": \"b\"}}");
        assert_eq!(client_context(Some(encoded)).unwrap().unwrap(), "{\"custom\":{\"a\":\"b\"}}");
        assert_eq!(client_context(None).unwrap(), None);
        let long = STANDARD.encode(format!("\"{}\"", "x".repeat(3_000)));
        for wrong in ["%%%".to_owned(), STANDARD.encode("no json"), long] {
            assert!(client_context(Some(wrong)).is_err());
        }
    }
}
