//! Posting to a URL that a user named: once, within a time, and no further than users may send this server.
//!
//! A connection is made for each request, to an address that was looked at after the name was resolved, so that no name
//! server can lead elsewhere. Redirects are not followed. An answer's body is read to a bound, so that the other side
//! gets rid of it, and forgotten. It refuses digest authentication: a password in a URL is for basic authentication.

use crate::place::{Place, Reach};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_api::delivery::{Post, PostRefusal, Posting};
use hearth_base::BoxFuture;
use hearth_wire::Failure;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// How long one try may take.
/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html>
const TRY: Duration = Duration::from_secs(15);
/// Requests under way at once, over all URLs.
const REQUESTS_MAX: usize = 512;
/// How long a request waits until it may begin.
const TURN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Where the certificates of authorities are on the machine, unless `SSL_CERT_FILE` says so.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Posts to URLs.
pub struct Poster {
    reach: Reach,
    turns: Semaphore,
    /// What TLS needs, from the first time on that somebody needs it.
    tls: OnceCell<TlsConnector>,
}

/// Why a try came to no answer: for whoever looks into the log.
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Poster {
    /// Posts wherever this lets.
    pub fn new(reach: Reach) -> Self {
        Self { reach, turns: Semaphore::new(REQUESTS_MAX), tls: OnceCell::new() }
    }

    async fn try_post(&self, posting: Posting) -> Result<(), Failure> {
        let place = Place::of(&posting.url).map_err(|_| refused("The URL is malformed."))?;
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN, self.turns.acquire()).await else {
            return Err(unreached("more requests are under way than the server makes at once"));
        };
        let answered = tokio::time::timeout(TRY, self.exchange(&place, &posting)).await;
        match answered {
            Err(_) => Err(unreached("it did not answer in time")),
            Ok(Err(error)) => Err(unreached(error)),
            Ok(Ok(answer)) => judge(&place, &answer),
        }
    }

    /// Posts, and once more with the password when the other side asks for it.
    async fn exchange(&self, place: &Place, posting: &Posting) -> Result<Answer, Failed> {
        let answer = self.send(place, posting, None).await?;
        match &place.credentials {
            Some((name, password))
                if answer.status == StatusCode::UNAUTHORIZED && answer.asks_for("basic") =>
            {
                let proof = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
                self.send(place, posting, Some(proof)).await
            }
            _ => Ok(answer),
        }
    }

    async fn send(&self, place: &Place, posting: &Posting, proof: Option<String>) -> Result<Answer, Failed> {
        let mut request = Request::post(&place.path).header(HOST, &place.authority);
        for (name, value) in &posting.headers {
            request = request.header(*name, value);
        }
        if let Some(proof) = proof {
            request = request.header(AUTHORIZATION, proof);
        }
        let request = request.body(Full::new(posting.body.clone()))?;
        let stream = self.connect(place).await?;
        if !place.tls {
            return send_over(stream, request).await;
        }
        let tls = self.tls.get_or_try_init(tls).await?;
        let name = ServerName::try_from(place.host.clone())?;
        send_over(tls.connect(name, stream).await?, request).await
    }

    /// Connects to the first address that may be reached and can be.
    async fn connect(&self, place: &Place) -> Result<TcpStream, Failed> {
        let mut last: Failed = "the name has no address".into();
        for address in addresses(place).await? {
            if !self.reach.admits(address.ip()) {
                last = format!("users may not send this server to {}", address.ip()).into();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

impl Post for Poster {
    fn admit(&self, url: &str) -> Result<(), PostRefusal> {
        let place = Place::of(url)?;
        match place.literal() {
            Some(address) if !self.reach.admits(address) => Err(PostRefusal::Internal),
            _ => Ok(()),
        }
    }

    fn post(&self, posting: Posting) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.try_post(posting))
    }
}

/// What is kept of an answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
}

impl Answer {
    /// Whether it asks for authentication in such a way.
    fn asks_for(&self, scheme: &str) -> bool {
        let challenges = self.headers.get_all(WWW_AUTHENTICATE).iter();
        let begins = |text: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        challenges.filter_map(|challenge| challenge.to_str().ok()).any(begins)
    }
}

async fn addresses(place: &Place) -> io::Result<Vec<SocketAddr>> {
    match place.literal() {
        Some(address) => Ok(vec![(address, place.port).into()]),
        None => Ok(lookup_host((place.host.as_str(), place.port)).await?.collect()),
    }
}

/// The task that moves the bytes of a connection; it ends with it.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send_over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _driver = Driver(tokio::spawn(async move {
        // Why it broke is told by the request.
        let _ = connection.await;
    }));
    let response: Response<Incoming> = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    // Whether it could be read does not matter: the answer is its status.
    let _ = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    Ok(Answer { status: head.status, headers: head.headers })
}

/// AWS: what is not of 200 to 499 failed and is tried again, as is 429. What else is not taken never will be.
/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html>
fn judge(place: &Place, answer: &Answer) -> Result<(), Failure> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::UNAUTHORIZED && place.credentials.is_some() && answer.asks_for("digest") {
        return Err(refused("It asks for digest authentication, which Hearth does not support yet."));
    }
    let mut failure = Failure::sender("EndpointFailed", 400, format!("The endpoint answered {status}."));
    if status.is_client_error() || status.is_server_error() {
        failure.status = status.as_u16();
    } else if status.is_redirection() {
        failure.message.push_str(" Redirects are not followed.");
    }
    Err(failure)
}

fn unreached(why: impl std::fmt::Display) -> Failure {
    let mut failure = Failure::internal(format!("The endpoint was not reached: {why}."));
    failure.status = 503;
    failure
}

fn refused(why: &str) -> Failure {
    Failure::sender("EndpointRefused", 400, why)
}

/// TLS with the authorities that this machine trusts.
async fn tls() -> Result<TlsConnector, Failed> {
    // Reading some hundred certificates takes a while.
    let roots = tokio::task::spawn_blocking(authorities).await??;
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authorities() -> Result<RootCertStore, Failed> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || AUTHORITIES.into_iter().map(PathBuf::from).find(|path| path.exists());
    let path = named.or_else(usual).ok_or("no certificates of authorities are on this machine")?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path);
    let certificates = certificates.map_err(|error| format!("{}: {error}", path.display()))?;
    let (added, _) = roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if added == 0 {
        return Err(format!("{} has no certificate of an authority", path.display()).into());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
