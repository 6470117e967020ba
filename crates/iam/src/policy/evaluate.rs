//! Whether all policies that apply to a request allow it, as AWS publishes the logic.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use super::context::Context;
use super::document::{Choice, Document, Effect, Place, Statement};
use super::pattern::Outcome;
use super::principal::{Meant, Requester};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// `lambda:InvokeFunction`
    pub action: &'a str,
    /// The ARN, or `*` for actions that have no resource.
    pub resource: &'a str,
    /// Who asks.
    pub requester: &'a Requester,
    /// The condition keys.
    pub context: &'a dyn Context,
}

/// A policy and what it is called.
#[derive(Debug, Clone)]
pub struct Attached {
    /// What an explanation calls it: its name or its ARN.
    pub id: Arc<str>,
    /// What it says.
    pub document: Arc<Document>,
}

/// Every policy that applies to a request.
#[derive(Debug, Clone, Copy)]
pub struct Applicable<'a> {
    /// What the requester's account lets it do.
    pub identity: Identity<'a>,
    /// The requester's permissions boundary.
    pub boundary: Option<&'a Attached>,
    /// The session policies; none when the session was made without.
    pub session: Option<&'a [Attached]>,
    /// The policy of the resource, or a role's trust policy.
    pub resource: Option<&'a Attached>,
    /// Whether the resource is another account's.
    pub cross_account: bool,
    /// Whether nobody gets anywhere that the resource's own policy does not name, as with the trust policies of roles.
    pub trust_needed: bool,
}

/// What the requester's account lets it do.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// Everything: the root user.
    Root,
    /// What the policies of the user and its groups, or of the role, say.
    Policies(&'a [Attached]),
    /// Nothing: a service in its own name has no account, nor has whom an identity provider knows.
    None,
}

/// The kinds of policies, as denials name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Of a user, a group or a role.
    Identity,
    /// A permissions boundary.
    Boundary,
    /// Of a session.
    Session,
    /// Of a resource.
    Resource,
    /// A role's trust policy.
    Trust,
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Whether a statement denies it, and not the lack of one that allows it.
    pub explicit: bool,
    /// The kind of policy that denies it, or that lacks a statement that allows it.
    pub source: Source,
}

impl Denial {
    /// The end of AWS's message.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
    pub fn reason(&self, action: &str) -> String {
        if self.explicit {
            let policy = match self.source {
                Source::Identity => "an identity-based policy",
                Source::Boundary => "a permissions boundary",
                Source::Session => "a session policy",
                Source::Resource => "a resource-based policy",
                Source::Trust => "the role trust policy",
            };
            return format!("with an explicit deny in {policy}");
        }
        let policy = match self.source {
            Source::Identity => "identity-based policy",
            Source::Boundary => "permissions boundary",
            Source::Session => "session policy",
            Source::Resource => "resource-based policy",
            Source::Trust => "role trust policy",
        };
        format!("because no {policy} allows the {action} action")
    }
}

/// A statement that matched a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The policy it is in.
    pub policy: Arc<str>,
    /// The kind of that policy.
    pub source: Source,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Where it begins and ends in the policy's text.
    pub span: (Place, Place),
}

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the request is allowed.
    pub decision: Result<(), Denial>,
    /// The statements that matched.
    pub matched: Vec<Matched>,
    /// The condition keys that statements about this action and resource ask for and the request lacks.
    pub missing: BTreeSet<String>,
}

/// Decides.
///
/// # Errors
/// Why the request is denied.
pub fn decide(question: &Question<'_>, applicable: &Applicable<'_>) -> Result<(), Denial> {
    Evaluation { question, trace: None }.decide(applicable)
}

/// Decides, and says which statements matched.
pub fn explain(question: &Question<'_>, applicable: &Applicable<'_>) -> Explanation {
    let mut evaluation = Evaluation { question, trace: Some(Trace::default()) };
    let decision = evaluation.decide(applicable);
    let Trace { matched, missing } = evaluation.trace.unwrap_or_default();
    Explanation { decision, matched, missing }
}

#[derive(Default)]
struct Trace {
    matched: Vec<Matched>,
    missing: BTreeSet<String>,
}

struct Evaluation<'a> {
    question: &'a Question<'a>,
    trace: Option<Trace>,
}

/// What the policies of one kind say.
#[derive(Debug, Clone, Copy, Default)]
struct Verdict {
    denied: bool,
    /// How the strongest of the statements that allow means the requester.
    allowed: Option<Meant>,
}

impl Evaluation<'_> {
    fn decide(&mut self, applicable: &Applicable<'_>) -> Result<(), Denial> {
        let Applicable { identity, boundary, session, resource, trust_needed, .. } = *applicable;
        let of_resource = if trust_needed { Source::Trust } else { Source::Resource };
        let policies = if let Identity::Policies(policies) = identity { policies } else { &[] };
        let mut verdicts = Verdicts {
            identity: self.judge(policies, Source::Identity),
            boundary: boundary.map(|policy| self.judge(std::slice::from_ref(policy), Source::Boundary)),
            session: session.map(|policies| self.judge(policies, Source::Session)),
            resource: resource
                .map(|policy| self.judge(std::slice::from_ref(policy), of_resource))
                .unwrap_or_default(),
            of_resource,
        };
        if matches!(identity, Identity::Root) {
            verdicts.identity.allowed = Some(Meant::Itself);
        }
        verdicts.explicit_denial()?;
        match (identity, applicable.cross_account) {
            // Whoever has no account has the resource's leave alone.
            (Identity::None, _) => verdicts.resource_allows(),
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
            (_, true) => verdicts.identity_allows().and_then(|()| verdicts.resource_allows()),
            (_, false) => {
                if trust_needed {
                    verdicts.resource_allows()?;
                }
                verdicts.same_account_allows(self.question.requester)
            }
        }
    }

    fn judge(&mut self, policies: &[Attached], source: Source) -> Verdict {
        let mut verdict = Verdict::default();
        for policy in policies {
            for statement in &policy.document.statements {
                let Some(meant) = self.applies(statement, source) else { continue };
                match statement.effect {
                    Effect::Deny => verdict.denied = true,
                    Effect::Allow => verdict.allowed = verdict.allowed.max(Some(meant)),
                }
                if let Some(trace) = &mut self.trace {
                    let (effect, span) = (statement.effect, statement.span());
                    trace.matched.push(Matched { policy: Arc::clone(&policy.id), source, effect, span });
                }
            }
        }
        verdict
    }

    /// Whether a statement is about this request, and how it means the requester.
    fn applies(&mut self, statement: &Statement, source: Source) -> Option<Meant> {
        let Question { action, resource, requester, context } = *self.question;
        let named = statement.actions.patterns.iter().any(|pattern| pattern.matches_action(action));
        if named == statement.actions.negated {
            return None;
        }
        if let Some(resources) = &statement.resources
            && !covers(resources, statement.effect, (resource, context))
        {
            return None;
        }
        let meant = match (&statement.principals, source) {
            (Some(principals), Source::Resource | Source::Trust) => principals.mean(requester)?,
            // A statement that names nobody gives nobody anything.
            (None, Source::Resource | Source::Trust) => return None,
            _ => Meant::Itself,
        };
        if let Some(trace) = &mut self.trace {
            let missing = statement.conditions.iter().filter(|it| context.get(it.lower_key()).is_none());
            trace.missing.extend(missing.map(|condition| condition.key().to_owned()));
        }
        statement.conditions.iter().all(|condition| condition.holds(context)).then_some(meant)
    }
}

/// Whether `Resource` or `NotResource` covers a resource. Where the request lacks a variable, nothing is allowed for it
/// and everything denied.
fn covers(choice: &Choice, effect: Effect, (resource, context): (&str, &dyn Context)) -> bool {
    let mut unknown = false;
    for pattern in &choice.patterns {
        match pattern.matches_in(resource, context) {
            Outcome::Matches => return !choice.negated,
            Outcome::Unknown => unknown = true,
            Outcome::Differs => {}
        }
    }
    choice.negated && (effect == Effect::Deny || !unknown)
}

struct Verdicts {
    identity: Verdict,
    boundary: Option<Verdict>,
    session: Option<Verdict>,
    resource: Verdict,
    of_resource: Source,
}

fn implicit(source: Source) -> Result<(), Denial> {
    Err(Denial { explicit: false, source })
}

impl Verdicts {
    fn explicit_denial(&self) -> Result<(), Denial> {
        let denies = |verdict: Option<Verdict>| verdict.is_some_and(|verdict| verdict.denied);
        for (verdict, source) in [
            (Some(self.identity), Source::Identity),
            (self.boundary, Source::Boundary),
            (self.session, Source::Session),
            (Some(self.resource), self.of_resource),
        ] {
            if denies(verdict) {
                return Err(Denial { explicit: true, source });
            }
        }
        Ok(())
    }

    fn resource_allows(&self) -> Result<(), Denial> {
        if self.resource.allowed.is_some() { Ok(()) } else { implicit(self.of_resource) }
    }

    /// Identity-based policies within the boundary and the session policies.
    fn identity_allows(&self) -> Result<(), Denial> {
        if self.identity.allowed.is_none() {
            return implicit(Source::Identity);
        }
        self.limits_allow()
    }

    fn limits_allow(&self) -> Result<(), Denial> {
        let allows = |verdict: Option<Verdict>| verdict.is_none_or(|verdict| verdict.allowed.is_some());
        match (allows(self.boundary), allows(self.session)) {
            (false, _) => implicit(Source::Boundary),
            (true, false) => implicit(Source::Session),
            (true, true) => Ok(()),
        }
    }

    /// Within an account a resource can let a principal in by itself. What then still limits it depends on how it is
    /// named: a user and a session are not limited by what is silent, a role is by its boundary and session policies.
    fn same_account_allows(&self, requester: &Requester) -> Result<(), Denial> {
        match (requester, self.resource.allowed) {
            (Requester::User { .. }, Some(Meant::Itself)) | (_, Some(Meant::Session)) => Ok(()),
            (Requester::Session { .. }, Some(Meant::Itself)) => self.limits_allow(),
            _ => self.identity_allows(),
        }
    }
}
