//! Dead-letter queues.

use super::*;

fn redrive(target: &str, max: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{max}}}"#, arn(target))
}

#[tokio::test]
async fn messages_received_too_often_go_to_the_dead_letter_queue() {
    let world = World::new().await;
    world.create("dlq", &[("MessageRetentionPeriod", "100")]).await.unwrap();
    world.create("q", &[("RedrivePolicy", &redrive("dlq", 2)), ("VisibilityTimeout", "10")]).await.unwrap();
    assert_eq!(world.attributes("q").await["RedrivePolicy"], redrive("dlq", 2));
    let sent = world.send("q", "poison").await.unwrap();
    for _ in 0..2 {
        assert_eq!(bodies(&world.receive("q", 1).await), ["poison"]);
        world.advance(10);
    }
    assert_eq!(world.receive("q", 1).await, []);
    assert_eq!(
        (world.counts("q").await, world.counts("dlq").await),
        (["0"; 3].map(String::from), ["1", "0", "0"].map(String::from))
    );
    let world = world.restarted().await;
    assert_eq!(world.counts("dlq").await, ["1", "0", "0"]);
    let dead = world.receive_with("dlq", |input| input.visibility_timeout = Some(0)).await.unwrap();
    assert_eq!((dead[0].message_id.clone(), bodies(&dead)), (sent.message_id, vec!["poison"]));
    assert_eq!(attribute(&dead[0], "DeadLetterQueueSourceArn"), arn("q"));
    assert_eq!(attribute(&dead[0], "ApproximateReceiveCount"), "1");
    assert_eq!(attribute(&dead[0], "SentTimestamp"), NOW.to_string());
    // Its age counts from when it was first sent.
    world.advance(81);
    assert_eq!(world.counts("dlq").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_message_stays() {
    let world = World::new().await;
    world.create("dlq", &[]).await.unwrap();
    world.create("q", &[("RedrivePolicy", &redrive("dlq", 1))]).await.unwrap();
    world.send("q", "a").await.unwrap();
    world.receive("q", 1).await;
    world.delete_queue("dlq").await.unwrap();
    world.advance(30);
    assert_eq!(bodies(&world.receive("q", 1).await), ["a"]);
}

#[tokio::test]
async fn a_group_goes_on_behind_its_dead_letter() {
    let world = World::new().await;
    let fifo = ("FifoQueue", "true");
    world.create("dlq.fifo", &[fifo]).await.unwrap();
    world.create("q.fifo", &[fifo, ("RedrivePolicy", &redrive("dlq.fifo", 1))]).await.unwrap();
    for body in ["1", "2"] {
        world.send_to_group("q.fifo", ("a", body)).await;
    }
    assert_eq!(bodies(&world.receive("q.fifo", 1).await), ["1"]);
    world.advance(30);
    assert_eq!(bodies(&world.receive("q.fifo", 1).await), ["2"]);
    let dead = world.receive("dlq.fifo", 1).await;
    assert_eq!(bodies(&dead), ["1"]);
    assert_eq!(attribute(&dead[0], "MessageGroupId"), "a");
    assert_eq!(attribute(&dead[0], "SentTimestamp"), world.now().to_string());
}

#[tokio::test]
async fn redrive_policies_are_checked() {
    let world = World::new().await;
    world.create("dlq", &[]).await.unwrap();
    world.create("dlq.fifo", &[("FifoQueue", "true")]).await.unwrap();
    let never = r#"{"redrivePermission":"denyAll"}"#;
    let some = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#, arn("friend"));
    world.create("closed", &[("RedriveAllowPolicy", never)]).await.unwrap();
    world.create("some", &[("RedriveAllowPolicy", &some)]).await.unwrap();
    assert_eq!(world.attributes("some").await["RedriveAllowPolicy"], some);
    for (policy, reason) in [
        (redrive("none", 1), "Dead letter target does not exist."),
        (redrive("dlq.fifo", 1), "Dead-letter queue must be same type of queue as the source."),
        (
            redrive("closed", 1),
            "The dead-letter queue's redrive allow policy does not allow this source queue.",
        ),
        (
            redrive("some", 1),
            "The dead-letter queue's redrive allow policy does not allow this source queue.",
        ),
        (
            redrive("dlq", 0),
            "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
        ),
        ("[]".to_owned(), "Redrive policy is not a valid JSON map."),
        (
            r#"{"maxReceiveCount":1}"#.to_owned(),
            "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.",
        ),
    ] {
        let message = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
        assert_fails(
            world.create("q", &[("RedrivePolicy", &policy)]).await,
            "InvalidParameterValue",
            &message,
        );
    }
    world.create("friend", &[("RedrivePolicy", &redrive("some", 5))]).await.unwrap();
    let text_count = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"5"}}"#, arn("dlq"));
    world.create("q", &[("RedrivePolicy", &text_count)]).await.unwrap();
    assert_eq!(world.attributes("q").await["RedrivePolicy"], redrive("dlq", 5));
    let sources = |queue: &str| {
        let input = ListDeadLetterSourceQueuesRequest { queue_url: url(queue), ..Default::default() };
        world.service.list_dead_letter_source_queues(world.grant(), input)
    };
    assert_eq!(sources("dlq").await.unwrap().queue_urls.unwrap(), [format!("{URL}q")]);
    assert_eq!(sources("q").await.unwrap().queue_urls.unwrap(), [] as [String; 0]);
    world.set("q", &[("RedrivePolicy", "")]).await.unwrap();
    assert!(!world.attributes("q").await.contains_key("RedrivePolicy"));
}
