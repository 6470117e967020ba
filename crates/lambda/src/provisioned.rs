//! Provisioned concurrency of versions and aliases: what may be asked for, and how far it is.
//!
//! It refuses to make environments: the data plane keeps as many as the function's record says.
//! <https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html>

use crate::capacity::{has_room, unreserved_min};
use crate::failures::{function_not_found, invalid_parameter};
use crate::model::{Function, Provision};
use crate::naming::Target;
use crate::registry::Entry;
use crate::{Inner, alias};
use hearth_api::lambda::ProvisionedConcurrencyStatusEnum as Status;
use hearth_base::Qualifier;
use hearth_environment::Account;
use hearth_wire::Failure;

/// So many that every version of an alias has a share, however small its weight.
const WEIGHED: u32 = 100_000;

/// How far a configuration is, in the members that every answer has.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) requested: Option<i64>,
    pub(crate) allocated: Option<i64>,
    pub(crate) available: Option<i64>,
    pub(crate) status: Option<Status>,
    pub(crate) reason: Option<String>,
    pub(crate) last_modified: Option<String>,
}

impl Standing {
    /// How far the configuration of a qualifier is; none when there is no configuration.
    pub(crate) fn of(inner: &Inner, entry: &Entry, qualifier: &Qualifier) -> Option<Self> {
        let function = entry.function();
        let provision = function.capacity.provisioned.get(qualifier)?;
        let (mut allocated, mut available, mut reason) = (0, 0, None);
        for (version, _) in function.shares(qualifier, provision.requested) {
            let Some(definition) = entry.serving.get(&Qualifier::Version(version)) else { continue };
            let provisioned = inner.data_plane.provisioned(&definition.key);
            allocated += provisioned.allocated;
            available += provisioned.available;
            reason = reason.or(provisioned.failure);
        }
        let wanted = usize::try_from(provision.requested).unwrap_or(usize::MAX);
        let status = match &reason {
            _ if allocated >= wanted => Status::Ready,
            Some(_) => Status::Failed,
            None => Status::InProgress,
        };
        Some(Self {
            requested: Some(provision.requested.into()),
            allocated: i64::try_from(allocated).ok(),
            available: i64::try_from(available).ok(),
            reason: reason.filter(|_| status == Status::Failed),
            status: Some(status),
            last_modified: Some(last_modified(provision)),
        })
    }
}

/// AWS: whole seconds, as in `2019-12-31T20:29:00+0000`.
fn last_modified(provision: &Provision) -> String {
    let text = provision.last_modified.lambda_last_modified();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}+0000"),
        None => text,
    }
}

/// The version or alias that a request is about.
///
/// # Errors
/// AWS's, for `$LATEST` and for what is not there.
pub(crate) fn version_or_alias(function: &Function, target: &Target) -> Result<Qualifier, Failure> {
    find(function, target, unpublished)
}

fn unpublished() -> Failure {
    invalid_parameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

/// The same for requests that only look or take away.
///
/// # Errors
/// AWS's, for `$LATEST` and for what is not there.
pub(crate) fn version_or_alias_read(function: &Function, target: &Target) -> Result<Qualifier, Failure> {
    let neither =
        || invalid_parameter("The function resource provided must be an alias or a published version.");
    find(function, target, neither)
}

fn find(function: &Function, target: &Target, latest: impl Fn() -> Failure) -> Result<Qualifier, Failure> {
    match &target.qualifier {
        None | Some(Qualifier::Latest) => Err(latest()),
        Some(Qualifier::Alias(name)) if !function.aliases.contains_key(name) => {
            Err(alias::cannot_find(&function.arn(), name))
        }
        // An alias that points to what is not published.
        Some(alias @ Qualifier::Alias(_)) if function.shares(alias, 1).is_empty() => Err(latest()),
        Some(qualifier) if !function.has(qualifier) => {
            Err(function_not_found(&function.arn(), Some(qualifier)))
        }
        Some(qualifier) => Ok(qualifier.clone()),
    }
}

/// Refuses what overlaps with another configuration, or has no room.
pub(crate) fn check(
    account: &Account,
    function: &Function,
    qualifier: &Qualifier,
    requested: u32,
) -> Result<(), Failure> {
    check_overlap(function, qualifier)?;
    let mut after = function.clone();
    let provision = Provision { requested, last_modified: hearth_base::Timestamp::from_seconds(0) };
    after.capacity.provisioned.insert(qualifier.clone(), provision);
    let total = after.allowance().provisioned();
    match function.capacity.reserved {
        Some(reserved) if total > u64::from(reserved) => Err(invalid_parameter(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        )),
        None if !has_room(account, function, total) => Err(invalid_parameter(&format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{}].",
            unreserved_min(account)
        ))),
        _ => Ok(()),
    }
}

/// Refuses to point an alias that has provisioned concurrency where it can have none.
pub(crate) fn check_alias(function: &Function, name: &str) -> Result<(), Failure> {
    let qualifier = Qualifier::Alias(name.to_owned());
    if !function.capacity.provisioned.contains_key(&qualifier) {
        return Ok(());
    }
    if function.shares(&qualifier, 1).is_empty() {
        return Err(unpublished());
    }
    check_overlap(function, &qualifier)
}

/// No version may have provisioned concurrency twice: by its number, and by an alias, or by two aliases.
fn check_overlap(function: &Function, qualifier: &Qualifier) -> Result<(), Failure> {
    let own = function.shares(qualifier, WEIGHED);
    let others = function.capacity.provisioned.keys().filter(|other| *other != qualifier);
    let overlaps = |other: &&Qualifier| {
        let shares = function.shares(other, WEIGHED);
        shares.iter().any(|(version, _)| own.iter().any(|(own, _)| own == version))
    };
    match (others.into_iter().find(overlaps), qualifier) {
        (None, _) => Ok(()),
        (Some(_), Qualifier::Alias(_)) => Err(invalid_parameter(
            "Alias can't be used for provisioned concurrency on an already provisioned version",
        )),
        (Some(_), _) => Err(invalid_parameter("Version is pointed to by a Provisioned Concurrency alias")),
    }
}
