//! Groups, their retention and their tags.

use super::*;
use std::collections::BTreeMap;

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

async fn names(world: &World, input: DescribeLogGroupsRequest) -> Vec<String> {
    let answer = world.service.describe_log_groups(world.grant(), input).await.unwrap();
    answer.log_groups.unwrap().into_iter().map(|group| group.log_group_name.unwrap()).collect()
}

#[tokio::test]
async fn a_group_is_described_as_it_was_created() {
    let world = World::new();
    world.create_group(GROUP).await.unwrap();
    let group = world.describe_group().await.unwrap();
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
    assert_eq!(group.arn, Some(format!("{arn}:*")));
    assert_eq!(group.log_group_arn.as_deref(), Some(arn));
    assert_eq!(group.creation_time, Some(NOW));
    assert_eq!(group.stored_bytes, Some(0));
    assert_eq!(group.metric_filter_count, Some(0));
    assert_eq!(group.retention_in_days, None);
    assert_eq!(group.log_group_class, Some(LogGroupClass::Standard));
    assert_fails(
        world.create_group(GROUP).await,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    );
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_name() {
    let world = World::new();
    let base = || CreateLogGroupRequest { log_group_name: text("g"), ..Default::default() };
    let cases = [
        (
            CreateLogGroupRequest { kms_key_id: text("k"), ..base() },
            "kmsKeyId is not supported by this server",
        ),
        (
            CreateLogGroupRequest { log_group_class: Some(LogGroupClass::InfrequentAccess), ..base() },
            "logGroupClass INFREQUENT_ACCESS is not supported by this server",
        ),
        (
            CreateLogGroupRequest { deletion_protection_enabled: Some(true), ..base() },
            "deletionProtectionEnabled is not supported by this server",
        ),
        (
            CreateLogGroupRequest { log_group_name: text("aws/x"), ..base() },
            "Log groups starting with AWS/ are reserved for AWS.",
        ),
        (
            CreateLogGroupRequest { tags: Some(tags(&[("aws:x", "y")])), ..base() },
            "Tag key aws:x starts with aws:, which is reserved",
        ),
        (
            CreateLogGroupRequest::default(),
            "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
        ),
    ];
    for (input, message) in cases {
        let result = world.service.create_log_group(world.grant(), input).await;
        assert_fails(result, "InvalidParameterException", message);
    }
    assert_eq!(world.rows("log-group").await, 0);
    let standard = CreateLogGroupRequest {
        log_group_class: Some(LogGroupClass::Standard),
        deletion_protection_enabled: Some(false),
        ..base()
    };
    world.service.create_log_group(world.grant(), standard).await.unwrap();
}

#[tokio::test]
async fn groups_are_listed_in_pages_by_prefix_and_pattern() {
    let world = World::new();
    for number in 0..7 {
        world.create_group(&format!("/aws/lambda/f{number}")).await.unwrap();
    }
    world.create_group("other/f3").await.unwrap();
    let all = DescribeLogGroupsRequest::default;
    assert_eq!(names(&world, all()).await.len(), 8);
    let prefix = DescribeLogGroupsRequest { log_group_name_prefix: text("/aws/lambda/f"), ..all() };
    assert_eq!(names(&world, prefix.clone()).await.len(), 7);

    for (base, expected) in [
        (prefix.clone(), 7),
        (DescribeLogGroupsRequest { log_group_name_pattern: text("f3"), ..all() }, 2),
        (DescribeLogGroupsRequest { log_group_name_pattern: text("F3"), ..all() }, 0),
        (DescribeLogGroupsRequest { log_group_class: Some(LogGroupClass::Delivery), ..all() }, 0),
    ] {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let input = DescribeLogGroupsRequest { limit: Some(3), next_token: token, ..base.clone() };
            let answer = world.service.describe_log_groups(world.grant(), input).await.unwrap();
            let page = answer.log_groups.unwrap();
            assert!(page.len() <= 3);
            if base.log_group_name_pattern.is_some() {
                assert!(page.iter().all(|group| group.stored_bytes.is_none() && group.arn.is_some()));
            }
            found.extend(page.into_iter().map(|group| group.log_group_name.unwrap()));
            token = answer.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), expected, "{base:?}");
        assert!(found.is_sorted());
    }

    let identifiers = vec![
        "other/f3".to_owned(),
        "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f1:*".to_owned(),
        "missing".to_owned(),
    ];
    let some = DescribeLogGroupsRequest { log_group_identifiers: Some(identifiers), ..all() };
    assert_eq!(names(&world, some.clone()).await, ["/aws/lambda/f1", "other/f3"]);

    for (input, message) in [
        (
            DescribeLogGroupsRequest { next_token: text("nonsense"), ..all() },
            "The specified nextToken is invalid.",
        ),
        (
            DescribeLogGroupsRequest { include_linked_accounts: Some(true), ..all() },
            "includeLinkedAccounts is not supported by this server",
        ),
        (
            DescribeLogGroupsRequest { log_group_name_pattern: text("x"), ..prefix },
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ),
        (
            DescribeLogGroupsRequest { log_group_name_pattern: text("x"), ..some },
            "logGroupIdentifiers cannot be combined with logGroupNamePrefix, logGroupNamePattern or logGroupClass",
        ),
    ] {
        let result = world.service.describe_log_groups(world.grant(), input).await;
        assert_fails(result, "InvalidParameterException", message);
    }
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let mut world = World::new();
    world.create_group(GROUP).await.unwrap();
    world.region = "eu-west-1".parse().unwrap();
    assert_eq!(world.describe_group().await, None);
    world.create_group(GROUP).await.unwrap();
    world.region = Region::default();
    world.account = "123456789012".parse().unwrap();
    assert_eq!(world.describe_group().await, None);
    assert_fails(world.delete_group().await, NO_GROUP.0, NO_GROUP.1);
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
    let input = ListTagsForResourceRequest { resource_arn: text(arn) };
    assert_fails(world.service.list_tags_for_resource(world.grant(), input).await, NO_GROUP.0, NO_GROUP.1);
}

#[tokio::test]
async fn retention_takes_only_the_days_that_aws_allows() {
    let world = World::with_streams(&[]).await;
    for days in [1, 3, 5, 7, 14, 30, 731, 3653] {
        world.retain(days).await.unwrap();
        assert_eq!(world.describe_group().await.unwrap().retention_in_days, Some(days));
    }
    for days in [-1, 0, 2, 4, 10_000, i64::MAX] {
        let failure = world.retain(days).await.unwrap_err();
        let start = format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: \
             Member must satisfy enum value set: [1, 3, 5,"
        );
        assert!(failure.message.starts_with(&start), "{failure}");
    }
    let input = DeleteRetentionPolicyRequest { log_group_name: text(GROUP) };
    world.service.delete_retention_policy(world.grant(), input.clone()).await.unwrap();
    assert_eq!(world.describe_group().await.unwrap().retention_in_days, None);

    world.delete_group().await.unwrap();
    assert_fails(world.retain(1).await, NO_GROUP.0, NO_GROUP.1);
    assert_fails(world.service.delete_retention_policy(world.grant(), input).await, NO_GROUP.0, NO_GROUP.1);
    assert_fails(world.delete_group().await, NO_GROUP.0, NO_GROUP.1);
}

#[tokio::test]
async fn tags_are_kept_by_both_families_of_actions() {
    let world = World::new();
    let input = CreateLogGroupRequest {
        log_group_name: text(GROUP),
        tags: Some(tags(&[("a", "1"), ("b", "2")])),
        ..Default::default()
    };
    world.service.create_log_group(world.grant(), input).await.unwrap();
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
    let starred = format!("{arn}:*");
    let input = TagResourceRequest { resource_arn: text(arn), tags: Some(tags(&[("b", "3"), ("c", "4")])) };
    world.service.tag_resource(world.grant(), input).await.unwrap();
    let input = TagLogGroupRequest { log_group_name: text(GROUP), tags: Some(tags(&[("d", "5")])) };
    world.service.tag_log_group(world.grant(), input).await.unwrap();
    let input = UntagResourceRequest { resource_arn: text(&starred), tag_keys: Some(vec!["a".into()]) };
    world.service.untag_resource(world.grant(), input).await.unwrap();
    let input =
        UntagLogGroupRequest { log_group_name: text(GROUP), tags: Some(vec!["c".into(), "x".into()]) };
    world.service.untag_log_group(world.grant(), input).await.unwrap();

    let expected = Some(tags(&[("b", "3"), ("d", "5")]));
    let input = ListTagsForResourceRequest { resource_arn: text(&starred) };
    assert_eq!(world.service.list_tags_for_resource(world.grant(), input).await.unwrap().tags, expected);
    let input = ListTagsLogGroupRequest { log_group_name: text(GROUP) };
    assert_eq!(world.service.list_tags_log_group(world.grant(), input).await.unwrap().tags, expected);

    let many: BTreeMap<String, String> = (0..49).map(|n| (format!("k{n}"), String::new())).collect();
    let input = TagResourceRequest { resource_arn: text(arn), tags: Some(many.clone()) };
    let failure = world.service.tag_resource(world.grant(), input).await.unwrap_err();
    assert_eq!(failure.code, "TooManyTagsException");
    let input = TagLogGroupRequest { log_group_name: text(GROUP), tags: Some(many) };
    let failure = world.service.tag_log_group(world.grant(), input).await.unwrap_err();
    assert_eq!(failure.code, "InvalidParameterException");
    let input = ListTagsLogGroupRequest { log_group_name: text(GROUP) };
    assert_eq!(world.service.list_tags_log_group(world.grant(), input).await.unwrap().tags, expected);
}

#[tokio::test]
async fn tags_of_what_does_not_exist() {
    let world = World::new();
    let missing = "arn:aws:logs:us-east-1:000000000000:log-group:x";
    let resource = "The specified resource does not exist.";
    for (arn, code, message) in [
        (missing, NO_GROUP.0, NO_GROUP.1),
        ("arn:aws:logs:us-east-1:000000000000:destination:d", "ResourceNotFoundException", resource),
        ("nonsense", "InvalidParameterException", "nonsense is not the ARN of a CloudWatch Logs resource"),
        (
            "arn:aws:sqs:us-east-1:000000000000:q",
            "InvalidParameterException",
            "arn:aws:sqs:us-east-1:000000000000:q is not the ARN of a CloudWatch Logs resource",
        ),
    ] {
        let input = ListTagsForResourceRequest { resource_arn: text(arn) };
        assert_fails(world.service.list_tags_for_resource(world.grant(), input).await, code, message);
        let input = TagResourceRequest { resource_arn: text(arn), tags: Some(tags(&[("a", "b")])) };
        assert_fails(world.service.tag_resource(world.grant(), input).await, code, message);
        let input = UntagResourceRequest { resource_arn: text(arn), tag_keys: Some(vec!["a".into()]) };
        assert_fails(world.service.untag_resource(world.grant(), input).await, code, message);
    }
    let input = TagLogGroupRequest { log_group_name: text("x"), tags: Some(tags(&[("a", "b")])) };
    assert_fails(world.service.tag_log_group(world.grant(), input).await, NO_GROUP.0, NO_GROUP.1);
    let input = UntagLogGroupRequest { log_group_name: text("x"), tags: Some(vec!["a".into()]) };
    assert_fails(world.service.untag_log_group(world.grant(), input).await, NO_GROUP.0, NO_GROUP.1);
    let input = ListTagsLogGroupRequest { log_group_name: text("x") };
    assert_fails(world.service.list_tags_log_group(world.grant(), input).await, NO_GROUP.0, NO_GROUP.1);
}
