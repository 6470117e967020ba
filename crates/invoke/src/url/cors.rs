//! What browsers are told of who may use a function URL: cross-origin resource sharing.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors>
//!
//! It says nothing for a URL without a `Cors` configuration: then the function's own headers go out as they are.

use hearth_lambda::Cors;
use hearth_wire::{Body, Request, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The headers that the configuration decides, whatever the function says.
const DECIDED: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// The answer to a browser that asks before it sends; none for any other request. The function is not asked.
pub(super) fn preflight(cors: &Cors, head: &Request) -> Option<Response> {
    let origin = head.headers.get(ORIGIN)?;
    if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut headers = HeaderMap::new();
    decorate(cors, origin, &mut headers);
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        set_list(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, cors.allow_methods.as_deref());
        set_list(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, cors.allow_headers.as_deref());
        if let Some(seconds) = cors.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
    }
    Some(Response { status: StatusCode::OK, headers, body: Body::empty() })
}

/// Whether pages of the request's origin may use the URL.
pub(super) fn allows(cors: &Cors, headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| allowed(cors, origin).is_some())
}

/// Puts the configuration's headers on a response to a request with this origin.
pub(super) fn decorate(cors: &Cors, origin: &HeaderValue, headers: &mut HeaderMap) {
    for name in DECIDED {
        headers.remove(name);
    }
    let Some(allowed) = allowed(cors, origin) else { return };
    if allowed != "*" {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose_headers.as_deref());
    if cors.allow_credentials == Some(true) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// What `Access-Control-Allow-Origin` says to this origin; none when it is not allowed.
fn allowed(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    if origins.iter().any(|allowed| allowed == "*") {
        // Browsers take no star for an answer when they send credentials.
        let named = cors.allow_credentials == Some(true);
        return Some(if named { origin.clone() } else { HeaderValue::from_static("*") });
    }
    origins
        .iter()
        .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        .then(|| origin.clone())
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, values: Option<&[String]>) {
    let text = values.unwrap_or_default().join(",");
    if !text.is_empty()
        && let Ok(value) = HeaderValue::try_from(text)
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
        Cors {
            allow_credentials: Some(credentials),
            allow_headers: list(&["x-a", "x-b"]),
            allow_methods: list(&["GET", "POST"]),
            allow_origins: list(origins),
            expose_headers: list(&["x-c"]),
            max_age: Some(60),
        }
    }

    fn asked(method: Method, headers: &[(HeaderName, &'static str)]) -> Request {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        Request { method, uri: "/".parse().unwrap(), headers, body: Bytes::new() }
    }

    #[test]
    fn a_preflight_is_answered_for_allowed_origins() {
        let head =
            asked(Method::OPTIONS, &[(ORIGIN, "https://a.test"), (ACCESS_CONTROL_REQUEST_METHOD, "GET")]);
        for (origins, credentials, expected) in [
            (&["*"][..], false, Some("*")),
            (&["*"], true, Some("https://a.test")),
            (&["https://b.test", "https://A.test"], false, Some("https://a.test")),
            (&["https://b.test"], false, None),
            (&[], false, None),
        ] {
            let answer = preflight(&cors(origins, credentials), &head).unwrap();
            let headers = answer.headers;
            let said = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let if_allowed = |text: &str| expected.map(|_| text.to_owned());
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(said(ACCESS_CONTROL_ALLOW_ORIGIN).as_deref(), expected, "{origins:?}");
            assert_eq!(said(ACCESS_CONTROL_ALLOW_METHODS), if_allowed("GET,POST"));
            assert_eq!(said(ACCESS_CONTROL_ALLOW_HEADERS), if_allowed("x-a,x-b"));
            assert_eq!(said(ACCESS_CONTROL_EXPOSE_HEADERS), if_allowed("x-c"));
            assert_eq!(said(ACCESS_CONTROL_MAX_AGE), if_allowed("60"));
            assert_eq!(said(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some(), credentials);
        }
    }

    #[test]
    fn other_requests_are_no_preflight() {
        let cors = cors(&["*"], false);
        for head in [
            asked(Method::GET, &[(ORIGIN, "https://a.test"), (ACCESS_CONTROL_REQUEST_METHOD, "GET")]),
            asked(Method::OPTIONS, &[(ORIGIN, "https://a.test")]),
            asked(Method::OPTIONS, &[(ACCESS_CONTROL_REQUEST_METHOD, "GET")]),
        ] {
            assert!(preflight(&cors, &head).is_none());
        }
    }

    #[test]
    fn the_configuration_overrides_the_function() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://other.test"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("DELETE"));
        decorate(
            &cors(&["https://a.test"], false),
            &HeaderValue::from_static("https://a.test"),
            &mut headers,
        );
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.test");
        assert_eq!(headers[VARY], "Origin");
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS));
        decorate(
            &cors(&["https://a.test"], false),
            &HeaderValue::from_static("https://c.test"),
            &mut headers,
        );
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
