//! AssumeRole: a session of a role, for those whom the role trusts and whose account lets them.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use super::{StsOptions, access_denied, refuse, shown, validation};
use crate::credentials::{Extras, Session};
use crate::directory::model::{PolicyRef, same};
use crate::directory::{Directory, managed};
use crate::identities::{Identities, IdentityPolicies};
use crate::policy::{Applicable, Attached, Document, Identity, Question, Requester, decide};
use hearth_api::sts::{
    AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, PolicyDescriptorType, Tag, errors,
};
use hearth_api::{Grant, Principal};
use hearth_base::{AccountId, Arn, Timestamp};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SECONDS_DEFAULT: u32 = 3_600;
/// AWS: a session that was made with another session's credentials lasts an hour at most.
const CHAINED_SECONDS_MAX: u32 = 3_600;
const SESSION_POLICIES_MAX: usize = 10;
const POLICY_CHARACTERS_MAX: usize = 2_048;
const TAGS_MAX: usize = 50;

/// The role that is to be assumed.
struct Wanted {
    arn: String,
    account: AccountId,
    name: String,
    session: String,
    policies: Arc<IdentityPolicies>,
    session_s_max: u32,
}

pub fn run(sts: &StsOptions, grant: &Grant, input: AssumeRoleRequest) -> Result<AssumeRoleResponse, Failure> {
    refuse(input.serial_number.is_some(), "SerialNumber")?;
    refuse(input.token_code.is_some(), "TokenCode")?;
    refuse(input.provided_contexts.as_ref().is_some_and(|it| !it.is_empty()), "ProvidedContexts")?;
    refuse(input.minimum_session_token_size.is_some(), "MinimumSessionTokenSize")?;
    if matches!(grant.principal(), Principal::Root(_)) {
        return Err(access_denied("Roles may not be assumed by root accounts."));
    }
    let wanted = wanted(&sts.directory, grant, &input)?;
    let extras = extras(&sts.directory, grant, (&wanted, &input))?;
    for action in actions(&input) {
        authorise((sts, grant), (&wanted, &input, &extras), action)?;
    }
    let chained = matches!(grant.principal(), Principal::AssumedRole { .. });
    let seconds = seconds(&input, chained, wanted.session_s_max)?;
    let percent = extras.percent();
    if percent > 100 {
        return Err(errors::packed_policy_too_large(format!(
            "Packed policy consumes {percent}% of allotted space, please use smaller policy."
        )));
    }
    let packed = extras.policy.is_some() || !extras.managed.is_empty() || !extras.tags.is_empty();
    let source_identity = extras.source_identity.clone();
    let Wanted { account, name, session, policies, .. } = &wanted;
    let (account, partition) = (*account, grant.region().partition());
    let asked = Session { account, role: name, name: session, duration: Duration::from_secs(seconds.into()) };
    let issued = sts
        .credentials
        .issue_role_session(&asked, extras)
        .map_err(|invalid| validation(invalid.to_string()))?;
    Ok(AssumeRoleResponse {
        credentials: Some(shown(issued)),
        assumed_role_user: Some(AssumedRoleUser {
            assumed_role_id: Some(format!("{}:{session}", policies.id)),
            arn: Some(format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")),
        }),
        packed_policy_size: packed.then(|| i64::try_from(percent.max(1)).unwrap_or(100)),
        source_identity,
        ..AssumeRoleResponse::default()
    })
}

/// `User: … is not authorized to perform: sts:AssumeRole on resource: …`, also when there is no such role: who may not
/// assume a role learns nothing about it.
fn not_authorized(grant: &Grant, action: &str, arn: &str) -> Failure {
    let who = grant.principal().arn(grant.region().partition());
    access_denied(format!("User: {who} is not authorized to perform: {action} on resource: {arn}"))
}

fn wanted(directory: &Directory, grant: &Grant, input: &AssumeRoleRequest) -> Result<Wanted, Failure> {
    let arn = input.role_arn.clone().unwrap_or_default();
    let invalid = || validation(format!("{arn} is invalid"));
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    let account: AccountId = parsed.account.parse().map_err(|_| invalid())?;
    let name = match parsed.resource.strip_prefix("role/") {
        Some(path) if parsed.service == "iam" => path.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => return Err(invalid()),
    };
    let same_arn = |found: &Arc<IdentityPolicies>| {
        found.arn.parse::<Arn>().is_ok_and(|known| known.resource == parsed.resource)
    };
    let found = directory.role(account, &name).filter(same_arn);
    let policies = found.ok_or_else(|| not_authorized(grant, "sts:AssumeRole", &arn))?;
    let session_s_max = directory
        .read(|state| state.roles.get(account, &name).map(|held| held.value.session_s_max))
        .unwrap_or(SECONDS_DEFAULT);
    let session = input.role_session_name.clone().unwrap_or_default();
    Ok(Wanted { arn, account, name, session, policies, session_s_max })
}

fn seconds(input: &AssumeRoleRequest, chained: bool, most: u32) -> Result<u32, Failure> {
    let asked = input.duration_seconds.and_then(|seconds| u32::try_from(seconds).ok());
    let seconds = asked.unwrap_or(SECONDS_DEFAULT);
    if chained && seconds > CHAINED_SECONDS_MAX {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if seconds > most {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// What must be allowed: with tags and with a source identity more than AssumeRole itself.
fn actions(input: &AssumeRoleRequest) -> impl Iterator<Item = &'static str> {
    let tagged = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    [
        Some("sts:AssumeRole"),
        tagged.then_some("sts:TagSession"),
        input.source_identity.is_some().then_some("sts:SetSourceIdentity"),
    ]
    .into_iter()
    .flatten()
}

/// What the session is to carry.
fn extras(
    directory: &Directory,
    grant: &Grant,
    (wanted, input): (&Wanted, &AssumeRoleRequest),
) -> Result<Extras, Failure> {
    let policy = input.policy.clone();
    if let Some(text) = &policy {
        if text.chars().count() > POLICY_CHARACTERS_MAX {
            return Err(validation(format!(
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have \
                 length less than or equal to {POLICY_CHARACTERS_MAX}"
            )));
        }
        Document::identity(text)
            .map_err(|malformed| errors::malformed_policy_document(malformed.to_string()))?;
    }
    let managed =
        managed_policies(directory, wanted.account, input.policy_arns.as_deref().unwrap_or_default())?;
    let mut tags = session_tags(input.tags.as_deref().unwrap_or_default())?;
    let mut transitive = input.transitive_tag_keys.clone().unwrap_or_default();
    inherit(grant, &mut tags, &mut transitive)?;
    let inherited = grant.session().and_then(|session| session.source_identity.clone());
    let source_identity = match (inherited, input.source_identity.clone()) {
        (Some(known), Some(asked)) if known != asked => {
            return Err(access_denied("The source identity of a session cannot be changed."));
        }
        (Some(known), _) => Some(known),
        (None, asked) => asked,
    };
    Ok(Extras { policy, managed, tags, transitive, source_identity, source_function: None })
}

fn managed_policies(
    directory: &Directory,
    account: AccountId,
    arns: &[PolicyDescriptorType],
) -> Result<Vec<PolicyRef>, Failure> {
    if arns.len() > SESSION_POLICIES_MAX {
        return Err(validation(format!(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length \
             less than or equal to {SESSION_POLICIES_MAX}"
        )));
    }
    let reference = |descriptor: &PolicyDescriptorType| {
        let arn = descriptor.arn.as_deref().unwrap_or_default();
        let parsed: Arn = arn.parse().map_err(|_| validation(format!("ARN {arn} is not valid.")))?;
        let name = parsed.resource.rsplit('/').next().unwrap_or_default();
        let suffix = |path: &str| parsed.resource == format!("policy{path}{name}");
        let found = if parsed.account == "aws" {
            managed::find(name).filter(|policy| suffix(&policy.path)).map(managed::Managed::reference)
        } else if parsed.account == account.as_str() {
            directory.read(|state| {
                let held = state.policies.get(account, name).filter(|held| suffix(&held.value.head.path))?;
                Some(PolicyRef::Own(held.value.head.name.clone()))
            })
        } else {
            None
        };
        found.ok_or_else(|| validation(format!("Policy {arn} does not exist or is not attachable.")))
    };
    arns.iter().map(reference).collect()
}

fn session_tags(tags: &[Tag]) -> Result<Vec<(String, String)>, Failure> {
    let mut read: Vec<(String, String)> = Vec::new();
    for tag in tags {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(validation(
                "Tag keys with the prefix aws: are reserved for AWS use and cannot be set.",
            ));
        }
        if read.iter().any(|(known, _)| same(known, &key)) {
            return Err(validation(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        read.push((key, value));
    }
    Ok(read)
}

/// Adds the tags that go on from the caller's own session, which nobody can set anew.
fn inherit(
    grant: &Grant,
    tags: &mut Vec<(String, String)>,
    transitive: &mut Vec<String>,
) -> Result<(), Failure> {
    if let Some(key) = transitive.iter().find(|key| !tags.iter().any(|(known, _)| same(known, key))) {
        return Err(validation(format!(
            "The specified transitive tag key {key} is not among the session's tags."
        )));
    }
    if let Some(session) = grant.session() {
        for key in &session.transitive_tag_keys {
            if tags.iter().any(|(known, _)| same(known, key)) {
                return Err(validation(
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                     key from the calling session.",
                ));
            }
            tags.extend(session.tags.iter().find(|(known, _)| same(known, key)).cloned());
            transitive.push(key.clone());
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(validation(format!("A session can have up to {TAGS_MAX} tags.")));
    }
    Ok(())
}

/// Asks the role's trust policy and the caller's own policies.
fn authorise(
    (sts, grant): (&StsOptions, &Grant),
    (wanted, input, extras): (&Wanted, &AssumeRoleRequest, &Extras),
    action: &str,
) -> Result<(), Failure> {
    let denied = || not_authorized(grant, action, &wanted.arn);
    let own = sts.directory.policies(grant.principal());
    let requester = requester(grant, own.as_deref()).ok_or_else(denied)?;
    let session_policies = session_policies(grant);
    let trust = wanted
        .policies
        .trust
        .as_ref()
        .map(|document| Attached { id: "trust".into(), document: Arc::clone(document) });
    let context = context((sts.clock.now(), grant), own.as_deref(), (input, extras));
    let question = Question { action, resource: &wanted.arn, requester: &requester, context: &context };
    let applicable = Applicable {
        identity: Identity::Policies(own.as_ref().map_or(&[], |own| &own.policies)),
        boundary: own.as_ref().and_then(|own| own.boundary.as_ref()),
        session: session_policies.as_deref(),
        resource: trust.as_ref(),
        cross_account: grant.account() != wanted.account,
        trust_needed: true,
    };
    decide(&question, &applicable).map_err(|_| denied())
}

/// The session policies of the caller; none when its session was made without.
fn session_policies(grant: &Grant) -> Option<Vec<Attached>> {
    let session = grant.session().filter(|session| !session.policies.is_empty())?;
    let read = |text: &Arc<str>| {
        let document = Document::identity(text).ok()?;
        Some(Attached { id: "session".into(), document: Arc::new(document) })
    };
    Some(session.policies.iter().filter_map(read).collect())
}

fn requester(grant: &Grant, own: Option<&IdentityPolicies>) -> Option<Requester> {
    let partition = grant.region().partition();
    let (arn, id) = own.map(|own| (own.arn.to_string(), own.id.to_string())).unwrap_or_default();
    match grant.principal() {
        Principal::Root(account) => {
            Some(Requester::Root { account: *account, arn: grant.principal().arn(partition) })
        }
        Principal::User { account, .. } => Some(Requester::User { account: *account, arn, id }),
        Principal::AssumedRole { account, role, .. } => Some(Requester::Session {
            account: *account,
            role_arn: if arn.is_empty() {
                format!("arn:{partition}:iam::{account}:role/{role}")
            } else {
                arn
            },
            role_id: id,
            session_arn: grant.principal().arn(partition),
        }),
        Principal::Service(_) => None,
    }
}

/// The condition keys that trust policies ask for. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>
fn context(
    (now, grant): (Timestamp, &Grant),
    own: Option<&IdentityPolicies>,
    (input, extras): (&AssumeRoleRequest, &Extras),
) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            keys.insert(key.to_owned(), vec![value]);
        }
    };
    let arn = match own {
        Some(own) => own.arn.to_string(),
        None => grant.principal().arn(grant.region().partition()),
    };
    let kind = if matches!(grant.principal(), Principal::User { .. }) { "User" } else { "AssumedRole" };
    set("sts:externalid", input.external_id.clone());
    set("sts:rolesessionname", input.role_session_name.clone());
    set("sts:sourceidentity", input.source_identity.clone());
    set("aws:sourceidentity", extras.source_identity.clone());
    set("aws:currenttime", Some(now.date_time()));
    set("aws:epochtime", Some(now.seconds().to_string()));
    set("aws:securetransport", Some("false".to_owned()));
    set("aws:principalarn", Some(arn));
    set("aws:principalaccount", grant.principal().account().map(|account| account.to_string()));
    set("aws:principaltype", Some(kind.to_owned()));
    set("aws:requestedregion", Some(grant.region().to_string()));
    set("aws:sourceip", grant.client().address.map(|address| address.to_canonical().to_string()));
    set("aws:useragent", grant.client().user_agent.as_deref().map(str::to_owned));
    if let Principal::User { name, .. } = grant.principal() {
        set("aws:username", Some(name.to_string()));
    }
    let own_tags = own.map(|own| own.tags.clone()).unwrap_or_default();
    let session_tags = grant.session().map(|session| session.tags.clone()).unwrap_or_default();
    for (key, value) in own_tags.into_iter().chain(session_tags) {
        keys.insert(format!("aws:principaltag/{}", key.to_lowercase()), vec![value]);
    }
    let asked = input.tags.as_deref().unwrap_or_default();
    let tag_keys: Vec<String> = asked.iter().filter_map(|tag| tag.key.clone()).collect();
    for tag in asked {
        let key = format!("aws:requesttag/{}", tag.key.clone().unwrap_or_default().to_lowercase());
        keys.insert(key, vec![tag.value.clone().unwrap_or_default()]);
    }
    if !tag_keys.is_empty() {
        keys.insert("aws:tagkeys".to_owned(), tag_keys);
    }
    if let Some(transitive) = input.transitive_tag_keys.clone().filter(|keys| !keys.is_empty()) {
        keys.insert("sts:transitivetagkeys".to_owned(), transitive);
    }
    keys
}
