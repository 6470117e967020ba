//! Verification against what AWS documents and what botocore signs, and the grants that come of it.

use super::*;
use crate::credentials::{AccessKey, Options, Session};
use crate::refusal::Dialect;
use hearth_base::{SeededRng, Timestamp, VirtualClock};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use proptest::prelude::*;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn authority(access_key_id: &str, secret: &str, now: &str) -> (Authority, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new(Timestamp::parse_sigv4(now).unwrap()));
    let root = AccessKey { access_key_id: access_key_id.to_owned(), secret_access_key: secret.to_owned() };
    let credentials = Credentials::new(Options {
        account: AccountId::DEVELOPMENT,
        root,
        sealing_key: [7; 32],
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(5)),
    });
    (Authority::new(Arc::new(credentials), clock.clone()), clock)
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body.to_owned()));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = uri.parse::<Uri>().unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

fn verify(authority: &Authority, request: &Request<Bytes>) -> Result<Verified, Refusal> {
    let head = Head { method: request.method(), uri: request.uri(), headers: request.headers() };
    let signature = Signature::read(&head)?.ok_or(Refusal::MissingToken)?;
    let claim = authority.claim(&head, signature, Origin::Loopback)?;
    let mut digest = claim.payload_digest();
    for piece in request.body().chunks(3) {
        digest.update(piece);
    }
    claim.verify(digest, request.body().clone())
}

/// Signs a request as a client would, for tests that change what is signed.
fn sign(request: &mut Request<Bytes>, (id, secret): (&str, &str), now: &str, scope: &str) {
    let set = |request: &mut Request<Bytes>, name: &'static str, value: &str| {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    };
    set(request, "x-amz-date", now);
    let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let names = names.join(";");
    let authorization = |signature: &str| {
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    };
    let unsigned = authorization(&"0".repeat(64));
    set(request, "authorization", &unsigned);
    let head = Head { method: request.method(), uri: request.uri(), headers: request.headers() };
    let signature = Signature::read(&head).unwrap().unwrap();
    let hash = hex(&Sha256::digest(request.body()).into());
    let text = string_to_sign(&request_before_payload(&head, &signature), &hash, &signature);
    let signed = authorization(&hex(&SigningKey::derive(secret, &signature.scope).sign(&text)));
    set(request, "authorization", &signed);
}

#[test]
fn requests_signed_by_botocore_are_believed() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/botocore.json")).unwrap();
    let (authority, _) = authority(KEY, SECRET, "20261123T073000Z");
    let vectors = vectors.as_array().unwrap();
    assert!(vectors.len() > 15);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let headers: Vec<(&str, &str)> = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let signed = request(text("method"), text("url"), &headers, text("body"));
        let verified =
            verify(&authority, &signed).unwrap_or_else(|refusal| panic!("{}: {refusal}", text("name")));
        assert_eq!(verified.caller.region.as_str(), "eu-west-1");
        assert_eq!(verified.caller.principal, Principal::Root(AccountId::DEVELOPMENT));

        let other_method = request("PATCH", text("url"), &headers, text("body"));
        assert_eq!(verify(&authority, &other_method).unwrap_err(), Refusal::Mismatch, "{}", text("name"));
        if !text("body").is_empty() {
            let other_body = request(text("method"), text("url"), &headers, "another body");
            let refusal = verify(&authority, &other_body).unwrap_err();
            assert!(matches!(refusal, Refusal::Mismatch | Refusal::PayloadMismatch), "{}", text("name"));
        }
    }
}

#[test]
fn the_examples_of_the_documentation_are_believed() {
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html> and
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
    let (s3, _) = authority(KEY, SECRET, "20130524T000000Z");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let get = request(
        "GET",
        "/test.txt",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        ],
        "",
    );
    verify(&s3, &get).unwrap();
    let url = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
               us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\
               &X-Amz-SignedHeaders=host&X-Amz-Signature=\
               aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let presigned = request("GET", url, &[("Host", "examplebucket.s3.amazonaws.com")], "");
    verify(&s3, &presigned).unwrap();

    // The first case of the signature test suite: get-vanilla.
    let (suite, _) = authority("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z");
    let vanilla = request(
        "GET",
        "/",
        &[
            ("Host", "example.amazonaws.com"),
            ("X-Amz-Date", "20150830T123600Z"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, \
                 Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
        ],
        "",
    );
    verify(&suite, &vanilla).unwrap();
}

#[test]
fn time_is_kept_to_five_minutes_and_urls_to_their_own() {
    let scope = "20261123/us-east-1/lambda/aws4_request";
    let mut signed = request("GET", "/", &[("host", "h")], "");
    sign(&mut signed, (KEY, SECRET), "20261123T120000Z", scope);
    for (now, expected) in [
        ("20261123T120500Z", None),
        ("20261123T115500Z", None),
        (
            "20261123T120501Z",
            Some(
                "Signature expired: 20261123T120000Z is now earlier than 20261123T120001Z (20261123T120501Z - 5 min.)",
            ),
        ),
        (
            "20261123T115459Z",
            Some(
                "Signature not yet current: 20261123T120000Z is still later than 20261123T115959Z \
                 (20261123T115459Z + 5 min.)",
            ),
        ),
    ] {
        let refusal =
            verify(&authority(KEY, SECRET, now).0, &signed).err().map(|refusal| refusal.to_string());
        assert_eq!(refusal.as_deref(), expected, "{now}");
    }
    let url = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
               us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\
               &X-Amz-SignedHeaders=host&X-Amz-Signature=\
               aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    for (now, url, good) in [
        ("20130525T000000Z", url.to_owned(), true),
        ("20130525T000001Z", url.to_owned(), false),
        ("20130523T235400Z", url.to_owned(), false),
        ("20130524T000000Z", url.replace("=86400", "=604801"), false),
        ("20130524T000000Z", url.replace("=86400", "=-1"), false),
        ("20130524T000000Z", url.replace("=86400", "=604800"), false),
        ("20130524T000000Z", format!("{url}&extra=1"), false),
    ] {
        let asked = request("GET", &url, &[("Host", "examplebucket.s3.amazonaws.com")], "");
        assert_eq!(verify(&authority(KEY, SECRET, now).0, &asked).is_ok(), good, "{now} {url}");
    }
}

#[test]
fn a_session_signs_for_its_role() {
    let now = "20261123T120000Z";
    let (authority, clock) = authority(KEY, SECRET, now);
    let account: AccountId = "123456789012".parse().unwrap();
    let session = Session { account, role: "role", name: "function", duration: Duration::from_secs(120) };
    let issued = authority.credentials().issue_session(&session).unwrap();
    let headers = [("host", "h"), ("x-amz-security-token", issued.session_token.as_str())];
    let mut signed = request("POST", "/", &headers, "body");
    let key = (issued.access_key_id.as_str(), issued.secret_access_key.as_str());
    sign(&mut signed, key, now, "20261123/us-east-1/logs/aws4_request");
    let caller = verify(&authority, &signed).unwrap().caller;
    assert_eq!(caller.account, account);
    assert_eq!(caller.principal.arn("aws"), "arn:aws:sts::123456789012:assumed-role/role/function");
    let mut forged = request("POST", "/", &headers, "body");
    sign(&mut forged, (key.0, "another secret"), now, "20261123/us-east-1/logs/aws4_request");
    assert_eq!(verify(&authority, &forged).unwrap_err(), Refusal::Mismatch);
    clock.advance(Duration::from_secs(121));
    assert_eq!(verify(&authority, &signed).unwrap_err(), Refusal::ExpiredToken);
}

#[test]
fn malformed_signatures_are_refused_in_awss_words() {
    let (authority, _) = authority(KEY, SECRET, "20261123T120000Z");
    let credential = "Credential=AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/lambda/aws4_request";
    let zeros = "0".repeat(64);
    let rest = format!("SignedHeaders=host;x-amz-date, Signature={zeros}");
    for (authorization, expected) in [
        (
            format!("AWS4-HMAC-SHA256 {credential}, {rest}"),
            "The request signature we calculated does not match",
        ),
        (
            "AWS4-HMAC-SHA256 nonsense".to_owned(),
            "'nonsense' not a valid key=value pair (missing equal-sign)",
        ),
        (
            "Bearer token".to_owned(),
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature'",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}"),
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders'",
        ),
        (format!("AWS4-ECDSA-P256-SHA256 {credential}, {rest}"), "Unsupported AWS 'algorithm'"),
        (
            format!("AWS4-HMAC-SHA256 Credential=a/b, {rest}"),
            "Credential must have exactly 5 slash-delimited elements",
        ),
        (
            format!("AWS4-HMAC-SHA256 {}, {rest}", credential.replace("aws4_request", "aws5")),
            "Credential should be scoped with a valid terminator",
        ),
        (
            format!("AWS4-HMAC-SHA256 {}, {rest}", credential.replace("20261123", "20261122")),
            "Date in Credential scope does not match YYYYMMDD",
        ),
        (
            format!("AWS4-HMAC-SHA256 {}, {rest}", credential.replace("us-east-1", "US.EAST")),
            "Credential should be scoped to a valid region, not 'US.EAST'",
        ),
        (
            format!("AWS4-HMAC-SHA256 {}, {rest}", credential.replace("AKIA", "AKIB")),
            "The security token included in the request is invalid.",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {}", rest.replace("host;", "")),
            "'Host' or ':authority' must be a 'SignedHeader'",
        ),
        (
            format!("AWS4-HMAC-SHA256 {credential}, {}", rest.replace(&zeros, "00")),
            "The request signature we calculated",
        ),
    ] {
        let headers = [("host", "h"), ("x-amz-date", "20261123T120000Z"), ("authorization", &authorization)];
        let refusal = verify(&authority, &request("GET", "/", &headers, "")).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{authorization}\n{refusal}");
    }
    let undated = [
        ("host", "h"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0"),
    ];
    let refusal = verify(&authority, &request("GET", "/", &undated, "")).unwrap_err().to_string();
    assert!(
        refusal.starts_with("Authorization header requires existence of either a 'X-Amz-Date'"),
        "{refusal}"
    );
    assert_eq!(verify(&authority, &request("GET", "/", &[], "")).unwrap_err(), Refusal::MissingToken);
    let both = request("GET", "/?X-Amz-Signature=0", &undated, "");
    assert_eq!(verify(&authority, &both).unwrap_err(), Refusal::TwoMechanisms);
}

#[test]
fn an_action_that_is_not_signed_is_refused() {
    let now = "20261123T120000Z";
    let (authority, _) = authority(KEY, SECRET, now);
    let mut signed = request("POST", "/", &[("host", "h")], "{}");
    sign(&mut signed, (KEY, SECRET), now, "20261123/us-east-1/logs/aws4_request");
    verify(&authority, &signed).unwrap();
    signed.headers_mut().insert("x-amz-target", HeaderValue::from_static("Logs_20140328.DeleteLogGroup"));
    assert!(matches!(verify(&authority, &signed), Err(Refusal::Scope(_))));
}

#[test]
fn each_family_of_services_says_it_its_own_way() {
    use Dialect::{Ec2, Json, Query, RestJson, S3};
    for (refusal, dialect, code, status) in [
        (Refusal::MissingToken, Query, "MissingAuthenticationToken", 403),
        (Refusal::MissingToken, Json, "MissingAuthenticationTokenException", 400),
        (Refusal::MissingToken, RestJson, "MissingAuthenticationTokenException", 403),
        (Refusal::MissingToken, S3, "AccessDenied", 403),
        (Refusal::UnknownKey, Query, "InvalidClientTokenId", 403),
        (Refusal::UnknownKey, RestJson, "UnrecognizedClientException", 403),
        (Refusal::UnknownKey, S3, "InvalidAccessKeyId", 403),
        (Refusal::UnknownKey, Ec2, "AuthFailure", 401),
        (Refusal::Mismatch, Query, "SignatureDoesNotMatch", 403),
        (Refusal::Mismatch, Json, "InvalidSignatureException", 400),
        (Refusal::Mismatch, RestJson, "InvalidSignatureException", 403),
        (Refusal::ExpiredToken, Query, "ExpiredToken", 403),
        (Refusal::ExpiredToken, Json, "ExpiredTokenException", 400),
        (Refusal::Skewed(String::new()), S3, "RequestTimeTooSkewed", 403),
        (Refusal::Skewed(String::new()), Ec2, "RequestExpired", 400),
        (Refusal::Incomplete(String::new()), Query, "IncompleteSignature", 400),
        (Refusal::Framing("x"), RestJson, "IncompleteBody", 400),
    ] {
        let failure = refusal.failure(dialect);
        assert_eq!((failure.code.as_ref(), failure.status), (code, status), "{refusal:?} in {dialect:?}");
        assert!(failure.sender);
        assert_eq!(failure.query_code, Some(&*refusal.failure(Query).code));
    }
    assert_eq!(Refusal::Mismatch.failure(Json).query_code, Some("SignatureDoesNotMatch"));
}

proptest! {
    #[test]
    fn any_head_is_read_or_refused(
        authorization in "(AWS4-HMAC-SHA256 )?([A-Za-z]{0,13}=?[a-z0-9/;%:-]{0,20}[, ]{0,2}){0,5}",
        date in "([0-9TZ]{0,18}|20261123T120000Z)",
        query in "((X-Amz-(Signature|Credential|Date|Expires|SignedHeaders|Algorithm)|[a-z])=?[a-zA-Z0-9%/+;-]{0,20}&?){0,8}",
    ) {
        let (authority, _) = authority(KEY, SECRET, "20261123T120000Z");
        let headers = [("host", "h"), ("x-amz-date", &date), ("authorization", &authorization)];
        for headers in [&headers[..], &headers[..2]] {
            let refused = verify(&authority, &request("GET", &format!("/?{query}"), headers, "")).is_err();
            prop_assert!(refused);
        }
    }
}
