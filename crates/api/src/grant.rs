//! Authorisation as a value: a handler cannot be called without a [`Grant`], and only the `iam` crate makes them.
//!
//! `cargo xtask tidy` fails when [`Grant::issue`] is named outside `iam`.

use hearth_base::{AccountId, Region, RequestId, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// Who makes a request.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The root user of an account.
    Root(AccountId),
    /// A user of an account.
    User {
        /// The account.
        account: AccountId,
        /// The user's name without its path.
        name: Arc<str>,
        /// The user's path, such as `/` or `/division/`.
        path: Arc<str>,
    },
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
    /// Whoever sent a request without a signature, to one of the few operations that take such.
    Anonymous,
}

impl Principal {
    /// The account the principal belongs to; none for services and those who do not say who they are.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root(account) | Self::User { account, .. } | Self::AssumedRole { account, .. } => {
                Some(*account)
            }
            Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// The ARN, or the service's name: what error messages and GetCallerIdentity show.
    pub fn arn(&self, partition: &str) -> String {
        match self {
            Self::Root(account) => format!("arn:{partition}:iam::{account}:root"),
            Self::User { account, name, path } => format!("arn:{partition}:iam::{account}:user{path}{name}"),
            Self::AssumedRole { account, role, session } => {
                format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}")
            }
            Self::Service(name) => (*name).to_owned(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }
}

/// What a session carries beside who it is: made when a role is assumed, or a session token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// When it was made; none for the sessions of tokens that do not say.
    pub issued: Option<Timestamp>,
    /// The session policies, as they were passed; empty when none were.
    pub policies: Vec<Arc<str>>,
    /// The session's tags.
    pub tags: Vec<(String, String)>,
    /// Which of the tags go on to sessions that this one makes.
    pub transitive_tag_keys: Vec<String>,
    /// Who first asked, as it said when the session was made.
    pub source_identity: Option<String>,
    /// The ARN of the function for whose environments the session was made: `lambda:SourceFunctionArn`.
    pub source_function: Option<Arc<str>>,
}

/// What is known of the program that sent a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its address; none for code in an execution environment and for services in this process.
    pub address: Option<IpAddr>,
    /// `User-Agent`, as it came.
    pub user_agent: Option<Box<str>>,
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
    session: Option<Arc<Session>>,
    client: Client,
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
        Self {
            principal,
            account,
            region,
            request_id,
            endpoint,
            trace_header: None,
            session: None,
            client: Client::default(),
        }
    }

    /// The same with the trace the request belongs to: `X-Amzn-Trace-Id`.
    pub fn traced(self, trace_header: Option<&str>) -> Self {
        Self { trace_header: trace_header.map(Box::from), ..self }
    }

    /// The same for a call made with temporary credentials.
    pub fn in_session(self, session: Option<Arc<Session>>) -> Self {
        Self { session, ..self }
    }

    /// The same for a request that this client sent.
    pub fn from_client(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// What is known of the client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the session of the caller carries; none when its credentials are long-term ones.
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
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
