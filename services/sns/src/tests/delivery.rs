//! What becomes of published messages.

use super::*;
use crate::task::back_off;

const RAW: (&str, &str) = ("RawMessageDelivery", "true");
const DEAD: (&str, &str) =
    ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#);

#[tokio::test]
async fn every_subscription_gets_what_it_wants() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.subscribe(("t", "all"), &[RAW]).await.unwrap();
    let wanted = ("FilterPolicy", r#"{"kind":["order"]}"#);
    world.subscribe(("t", "orders"), &[RAW, wanted]).await.unwrap();
    let _work = world.start();
    let kind = |kind: &str| MessageAttributeValue {
        data_type: text("String"),
        string_value: text(kind),
        binary_value: None,
    };
    for it in ["order", "offer"] {
        let sent = world.publish_with(("t", it), |input| {
            input.message_attributes = Some([("kind".to_owned(), kind(it))].into());
        });
        sent.await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.at("all"), ["order", "offer"]);
    assert_eq!(world.at("orders"), ["order"]);
    let arrived = world.targets.arrived.lock().unwrap();
    assert_eq!(arrived[0].extras.attributes[0].name, "kind");
}

#[tokio::test]
async fn what_was_accepted_survives_a_restart() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.subscribe(("t", "q"), &[RAW]).await.unwrap();
    world.publish("t", "kept").await.unwrap();
    world.settle().await;
    assert!(world.at("q").is_empty(), "nobody delivers yet");
    let world = world.restarted().await;
    let _work = world.start();
    world.settle().await;
    assert_eq!(world.at("q"), ["kept"]);
}

#[tokio::test]
async fn a_target_that_fails_is_tried_again_and_holds_up_no_other() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.subscribe(("t", "slow"), &[RAW]).await.unwrap();
    world.subscribe(("t", "good"), &[RAW]).await.unwrap();
    world.fail("slow", 503);
    let _work = world.start();
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    assert_eq!(world.at("good"), ["m"]);
    assert_eq!(world.tries("slow"), [0, 0, 0, 0], "the first, and three more at once");
    world.clock.advance(Duration::from_secs(1));
    world.settle().await;
    assert_eq!(world.tries("slow").last(), Some(&1_000));
    world.targets.failing.lock().unwrap().clear();
    world.clock.advance(Duration::from_secs(1));
    world.settle().await;
    assert_eq!(world.at("slow"), ["m"]);
}

#[tokio::test]
async fn what_can_never_arrive_is_a_dead_letter() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.subscribe(("t", "gone"), &[RAW, DEAD]).await.unwrap();
    world.fail("gone", 400);
    let _work = world.start();
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    assert_eq!((world.tries("gone").len(), world.at("dead")), (1, vec!["m".to_owned()]));
}

#[test]
fn tries_are_spread_as_documented() {
    let waits: Vec<u64> = (1..=17).map(|tries| back_off(tries).unwrap().as_secs()).collect();
    assert_eq!(waits[..6], [0, 0, 0, 1, 1, 1]);
    assert_eq!(waits[14..], [20, 20, 20]);
    assert!(waits.is_sorted());
    assert!(back_off(100_015).is_some() && back_off(100_016).is_none());
}

#[tokio::test]
async fn fifo_topics_keep_order_and_drop_duplicates() {
    let world = World::new().await;
    world.topic("t.fifo", &[("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]).await.unwrap();
    world.subscribe(("t.fifo", "q.fifo"), &[RAW]).await.unwrap();
    let _work = world.start();
    world.fail("q.fifo", 503);
    let mut numbers = Vec::new();
    for body in ["1", "2", "1", "3"] {
        let sent = world.publish_with(("t.fifo", body), |input| input.message_group_id = text("g")).await;
        numbers.push(sent.unwrap().sequence_number.unwrap());
    }
    assert_eq!(numbers[0], numbers[2], "the same message is answered as it was first");
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[3] && numbers[0].len() == 20);
    world.settle().await;
    assert!(world.at("q.fifo").is_empty());
    world.targets.failing.lock().unwrap().clear();
    world.clock.advance(Duration::from_secs(1));
    world.settle().await;
    assert_eq!(world.at("q.fifo"), ["1", "2", "3"]);
    let arrived = world.targets.arrived.lock().unwrap();
    assert_eq!(arrived[0].extras.group_id.as_deref(), Some("g"));
    assert_eq!(arrived[0].extras.deduplication_id.as_ref().map(String::len), Some(64));
}

#[tokio::test]
async fn an_envelope_has_what_aws_puts_in() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let arn = world.subscribe(("t", "q"), &[]).await.unwrap();
    let _work = world.start();
    let structured = r#"{"default":"any","sqs":"for queues"}"#;
    let sent = world.publish_with(("t", structured), |input| {
        input.message_structure = text("json");
        input.subject = text("About it");
    });
    let id = sent.await.unwrap().message_id.unwrap();
    world.settle().await;
    let mut body: serde_json::Value = serde_json::from_str(&world.at("q")[0]).unwrap();
    let mut taken =
        |name: &str| body.as_object_mut().unwrap().remove(name).unwrap().as_str().unwrap().to_owned();
    assert_eq!(taken("Signature").len(), 344, "256 bytes in Base64");
    let certificate = taken("SigningCertURL");
    let path = certificate.strip_prefix("http://127.0.0.1:4566").unwrap();
    assert!(world.service.certificate(path).await.unwrap().is_some());
    assert_eq!(
        body,
        serde_json::json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": format!("{TOPICS}t"),
            "Subject": "About it",
            "Message": "for queues",
            "Timestamp": "2025-06-15T15:06:40.000Z",
            "SignatureVersion": "1",
            "UnsubscribeURL": format!("http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn={arn}"),
        })
    );
}

#[tokio::test]
async fn what_a_service_publishes_names_the_address_of_the_server() {
    let world = World::new().await;
    let base = |endpoint| world.service.inner.base(endpoint).to_owned();
    for (endpoint, expected) in [
        ("http://sns.localhost:4566", "http://sns.localhost:4566"),
        ("http://", "http://127.0.0.1:9"),
        ("", "http://127.0.0.1:9"),
    ] {
        assert_eq!(base(endpoint), expected, "{endpoint}");
    }
}
