//! Schedules as they are made, shown, changed and refused.

use super::*;

async fn list(world: &World, change: impl FnOnce(&mut ListSchedulesInput)) -> ListSchedulesOutput {
    let mut input = ListSchedulesInput::default();
    change(&mut input);
    world.service.list_schedules(world.grant(), input).await.unwrap()
}

fn names(page: ListSchedulesOutput) -> Vec<String> {
    page.schedules.unwrap().into_iter().map(|schedule| schedule.name.unwrap()).collect()
}

#[tokio::test]
async fn a_schedule_is_shown_with_its_defaults() {
    let world = World::new().await;
    let arn = world.schedule("s", "rate(5 minutes)").await.unwrap();
    assert_eq!(arn, "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s");
    let shown = world.get("s").await.unwrap();
    let target = Target {
        retry_policy: Some(RetryPolicy {
            maximum_event_age_in_seconds: Some(86_400),
            maximum_retry_attempts: Some(185),
        }),
        ..target(&format!("{QUEUES}s"), Some("s"))
    };
    assert_eq!(
        shown,
        GetScheduleOutput {
            arn: Some(arn),
            group_name: text("default"),
            name: text("s"),
            schedule_expression: text("rate(5 minutes)"),
            schedule_expression_timezone: text("UTC"),
            state: Some(ScheduleState::Enabled),
            creation_date: seconds(0),
            last_modification_date: seconds(0),
            target: Some(target),
            flexible_time_window: asked("s", "").flexible_time_window,
            action_after_completion: Some(ActionAfterCompletion::None),
            ..Default::default()
        }
    );
}

#[tokio::test]
async fn a_request_is_done_once() {
    let world = World::new().await;
    let token = |it: &mut CreateScheduleInput| it.client_token = text("token");
    let arn = world.schedule_with(("s", "rate(5 minutes)"), token).await.unwrap();
    assert_eq!(world.schedule_with(("s", "rate(5 minutes)"), token).await.unwrap(), arn);
    let failure = world.schedule("s", "rate(5 minutes)").await.unwrap_err();
    assert_eq!(
        (&*failure.code, &*failure.message, failure.status),
        ("ConflictException", "Schedule s already exists.", 409)
    );
    let delete = |token: &str| {
        let input = DeleteScheduleInput { name: text("s"), client_token: text(token), ..Default::default() };
        world.service.delete_schedule(world.grant(), input)
    };
    delete("d").await.unwrap();
    delete("d").await.unwrap();
    let failure = delete("e").await.unwrap_err();
    assert_eq!(
        (&*failure.code, &*failure.message, failure.status),
        ("ResourceNotFoundException", "Schedule s does not exist.", 404)
    );
    assert_eq!(world.update("s", |_| {}).await.unwrap_err().code, "ResourceNotFoundException");
}

#[tokio::test]
async fn schedules_are_listed_in_pages_and_by_what_is_asked() {
    let world = World::new().await;
    for name in ["b1", "a1", "a3", "a2"] {
        let made = world.schedule_with((name, "rate(5 minutes)"), |it| {
            it.state = (name == "a2").then_some(ScheduleState::Disabled);
        });
        made.await.unwrap();
    }
    assert_eq!(names(list(&world, |_| {}).await), ["a1", "a2", "a3", "b1"]);
    for group in [None, text("default")] {
        let prefixed = list(&world, |it| {
            it.group_name = group;
            it.name_prefix = text("a");
        });
        assert_eq!(names(prefixed.await), ["a1", "a2", "a3"]);
    }
    let disabled = list(&world, |it| it.state = Some(ScheduleState::Disabled)).await;
    assert_eq!(names(disabled), ["a2"]);
    let first = list(&world, |it| {
        it.max_results = Some(2);
        it.state = Some(ScheduleState::Enabled);
    });
    let first = first.await;
    let token = first.next_token.clone();
    assert_eq!(names(first), ["a1", "a3"]);
    let rest = list(&world, |it| {
        it.next_token = token;
        it.state = Some(ScheduleState::Enabled);
    });
    assert_eq!(names(rest.await), ["b1"]);
    for (change, code) in [
        (ListSchedulesInput { next_token: text("?"), ..Default::default() }, "ValidationException"),
        (ListSchedulesInput { group_name: text("none"), ..Default::default() }, "ResourceNotFoundException"),
    ] {
        assert_eq!(world.service.list_schedules(world.grant(), change).await.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_by_name() {
    let world = World::new().await;
    let flexible =
        |mode, minutes| Some(FlexibleTimeWindow { mode: Some(mode), maximum_window_in_minutes: minutes });
    let universal = |operation: &str, input: &str| {
        target(&format!("arn:aws:scheduler:::aws-sdk:{operation}"), Some(input))
    };
    let events = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let event = || EventBridgeParameters { detail_type: text("d"), source: text("s") };
    type Change = Box<dyn FnOnce(&mut CreateScheduleInput)>;
    let to =
        |target: Target| Box::new(move |it: &mut CreateScheduleInput| it.target = Some(target)) as Change;
    let with = |change: fn(&mut CreateScheduleInput)| Box::new(change) as Change;
    let cases: Vec<(Change, &str)> = vec![
        (
            with(|it| it.schedule_expression = text("rate(5 minute)")),
            "Invalid Schedule Expression rate(5 minute).",
        ),
        (
            with(|it| it.schedule_expression_timezone = text("Mars/Base")),
            "Invalid Schedule Expression Timezone Mars/Base.",
        ),
        (
            with(|it| it.schedule_expression_timezone = text("../etc/passwd")),
            "Invalid Schedule Expression Timezone ../etc/passwd.",
        ),
        (
            with(|it| it.start_date = seconds(-301)),
            "The StartDate you specify cannot be earlier than 5 minutes ago.",
        ),
        (with(|it| it.end_date = seconds(-1)), "The EndDate you specify cannot be in the past."),
        (
            with(|it| (it.start_date, it.end_date) = (seconds(60), seconds(60))),
            "The EndDate you specify must come after the StartDate you specify.",
        ),
        (
            with(|it| it.start_date = Some(Timestamp::from_millis(i64::MAX))),
            "The StartDate you specify is out of range.",
        ),
        (with(|it| it.kms_key_arn = text("k")), "Hearth does not support KmsKeyArn yet."),
        (
            Box::new(move |it| it.flexible_time_window = flexible(FlexibleTimeWindowMode::Flexible, None)),
            "MaximumWindowInMinutes must be provided when FlexibleTimeWindow Mode is FLEXIBLE.",
        ),
        (
            Box::new(move |it| it.flexible_time_window = flexible(FlexibleTimeWindowMode::Off, Some(5))),
            "MaximumWindowInMinutes cannot be provided when FlexibleTimeWindow Mode is OFF.",
        ),
        (
            with(|it| it.target.as_mut().unwrap().role_arn = text("arn:aws:iam::111111111111:role/r")),
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
        (to(target("queue", None)), "Provided Arn is not in correct format."),
        (
            to(target("arn:aws:sqs:us-east-1:000000000000:q:r", None)),
            "Provided Arn is not in correct format.",
        ),
        (
            to(target("arn:aws:states:us-east-1:000000000000:stateMachine:m", None)),
            "Hearth does not support targets of the service states (arn:aws:states:us-east-1:000000000000:stateMachine:m) yet.",
        ),
        (
            to(universal("ec2:stopInstances", "{}")),
            "Hearth does not support the target arn:aws:scheduler:::aws-sdk:ec2:stopInstances yet.",
        ),
        (
            to(universal("lambda:invoke", r#"{"FunctionName":"f"}"#)),
            "Hearth does not support the InvocationType RequestResponse in a schedule's Input yet.",
        ),
        (
            to(universal("sqs:sendMessage", r#"{"QueueUrl":"u","MessageBody":"b","DelaySeconds":3}"#)),
            "Hearth does not support DelaySeconds in the Input of this target yet.",
        ),
        (to(universal("sns:publish", "[]")), "Input must be a JSON object for a universal target."),
        (to(universal("sns:publish", "{}")), "Input must name the resource that the target is to call."),
        (to(target(function, Some("no json"))), "Input must be well-formed JSON for this type of target."),
        (
            to(target(events, None)),
            "EventBridgeParameters must be provided for a target that is an event bus.",
        ),
        (
            to(Target { event_bridge_parameters: Some(event()), ..target(function, None) }),
            "EventBridgeParameters can only be provided for a target that is an event bus.",
        ),
        (
            to(target(&format!("{QUEUES}q.fifo"), None)),
            "SqsParameters MessageGroupId must be provided for a target that is a FIFO queue.",
        ),
        (
            to(Target { ecs_parameters: Some(EcsParameters::default()), ..target(function, None) }),
            "Hearth does not support EcsParameters yet.",
        ),
        (
            to(Target { kinesis_parameters: Some(KinesisParameters::default()), ..target(function, None) }),
            "Hearth does not support KinesisParameters yet.",
        ),
        (
            to(target(function, Some(&format!("\"{}\"", "x".repeat(256 << 10))))),
            "The Input of the target cannot be larger than 262144 bytes.",
        ),
    ];
    for (change, message) in cases {
        let failure = world.schedule_with(("s", "rate(5 minutes)"), change).await.unwrap_err();
        assert_eq!(
            (&*failure.code, &*failure.message, failure.status),
            ("ValidationException", message, 400)
        );
    }
    let missing = world.schedule_with(("s", "rate(5 minutes)"), |it| it.group_name = text("none")).await;
    assert_eq!(missing.unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(world.get("s").await.unwrap_err().code, "ResourceNotFoundException", "nothing was made");
}

#[tokio::test]
async fn an_update_gives_every_setting_anew() {
    let world = World::new().await;
    world.schedule_with(("s", "rate(5 minutes)"), |it| it.description = text("first")).await.unwrap();
    world.clock.advance(MINUTE);
    world
        .update("s", |it| (it.description, it.schedule_expression) = (None, text("rate(1 hour)")))
        .await
        .unwrap();
    let shown = world.get("s").await.unwrap();
    assert_eq!((shown.description, shown.schedule_expression), (None, text("rate(1 hour)")));
    assert_eq!((shown.creation_date, shown.last_modification_date), (seconds(0), seconds(60)));
    let failure = world.update("s", |it| it.schedule_expression = text("never")).await.unwrap_err();
    assert_eq!(failure.code, "ValidationException");
    assert_eq!(world.get("s").await.unwrap().schedule_expression, text("rate(1 hour)"));
}

#[tokio::test]
async fn dates_that_stay_may_have_passed() {
    let world = World::new().await;
    world.schedule_with(("s", "rate(5 minutes)"), |it| it.start_date = seconds(60)).await.unwrap();
    world.clock.advance(60 * MINUTE);
    world.update("s", |it| it.description = text("later")).await.unwrap();
    assert_eq!(
        world.update("s", |it| it.start_date = seconds(61)).await.unwrap_err().code,
        "ValidationException"
    );
}
