//! Topics and subscriptions, and what is refused.

use super::*;

#[tokio::test]
async fn a_topic_is_made_once() {
    let world = World::new().await;
    let arn = world.topic("t", &[("DisplayName", "T")]).await.unwrap();
    assert_eq!(arn, format!("{TOPICS}t"));
    assert_eq!(world.topic("t", &[]).await.unwrap(), arn);
    assert_eq!(world.topic("t", &[("DisplayName", "T")]).await.unwrap(), arn);
    let failure = world.topic("t", &[("DisplayName", "U")]).await.unwrap_err();
    assert_eq!(
        failure.message,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    );
    let world = world.restarted().await;
    let input = GetTopicAttributesInput { topic_arn: Some(arn.clone()) };
    let shown = world.service.get_topic_attributes(world.grant(), input.clone()).await.unwrap();
    let shown = shown.attributes.unwrap();
    assert_eq!((&*shown["DisplayName"], &*shown["SubscriptionsConfirmed"]), ("T", "0"));
    assert!(shown["Policy"].contains("__default_policy_ID"));
    let gone = DeleteTopicInput { topic_arn: Some(arn) };
    world.service.delete_topic(world.grant(), gone.clone()).await.unwrap();
    world.service.delete_topic(world.grant(), gone).await.unwrap();
    let failure = world.service.get_topic_attributes(world.grant(), input).await.unwrap_err();
    assert_eq!((&*failure.code, failure.status), ("NotFound", 404));
}

#[tokio::test]
async fn wrong_topics_are_refused() {
    let world = World::new().await;
    let fifo = ("FifoTopic", "true");
    for (name, attributes, words) in [
        ("a b", &[][..], "Topic Name"),
        ("", &[], "Topic Name"),
        ("t.fifo", &[], "Topic Name"),
        ("t", &[fifo], "must end with .fifo"),
        ("t", &[("ContentBasedDeduplication", "true")], "FIFO topics only"),
        ("t", &[("KmsMasterKeyId", "k")], "does not support the attribute KmsMasterKeyId"),
        ("t.fifo", &[fifo, ("ArchivePolicy", "{}")], "does not support the attribute ArchivePolicy"),
        ("t", &[("Policy", "{")], "Policy Error"),
        ("t", &[("Colour", "red")], "AttributeName"),
    ] {
        let failure = world.topic(name, attributes).await.unwrap_err();
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    }
}

#[tokio::test]
async fn wrong_messages_are_refused() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.topic("t.fifo", &[("FifoTopic", "true")]).await.unwrap();
    let long = "x".repeat(262_145);
    let subject = "x".repeat(101);
    type Change<'a> = &'a (dyn Fn(&mut PublishInput) + Sync);
    let cases: [(&str, &str, Change<'_>, &str); 10] = [
        ("none", "m", &|_| {}, "Topic does not exist"),
        ("t", "", &|_| {}, "Empty message"),
        ("t", &long, &|_| {}, "Message too long"),
        ("t", "m", &|it| it.subject = text(&subject), "Subject"),
        ("t", "m", &|it| it.message_structure = text("json"), "JSON message body failed to parse"),
        ("t", "{}", &|it| it.message_structure = text("json"), "No default entry in JSON message body"),
        ("t", "m", &|it| it.message_deduplication_id = text("d"), "not valid for this topic type"),
        ("t.fifo", "m", &|_| {}, "The MessageGroupId parameter is required for FIFO topics"),
        ("t.fifo", "m", &|it| it.message_group_id = text("g"), "ContentBasedDeduplication enabled"),
        ("t", "m", &|it| it.phone_number = text("+41"), "text messages"),
    ];
    for (topic, message, change, words) in cases {
        let failure = world.publish_with((topic, message), change).await.map(drop).unwrap_err();
        assert!(failure.message.contains(words), "{words}: {}", failure.message);
    }
}

#[tokio::test]
async fn subscriptions_are_kept_changed_and_ended() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let arn = world.subscribe(("t", "q"), &[("RawMessageDelivery", "true")]).await.unwrap();
    assert_eq!(world.subscribe(("t", "q"), &[]).await.unwrap(), arn);
    let failure = world.subscribe(("t", "q"), &[("RawMessageDelivery", "false")]).await.unwrap_err();
    assert!(failure.message.contains("already exists with different attributes"));
    for (queue, attribute, words) in [
        ("r", ("FilterPolicy", "{"), "failed to parse JSON"),
        ("r", ("FilterPolicy", r#"{"a":{"b":["x"]}}"#), "does not support nested filter policy"),
        ("r", ("RedrivePolicy", r#"{"deadLetterTargetArn":"x"}"#), "invalid arn"),
        ("r", ("DeliveryPolicy", "{}"), "http and https only"),
        ("r.fifo", ("RawMessageDelivery", "true"), "can not be subscribed to standard SNS topics"),
    ] {
        let failure = world.subscribe(("t", queue), &[attribute]).await.unwrap_err();
        assert!(failure.message.contains(words), "{attribute:?}: {}", failure.message);
    }
    let world = world.restarted().await;
    let set = |name: &str, value: &str| SetSubscriptionAttributesInput {
        subscription_arn: Some(arn.clone()),
        attribute_name: text(name),
        attribute_value: text(value),
    };
    world
        .service
        .set_subscription_attributes(world.grant(), set("FilterPolicyScope", "MessageBody"))
        .await
        .unwrap();
    let nested = set("FilterPolicy", r#"{"a":{"b":["x"]}}"#);
    world.service.set_subscription_attributes(world.grant(), nested).await.unwrap();
    let back = set("FilterPolicyScope", "MessageAttributes");
    world.service.set_subscription_attributes(world.grant(), back).await.unwrap_err();
    let input = GetSubscriptionAttributesInput { subscription_arn: Some(arn.clone()) };
    let shown = world.service.get_subscription_attributes(world.grant(), input.clone()).await.unwrap();
    let shown = shown.attributes.unwrap();
    assert_eq!((&*shown["RawMessageDelivery"], &*shown["FilterPolicyScope"]), ("true", "MessageBody"));
    let ended = UnsubscribeInput { subscription_arn: Some(arn.clone()) };
    world.service.unsubscribe(world.grant(), ended.clone()).await.unwrap();
    world.service.unsubscribe(world.grant(), ended).await.unwrap();
    let failure = world.service.get_subscription_attributes(world.grant(), input).await.unwrap_err();
    assert_eq!(failure.message, "Subscription does not exist");
}
