//! What schedules invoke, when, and what becomes of it.

use super::*;
use crate::invocation::back_off;
use hearth_api::delivery::Sender;

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

fn retries(it: &mut CreateScheduleInput, (age, retries): (Option<i64>, Option<i64>)) {
    let target = it.target.as_mut().unwrap();
    target.dead_letter_config = Some(DeadLetterConfig { arn: text(DEAD) });
    let policy = RetryPolicy { maximum_event_age_in_seconds: age, maximum_retry_attempts: retries };
    target.retry_policy = Some(policy);
}

fn flexible(it: &mut CreateScheduleInput, minutes: i64) {
    let mode = Some(FlexibleTimeWindowMode::Flexible);
    it.flexible_time_window = Some(FlexibleTimeWindow { mode, maximum_window_in_minutes: Some(minutes) });
}

#[tokio::test]
async fn a_rate_begins_at_once_or_at_its_start_and_stops_at_its_end() {
    let world = World::new().await;
    let _work = world.start();
    world.schedule("now", "rate(5 minutes)").await.unwrap();
    let made = world.schedule_with(("later", "rate(5 minutes)"), |it| {
        (it.start_date, it.end_date) = (seconds(120), seconds(720));
    });
    made.await.unwrap();
    world.settle().await;
    for _ in 0..40 {
        world.pass(MINUTE / 2).await;
    }
    assert_eq!(world.tries("now"), [0, 300, 600, 900, 1_200]);
    assert_eq!(world.tries("later"), [120, 420, 720]);
}

#[tokio::test]
async fn cron_and_one_time_schedules_are_due_in_their_time_zone() {
    let world = World::new().await;
    let _work = world.start();
    // It is 15:06:40 in UTC.
    world.schedule("utc", "cron(10 15 * * ? *)").await.unwrap();
    world.schedule("once", "at(2025-06-15T15:07:00)").await.unwrap();
    world.schedule("past", "at(2025-06-15T15:00:00)").await.unwrap();
    world.settle().await;
    assert_eq!(world.tries("past"), [0], "what has passed is due at once");
    if crate::timing::Zones::default().read(&timing("Asia/Tokyo")).is_ok() {
        let tokyo = world.schedule_with(("tokyo", "at(2025-06-16T00:09:00)"), |it| {
            it.schedule_expression_timezone = text("Asia/Tokyo");
        });
        tokyo.await.unwrap();
    }
    for _ in 0..20 {
        world.pass(MINUTE / 3).await;
    }
    assert_eq!((world.tries("utc"), world.tries("once")), (vec![200], vec![20]));
    assert!(world.tries("tokyo").is_empty() || world.tries("tokyo") == [140]);
    assert_eq!(
        world.get("once").await.unwrap().state,
        Some(ScheduleState::Enabled),
        "it stays when it is over"
    );
}

fn timing(zone: &str) -> crate::model::Timing {
    let expression = "rate(1 hour)".to_owned();
    crate::model::Timing { expression, zone: zone.to_owned(), start: None, end: None }
}

#[tokio::test]
async fn what_passed_unseen_is_due_once() {
    let world = World::new().await;
    let start = |it: &mut CreateScheduleInput| it.start_date = seconds(60);
    world.schedule_with(("rate", "rate(5 minutes)"), start).await.unwrap();
    world.schedule("once", "at(2025-06-15T15:10:00)").await.unwrap();
    let ended = world.schedule_with(("ended", "rate(5 minutes)"), |it| {
        (it.start_date, it.end_date) = (seconds(60), seconds(400));
        it.target.as_mut().unwrap().input = text("<aws.scheduler.scheduled-time>");
    });
    ended.await.unwrap();
    world.clock.advance(60 * MINUTE);
    let world = world.restarted().await;
    let _work = world.start();
    world.settle().await;
    assert_eq!((world.tries("rate"), world.tries("once")), (vec![3_600], vec![3_600]));
    assert_eq!(world.at("ended"), ["2025-06-15T15:12:40Z"], "the latest before the end");
    world.pass(MINUTE).await;
    assert_eq!(world.tries("rate"), [3_600, 3_660], "and then in the old pace");
}

#[tokio::test]
async fn an_update_keeps_the_pace_and_a_disabled_schedule_is_silent() {
    let world = World::new().await;
    let _work = world.start();
    world.schedule("s", "rate(5 minutes)").await.unwrap();
    world.settle().await;
    world.pass(4 * MINUTE).await;
    world.update("s", |it| it.description = text("changed")).await.unwrap();
    world.pass(MINUTE).await;
    assert_eq!(world.tries("s"), [0, 300]);
    world.update("s", |it| it.state = Some(ScheduleState::Disabled)).await.unwrap();
    world.pass(12 * MINUTE).await;
    world.update("s", |it| it.state = Some(ScheduleState::Enabled)).await.unwrap();
    world.settle().await;
    assert_eq!(world.tries("s"), [0, 300]);
    world.pass(3 * MINUTE).await;
    assert_eq!(world.tries("s"), [0, 300, 1_200]);
    world.update("s", |it| it.schedule_expression = text("rate(1 minute)")).await.unwrap();
    world.settle().await;
    assert_eq!(world.tries("s"), [0, 300, 1_200, 1_200], "other times begin anew");
    world.delete("s").await.unwrap();
    world.pass(60 * MINUTE).await;
    assert_eq!(world.tries("s").len(), 4);
}

#[tokio::test]
async fn a_flexible_window_spreads_invocations() {
    let world = World::new().await;
    let _work = world.start();
    for number in 0..40 {
        let name = format!("s{number}");
        world.schedule_with((&name, "at(2025-06-15T15:10:00)"), |it| flexible(it, 30)).await.unwrap();
    }
    world.schedule_with(("gone", "at(2025-06-15T15:10:00)"), |it| flexible(it, 1_440)).await.unwrap();
    world.pass(Duration::from_secs(200)).await;
    world.delete("gone").await.unwrap();
    for _ in 0..60 {
        world.pass(MINUTE / 2).await;
    }
    let tries: Vec<i64> = (0..40).map(|number| world.tries(&format!("s{number}"))[0] - 200).collect();
    assert!(tries.iter().all(|after| (0..=1_830).contains(after)), "{tries:?}");
    assert!(tries.iter().filter(|after| **after < 900).count() > 5, "{tries:?}");
    assert!(tries.iter().filter(|after| **after > 900).count() > 5, "{tries:?}");
    world.pass(1_440 * MINUTE).await;
    assert!(world.tries("gone").is_empty(), "its schedule was deleted within the window");
}

#[tokio::test]
async fn a_schedule_may_go_after_its_last_invocation() {
    let world = World::new().await;
    let _work = world.start();
    let deletes =
        |it: &mut CreateScheduleInput| it.action_after_completion = Some(ActionAfterCompletion::Delete);
    world.schedule_with(("once", "at(2025-06-15T15:07:00)"), deletes).await.unwrap();
    let ends = world.schedule_with(("ends", "rate(1 minute)"), |it| {
        deletes(it);
        it.end_date = seconds(90);
    });
    ends.await.unwrap();
    let fails = world.schedule_with(("fails", "at(2025-06-15T15:07:00)"), |it| {
        deletes(it);
        retries(it, (None, Some(1)));
    });
    fails.await.unwrap();
    world.fail("fails", 503);
    world.schedule_with(("ever", "rate(1 minute)"), deletes).await.unwrap();
    world.settle().await;
    world.pass(MINUTE / 3).await;
    assert_eq!(world.get("once").await.unwrap_err().code, "ResourceNotFoundException");
    assert!(world.get("fails").await.is_ok(), "it is to be tried again");
    world.pass(MINUTE).await;
    assert_eq!(world.get("fails").await.unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(world.get("ends").await.unwrap_err().code, "ResourceNotFoundException");
    assert_eq!((world.tries("once").len(), world.tries("ends").len(), world.at("dead").len()), (1, 2, 1));
    assert!(world.get("ever").await.is_ok());
    world.schedule("once", "at(2025-06-15T16:00:00)").await.unwrap();
}

#[tokio::test]
async fn what_fails_is_tried_again_and_then_a_dead_letter() {
    let world = World::new().await;
    let _work = world.start();
    world.fail("s", 503);
    let made = world.schedule_with(("s", "at(2025-06-15T15:07:00)"), |it| {
        retries(it, (None, Some(3)));
        it.target.as_mut().unwrap().input = text("try <aws.scheduler.attempt-number>");
    });
    let arn = made.await.unwrap();
    for _ in 0..60 {
        world.pass(Duration::from_secs(1)).await;
    }
    let tries = world.tries("s");
    assert_eq!(tries.len(), 4, "{tries:?}");
    assert_eq!(world.at("dead"), ["try 4"]);
    let arrived = world.targets.arrived.lock().unwrap();
    let attributes: Vec<(&str, String)> = arrived[0]
        .extras
        .attributes
        .iter()
        .map(|it| (it.name.as_str(), String::from_utf8_lossy(&it.value).into_owned()))
        .filter(|it| it.0 != "EXECUTION_ID")
        .collect();
    let expected = [
        ("ERROR_CODE", "Failing"),
        ("ERROR_MESSAGE", "as told"),
        ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
        ("RETRY_ATTEMPTS", "3"),
        ("SCHEDULED_TIME", "2025-06-15T15:07:00Z"),
        ("SCHEDULE_ARN", &arn),
        ("TARGET_ARN", "arn:aws:sqs:us-east-1:000000000000:s"),
        ("IS_PAYLOAD_TRUNCATED", "false"),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name, value.to_owned())));
    assert!(matches!(&arrived[0].sender, Sender::Role { arn, .. } if arn == ROLE));
}

#[tokio::test]
async fn age_ends_tries_and_what_can_never_arrive_is_not_tried_again() {
    let world = World::new().await;
    let _work = world.start();
    world.fail("old", 503);
    world
        .schedule_with(("old", "at(2025-06-15T15:07:00)"), |it| retries(it, (Some(60), None)))
        .await
        .unwrap();
    world.fail("never", 404);
    world.schedule_with(("never", "at(2025-06-15T15:07:00)"), |it| retries(it, (None, None))).await.unwrap();
    for _ in 0..100 {
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!((world.tries("never").len(), world.at("dead").len()), (1, 2));
    assert!((5..8).contains(&world.tries("old").len()), "{:?}", world.tries("old"));
    let arrived = world.targets.arrived.lock().unwrap();
    let condition = |body: &str| {
        let letter = arrived.iter().find(|it| it.body == body).unwrap();
        let found = letter.extras.attributes.iter().find(|it| it.name == "EXHAUSTED_RETRY_CONDITION");
        found.map(|it| String::from_utf8_lossy(&it.value).into_owned())
    };
    assert_eq!(condition("old"), text("MaximumEventAgeInSeconds"));
    assert_eq!(condition("never"), None);
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_queue() {
    let world = World::new().await;
    let _work = world.start();
    world.fail("s", 404);
    world.fail("dead", 503);
    world.schedule_with(("s", "at(2025-06-15T15:07:00)"), |it| retries(it, (None, None))).await.unwrap();
    world.pass(MINUTE).await;
    assert!(world.at("dead").is_empty());
    world.mend();
    world.pass(MINUTE).await;
    assert_eq!((world.at("dead").len(), world.tries("s").len()), (1, 1));
}

#[tokio::test]
async fn a_dead_letter_is_cut_to_what_queues_take() {
    let world = World::new().await;
    let _work = world.start();
    world.fail("s", 404);
    let made = world.schedule_with(("s", "rate(1 day)"), |it| {
        retries(it, (None, None));
        it.target.as_mut().unwrap().input = text(&"é".repeat(128 << 10));
    });
    made.await.unwrap();
    world.settle().await;
    let arrived = world.targets.arrived.lock().unwrap();
    let attributes = &arrived[0].extras.attributes;
    let truncated = attributes.iter().find(|it| it.name == "IS_PAYLOAD_TRUNCATED").unwrap();
    assert_eq!(truncated.value, "true");
    let size: usize = attributes.iter().map(|it| it.name.len() + it.data_type.len() + it.value.len()).sum();
    let whole = size + arrived[0].body.len();
    assert!(((256 << 10) - 3..=256 << 10).contains(&whole), "{whole}");
    assert!(std::str::from_utf8(&arrived[0].body).is_ok());
}

#[tokio::test]
async fn a_target_that_fails_holds_up_no_other() {
    let world = World::new().await;
    let _work = world.start();
    world.fail("hangs", 0);
    world.fail("fails", 503);
    world.schedule("hangs", "at(2025-06-15T15:07:00)").await.unwrap();
    for name in ["fails", "works"] {
        world.schedule(name, "rate(1 minute)").await.unwrap();
    }
    world.settle().await;
    for _ in 0..20 {
        world.pass(MINUTE).await;
    }
    assert_eq!(world.at("works").len(), 21);
}

#[tokio::test]
async fn a_crash_repeats_rather_than_loses() {
    let world = World::new().await;
    world.fail("s", 503);
    world.schedule("s", "at(2025-06-15T15:07:00)").await.unwrap();
    let work = world.start();
    world.pass(MINUTE / 2).await;
    let tried = world.tries("s").len();
    assert!(tried > 0);
    work.stop().await;
    world.mend();
    let world = world.restarted().await;
    let _work = world.start();
    world.pass(10 * MINUTE).await;
    assert_eq!(world.at("s"), ["s"]);
}

#[tokio::test]
async fn a_crash_between_the_invocation_and_its_note_invokes_once() {
    let world = World::new().await;
    world.schedule("s", "at(2025-06-15T15:07:00)").await.unwrap();
    world.clock.advance(MINUTE);
    // What is stored of the schedule is as it was before its invocation went into the queue.
    let before = world.service.inner.registry.changing().await.due(world.clock.now(), 1).await.unwrap();
    let work = world.start();
    world.settle().await;
    work.stop().await;
    assert_eq!(world.at("s").len(), 1);
    let found = &before[0];
    let changing = world.service.inner.registry.changing().await;
    changing.put(&found.name, (None, &found.record)).await.unwrap();
    drop(changing);
    let world = world.restarted().await;
    let _work = world.start();
    world.pass(MINUTE).await;
    assert_eq!(world.at("s").len(), 1, "it is known again");
}

#[tokio::test]
async fn targets_get_what_they_take() {
    let world = World::new().await;
    let _work = world.start();
    let events = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let universal = |operation: &str, input: &str| {
        target(&format!("arn:aws:scheduler:::aws-sdk:{operation}"), Some(input))
    };
    let event = EventBridgeParameters { detail_type: text("Kind"), source: text("app") };
    let fifo = SqsParameters { message_group_id: text("g") };
    for (name, target) in [
        ("1", target(function, None)),
        ("2", Target { event_bridge_parameters: Some(event), ..target(events, Some(r#"{"a":1}"#)) }),
        ("3", Target { sqs_parameters: Some(fifo), ..target(&format!("{QUEUES}q.fifo"), Some("m")) }),
        (
            "4",
            universal("lambda:invoke", r#"{"FunctionName":"f","InvocationType":"Event","Payload":{"a":1}}"#),
        ),
        (
            "5",
            universal(
                "sqs:sendMessage",
                r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/u","MessageBody":"<aws.scheduler.schedule-arn>"}"#,
            ),
        ),
        (
            "6",
            universal(
                "sns:publish",
                r#"{"TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Message":"m","Subject":"s"}"#,
            ),
        ),
    ] {
        world.schedule_with((name, "rate(1 hour)"), |it| it.target = Some(target)).await.unwrap();
        world.settle().await;
    }
    let arrived = world.targets.arrived.lock().unwrap();
    let told: Vec<(&str, &str)> =
        arrived.iter().map(|it| (it.target.as_str(), std::str::from_utf8(&it.body).unwrap())).collect();
    let schedule = |name: &str| format!("arn:aws:scheduler:us-east-1:000000000000:schedule/default/{name}");
    let (first, fifth) = (schedule("1"), schedule("5"));
    assert_eq!(
        told[1..],
        [
            (events, r#"{"a":1}"#),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "m"),
            (function, r#"{"a":1}"#),
            ("arn:aws:sqs:us-east-1:000000000000:u", &fifth),
            ("arn:aws:sns:us-east-1:000000000000:t", "m"),
        ]
    );
    let mut notification: serde_json::Value = serde_json::from_str(told[0].1).unwrap();
    notification.as_object_mut().unwrap().remove("id").unwrap();
    assert_eq!(
        notification,
        serde_json::json!({
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": "000000000000",
            "time": "2025-06-15T15:06:40Z",
            "region": "us-east-1",
            "resources": [first],
            "detail": "{}",
        })
    );
    let event = arrived[1].extras.event.as_ref().unwrap();
    assert_eq!(
        (&*event.source, &*event.detail_type, &event.resources[..]),
        ("app", "Kind", &[schedule("2")][..])
    );
    assert_eq!(arrived[2].extras.group_id.as_deref(), Some("g"));
    assert_eq!(arrived[5].extras.subject.as_deref(), Some("s"));
}

#[test]
fn tries_take_a_day_by_default() {
    let waits = |fraction| -> u64 { (1..=185).map(|tries| back_off(tries, fraction).as_secs()).sum() };
    assert!((70_000..110_000).contains(&waits(0.5)), "{}", waits(0.5));
    assert!(waits(0.0) < waits(0.5) && waits(0.5) < waits(0.99));
    let first: Vec<u64> = (1..6).map(|tries| back_off(tries, 0.5).as_secs()).collect();
    assert_eq!(first, [1, 2, 4, 8, 16]);
}
