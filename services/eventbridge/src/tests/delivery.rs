//! The way of events: to every target that wants them, through failures and restarts.

use super::{QUEUES, World, pattern, text};
use hearth_api::delivery::Sender;
use hearth_api::events::{DeadLetterConfig, RetryPolicy};

#[tokio::test]
async fn a_target_that_fails_holds_up_no_other() {
    let world = World::new().await;
    let _running = world.start();
    let arn = world.rule("r", |rule| rule.event_pattern = pattern("a")).await;
    world.target("r", "good", |_| {}).await;
    world.target("r", "bad", |_| {}).await;
    world.fail("bad", 500, "InternalFailure");
    world.put("a", &["{\"n\":1}", "{\"n\":2}"]).await;
    world.put("b", &["{\"n\":3}"]).await;
    world.until("both arrive", || world.arrived("good").len() == 2).await;
    world.until("the other was tried", || world.tries("bad") >= 2).await;
    assert_eq!(world.arrived("bad").len(), 0);
    let delivery = world.arrived("good").remove(0);
    match delivery.sender {
        Sender::Service { principal, source_arn } => {
            assert_eq!((principal, source_arn), ("events.amazonaws.com", arn));
        }
        Sender::Role { .. } => panic!("no role was given"),
    }
    world.heal();
    world.pass(10, 5).await;
    world.until("it is healed", || world.arrived("bad").len() == 2).await;
}

#[tokio::test]
async fn what_cannot_help_is_not_tried_again() {
    let world = World::new().await;
    let _running = world.start();
    let arn = world.rule("r", |rule| rule.event_pattern = pattern("a")).await;
    for (queue, code, expected) in [
        ("denied", "AccessDenied", "NO_PERMISSIONS"),
        ("gone", "AWS.SimpleQueueService.NonExistentQueue", "NO_RESOURCE"),
        ("wrong", "InvalidParameterValue", "INVALID_PARAMETER"),
    ] {
        world.fail(queue, 400, code);
        let dead = format!("dead-{queue}");
        world
            .target("r", queue, |target| {
                target.dead_letter_config = Some(DeadLetterConfig { arn: text(&format!("{QUEUES}{dead}")) });
            })
            .await;
        world.put("a", &["{}"]).await;
        world.until("the dead letter", || world.arrived(&dead).len() == 1).await;
        assert_eq!(world.tries(queue), 1, "{queue}");
        let letter = world.arrived(&dead).remove(0);
        let attributes: Vec<(String, String)> = letter
            .extras
            .attributes
            .iter()
            .map(|it| (it.name.clone(), String::from_utf8_lossy(&it.value).into_owned()))
            .collect();
        let expected = [
            ("RULE_ARN", arn.as_str()),
            ("TARGET_ARN", &format!("{QUEUES}{queue}")),
            ("ERROR_CODE", expected),
            ("ERROR_MESSAGE", "as told"),
        ];
        assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let input = hearth_api::events::RemoveTargetsRequest {
            rule: text("r"),
            ids: Some(vec![queue.to_owned()]),
            ..Default::default()
        };
        hearth_api::events::Events::remove_targets(&world.service, world.grant(), input).await.unwrap();
    }
}

#[tokio::test]
async fn tries_and_age_have_an_end() {
    for (policy, condition) in [
        (
            RetryPolicy { maximum_retry_attempts: Some(2), maximum_event_age_in_seconds: None },
            "MaximumRetryAttempts",
        ),
        (
            RetryPolicy { maximum_retry_attempts: None, maximum_event_age_in_seconds: Some(60) },
            "MaximumEventAgeInSeconds",
        ),
    ] {
        let world = World::new().await;
        let _running = world.start();
        world.rule("r", |rule| rule.event_pattern = pattern("a")).await;
        world.fail("bad", 500, "InternalFailure");
        world
            .target("r", "bad", |target| {
                target.dead_letter_config = Some(DeadLetterConfig { arn: text(&format!("{QUEUES}dead")) });
                target.retry_policy = Some(policy.clone());
            })
            .await;
        world.put("a", &["{}"]).await;
        world.until("the first try", || world.tries("bad") == 1).await;
        world.pass(100, 1).await;
        world.until("the dead letter", || world.arrived("dead").len() == 1).await;
        let letter = world.arrived("dead").remove(0);
        let value = |name: &str| {
            let found = letter.extras.attributes.iter().find(|it| it.name == name).unwrap();
            String::from_utf8_lossy(&found.value).into_owned()
        };
        assert_eq!(value("EXHAUSTED_RETRY_CONDITION"), condition);
        assert_eq!(value("ERROR_CODE"), "INTERNAL_ERROR");
        let retries: usize = value("RETRY_ATTEMPTS").parse().unwrap();
        assert_eq!(retries + 1, world.tries("bad"));
        if policy.maximum_retry_attempts.is_some() {
            assert_eq!(retries, 2);
        }
    }
}

#[tokio::test]
async fn what_waits_is_delivered_after_a_restart() {
    let world = World::new().await;
    world.rule("r", |rule| rule.event_pattern = pattern("a")).await;
    world.target("r", "q", |_| {}).await;
    // Nothing runs: the event waits on the bus.
    world.put("a", &["{\"n\":1}"]).await;
    let world = world.restarted().await;
    let running = world.start();
    world.until("it arrives", || world.arrived("q").len() == 1).await;
    running.stop().await;
    world.put("a", &["{\"n\":2}"]).await;
    let world = world.restarted().await;
    let _running = world.start();
    world.until("the second arrives", || world.arrived("q").len() == 2).await;
}

#[tokio::test]
async fn a_target_that_is_put_again_keeps_what_waits_for_it() {
    let world = World::new().await;
    let _running = world.start();
    world.rule("r", |rule| rule.event_pattern = pattern("a")).await;
    world.fail("old", 503, "ServiceUnavailable");
    world.target("r", "old", |target| target.id = text("1")).await;
    world.put("a", &["{\"n\":1}"]).await;
    world.until("it was tried", || world.tries("old") == 1).await;
    world.target("r", "new", |target| target.id = text("1")).await;
    world.pass(5, 2).await;
    world.until("the new one has it", || world.arrived("new").len() == 1).await;
}
