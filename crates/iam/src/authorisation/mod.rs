//! Whether a caller may do what it asks: from the table of an operation to the policies that decide, and AWS's words
//! for a denial.
//!
//! Calls that services make to each other in this process are decided here too: no grant is made elsewhere.

mod circumstances;
mod resource;
#[cfg(test)]
mod tests;

use crate::authority::{Authority, Call, Caller};
use crate::identities::IdentityPolicies;
use crate::policy::{self, Applicable, Attached, Denial, Document, Identity, Question, Requester, Source};
use crate::refusal::Dialect;
use crate::sources::Sources;
use circumstances::{Circumstances, Keys};
use hearth_api::authorisation::{Authorisation, Requirement};
use hearth_api::grant::{Client, GrantParts};
use hearth_api::{Grant, Principal, Session};
use hearth_base::{AccountId, Clock, Region, RequestId};
use hearth_wire::{Failure, Value};
use std::sync::Arc;

/// What a caller asks for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What the operation needs leave for.
    pub authorisation: &'static Authorisation,
    /// Its input, decoded and validated.
    pub input: &'a Value,
    /// How the caller is told.
    pub dialect: Dialect,
    /// The id of the request.
    pub request_id: RequestId,
    /// Scheme and authority under which the client reached the server.
    pub endpoint: Arc<str>,
    /// What is known of the client.
    pub client: Client,
}

/// One action on one resource, asked for beside the table of an operation: by a service of another, or by a handler of
/// its caller.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// `lambda:InvokeFunction`
    pub action: &'a str,
    /// The ARN, or `*`.
    pub resource: &'a str,
    /// `aws:SourceArn`: for whose sake a service asks.
    pub source_arn: Option<&'a str>,
    /// `aws:SourceAccount`
    pub source_account: Option<AccountId>,
    /// More condition keys, in lower case.
    pub keys: &'a [(&'a str, &'a str)],
}

impl<'a> Access<'a> {
    /// An action on a resource, for nobody's sake in particular.
    pub fn new(action: &'a str, resource: &'a str) -> Self {
        Self { action, resource, source_arn: None, source_account: None, keys: &[] }
    }
}

/// Who asks, with what is known of it.
struct Asker<'a> {
    principal: &'a Principal,
    session: Option<&'a Session>,
    account: AccountId,
    region: &'a Region,
    client: &'a Client,
    sources: &'a Sources,
    clock: &'a dyn Clock,
    /// What its account lets it do; none when it is no user and no role that there is.
    known: Option<Arc<IdentityPolicies>>,
}

impl Authority {
    /// Decides whether a caller may do what it asks.
    ///
    /// # Errors
    /// AWS's AccessDenied, naming the principal, the action, the resource and the kind of policy it failed by.
    pub fn authorise(&self, caller: Caller, ask: Ask<'_>) -> Result<Grant, Failure> {
        let Ask { authorisation, input, dialect, request_id, endpoint, client } = ask;
        {
            let sources = self.sources();
            let asker =
                self.asker(&sources, (&caller.principal, caller.session.as_deref()), (&caller, &client));
            for requirement in authorisation.requirements {
                asker.require(requirement, input).map_err(|denied| denied.failure(dialect))?;
            }
        }
        let Caller { principal, account, region, session } = caller;
        let parts = GrantParts { principal, account, region, request_id, endpoint };
        Ok(Grant::issue(parts).in_session(session).from_client(client))
    }

    /// Decides whether who was granted something may also do this.
    ///
    /// # Errors
    /// AWS's AccessDenied.
    pub fn also(&self, grant: &Grant, access: &Access<'_>) -> Result<(), Failure> {
        let sources = self.sources();
        let place = Place { account: grant.account(), region: grant.region(), client: grant.client() };
        let asker =
            self.asker_at(&sources, (grant.principal(), grant.session().map(|session| &**session)), place);
        asker.access(access).map_err(|denied| denied.failure(Dialect::RestJson))
    }

    /// Decides whether a caller may do what no operation stands for: use a function URL.
    ///
    /// # Errors
    /// AWS's AccessDenied.
    pub fn allow(&self, caller: &Caller, client: &Client, access: &Access<'_>) -> Result<(), Failure> {
        let sources = self.sources();
        let asker = self.asker(&sources, (&caller.principal, caller.session.as_deref()), (caller, client));
        asker.access(access).map_err(|denied| denied.failure(Dialect::RestJson))
    }

    /// The unique id of a principal, as `aws:userid` has it. Of roles and users that nobody stores, it has their names.
    pub fn user_id(&self, principal: &Principal) -> String {
        let known = self.sources().identities().and_then(|identities| identities.policies(principal));
        let id = known.as_ref().map(|known| known.id.to_string());
        match principal {
            Principal::AssumedRole { role, session, .. } => {
                format!("{}:{session}", id.as_deref().unwrap_or(role))
            }
            Principal::User { name, .. } => id.unwrap_or_else(|| name.to_string()),
            Principal::Root(account) => account.to_string(),
            Principal::Service(name) => (*name).to_owned(),
            Principal::Anonymous => "anonymous".to_owned(),
        }
    }

    /// Leave to make one call without saying who one is. It is for operations alone whose input is the proof that it may
    /// be made, such as a token that was sent to whoever makes it; the gateway knows which these are.
    pub fn unsigned(&self, client: Client, call: Call) -> Grant {
        let Call { account, region, request_id, endpoint } = call;
        let principal = Principal::Anonymous;
        Grant::issue(GrantParts { principal, account, region, request_id, endpoint }).from_client(client)
    }

    /// Leave for a service, such as `lambda.amazonaws.com`, to make one call in its own name: the policy of the resource
    /// must give it.
    ///
    /// # Errors
    /// AWS's AccessDenied.
    pub fn as_service(
        &self,
        service: &'static str,
        access: &Access<'_>,
        call: Call,
    ) -> Result<Grant, Failure> {
        self.internal(Principal::Service(service), access, call)
    }

    /// Leave for a service to make one call in the name of a role that was given to it: the role's policies decide. The
    /// role is an ARN, and the session's name is what the service makes of it.
    ///
    /// # Errors
    /// AWS's AccessDenied.
    pub fn as_role(
        &self,
        (role, session): (&str, &str),
        access: &Access<'_>,
        call: Call,
    ) -> Result<Grant, Failure> {
        let account = owner(role).unwrap_or(call.account);
        let name = role.rsplit('/').next().unwrap_or_default();
        let principal = Principal::AssumedRole { account, role: name.into(), session: session.into() };
        self.internal(principal, access, call)
    }

    fn internal(&self, principal: Principal, access: &Access<'_>, call: Call) -> Result<Grant, Failure> {
        {
            let sources = self.sources();
            let client = Client::default();
            let place = Place { account: call.account, region: &call.region, client: &client };
            let asker = self.asker_at(&sources, (&principal, None), place);
            asker.access(access).map_err(|denied| denied.failure(Dialect::RestJson))?;
        }
        let Call { account, region, request_id, endpoint } = call;
        Ok(Grant::issue(GrantParts { principal, account, region, request_id, endpoint }))
    }

    /// Whether a service may assume a role: there is such a role, and its trust policy lets the service.
    pub fn service_may_assume(&self, service: &str, role_arn: &str, access: &Access<'_>) -> bool {
        let sources = self.sources();
        // Without users and roles there is none to look at: only until they are opened.
        if sources.identities().is_none() {
            return true;
        }
        let Some(trust) = trust(&sources, role_arn) else { return false };
        let requester = Requester::Service { name: service.to_owned() };
        let (region, client) = (Region::default(), Client::default());
        let principal = Principal::Service("");
        let account = owner(role_arn).unwrap_or(AccountId::DEVELOPMENT);
        let place = Place { account, region: &region, client: &client };
        let asker = self.asker_at(&sources, (&principal, None), place);
        let circumstances = Circumstances { asker: &asker, resource: role_arn, keys: Keys::Access(access) };
        let question = Question {
            action: access.action,
            resource: role_arn,
            requester: &requester,
            context: &circumstances,
        };
        let trust = attached(trust);
        let applicable = Applicable {
            identity: Identity::None,
            boundary: None,
            session: None,
            resource: Some(&trust),
            cross_account: false,
            trust_needed: true,
        };
        policy::decide(&question, &applicable).is_ok()
    }

    fn asker<'a>(
        &'a self,
        sources: &'a Sources,
        who: (&'a Principal, Option<&'a Session>),
        (caller, client): (&'a Caller, &'a Client),
    ) -> Asker<'a> {
        let place = Place { account: caller.account, region: &caller.region, client };
        self.asker_at(sources, who, place)
    }

    fn asker_at<'a>(
        &'a self,
        sources: &'a Sources,
        (principal, session): (&'a Principal, Option<&'a Session>),
        place: Place<'a>,
    ) -> Asker<'a> {
        let Place { account, region, client } = place;
        let known = sources.identities().and_then(|identities| identities.policies(principal));
        Asker { principal, session, account, region, client, sources, clock: self.clock(), known }
    }
}

/// Where a request is made: for whose account, in which region, by which client.
struct Place<'a> {
    account: AccountId,
    region: &'a Region,
    client: &'a Client,
}

/// What was denied, to whom and why.
#[derive(Debug)]
struct Denied {
    who: String,
    action: String,
    resource: String,
    denial: Denial,
    cross_account: bool,
}

impl Denied {
    fn failure(&self, dialect: Dialect) -> Failure {
        let Self { who, action, resource, denial, cross_account } = self;
        // AWS: SQS alone writes its actions in lower case, and SNS alone its own name in capitals.
        let action = match action.split_once(':') {
            Some(("sqs", _)) => &action.to_ascii_lowercase(),
            Some(("sns", name)) => &format!("SNS:{name}"),
            _ => action,
        };
        let message = if *cross_account && action == "iam:PassRole" {
            "Cross-account pass role is not allowed.".to_owned()
        } else {
            // AWS: who may not assume a role learns nothing about it.
            let reason = match denial.source {
                Source::Trust => String::new(),
                _ if action.starts_with("sts:") => String::new(),
                _ => format!(" {}", denial.reason(action)),
            };
            format!("User: {who} is not authorized to perform: {action} on resource: {resource}{reason}")
        };
        let (code, status) = match dialect {
            Dialect::Ec2 => ("UnauthorizedOperation", 403),
            Dialect::Query if action.starts_with("SNS:") => ("AuthorizationError", 403),
            Dialect::Query | Dialect::S3 => ("AccessDenied", 403),
            Dialect::RestJson => ("AccessDeniedException", 403),
            Dialect::Json => ("AccessDeniedException", 400),
        };
        Failure::sender(code, status, message).with_query_code("AccessDenied")
    }
}

impl Asker<'_> {
    /// Decides one line of an operation's table.
    fn require(&self, requirement: &Requirement, input: &Value) -> Result<(), Denied> {
        if let Some(member) = requirement.when
            && resource::values(input, member).is_empty()
        {
            return Ok(());
        }
        for resource in resource::resources(&requirement.resource, self, input) {
            self.decide((requirement.action, &resource), Keys::Input(requirement, input))?;
        }
        Ok(())
    }

    fn access(&self, access: &Access<'_>) -> Result<(), Denied> {
        self.decide((access.action, access.resource), Keys::Access(access))
    }

    fn decide(&self, (action, resource): (&str, &str), keys: Keys<'_>) -> Result<(), Denied> {
        let by_token = matches!(keys, Keys::Input(Requirement { by_token: true, .. }, _));
        let own = by_token
            || owner(resource)
                .is_none_or(|owner| self.principal.account().is_none_or(|account| account == owner));
        let trust_needed = action.starts_with("sts:") && resource.contains(":role/");
        let of_resource = if trust_needed {
            trust(self.sources, resource)
        } else {
            self.sources.resources(resource).and_then(|policies| policies.policy(resource))
        };
        // AWS: roles may not be assumed by root users, whomever they trust: the operation says so.
        let unlimited = of_resource.is_none() || trust_needed;
        if own && unlimited && self.is_root() {
            return Ok(());
        }
        let requester = self.requester();
        let of_resource = of_resource.map(attached);
        let session = self.session_policies();
        let circumstances = Circumstances { asker: self, resource, keys };
        let question = Question { action, resource, requester: &requester, context: &circumstances };
        let applicable = Applicable {
            identity: self.identity(),
            boundary: self.known.as_ref().and_then(|known| known.boundary.as_ref()),
            session: session.as_deref(),
            resource: of_resource.as_ref(),
            cross_account: !own,
            trust_needed,
        };
        policy::decide(&question, &applicable).map_err(|denial| Denied {
            who: self.principal.arn(self.region.partition()),
            action: action.to_owned(),
            resource: resource.to_owned(),
            denial,
            cross_account: !own,
        })
    }

    /// Whether its account lets it do everything.
    fn is_root(&self) -> bool {
        matches!(self.identity(), Identity::Root)
    }

    fn identity(&self) -> Identity<'_> {
        match (self.principal, &self.known) {
            (Principal::Root(_), _) => Identity::Root,
            (Principal::Service(_) | Principal::Anonymous, _) => Identity::None,
            (_, Some(known)) => Identity::Policies(&known.policies),
            // Until users and roles are opened, whoever has an account may do everything in it.
            (_, None) if self.sources.identities().is_none() => Identity::Root,
            (_, None) => Identity::Policies(&[]),
        }
    }

    /// The session policies, as far as they can be read: one that cannot be lets nothing through.
    fn session_policies(&self) -> Option<Vec<Attached>> {
        let texts = &self.session?.policies;
        if texts.is_empty() {
            return None;
        }
        let read = |text: &Arc<str>| Document::parse(text).ok().map(|document| attached(Arc::new(document)));
        Some(texts.iter().filter_map(read).collect())
    }

    /// The principal as policies name it.
    fn requester(&self) -> Requester {
        let partition = self.region.partition();
        let arn = || self.principal.arn(partition);
        let (known_arn, id) = match &self.known {
            Some(known) => (Some(known.arn.to_string()), known.id.to_string()),
            None => (None, String::new()),
        };
        match self.principal {
            Principal::Root(account) => Requester::Root { account: *account, arn: arn() },
            Principal::User { account, .. } => {
                Requester::User { account: *account, arn: known_arn.unwrap_or_else(arn), id }
            }
            Principal::AssumedRole { account, role, .. } => Requester::Session {
                account: *account,
                role_arn: known_arn.unwrap_or_else(|| format!("arn:{partition}:iam::{account}:role/{role}")),
                role_id: id,
                session_arn: arn(),
            },
            Principal::Service(name) => Requester::Service { name: (*name).to_owned() },
            // No policy is asked about them; one that was would take them for a service without a name.
            Principal::Anonymous => Requester::Service { name: String::new() },
        }
    }
}

/// The policy of a resource, as the evaluator takes it. Nobody is told what it is called.
fn attached(document: Arc<Document>) -> Attached {
    Attached { id: Arc::from(""), document }
}

/// The trust policy of the role with this ARN.
fn trust(sources: &Sources, arn: &str) -> Option<Arc<Document>> {
    let name = arn.rsplit('/').next()?;
    let role = sources.identities()?.role(owner(arn)?, name)?;
    if *role.arn == *arn { role.trust.clone() } else { None }
}

/// The account that an ARN names; none where ARNs have none, as S3's, and for `*`.
fn owner(arn: &str) -> Option<AccountId> {
    arn.split(':').nth(4)?.parse().ok()
}
