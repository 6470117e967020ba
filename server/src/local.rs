//! What the server answers itself below `/_hearth/`: health, metrics, the clock, reset, and package downloads. And the
//! certificate of SNS, where AWS has it.

mod clock;

use crate::serve::{ResetError, Running};
use bytes::Bytes;
use clock::Clock;
use hearth_base::BoxFuture;
use hearth_gateway::{Audience, LocalRequest, LocalRoute, LocalRoutes};
use hearth_wire::{Body, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// The server's own routes.
pub fn routes(running: &Arc<Running>) -> Vec<LocalRoute> {
    let route = |path, audience, routes: Arc<dyn LocalRoutes>| LocalRoute { path, audience, routes };
    vec![
        route("/_hearth/health", Audience::Network, Arc::new(Health(Arc::clone(running)))),
        route("/_hearth/metrics", Audience::Network, Arc::new(Metrics(Arc::clone(running)))),
        route("/_hearth/clock", Audience::Machine, Arc::new(Clock(Arc::clone(running)))),
        route("/_hearth/reset", Audience::Machine, Arc::new(Reset(Arc::clone(running)))),
        route(
            hearth_lambda::Service::download_path(),
            Audience::Everyone,
            Arc::new(Download(Arc::clone(running))),
        ),
        route(hearth_sns::CERTIFICATE_PATH, Audience::Everyone, Arc::new(Certificate(Arc::clone(running)))),
    ]
}

/// `GET /_hearth/health`: answers as soon as the server is ready, since nothing is served before.
struct Health(Arc<Running>);

impl LocalRoutes for Health {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        let answer = match local.request.method {
            Method::GET | Method::HEAD => answer(
                StatusCode::OK,
                &json!({
                    "status": "ready",
                    "version": env!("CARGO_PKG_VERSION"),
                    "ephemeral": self.0.is_ephemeral(),
                    "services": self.0.service_names(),
                }),
            ),
            _ => method_not_allowed("GET"),
        };
        Some(Box::pin(std::future::ready(answer)))
    }
}

/// `GET /_hearth/metrics`: for Prometheus to read.
struct Metrics(Arc<Running>);

impl LocalRoutes for Metrics {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        let answer = match local.request.method {
            Method::GET | Method::HEAD => {
                let text = "text/plain; version=0.0.4; charset=utf-8";
                respond(StatusCode::OK, text, Bytes::from(self.0.metrics()))
            }
            _ => method_not_allowed("GET"),
        };
        Some(Box::pin(std::future::ready(answer)))
    }
}

/// `POST /_hearth/reset`: empties a server that keeps nothing anyway.
struct Reset(Arc<Running>);

impl LocalRoutes for Reset {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        if local.request.method != Method::POST {
            return Some(Box::pin(std::future::ready(method_not_allowed("POST"))));
        }
        Some(Box::pin(async move {
            match self.0.reset().await {
                Ok(()) => answer(StatusCode::OK, &json!({"status": "empty"})),
                Err(ResetError::Durable) => answer(
                    StatusCode::FORBIDDEN,
                    &json!({"error": "this server keeps what it has: only one started with --ephemeral can be reset"}),
                ),
                Err(ResetError::Failed(error)) => {
                    tracing::error!(%error, "the server could not be reset");
                    answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()}))
                }
            }
        }))
    }
}

/// `GET /_hearth/code/…`: deployment packages, by the URLs that `GetFunction` gives out.
struct Download(Arc<Running>);

impl LocalRoutes for Download {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        if local.request.method != Method::GET {
            return Some(Box::pin(std::future::ready(method_not_allowed("GET"))));
        }
        let lambda = self.0.lambda();
        Some(Box::pin(async move {
            let uri = &local.request.uri;
            match lambda.download(uri.path(), uri.query().unwrap_or_default()) {
                Some(answered) => answered.await,
                None => answer(StatusCode::NOT_FOUND, &json!({"error": "there is nothing here"})),
            }
        }))
    }
}

/// `GET /SimpleNotificationService-….pem`: the certificate that messages of SNS are checked with.
struct Certificate(Arc<Running>);

impl LocalRoutes for Certificate {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        if !matches!(local.request.method, Method::GET | Method::HEAD) {
            return Some(Box::pin(std::future::ready(method_not_allowed("GET"))));
        }
        let sns = self.0.sns();
        Some(Box::pin(async move {
            match sns.certificate(local.request.uri.path()).await {
                Ok(Some(pem)) => respond(StatusCode::OK, "application/x-pem-file", Bytes::from(pem)),
                Ok(None) => answer(StatusCode::NOT_FOUND, &json!({"error": "there is nothing here"})),
                Err(error) => {
                    tracing::error!(%error, "the certificate of SNS cannot be read");
                    answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "it cannot be read now"}))
                }
            }
        }))
    }
}

fn method_not_allowed(allowed: &'static str) -> Response {
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": format!("use {allowed}")}));
    response.headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn answer(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", Bytes::from(format!("{body}\n")))
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Response { status, headers, body: Body::Bytes(body) }
}
