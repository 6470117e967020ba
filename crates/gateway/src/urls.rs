//! Function URLs: requests for a function's own HTTP endpoint, told by the host or by a path, before any service is
//! thought of.
//!
//! `http://<id>.lambda-url.<region>.localhost:4566/…`, or `http://127.0.0.1:4566/_hearth/url/<id>/…` for clients that
//! cannot resolve the name. It refuses to know functions: what an id stands for, and what it answers, is told by
//! [`FunctionUrls`].

use crate::browser::{self, authority, host_name};
use crate::exchange::{Exchange, under_way};
use crate::inbound::{Inbound, InboundError, Reading};
use crate::limits::Bound;
use crate::unabandoned::Unabandoned;
use bytes::Bytes;
use hearth_api::grant::Client;
use hearth_base::{BoxFuture, RequestId};
use hearth_iam::{Access, Caller, Dialect, Head, PayloadDigest, Refusal, Signature};
use hearth_wire::{Body, Request, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The path below which URLs are served to clients that cannot resolve their hosts.
const PATH: &str = "/_hearth/url/";
/// The label behind the id in a host.
const LABEL: &str = "lambda-url";
/// What is served by path has the origin of the API itself: a page among it gets one of its own, so that its scripts are
/// refused like those of any other site.
const PAGES: &str =
    "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads allow-top-navigation";
/// Characters of an id.
const ID_CHARS: usize = 32;
/// AWS: the bound and the name are those of Invoke.
const BOUND: Bound = Bound { bytes: 6_291_456, name: "InvokeFunction" };

/// What a signer needs leave for, and the condition that goes with it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
const ACTION: &str = "lambda:InvokeFunctionUrl";
const AUTH_TYPE: (&str, &str) = ("lambda:functionurlauthtype", "AWS_IAM");

/// What stands behind function URLs.
pub trait FunctionUrls: Send + Sync + 'static {
    /// Whether a request for this id may come in, by its head alone.
    fn admit(&self, id: &str, head: &Request) -> Admission;

    /// Answers a request that was admitted.
    fn answer(&self, asked: UrlRequest) -> BoxFuture<'static, Response>;
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Admission {
    /// It is answered already: there is no such URL, or it is a browser's question.
    Answered(Box<Response>),
    /// Everyone may ask.
    Everyone,
    /// Only who signs may ask.
    Signers {
        /// The ARN of the function or alias that they need leave to invoke.
        function: String,
        /// Whether the URL is meant for the web page that a browser's request comes from.
        page_allowed: bool,
    },
}

/// A request for a function URL.
#[derive(Debug)]
pub struct UrlRequest {
    /// Which URL.
    pub id: String,
    /// The request as it came, but for the path: that is the one of the URL.
    pub request: Request,
    /// The path, still percent-encoded.
    pub path: String,
    /// The id of the request.
    pub request_id: RequestId,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: &'static str,
    /// Where it comes from.
    pub source_ip: IpAddr,
    /// Who signed it; none for URLs that everyone may use.
    pub signer: Option<Signer>,
}

/// Who signed a request.
#[derive(Debug)]
pub struct Signer {
    /// The key that was used.
    pub access_key_id: String,
    /// Whose it is.
    pub caller: Caller,
    /// Whose it is, by the id that nobody else has.
    pub user_id: String,
}

/// Which URL a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    id: String,
    path: String,
    is_below: bool,
}

impl Place {
    /// Reads host and path; none for a request that is for no function URL.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Option<Self> {
        let name = host_name(authority(uri, headers));
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let mut labels = name.split('.');
        if let (Some(id), Some(label)) = (labels.next(), labels.next())
            && label.eq_ignore_ascii_case(LABEL)
            && is_id(id)
            && is_own(name, hosts)
        {
            return Some(Self { id: id.to_ascii_lowercase(), path: path.to_owned(), is_below: false });
        }
        let below = path.strip_prefix(PATH)?;
        let (id, path) = match below.find('/') {
            Some(at) => below.split_at(at),
            None => (below, "/"),
        };
        Some(Self { id: id.to_owned(), path: path.to_owned(), is_below: true })
    }
}

fn is_id(label: &str) -> bool {
    label.len() == ID_CHARS && label.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a name that begins with an id ends in one of ours, so that no other name server answers for it.
fn is_own(name: &str, hosts: &[String]) -> bool {
    let name = name.to_ascii_lowercase();
    let below = |host: &String| {
        name.strip_suffix(&host.to_ascii_lowercase()).is_some_and(|labels| labels.ends_with('.'))
    };
    browser::is_known(&name, hosts) || hosts.iter().any(below)
}

/// Answers a request for a function URL.
pub(crate) async fn answer(exchange: Exchange, place: Place, inbound: &mut Inbound) -> Response {
    let is_below = place.is_below;
    let (Ok(mut response) | Err(mut response)) = serve(exchange, place, inbound).await;
    if is_below {
        response.headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGES));
    }
    response
}

async fn serve(exchange: Exchange, place: Place, inbound: &mut Inbound) -> Result<Response, Response> {
    let Exchange { gateway, origin, address, request_id, protocol, mut asked } = exchange;
    let Some(urls) = &gateway.urls else {
        return Err(message(StatusCode::NOT_FOUND, "Not Found"));
    };
    let name = host_name(authority(&asked.uri, &asked.headers));
    if !name.is_empty() && !is_own(name, &gateway.hosts) {
        return Err(forbidden());
    }
    let signing = match urls.admit(&place.id, &asked) {
        Admission::Answered(response) => return Ok(*response),
        Admission::Everyone => None,
        Admission::Signers { function, page_allowed } => {
            // Everybody knows the development key: a page could sign with it and have its visitor's browser ask.
            let refused = browser::refusal(&asked.uri, &asked.headers, &gateway.hosts).is_some();
            if refused && !page_allowed {
                return Err(forbidden());
            }
            let Request { method, uri, headers, .. } = &asked;
            let head = Head { method, uri, headers };
            let signature = Signature::read(&head).map_err(|refusal| refused_signature(&refusal))?;
            let signature = signature.ok_or_else(forbidden)?;
            if signature.scope.service != "lambda" {
                let words = "Credential should be scoped to correct service: 'lambda'. ";
                return Err(message(StatusCode::FORBIDDEN, words));
            }
            let access_key_id = signature.scope.access_key_id.clone();
            let claim = gateway.authority.claim(&head, signature, origin);
            let claim = claim.map_err(|refusal| refused_signature(&refusal))?;
            Some((claim, access_key_id, function))
        }
    };
    let permit = Arc::clone(&gateway.requests)
        .try_acquire_owned()
        .map_err(|_| message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))?;
    let reading = Reading { bound: BOUND, limits: &gateway.limits, buffers: &gateway.buffers };
    let mut digest = signing.as_ref().map_or_else(PayloadDigest::none, |(claim, ..)| claim.payload_digest());
    let body = inbound.read(reading, &mut digest).await.map_err(|error| unread(&error))?;
    let signer = match signing {
        None => {
            asked.body = body;
            None
        }
        Some((claim, access_key_id, function)) => {
            let verified = claim.verify(digest, body).map_err(|refusal| refused_signature(&refusal))?;
            asked.body = verified.body;
            let caller = verified.caller;
            let agent = asked.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
            let client = Client { address, user_agent: agent.map(Box::from) };
            let access = Access { keys: &[AUTH_TYPE], ..Access::new(ACTION, &function) };
            gateway.authority.allow(&caller, &client, &access).map_err(|_| forbidden())?;
            let user_id = gateway.authority.user_id(&caller.principal);
            Some(Signer { access_key_id, caller, user_id })
        }
    };
    let Place { id, path, .. } = place;
    // Code in an environment comes from this machine.
    let source_ip = address.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let request = UrlRequest { id, request: asked, path, request_id, protocol, source_ip, signer };
    let answering = urls.answer(request);
    let work: BoxFuture<'static, _> = Box::pin(async move { (answering.await, permit) });
    let (mut response, permit) = Unabandoned::new(work).await;
    response.body = under_way(response.body, permit);
    Ok(response)
}

fn unread(error: &InboundError) -> Response {
    match error {
        InboundError::TooLarge => message(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("Request must be smaller than {} bytes for the {} operation", BOUND.bytes, BOUND.name),
        ),
        InboundError::TooSlow => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        InboundError::Broken(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

fn refused_signature(refusal: &Refusal) -> Response {
    message(StatusCode::FORBIDDEN, &refusal.failure(Dialect::RestJson).message)
}

fn forbidden() -> Response {
    message(StatusCode::FORBIDDEN, "Forbidden")
}

/// AWS: what a URL itself has to say is `{"Message": …}`.
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
pub fn message(status: StatusCode, text: &str) -> Response {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response { status, headers, body: Body::Bytes(Bytes::from(format!("{{\"Message\":\"{text}\"}}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HOST;

    #[test]
    fn urls_are_told_by_host_and_by_path() {
        let hosts = ["hearth.example.org".to_owned()];
        let id = "0123456789abcdef0123456789abcdef";
        let host = |rest: &str| format!("{id}.{rest}");
        for (host, uri, expected) in [
            (host("lambda-url.us-east-1.localhost:4566"), "/a/b?c=d", Some("/a/b")),
            (host("lambda-url.us-east-1.localhost.localstack.cloud"), "/", Some("/")),
            (host("lambda-url.us-east-1.hearth.example.org"), "/%2F", Some("/%2F")),
            (host("LAMBDA-URL.us-east-1.LocalHost"), "/", Some("/")),
            (host("lambda-url.us-east-1.evil.example.org"), "/", None),
            (host("lambda-url.us-east-1.evilhearth.example.org"), "/", None),
            ("short.lambda-url.us-east-1.localhost".to_owned(), "/", None),
            ("lambda.us-east-1.localhost".to_owned(), "/", None),
            ("127.0.0.1:4566".to_owned(), "/_hearth/url/0123456789abcdef0123456789abcdef", Some("/")),
            ("127.0.0.1:4566".to_owned(), "/_hearth/url/0123456789abcdef0123456789abcdef/x/y", Some("/x/y")),
            ("127.0.0.1:4566".to_owned(), "/_hearth/health", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            let found = Place::of(&uri.parse().unwrap(), &headers, &hosts);
            let is_below = uri.starts_with(PATH);
            let expected = expected.map(|path| Place { id: id.to_owned(), path: path.to_owned(), is_below });
            assert_eq!(found, expected, "{host} {uri}");
        }
    }
}
