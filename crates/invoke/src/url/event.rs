//! The event of a request: payload format 2.0.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_base::Timestamp;
use hearth_gateway::{Signer, UrlRequest};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use serde::Serialize;
use std::collections::BTreeMap;

const DEFAULT: &str = "$default";
/// AWS: the account of a caller that nobody knows.
const ANONYMOUS: &str = "anonymous";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: String,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: String,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: String,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    source_ip: String,
    user_agent: Option<String>,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: Iam<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: String,
    caller_id: &'a str,
    cognito_identity: Option<()>,
    principal_org_id: Option<()>,
    user_arn: String,
    user_id: &'a str,
}

/// The event as JSON.
pub(super) fn event(asked: &UrlRequest, now: Timestamp) -> Bytes {
    let request = &asked.request;
    let authority = text(&request.headers, HOST.as_str())
        .or_else(|| request.uri.authority().map(|authority| authority.as_str().to_owned()))
        .unwrap_or_default();
    let (domain, port) = match authority.rsplit_once(':') {
        Some((domain, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (domain, port),
        _ => (authority.as_str(), "80"),
    };
    let query = request.uri.query().unwrap_or_default();
    let (body, is_base64_encoded) = body(&request.headers, &request.body);
    let event = Event {
        version: "2.0",
        route_key: DEFAULT,
        raw_path: &asked.path,
        raw_query_string: query,
        cookies: cookies(&request.headers),
        headers: headers(asked, port),
        query_string_parameters: parameters(query),
        request_context: Context {
            account_id: asked.signer.as_ref().map_or_else(|| ANONYMOUS.to_owned(), account_of),
            api_id: &asked.id,
            authorizer: asked.signer.as_ref().map(authorizer),
            domain_name: domain.to_owned(),
            domain_prefix: domain.split('.').next().unwrap_or_default(),
            http: Http {
                method: request.method.as_str(),
                path: &asked.path,
                protocol: asked.protocol,
                source_ip: asked.source_ip.to_canonical().to_string(),
                user_agent: text(&request.headers, USER_AGENT.as_str()),
            },
            request_id: asked.request_id.to_string(),
            route_key: DEFAULT,
            stage: DEFAULT,
            time: now.common_log(),
            time_epoch: now.millis(),
        },
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).expect("an event has text for keys").into()
}

fn account_of(signer: &Signer) -> String {
    signer.caller.account.to_string()
}

fn authorizer(signer: &Signer) -> Authorizer<'_> {
    let caller = &signer.caller;
    Authorizer {
        iam: Iam {
            access_key: &signer.access_key_id,
            account_id: caller.account.to_string(),
            caller_id: &signer.user_id,
            cognito_identity: None,
            principal_org_id: None,
            user_arn: caller.principal.arn(caller.region.partition()),
            user_id: &signer.user_id,
        },
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// All headers, those of one name joined by commas; and those that AWS's front adds. Cookies have a place of their own.
fn headers(asked: &UrlRequest, port: &str) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &asked.request.headers {
        // A signature is of no use to the function, and is not its to see.
        if *name == COOKIE || (asked.signer.is_some() && *name == AUTHORIZATION) {
            continue;
        }
        join(&mut headers, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    join(&mut headers, "x-forwarded-for", &asked.source_ip.to_canonical().to_string());
    headers.insert("x-forwarded-port".to_owned(), port.to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

fn join(into: &mut BTreeMap<String, String>, name: &str, value: &str) {
    match into.get_mut(name) {
        Some(values) => {
            values.push(',');
            values.push_str(value);
        }
        None => {
            into.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let pairs = lines.flat_map(|line| {
        line.split(';').map(|pair| pair.trim().to_owned()).filter(|pair| !pair.is_empty()).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        join(&mut parameters, &decoded(name), &decoded(value));
    }
    parameters
}

/// A part of a query without its escapes. What is no escape stays as it is.
fn decoded(text: &str) -> String {
    let digit =
        |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match (digit(bytes.get(at)), digit(bytes.get(at + 1))) {
                (Some(high), Some(low)) => {
                    decoded.push(high * 16 + low);
                    at += 2;
                }
                _ => decoded.push(b'%'),
            },
            other => decoded.push(*other),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The body, and whether it is in base64: all is but what says that it is text.
fn body(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    match std::str::from_utf8(body) {
        Ok(text) if is_text(&content_type) && !headers.contains_key(http::header::CONTENT_ENCODING) => {
            (Some(text.to_owned()), false)
        }
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(kind.as_str(), "application/json" | "application/javascript" | "application/xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_api::Principal;
    use hearth_base::{AccountId, RequestId, SeededRng};
    use hearth_iam::Caller;
    use hearth_wire::Request;
    use http::{HeaderName, HeaderValue, Method};
    use serde_json::{Value, json};

    fn asked(uri: &str, headers: &[(&str, &str)], body: &[u8]) -> UrlRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect();
        let uri: http::Uri = uri.parse().unwrap();
        UrlRequest {
            id: "abc".to_owned(),
            path: uri.path().to_owned(),
            request: Request { method: Method::POST, uri, headers, body: Bytes::copy_from_slice(body) },
            request_id: RequestId::new(&SeededRng::new(1)),
            protocol: "HTTP/1.1",
            source_ip: "127.0.0.1".parse().unwrap(),
            signer: None,
        }
    }

    fn read(asked: &UrlRequest) -> Value {
        serde_json::from_slice(&event(asked, Timestamp::from_millis(1_583_348_638_390))).unwrap()
    }

    #[test]
    fn an_event_has_every_member_of_format_2_0() {
        let asked = asked(
            "/my/p%20ath?p1=v1&p1=v2&p2=a+b%2Cc&empty&bad=%zz",
            &[
                ("host", "abc.lambda-url.us-east-1.localhost:4566"),
                ("X-Many", "1"),
                ("x-many", "2"),
                ("cookie", "a=1; b=2"),
                ("cookie", "c=3"),
                ("user-agent", "agent"),
                ("authorization", "Bearer x"),
                ("content-type", "text/plain; charset=utf-8"),
            ],
            "hällo".as_bytes(),
        );
        let id = asked.request_id.to_string();
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/p%20ath",
            "rawQueryString": "p1=v1&p1=v2&p2=a+b%2Cc&empty&bad=%zz",
            "cookies": ["a=1", "b=2", "c=3"],
            "headers": {
                "authorization": "Bearer x",
                "content-type": "text/plain; charset=utf-8",
                "host": "abc.lambda-url.us-east-1.localhost:4566",
                "user-agent": "agent",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "4566",
                "x-forwarded-proto": "http",
                "x-many": "1,2",
            },
            "queryStringParameters": {"p1": "v1,v2", "p2": "a b,c", "empty": "", "bad": "%zz"},
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "abc",
                "domainName": "abc.lambda-url.us-east-1.localhost",
                "domainPrefix": "abc",
                "http": {
                    "method": "POST",
                    "path": "/my/p%20ath",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "agent",
                },
                "requestId": id,
                "routeKey": "$default",
                "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_583_348_638_390_i64,
            },
            "body": "hällo",
            "isBase64Encoded": false,
        });
        assert_eq!(read(&asked), expected);
    }

    #[test]
    fn what_is_not_there_has_no_member() {
        let event = read(&asked("/", &[], b""));
        for absent in ["cookies", "queryStringParameters", "body"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
        assert_eq!(event["requestContext"].get("authorizer"), None);
    }

    #[test]
    fn bodies_are_text_only_when_they_say_so_and_are() {
        for (headers, body, expected) in [
            (&[("content-type", "application/json")][..], &b"{}"[..], Some("{}")),
            (&[("content-type", "Application/Problem+JSON; x=y")], b"{}", Some("{}")),
            (&[("content-type", "image/svg+xml")], b"<x/>", Some("<x/>")),
            (&[("content-type", "application/x-www-form-urlencoded")], b"a=b", None),
            (&[("content-type", "application/octet-stream")], b"a", None),
            (&[], b"a", None),
            (&[("content-type", "text/plain")], b"\xff", None),
            (&[("content-type", "text/plain"), ("content-encoding", "gzip")], b"a", None),
        ] {
            let event = read(&asked("/", headers, body));
            let encoded = STANDARD.encode(body);
            assert_eq!(event["body"], expected.unwrap_or(&encoded), "{headers:?}");
            assert_eq!(event["isBase64Encoded"], expected.is_none(), "{headers:?}");
        }
    }

    #[test]
    fn who_signed_is_told_and_the_signature_is_not() {
        let account = AccountId::DEVELOPMENT;
        let principal = Principal::AssumedRole { account, role: "r".into(), session: "s".into() };
        let region = "us-east-1".parse().unwrap();
        let caller = Caller { principal, account, region, session: None };
        let user_id = "AROA1:s".to_owned();
        let signer = Some(Signer { access_key_id: "ASIA1".to_owned(), caller, user_id });
        let event = read(&UrlRequest { signer, ..asked("/", &[("authorization", "AWS4…")], b"") });
        assert_eq!(event["headers"].get("authorization"), None);
        let context = &event["requestContext"];
        assert_eq!(context["accountId"], "000000000000");
        assert_eq!(
            context["authorizer"]["iam"],
            json!({
                "accessKey": "ASIA1", "accountId": "000000000000", "callerId": "AROA1:s", "cognitoIdentity": null,
                "principalOrgId": null, "userArn": "arn:aws:sts::000000000000:assumed-role/r/s", "userId": "AROA1:s",
            })
        );
    }
}
