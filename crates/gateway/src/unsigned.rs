//! Requests without a signature that are answered all the same: whoever was sent a URL with a token in it consents to a
//! subscription by visiting it, and leaves one by another.
//!
//! It reads the head only: such a request has its parameters in the URI, and a stranger's body is not read. It refuses to
//! know whether the request is in order: the operation does, which is told that nobody signed it.

use hearth_api::Dispatch;
use hearth_base::{AccountId, Arn, Region};
use hearth_wire::{Protocol, Request, Value};
use http::Method;
use std::sync::Arc;

/// The service, the operation, and the member that says by its ARN whose account and which region are meant.
/// <https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html>
/// <https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html>
const OPEN: [(&str, &str, &str); 2] =
    [("sns", "ConfirmSubscription", "TopicArn"), ("sns", "Unsubscribe", "SubscriptionArn")];

/// How they are written.
pub(crate) const PROTOCOL: Protocol = Protocol::AwsQuery;

/// A request for an operation that needs no signature.
pub(crate) struct Unsigned {
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) operation: usize,
    /// The member that has the ARN.
    member: &'static str,
}

impl Unsigned {
    /// Reads the head; none for a request for anything else.
    pub(crate) fn of(services: &[Arc<dyn Dispatch>], asked: &Request) -> Option<Self> {
        let plain = matches!(asked.method, Method::GET | Method::POST) && asked.uri.path() == "/";
        if !plain || asked.uri.query().is_none() {
            return None;
        }
        OPEN.into_iter().find_map(|(name, wanted, member)| {
            let dispatch = services.iter().find(|dispatch| dispatch.service().name == name)?;
            let service = dispatch.service();
            let operation = PROTOCOL.route(service, asked).ok()?.operation;
            let found = service.operations[operation].name == wanted;
            found.then(|| Self { dispatch: Arc::clone(dispatch), operation, member })
        })
    }

    /// The account and the region that the input means; where it does not say, it is the operation's to complain.
    pub(crate) fn place(&self, input: &Value) -> (AccountId, Region) {
        let operation = &self.dispatch.service().operations[self.operation];
        let members = operation.input.structure().map(|structure| structure.members).unwrap_or_default();
        let at = members.iter().position(|member| member.name == self.member);
        let value = match (input, at) {
            (Value::Structure(slots), Some(at)) => slots.get(at).and_then(Option::as_ref),
            _ => None,
        };
        let arn = match value {
            Some(Value::String(text)) => text.parse::<Arn>().ok(),
            _ => None,
        };
        let account = arn.as_ref().and_then(|arn| arn.account.parse().ok());
        let region = arn.as_ref().and_then(|arn| arn.region.parse().ok());
        (account.unwrap_or(AccountId::DEVELOPMENT), region.unwrap_or_default())
    }
}
