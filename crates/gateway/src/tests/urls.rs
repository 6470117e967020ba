//! Function URLs at the front door: who gets in, and what is handed on.

use super::*;
use crate::urls::message;
use crate::{Admission, FunctionUrls, UrlRequest};
use hearth_wire::Request;

const OPEN: &str = "00000000000000000000000000000000";
const SIGNED: &str = "11111111111111111111111111111111";
const CLOSED: &str = "22222222222222222222222222222222";

/// Tells what it was asked.
pub(super) struct Told;

impl FunctionUrls for Told {
    fn admit(&self, id: &str, head: &Request) -> Admission {
        let page_allowed = head.headers.get("origin").is_some_and(|origin| origin == "https://good.test");
        match id {
            OPEN => Admission::Everyone,
            SIGNED => Admission::Signers {
                function: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
                page_allowed,
            },
            _ => Admission::Answered(Box::new(message(StatusCode::NOT_FOUND, "Not Found"))),
        }
    }

    fn answer(&self, asked: UrlRequest) -> BoxFuture<'static, Response> {
        let UrlRequest { id, request, path, protocol, source_ip, signer, .. } = asked;
        let signer = signer.map_or("nobody".to_owned(), |signer| signer.access_key_id);
        let (method, body) = (request.method, request.body.len());
        let text =
            format!("{method} {path} of {id} by {signer} from {source_ip} over {protocol}, {body} bytes");
        let response = Response {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Body::Bytes(Bytes::from(text)),
        };
        Box::pin(std::future::ready(response))
    }
}

fn host(id: &str) -> String {
    format!("{id}.lambda-url.us-east-1.localhost:4566")
}

#[tokio::test]
async fn an_open_url_takes_whatever_comes_by_host_or_path() {
    let stage = Stage::new(Limits::default()).await;
    let told = |path: &str, size: usize| {
        format!("POST {path} of {OPEN} by nobody from 127.0.0.1 over HTTP/1.1, {size} bytes")
    };
    // Also what looks like a service's request, or a local one.
    for path in ["/", "/2015-03-31/functions/", "/_hearth/reset"] {
        let asked = ask("POST", path).header("host", &host(OPEN)).body("abc");
        assert_eq!(stage.ask(&asked).await.body, told(path, 3));
    }
    let asked = ask("POST", &format!("/_hearth/url/{OPEN}/a/b?c=d")).body("");
    let by_path = stage.ask(&asked).await;
    assert_eq!(by_path.body, told("/a/b", 0));
    let policy = by_path.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox ") && !policy.contains("allow-same-origin"),
        "it has the API's origin"
    );
    assert_eq!(stage.seen(), Vec::<String>::new(), "no service was asked");
    let page = ask("POST", "/x")
        .header("host", &host(OPEN))
        .header("origin", "https://page.test")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(stage.ask(&page.body("")).await.body, told("/x", 0), "pages are for its CORS to refuse");
    let elsewhere = ask("POST", &format!("/_hearth/url/{OPEN}/")).header("host", "evil.example.org").body("");
    assert_eq!(stage.ask(&elsewhere).await.status, 403, "under a name that is not ours");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_too_large_not_taken() {
    let stage = Stage::new(Limits::default()).await;
    let answer = stage.ask(&ask("GET", "/").header("host", &host(CLOSED)).body("")).await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "{\"Message\":\"Not Found\"}"));
    let large = ask("POST", "/").header("host", &host(OPEN)).body(vec![b'x'; 6_291_457]);
    let mut line = stage.line().await;
    line.push(&large.bytes()).await;
    let answer = line.read().await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.body,
        "{\"Message\":\"Request must be smaller than 6291456 bytes for the InvokeFunction operation\"}"
    );
}

#[tokio::test]
async fn a_url_for_signers_believes_only_them() {
    let stage = Stage::new(Limits::default()).await;
    let request = || ask("POST", "/a").header("host", &host(SIGNED)).body("abc");
    let good = stage.ask(&request().sign("test", "lambda")).await;
    assert_eq!(
        (good.status, good.body.as_str()),
        (200, "POST /a of 11111111111111111111111111111111 by test from 127.0.0.1 over HTTP/1.1, 3 bytes")
    );
    let forbidden = "{\"Message\":\"Forbidden\"}";
    let tampered = request().sign("test", "lambda").body("xyz");
    for (asked, expected) in [
        (request(), forbidden),
        (request().sign("111122223333", "lambda"), forbidden),
        (request().sign("test", "logs"), "Credential should be scoped to correct service"),
        (tampered, "The request signature we calculated does not match"),
        (request().header("origin", "https://evil.test").sign("test", "lambda"), forbidden),
        (request().header("sec-fetch-site", "cross-site").sign("test", "lambda"), forbidden),
    ] {
        let answer = stage.ask(&asked).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains(expected), "{} for {expected}", answer.body);
    }
    let page = request().header("origin", "https://good.test").sign("test", "lambda");
    assert_eq!(stage.ask(&page).await.status, 200, "a page that the URL's CORS names");
}
