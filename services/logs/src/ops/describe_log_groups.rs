//! DescribeLogGroups.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html>

use super::{DESCRIBED_MAX, listing_failure, page_limit, unsupported};
use crate::Inner;
use crate::model::LogGroup;
use crate::scope::Scope;
use crate::table::TableError;
use hearth_api::logs::{self, DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroupClass, errors};
use hearth_store::records::Listing;
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Failure> {
    check(&input)?;
    // Every group here is of the class STANDARD.
    if input.log_group_class.is_some_and(|class| class != LogGroupClass::Standard) {
        return Ok(DescribeLogGroupsResponse { log_groups: Some(Vec::new()), next_token: None });
    }
    if let Some(identifiers) = &input.log_group_identifiers {
        return by_identifiers(inner, scope, identifiers).await;
    }
    let mut groups = Vec::new();
    let limit = page_limit(input.limit, DESCRIBED_MAX);
    let mut token = input.next_token.clone();
    loop {
        let listing = Listing {
            within: &scope.groups(),
            beginning: input.log_group_name_prefix.as_deref().unwrap_or(""),
            // So many at most that the page ends where the listing does, and its token is right.
            limit: limit - groups.len(),
            token: token.as_deref(),
            reverse: false,
        };
        let page = inner.tables.groups.list(listing).await.map_err(listing_failure)?;
        for (mut name, record) in page.records {
            let name = name.pop().unwrap_or_default();
            match &input.log_group_name_pattern {
                Some(pattern) if !name.contains(pattern.as_str()) => {}
                Some(_) => groups.push(briefly(scope, name, &record.value)),
                None => groups.push(in_full(inner, scope, (name, &record.value)).await?),
            }
        }
        token = page.next;
        if token.is_none() || groups.len() >= limit {
            return Ok(DescribeLogGroupsResponse { log_groups: Some(groups), next_token: token });
        }
    }
}

fn check(input: &DescribeLogGroupsRequest) -> Result<(), Failure> {
    if input.include_linked_accounts == Some(true) {
        return Err(unsupported("includeLinkedAccounts"));
    }
    if input.account_identifiers.as_ref().is_some_and(|accounts| !accounts.is_empty()) {
        return Err(unsupported("accountIdentifiers"));
    }
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(errors::invalid_parameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let filtered = input.log_group_name_prefix.is_some() || input.log_group_name_pattern.is_some();
    if input.log_group_identifiers.is_some() && (filtered || input.log_group_class.is_some()) {
        return Err(errors::invalid_parameter(
            "logGroupIdentifiers cannot be combined with logGroupNamePrefix, logGroupNamePattern or logGroupClass",
        ));
    }
    Ok(())
}

async fn by_identifiers(
    inner: &Inner,
    scope: &Scope,
    identifiers: &[String],
) -> Result<DescribeLogGroupsResponse, Failure> {
    let mut names = Vec::new();
    for identifier in identifiers {
        names.push(scope.group_of_identifier(identifier)?);
    }
    names.sort_unstable();
    names.dedup();
    let mut groups = Vec::new();
    for name in names {
        let found = inner.tables.groups.get(&scope.group_name(name)).await.map_err(TableError::from)?;
        if let Some(record) = found {
            groups.push(in_full(inner, scope, (name.to_owned(), &record.value)).await?);
        }
    }
    Ok(DescribeLogGroupsResponse { log_groups: Some(groups), next_token: None })
}

/// AWS: a search by pattern answers no more than this of each group.
fn briefly(scope: &Scope, name: String, group: &LogGroup) -> logs::LogGroup {
    logs::LogGroup {
        arn: Some(format!("{}:*", scope.group_arn(&name))),
        creation_time: Some(group.created.millis()),
        log_group_name: Some(name),
        ..logs::LogGroup::default()
    }
}

async fn in_full(
    inner: &Inner,
    scope: &Scope,
    (name, group): (String, &LogGroup),
) -> Result<logs::LogGroup, TableError> {
    Ok(logs::LogGroup {
        retention_in_days: group.retention_in_days.map(i64::from),
        metric_filter_count: Some(0),
        stored_bytes: Some(inner.stored_bytes.get(&inner.tables, group.id).await?),
        log_group_class: Some(LogGroupClass::Standard),
        log_group_arn: Some(scope.group_arn(&name)),
        deletion_protection_enabled: Some(false),
        ..briefly(scope, name, group)
    })
}
