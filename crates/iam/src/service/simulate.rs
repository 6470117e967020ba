//! SimulatePrincipalPolicy, SimulateCustomPolicy, and the condition keys that policies ask for.
//!
//! The decisions are the evaluator's own. Organizations' policies are refused: there are no organizations.

use super::Action;
use super::page::Paging;
use super::rules::required;
use crate::directory::Directory;
use crate::identities::{Identities, IdentityPolicies};
use crate::policy::{
    Applicable, Attached, Document, Explanation, Identity, Matched, Question, Requester, Source, explain,
};
use hearth_api::iam::{self, errors, *};
use hearth_base::{AccountId, Arn};
use hearth_wire::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most decisions of one simulation: actions times resources.
const DECISIONS_MAX: usize = 10_000;

/// What is simulated.
struct Simulation {
    policies: Vec<Attached>,
    boundary: Option<Vec<Attached>>,
    resource: Option<Attached>,
    requester: Requester,
    actions: Vec<String>,
    resources: Vec<String>,
    context: BTreeMap<String, Vec<String>>,
    owner: Option<AccountId>,
    paging: Paging,
    /// What inline and managed policies are, by the names that explanations give them.
    kinds: BTreeMap<Arc<str>, PolicySourceType>,
}

/// Reads the documents of a list of a request.
fn read(list: Option<Vec<String>>, name: &str) -> Result<Vec<Attached>, Failure> {
    let documents = list.unwrap_or_default().into_iter().enumerate().map(|(place, text)| {
        let document =
            Document::identity(&text).map_err(|malformed| errors::invalid_input(malformed.to_string()))?;
        Ok(Attached { id: format!("{name}.{}", place + 1).into(), document: Arc::new(document) })
    });
    documents.collect()
}

fn read_resource(text: Option<String>) -> Result<Option<Attached>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let document =
        Document::resource(&text).map_err(|malformed| errors::invalid_input(malformed.to_string()))?;
    Ok(Some(Attached { id: "ResourcePolicy".into(), document: Arc::new(document) }))
}

fn read_context(entries: Option<Vec<ContextEntry>>) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let entries = entries.unwrap_or_default().into_iter().map(|entry| {
        let name = required(entry.context_key_name, "ContextKeyName")?;
        Ok((name.to_ascii_lowercase(), entry.context_key_values.unwrap_or_default()))
    });
    entries.collect()
}

fn boundary(list: Option<Vec<String>>) -> Result<Option<Vec<Attached>>, Failure> {
    let read = read(list, "PermissionsBoundaryPolicyInputList")?;
    Ok(Some(read).filter(|boundary| !boundary.is_empty()))
}

fn refuse(given: bool, member: &str) -> Result<(), Failure> {
    if given {
        Err(errors::invalid_input(format!("{member} is not supported by this server")))
    } else {
        Ok(())
    }
}

/// The user or role of an ARN, and how policies name it.
fn principal(
    directory: &Directory,
    arn: &str,
) -> Result<Option<(Requester, Arc<IdentityPolicies>)>, Failure> {
    let parsed: Arn = arn.parse().map_err(|_| errors::invalid_input(format!("ARN {arn} is not valid.")))?;
    let account: AccountId =
        parsed.account.parse().map_err(|_| errors::invalid_input(format!("ARN {arn} is not valid.")))?;
    let name = parsed.resource.rsplit('/').next().unwrap_or_default();
    let kind = parsed.resource.split('/').next().unwrap_or_default();
    let found = match kind {
        "user" => directory.user(account, name),
        "role" => directory.role(account, name),
        _ => None,
    };
    Ok(found.filter(|found| &*found.arn == arn).map(|found| {
        let (id, arn) = (found.id.to_string(), found.arn.to_string());
        let requester = match kind {
            "user" => Requester::User { account, arn, id },
            _ => Requester::Session {
                account,
                session_arn: format!("arn:aws:sts::{account}:assumed-role/{name}/simulation"),
                role_arn: arn,
                role_id: id,
            },
        };
        (requester, found)
    }))
}

/// Whose policies are simulated: a user, a group or a role.
struct SimulatedSource {
    /// How policies name it; groups ask for nothing themselves.
    requester: Option<Requester>,
    policies: Vec<Attached>,
    boundary: Option<Attached>,
}

fn source(action: &Action<'_>, arn: &str) -> Result<SimulatedSource, Failure> {
    if let Some((requester, found)) = principal(action.directory(), arn)? {
        let (policies, boundary) = (found.policies.clone(), found.boundary.clone());
        return Ok(SimulatedSource { requester: Some(requester), policies, boundary });
    }
    let parsed: Arn = arn.parse().map_err(|_| errors::invalid_input(format!("ARN {arn} is not valid.")))?;
    let name = parsed.resource.rsplit('/').next().unwrap_or_default();
    let own = parsed.account == action.scope.account.as_str() && parsed.resource.starts_with("group/");
    let group = own.then(|| action.directory().group_policies(action.scope.account, name)).flatten();
    let group = group.map(|policies| SimulatedSource { requester: None, policies, boundary: None });
    group.ok_or_else(|| errors::no_such_entity(format!("The entity with ARN {arn} cannot be found.")))
}

/// SimulateCustomPolicy.
pub async fn simulate_custom_policy(
    action: Action<'_>,
    input: SimulateCustomPolicyRequest,
) -> Result<SimulatePolicyResponse, Failure> {
    refuse(input.ordered_organization_policy_input_list.is_some(), "OrderedOrganizationPolicyInputList")?;
    refuse(input.resource_handling_option.is_some(), "ResourceHandlingOption")?;
    let requester = requester(&action, input.caller_arn, None)?;
    simulate(Simulation {
        policies: read(input.policy_input_list, "PolicyInputList")?,
        boundary: boundary(input.permissions_boundary_policy_input_list)?,
        resource: read_resource(input.resource_policy)?,
        requester,
        actions: required(input.action_names, "ActionNames")?,
        resources: input.resource_arns.unwrap_or_default(),
        context: read_context(input.context_entries)?,
        owner: owner(input.resource_owner)?,
        paging: Paging::of(input.marker, input.max_items)?,
        kinds: BTreeMap::new(),
    })
}

/// SimulatePrincipalPolicy.
pub async fn simulate_principal_policy(
    action: Action<'_>,
    input: SimulatePrincipalPolicyRequest,
) -> Result<SimulatePolicyResponse, Failure> {
    refuse(input.policy_exclusion_list.is_some(), "PolicyExclusionList")?;
    refuse(input.resource_handling_option.is_some(), "ResourceHandlingOption")?;
    let arn = required(input.policy_source_arn, "PolicySourceArn")?;
    let SimulatedSource { requester: of_source, mut policies, boundary: own_boundary } =
        source(&action, &arn)?;
    let kind = match &of_source {
        Some(Requester::User { .. }) => PolicySourceType::User,
        Some(_) => PolicySourceType::Role,
        None => PolicySourceType::Group,
    };
    let mut kinds: BTreeMap<Arc<str>, PolicySourceType> = BTreeMap::new();
    for policy in &policies {
        kinds.insert(
            Arc::clone(&policy.id),
            action.directory().kind_of(action.scope.account, &policy.id).unwrap_or(kind),
        );
    }
    policies.extend(read(input.policy_input_list, "PolicyInputList")?);
    let own_boundary = own_boundary.map(|boundary| vec![boundary]);
    simulate(Simulation {
        policies,
        boundary: boundary(input.permissions_boundary_policy_input_list)?.or(own_boundary),
        resource: read_resource(input.resource_policy)?,
        requester: requester(&action, input.caller_arn, of_source)?,
        actions: required(input.action_names, "ActionNames")?,
        resources: input.resource_arns.unwrap_or_default(),
        context: read_context(input.context_entries)?,
        owner: owner(input.resource_owner)?,
        paging: Paging::of(input.marker, input.max_items)?,
        kinds,
    })
}

/// Who is taken to ask: the one of `CallerArn`, or else the one whose policies they are.
fn requester(
    action: &Action<'_>,
    caller: Option<String>,
    of_source: Option<Requester>,
) -> Result<Requester, Failure> {
    let account = action.scope.account;
    let Some(arn) = caller else {
        return Ok(of_source.unwrap_or_else(|| Requester::User {
            account,
            arn: format!("arn:aws:iam::{account}:user/simulation"),
            id: String::new(),
        }));
    };
    let parsed: Arn = arn.parse().map_err(|_| errors::invalid_input(format!("ARN {arn} is not valid.")))?;
    if !parsed.resource.starts_with("user/") {
        return Err(errors::invalid_input("CallerArn must be the ARN of a user."));
    }
    let account =
        parsed.account.parse().map_err(|_| errors::invalid_input(format!("ARN {arn} is not valid.")))?;
    Ok(Requester::User { account, arn, id: String::new() })
}

fn owner(text: Option<String>) -> Result<Option<AccountId>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let number =
        text.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")).unwrap_or(&text);
    number.parse().map(Some).map_err(|_| errors::invalid_input(format!("ResourceOwner {text} is not valid.")))
}

fn simulate(simulation: Simulation) -> Result<SimulatePolicyResponse, Failure> {
    let everything = vec!["*".to_owned()];
    let resources = if simulation.resources.is_empty() { &everything } else { &simulation.resources };
    if resources.len() * simulation.actions.len() > DECISIONS_MAX {
        return Err(errors::invalid_input(format!("More than {DECISIONS_MAX} decisions are asked for.")));
    }
    let Simulation { actions, paging, .. } = &simulation;
    let pairs = actions.iter().flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let named = pairs.enumerate().map(|(place, pair)| (format!("{place:05}"), pair));
    let page = paging.clone().cut(named);
    let results = page.items.into_iter().map(|(action, resource)| decision(&simulation, action, resource));
    Ok(SimulatePolicyResponse {
        evaluation_results: Some(results.collect()),
        is_truncated: page.truncated,
        marker: page.marker,
    })
}

fn decision(simulation: &Simulation, action: &str, resource: &str) -> EvaluationResult {
    let question =
        Question { action, resource, requester: &simulation.requester, context: &simulation.context };
    let of_resource = resource.parse::<Arn>().ok().and_then(|arn| arn.account.parse::<AccountId>().ok());
    let owner = simulation.owner.or(of_resource);
    let applicable = Applicable {
        identity: Identity::Policies(&simulation.policies),
        boundary: simulation.boundary.as_ref().and_then(|boundary| boundary.first()),
        session: None,
        resource: simulation.resource.as_ref(),
        cross_account: simulation.resource.is_some()
            && owner.is_some()
            && owner != simulation.requester.account(),
        trust_needed: false,
    };
    let Explanation { decision, matched, missing } = explain(&question, &applicable);
    let eval_decision = match decision {
        Ok(()) => PolicyEvaluationDecisionType::Allowed,
        Err(denial) if denial.explicit => PolicyEvaluationDecisionType::ExplicitDeny,
        Err(_) => PolicyEvaluationDecisionType::ImplicitDeny,
    };
    let boundary = simulation.boundary.as_ref().map(|_| {
        let of_boundary =
            |effect| matched.iter().any(|it: &Matched| it.source == Source::Boundary && it.effect == effect);
        PermissionsBoundaryDecisionDetail {
            allowed_by_permissions_boundary: Some(
                of_boundary(crate::policy::Effect::Allow) && !of_boundary(crate::policy::Effect::Deny),
            ),
        }
    });
    EvaluationResult {
        eval_action_name: Some(action.to_owned()),
        eval_resource_name: Some(resource.to_owned()),
        eval_decision: Some(eval_decision),
        matched_statements: Some(matched.iter().map(|matched| statement(simulation, matched)).collect()),
        missing_context_values: Some(missing.into_iter().collect()),
        permissions_boundary_decision_detail: boundary,
        ..EvaluationResult::default()
    }
}

fn statement(simulation: &Simulation, matched: &Matched) -> iam::Statement {
    let position = |place: crate::policy::Place| Position {
        line: Some(place.line.into()),
        column: Some(place.column.into()),
    };
    let kind = match matched.source {
        Source::Resource | Source::Trust => PolicySourceType::Resource,
        _ => simulation.kinds.get(&matched.policy).copied().unwrap_or(PolicySourceType::None),
    };
    iam::Statement {
        source_policy_id: Some(matched.policy.to_string()),
        source_policy_type: Some(kind),
        start_position: Some(position(matched.span.0)),
        end_position: Some(position(matched.span.1)),
    }
}

fn context_keys(policies: &[Attached]) -> GetContextKeysForPolicyResponse {
    let keys: BTreeSet<String> = policies
        .iter()
        .flat_map(|policy| policy.document.context_keys().into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    GetContextKeysForPolicyResponse { context_key_names: Some(keys.into_iter().collect()) }
}

/// GetContextKeysForCustomPolicy.
pub async fn get_context_keys_for_custom_policy(
    _action: Action<'_>,
    input: GetContextKeysForCustomPolicyRequest,
) -> Result<GetContextKeysForPolicyResponse, Failure> {
    Ok(context_keys(&read(input.policy_input_list, "PolicyInputList")?))
}

/// GetContextKeysForPrincipalPolicy.
pub async fn get_context_keys_for_principal_policy(
    action: Action<'_>,
    input: GetContextKeysForPrincipalPolicyRequest,
) -> Result<GetContextKeysForPolicyResponse, Failure> {
    let arn = required(input.policy_source_arn, "PolicySourceArn")?;
    let mut policies = source(&action, &arn)?.policies;
    policies.extend(read(input.policy_input_list, "PolicyInputList")?);
    Ok(context_keys(&policies))
}
