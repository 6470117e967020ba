//! The condition keys of a request: the global ones, and those that its operation's table gives. Each is made when a
//! policy asks for it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use super::{Access, Asker, resource};
use crate::policy::{Context, Values};
use hearth_api::Principal;
use hearth_api::authorisation::{Requirement, Source};
use hearth_wire::Value;
use std::borrow::Cow;

/// The circumstances of one action on one resource.
pub(super) struct Circumstances<'a> {
    pub(super) asker: &'a Asker<'a>,
    pub(super) resource: &'a str,
    pub(super) keys: Keys<'a>,
}

/// The keys of the request itself.
#[derive(Clone, Copy)]
pub(super) enum Keys<'a> {
    /// Those that a table makes of an operation's input.
    Input(&'a Requirement, &'a Value),
    /// Those that a service gives with its call.
    Access(&'a Access<'a>),
}

impl Context for Circumstances<'_> {
    fn get(&self, key: &str) -> Option<Values<'_>> {
        if key == "lambda:sourcefunctionarn" {
            return self.asker.session?.source_function.as_deref().map(Values::one);
        }
        self.global(key).or_else(|| self.own(key))
    }
}

/// A tag's value, from `aws:principaltag/team`. Tag keys are the same in any case here, unlike elsewhere.
fn tag<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>, wanted: &str) -> Option<Values<'a>> {
    tags.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| Values::one(value))
}

fn pairs(tags: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

impl Circumstances<'_> {
    fn global(&self, key: &str) -> Option<Values<'_>> {
        let Asker { region, client, clock, session, .. } = self.asker;
        let name = key.strip_prefix("aws:")?;
        if let Some((kind, wanted)) = name.split_once('/') {
            return self.tag(kind, wanted);
        }
        match name {
            "currenttime" => Some(Values::one(clock.now().date_time())),
            "epochtime" => Some(Values::one(clock.now().seconds().to_string())),
            "requestedregion" => Some(Values::one(region.as_str())),
            "securetransport" => Some(Values::one("false")),
            "sourceip" => client.address.map(|address| Values::one(address.to_canonical().to_string())),
            "useragent" => client.user_agent.as_deref().map(Values::one),
            "viaawsservice" => Some(Values::one("false")),
            "tokenissuetime" => (*session)?.issued.map(|issued| Values::one(issued.date_time())),
            // AWS: temporary credentials say whether a second factor was shown, long-term ones say nothing.
            "multifactorauthpresent" => session.map(|_| Values::one("false")),
            "sourceidentity" => (*session)?.source_identity.as_deref().map(Values::one),
            _ => self.of_principal(name),
        }
    }

    fn of_principal(&self, name: &str) -> Option<Values<'_>> {
        let Asker { principal, region, known, .. } = self.asker;
        let partition = region.partition();
        Some(match (name, principal) {
            ("principalisawsservice", Principal::Service(_)) => Values::one("true"),
            ("principalisawsservice", _) => Values::one("false"),
            ("principalservicename", Principal::Service(name)) => Values::one(*name),
            ("principalaccount", _) => Values::one(principal.account()?.to_string()),
            ("principaltype", Principal::Root(_)) => Values::one("Account"),
            ("principaltype", Principal::User { .. }) => Values::one("User"),
            ("principaltype", Principal::AssumedRole { .. }) => Values::one("AssumedRole"),
            // AWS: a session's principal is its role here, not the session.
            ("principalarn", Principal::AssumedRole { account, role, .. }) => match known {
                Some(known) => Values::one(&*known.arn),
                None => Values::one(format!("arn:{partition}:iam::{account}:role/{role}")),
            },
            ("principalarn", Principal::User { .. } | Principal::Root(_)) => {
                Values::one(principal.arn(partition))
            }
            ("userid", Principal::Root(account)) => Values::one(account.to_string()),
            ("userid", Principal::User { .. }) => Values::one(&*known.as_ref()?.id),
            ("userid", Principal::AssumedRole { session, .. }) => {
                Values::one(format!("{}:{session}", known.as_ref()?.id))
            }
            ("username", Principal::User { name, .. }) => Values::one(&**name),
            _ => return None,
        })
    }

    fn tag(&self, kind: &str, wanted: &str) -> Option<Values<'_>> {
        let Asker { session, known, sources, .. } = self.asker;
        match kind {
            // A session's own tags stand before those of its role.
            "principaltag" => session
                .and_then(|session| tag(pairs(&session.tags), wanted))
                .or_else(|| tag(pairs(&known.as_ref()?.tags), wanted)),
            "resourcetag" => {
                let tags = sources.resources(self.resource)?.tags(self.resource);
                let (_, value) = tags.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
                Some(Values::one(value))
            }
            "requesttag" => tag(self.request_tags(), wanted),
            _ => None,
        }
    }

    fn request_tags(&self) -> Vec<(&str, &str)> {
        let Keys::Input(requirement, input) = self.keys else { return Vec::new() };
        let of_key = |source: &Source| {
            if let Source::Tags(path) = source { resource::tags(input, path) } else { Vec::new() }
        };
        requirement.keys.iter().flat_map(|key| of_key(&key.source)).collect()
    }

    /// What the operation's table or the calling service gives.
    fn own(&self, wanted: &str) -> Option<Values<'_>> {
        match self.keys {
            Keys::Access(access) => match wanted {
                "aws:sourcearn" => access.source_arn.map(Values::one),
                "aws:sourceaccount" => access.source_account.map(|account| Values::one(account.to_string())),
                _ => {
                    access.keys.iter().find(|(name, _)| *name == wanted).map(|(_, value)| Values::one(*value))
                }
            },
            Keys::Input(requirement, input) => {
                if let Some(key) = requirement.keys.iter().find(|key| key.name == wanted) {
                    return self.from_input(&key.source, input);
                }
                let keys: Vec<Cow<'_, str>> =
                    self.request_tags().into_iter().map(|(key, _)| Cow::from(key)).collect();
                (wanted == "aws:tagkeys" && !keys.is_empty()).then_some(Values::Many(keys))
            }
        }
    }

    fn from_input<'b>(&'b self, source: &'b Source, input: &'b Value) -> Option<Values<'b>> {
        let mut values: Vec<Cow<'b, str>> = match source {
            Source::Word(word) => vec![Cow::Borrowed(*word)],
            Source::Member(path) => resource::values(input, path),
            Source::Resource(resource) => {
                resource::resources(resource, self.asker, input).into_iter().map(Cow::Owned).collect()
            }
            Source::Tags(_) => return None,
        };
        match values.len() {
            0 => None,
            1 => values.pop().map(Values::One),
            _ => Some(Values::Many(values)),
        }
    }
}
