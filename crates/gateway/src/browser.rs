//! Requests that a web page makes a browser send: refused unless the page is this server's own.
//!
//! Everybody knows the development key, so a page could sign a URL with it and have the visitor's browser send that to
//! the visitor's own machine. And by answering for its own name with a loopback address, a page's site could pose as
//! this server (DNS rebinding). Programs other than browsers are not looked at.

use http::Uri;
use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use std::net::IpAddr;

/// Why a browser's request is refused; `None` when it is not, or does not come from a browser.
pub(crate) fn refusal(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Option<&'static str> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let origin = headers.get(ORIGIN).map(text);
    let site = headers.get("sec-fetch-site").map(text);
    if origin.is_none() && site.is_none() {
        return None;
    }
    let host = authority(uri, headers);
    if !is_known(host_name(host), hosts) {
        return Some("A browser reached this server under a name that is not its own.");
    }
    let own_origin =
        origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, rest)| rest == host));
    let own_site = site.is_none_or(|site| matches!(site.as_str(), "same-origin" | "none"));
    if own_origin && own_site { None } else { Some("Requests from pages of other sites are refused.") }
}

/// Host and port as the client named them; empty when it did not.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    host.or_else(|| Some(uri.authority()?.as_str())).unwrap_or_default()
}

/// The name without the port, and without the brackets of an IPv6 address.
pub(crate) fn host_name(authority: &str) -> &str {
    if let Some(address) = authority.strip_prefix('[') {
        return address.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether a name cannot be one that somebody else's name server answers for: an address, a name without a dot, one of
/// `localhost`, one of those that people's scripts resolve to loopback, or one the operator gave.
pub(crate) fn is_known(name: &str, hosts: &[String]) -> bool {
    let below = |domain: &str| {
        name.strip_suffix(domain).is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
    };
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty() && !name.contains('.'))
        || below("localhost")
        || below("localhost.localstack.cloud")
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_server_itself_get_through() {
        let hosts = ["hearth.example.org".to_owned()];
        for (host, origin, site, allowed) in [
            ("evil.example.org", None, None, true),
            ("127.0.0.1:4566", None, None, true),
            ("127.0.0.1:4566", Some("http://127.0.0.1:4566"), Some("same-origin"), true),
            ("127.0.0.1:4566", None, Some("none"), true),
            ("127.0.0.1:4566", Some("https://evil.example.org"), None, false),
            ("127.0.0.1:4566", Some("http://127.0.0.1:8000"), Some("same-site"), false),
            ("127.0.0.1:4566", Some("null"), None, false),
            ("127.0.0.1:4566", None, Some("cross-site"), false),
            ("evil.example.org:4566", Some("http://evil.example.org:4566"), Some("same-origin"), false),
            ("hearth.example.org", Some("https://hearth.example.org"), Some("same-origin"), true),
            ("lambda.localhost:4566", Some("http://lambda.localhost:4566"), None, true),
            ("evillocalhost.org:4566", Some("http://evillocalhost.org:4566"), None, false),
            ("[::1]:4566", Some("http://[::1]:4566"), None, true),
            ("hearth:4566", Some("http://hearth:4566"), None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_str(site).unwrap());
            }
            let refused = refusal(&Uri::from_static("/"), &headers, &hosts);
            assert_eq!(refused.is_none(), allowed, "{host} {origin:?} {site:?}");
        }
    }
}
