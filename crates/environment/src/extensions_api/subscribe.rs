//! `PUT /2022-07-01/telemetry` and `PUT /2020-08-15/logs`: an extension subscribes to what happens in its environment.
//! What becomes of that is `telemetry.rs`.

use super::{Extensions, Refused, answer, read};
use crate::platform::Event;
use crate::telemetry::{Api, Invalid, Subscription, Unsubscribed};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

const TELEMETRY: &str = "/2022-07-01/telemetry";
const LOGS: &str = "/2020-08-15/logs";

/// The API of a path, which AWS's own documentation writes with a slash at the end too.
pub(super) fn api(path: &str) -> Option<Api> {
    match path.strip_suffix('/').unwrap_or(path) {
        TELEMETRY => Some(Api::Telemetry),
        LOGS => Some(Api::Logs),
        _ => None,
    }
}

impl Extensions {
    pub(super) async fn subscribe(
        &self,
        api: Api,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refused> {
        let (head, body) = request.into_parts();
        let name = self.lock().identified(&head.headers)?.name.clone();
        let body = read(body).await?;
        let subscription = match Subscription::read(api, &body) {
            Ok(subscription) => subscription,
            Err(Invalid(reason)) => return Ok(invalid(api, &reason)),
        };
        let kinds = subscription.kinds.clone();
        match self.telemetry.subscribe(&name, subscription) {
            Ok(()) => {}
            Err(Unsubscribed::Closed) => return Ok(closed(api)),
            Err(Unsubscribed::OtherApi) => return Ok(taken(api)),
        }
        self.log.platform(&Event::Subscription { api, name: &name, kinds: &kinds });
        Ok(answer(StatusCode::OK, r#""OK""#))
    }
}

fn invalid(api: Api, reason: &str) -> Response<Full<Bytes>> {
    // AWS: only the older API names itself here.
    // https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
    let kind = match api {
        Api::Telemetry => "ValidationError",
        Api::Logs => "Logs.ValidationError",
    };
    refusal(StatusCode::BAD_REQUEST, kind, reason)
}

fn closed(api: Api) -> Response<Full<Bytes>> {
    let name = api.name();
    let kind = format!("{name}.SubscriptionClosed");
    refusal(StatusCode::FORBIDDEN, &kind, &format!("{name} API subscription is closed already"))
}

fn taken(api: Api) -> Response<Full<Bytes>> {
    let (name, other) = match api {
        Api::Telemetry => ("Telemetry", "Logs"),
        Api::Logs => ("Logs", "Telemetry"),
    };
    let kind = format!("{name}.AlreadySubscribed");
    refusal(StatusCode::FORBIDDEN, &kind, &format!("The extension has subscribed to the {other} API already"))
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    answer(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
}
