//! Queues and their attributes, tags and policies.

use super::*;

const GONE: (&str, &str) = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");

#[tokio::test]
async fn creating_again_gives_the_same_queue_unless_an_attribute_differs() {
    let world = World::new().await;
    let made = world.create("q", &[("VisibilityTimeout", "5")]).await.unwrap();
    assert_eq!(made, format!("{URL}q"));
    for same in [&[][..], &[("VisibilityTimeout", "5")], &[("DelaySeconds", "0")]] {
        assert_eq!(world.create("q", same).await.unwrap(), made);
    }
    assert_fails(
        world.create("q", &[("VisibilityTimeout", "6")]).await,
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute VisibilityTimeout",
    );
    assert_eq!(world.attributes("q").await["VisibilityTimeout"], "5");
}

#[tokio::test]
async fn attributes_that_cannot_be_are_refused_and_change_nothing() {
    let world = World::new().await;
    let invalid = |name: &str| ("InvalidAttributeValue", format!("Invalid value for the parameter {name}."));
    let unknown = |name: &str| ("InvalidAttributeName", format!("Unknown Attribute {name}."));
    let cases = [
        ("VisibilityTimeout", "43201", invalid("VisibilityTimeout")),
        ("MaximumMessageSize", "1023", invalid("MaximumMessageSize")),
        ("MaximumMessageSize", "1048577", invalid("MaximumMessageSize")),
        ("MessageRetentionPeriod", "59", invalid("MessageRetentionPeriod")),
        ("DelaySeconds", "901", invalid("DelaySeconds")),
        ("ReceiveMessageWaitTimeSeconds", "21", invalid("ReceiveMessageWaitTimeSeconds")),
        ("Policy", "{", invalid("Policy")),
        ("FifoQueue", "false", unknown("FifoQueue")),
        ("ContentBasedDeduplication", "true", unknown("ContentBasedDeduplication")),
        ("Colour", "blue", unknown("Colour")),
        ("QueueArn", "a", unknown("QueueArn")),
        (
            "KmsMasterKeyId",
            "alias/aws/sqs",
            ("InvalidAttributeValue", "KmsMasterKeyId is not supported by this server.".to_owned()),
        ),
    ];
    world.create("there", &[]).await.unwrap();
    for (name, value, (code, message)) in cases {
        assert_fails(world.create("q", &[(name, value)]).await, code, &message);
        assert_fails(world.set("there", &[("DelaySeconds", "7"), (name, value)]).await, code, &message);
    }
    assert_fails(world.send("q", "a").await, GONE.0, GONE.1);
    assert_eq!(world.attributes("there").await["DelaySeconds"], "0");
}

#[tokio::test]
async fn names_are_checked_by_kind() {
    let world = World::new().await;
    let long = "q".repeat(81);
    for (name, fifo) in
        [("", false), ("a b", false), ("a.fifo", false), ("a", true), (".fifo", true), (&long, false)]
    {
        let attributes: &[_] = if fifo { &[("FifoQueue", "true")] } else { &[] };
        let failure = world.create(name, attributes).await.expect_err(name);
        assert!(["InvalidParameterValue", "MissingParameter"].contains(&failure.code.as_ref()), "{name}");
    }
    world.create(&"q".repeat(80), &[]).await.unwrap();
    world.create("a.fifo", &[("FifoQueue", "true")]).await.unwrap();
}

#[tokio::test]
async fn attributes_show_what_aws_shows() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let shown = map(&[
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("CreatedTimestamp", "1750000000"),
        ("DelaySeconds", "0"),
        ("LastModifiedTimestamp", "1750000000"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:q"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    assert_eq!(world.attributes("q").await, shown);
    let fifo = [
        ("FifoQueue", "true"),
        ("DeduplicationScope", "messageGroup"),
        ("FifoThroughputLimit", "perMessageGroupId"),
    ];
    world.create("f.fifo", &fifo).await.unwrap();
    world.advance(5);
    world.set("f.fifo", &[("ContentBasedDeduplication", "true")]).await.unwrap();
    let shown = world.attributes("f.fifo").await;
    for (name, value) in fifo
        .into_iter()
        .chain([("ContentBasedDeduplication", "true"), ("LastModifiedTimestamp", "1750000005")])
    {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_fails(
        world.set("f.fifo", &[("DeduplicationScope", "queue")]).await,
        "InvalidAttributeValue",
        "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is messageGroup.",
    );
    let some = GetQueueAttributesRequest {
        queue_url: url("q"),
        attribute_names: Some(vec!["DelaySeconds".to_owned()]),
    };
    let some = world.service.get_queue_attributes(world.grant(), some).await.unwrap().attributes.unwrap();
    assert_eq!(some, map(&[("DelaySeconds", "0")]));
    let none = GetQueueAttributesRequest { queue_url: url("q"), attribute_names: None };
    assert_eq!(world.service.get_queue_attributes(world.grant(), none).await.unwrap().attributes, None);
    let other =
        GetQueueAttributesRequest { queue_url: url("q"), attribute_names: Some(vec!["Size".to_owned()]) };
    let other = world.service.get_queue_attributes(world.grant(), other).await;
    assert_fails(other, "InvalidAttributeName", "Unknown Attribute Size.");
}

#[tokio::test]
async fn a_deleted_queue_is_gone_and_its_name_rests_for_a_minute() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    world.send("q", "a").await.unwrap();
    world.delete_queue("q").await.unwrap();
    assert_fails(world.send("q", "b").await, GONE.0, GONE.1);
    assert_fails(world.delete_queue("q").await, GONE.0, GONE.1);
    let world = world.restarted().await;
    assert_fails(world.receive_with("q", |_| {}).await, GONE.0, GONE.1);
    assert_fails(
        world.create("q", &[]).await,
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    );
    world.advance(60);
    world.create("q", &[]).await.unwrap();
    assert_eq!(world.receive("q", 10).await, []);
    crate::task::sweep(&world.service.inner).await.unwrap();
    assert_eq!((world.rows("waiting").await, world.rows("gone").await), (0, 0));
    assert_eq!(world.create("q", &[]).await.unwrap(), format!("{URL}q"));
}

#[tokio::test]
async fn a_purge_empties_once_a_minute() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    world.send("q", "a").await.unwrap();
    world.send("q", "b").await.unwrap();
    let received = world.receive("q", 1).await;
    world.purge("q").await.unwrap();
    assert_eq!(world.counts("q").await, ["0", "0", "0"]);
    world.delete("q", &received[0]).await.unwrap();
    assert_fails(
        world.purge("q").await,
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "Only one PurgeQueue operation on q is allowed every 60 seconds.",
    );
    world.send("q", "c").await.unwrap();
    crate::task::sweep(&world.service.inner).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(bodies(&world.receive("q", 10).await), ["c"]);
    assert_eq!(world.rows("waiting").await, 1);
    world.advance(60);
    world.purge("q").await.unwrap();
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page() {
    let world = World::new().await;
    for name in ["b2", "a1", "b1", "b3"] {
        world.create(name, &[]).await.unwrap();
    }
    let list = |prefix: &str, max, token| {
        let input =
            ListQueuesRequest { queue_name_prefix: text(prefix), next_token: token, max_results: max };
        world.service.list_queues(world.grant(), input)
    };
    let all = list("", None, None).await.unwrap();
    assert_eq!(all.queue_urls.unwrap(), ["a1", "b1", "b2", "b3"].map(|name| format!("{URL}{name}")));
    let first = list("b", Some(2), None).await.unwrap();
    assert_eq!(first.queue_urls.unwrap(), ["b1", "b2"].map(|name| format!("{URL}{name}")));
    let second = list("b", Some(2), first.next_token).await.unwrap();
    assert_eq!(second.queue_urls.unwrap(), [format!("{URL}b3")]);
    assert_eq!(second.next_token, None);
    assert_eq!(list("c", None, None).await.unwrap().queue_urls, None);
    assert!(list("", Some(0), None).await.is_err());
}

#[tokio::test]
async fn urls_of_any_host_and_of_the_own_account_alone_are_taken() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    for url in [
        "https://sqs.us-east-1.amazonaws.com/000000000000/q",
        "/000000000000/q",
        "http://[::1]:1/000000000000/q",
    ] {
        let input =
            SendMessageRequest { queue_url: text(url), message_body: text("a"), ..Default::default() };
        world.service.send_message(world.grant(), input).await.expect(url);
    }
    let input = GetQueueUrlRequest { queue_name: text("q"), queue_owner_aws_account_id: None };
    let found = world.service.get_queue_url(world.grant(), input).await.unwrap();
    assert_eq!(found.queue_url, url("q"));
    // Whether another account may send was decided with its grant; some things no policy can permit to it.
    let stranger = || world.grant_of("123456789012".parse().unwrap());
    let input = SendMessageRequest { queue_url: url("q"), message_body: text("a"), ..Default::default() };
    world.service.send_message(stranger(), input).await.unwrap();
    let input = DeleteQueueRequest { queue_url: url("q") };
    let refused = world.service.delete_queue(stranger(), input).await;
    assert_fails(refused, "AccessDenied", &format!("Access to the resource {URL}q is denied."));
    for (url, code) in [
        ("q", "InvalidAddress"),
        ("http://h/000000000000/q/", "InvalidAddress"),
        ("", "MissingParameter"),
        ("http://h/000000000000/none", GONE.0),
    ] {
        let input =
            SendMessageRequest { queue_url: text(url), message_body: text("a"), ..Default::default() };
        assert_eq!(world.service.send_message(world.grant(), input).await.unwrap_err().code, code, "{url}");
    }
}

#[tokio::test]
async fn tags_are_added_replaced_removed_and_bounded() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let tag = |tags: BTreeMap<String, String>| {
        world.service.tag_queue(world.grant(), TagQueueRequest { queue_url: url("q"), tags: Some(tags) })
    };
    tag(map(&[("a", "1"), ("b", "2")])).await.unwrap();
    tag(map(&[("a", "3")])).await.unwrap();
    let keys =
        UntagQueueRequest { queue_url: url("q"), tag_keys: Some(vec!["b".to_owned(), "c".to_owned()]) };
    world.service.untag_queue(world.grant(), keys).await.unwrap();
    let list = || world.service.list_queue_tags(world.grant(), ListQueueTagsRequest { queue_url: url("q") });
    assert_eq!(list().await.unwrap().tags.unwrap(), map(&[("a", "3")]));
    let many = (0..50).map(|n| (format!("k{n}"), String::new())).collect();
    assert!(tag(many).await.is_err());
    assert!(tag(map(&[("aws:x", "1")])).await.is_err());
    assert_eq!(list().await.unwrap().tags.unwrap(), map(&[("a", "3")]));
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let add = |label: &str, actions: &[&str]| {
        let input = AddPermissionRequest {
            queue_url: url("q"),
            label: text(label),
            aws_account_ids: Some(vec!["123456789012".to_owned()]),
            actions: Some(actions.iter().map(|action| (*action).to_owned()).collect()),
        };
        world.service.add_permission(world.grant(), input)
    };
    let remove = |label: &str| {
        let input = RemovePermissionRequest { queue_url: url("q"), label: text(label) };
        world.service.remove_permission(world.grant(), input)
    };
    add("send", &["SendMessage"]).await.unwrap();
    let policy: serde_json::Value = serde_json::from_str(&world.attributes("q").await["Policy"]).unwrap();
    let statement = serde_json::json!([{
        "Sid": "send", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "SQS:SendMessage", "Resource": arn("q"),
    }]);
    assert_eq!(policy["Statement"], statement);
    // The authoriser reads the same from memory.
    assert!(world.service.policy(&arn("q")).is_some());
    assert!(world.service.policy(&arn("other")).is_none());
    let exists = "Value send for parameter Label is invalid. Reason: Already exists.";
    assert_fails(add("send", &["*"]).await, "InvalidParameterValue", exists);
    assert_eq!(add("x", &["Fly"]).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(add("x", &["SendMessage"; 8]).await.unwrap_err().code, "OverLimit");
    assert!(remove("other").await.is_err());
    remove("send").await.unwrap();
    assert!(!world.attributes("q").await.contains_key("Policy"));
    assert!(world.service.policy(&arn("q")).is_none());
}
