//! Authorisation as a value: a handler cannot be called without a [`Grant`], and only the `iam` crate makes them.
//!
//! `cargo xtask tidy` fails when [`Grant::issue`] is named outside `iam`.

use hearth_base::{AccountId, Region, RequestId};
use std::sync::Arc;

/// Who makes a request.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The root user of an account.
    Root(AccountId),
    /// A role assumed under a session name: a function's execution role, for one.
    AssumedRole {
        /// The account of the role.
        account: AccountId,
        /// The role's name without its path.
        role: Arc<str>,
        /// The session's name: for a function, the function's name.
        session: Arc<str>,
    },
    /// An AWS service acting in its own name, such as `lambda.amazonaws.com`.
    Service(&'static str),
}

impl Principal {
    /// The account the principal belongs to; none for services.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root(account) | Self::AssumedRole { account, .. } => Some(*account),
            Self::Service(_) => None,
        }
    }

    /// The ARN, or the service's name: what error messages and GetCallerIdentity show.
    pub fn arn(&self, partition: &str) -> String {
        match self {
            Self::Root(account) => format!("arn:{partition}:iam::{account}:root"),
            Self::AssumedRole { account, role, session } => {
                format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}")
            }
            Self::Service(name) => (*name).to_owned(),
        }
    }
}

/// Leave to perform one action, once: who, in which account and region, under which request id.
#[derive(Debug)]
pub struct Grant {
    principal: Principal,
    account: AccountId,
    region: Region,
    request_id: RequestId,
    endpoint: Arc<str>,
    trace_header: Option<Box<str>>,
}

/// What a [`Grant`] is made of.
#[derive(Debug)]
pub struct GrantParts {
    /// Who.
    pub principal: Principal,
    /// The account whose resources are meant.
    pub account: AccountId,
    /// The region whose resources are meant.
    pub region: Region,
    /// The id of the request.
    pub request_id: RequestId,
    /// Scheme and authority under which the client reached the server, `http://127.0.0.1:4566`: for URLs in answers.
    pub endpoint: Arc<str>,
}

impl Grant {
    /// Makes a grant. For `iam` alone, after it has decided.
    #[doc(hidden)]
    pub fn issue(parts: GrantParts) -> Self {
        let GrantParts { principal, account, region, request_id, endpoint } = parts;
        Self { principal, account, region, request_id, endpoint, trace_header: None }
    }

    /// The same with the trace the request belongs to: `X-Amzn-Trace-Id`.
    pub fn traced(self, trace_header: Option<&str>) -> Self {
        Self { trace_header: trace_header.map(Box::from), ..self }
    }

    /// `X-Amzn-Trace-Id` of the request, as it came.
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub fn trace_header(&self) -> Option<&str> {
        self.trace_header.as_deref()
    }

    /// Who makes the request.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The account whose resources are meant.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The region whose resources are meant.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The id on the answer and in every log line about it.
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Scheme and authority under which the client reached the server: for URLs in answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
