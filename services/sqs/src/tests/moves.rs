//! Message move tasks.

use super::*;
use hearth_wire::Failure;

async fn with_dead_letters(world: &World, count: usize) {
    world.create("dlq", &[]).await.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, arn("dlq"));
    world.create("q", &[("RedrivePolicy", &policy), ("VisibilityTimeout", "0")]).await.unwrap();
    for number in 0..count {
        world.send("q", &format!("m{number}")).await.unwrap();
    }
    for _ in 0..count {
        world.receive("q", 10).await;
    }
    assert_eq!(world.counts("dlq").await[0], count.to_string());
}

async fn start(
    world: &World,
    change: impl FnOnce(&mut StartMessageMoveTaskRequest),
) -> Result<String, Failure> {
    let mut input = StartMessageMoveTaskRequest { source_arn: Some(arn("dlq")), ..Default::default() };
    change(&mut input);
    Ok(world.service.start_message_move_task(world.grant(), input).await?.task_handle.unwrap())
}

async fn list(world: &World) -> Vec<ListMessageMoveTasksResultEntry> {
    let input = ListMessageMoveTasksRequest { source_arn: Some(arn("dlq")), max_results: Some(10) };
    world.service.list_message_move_tasks(world.grant(), input).await.unwrap().results.unwrap_or_default()
}

#[tokio::test]
async fn messages_go_back_to_where_they_came_from_as_new_ones() {
    let world = World::new().await;
    with_dead_letters(&world, 3).await;
    let before = world.receive_with("dlq", |input| input.visibility_timeout = Some(0)).await.unwrap();
    world.advance(7);
    start(&world, |_| {}).await.unwrap();
    assert_eq!(crate::task::move_messages(&world.service.inner).await.unwrap(), None);
    assert_eq!(world.counts("dlq").await[0], "0");
    let back = world.receive("q", 1).await;
    assert_eq!(back[0].body, before[0].body);
    assert_ne!(back[0].message_id, before[0].message_id);
    assert_eq!(attribute(&back[0], "SentTimestamp"), world.now().to_string());
    let task = &list(&world).await[0];
    assert_eq!(task.status.as_deref(), Some("COMPLETED"));
    assert_eq!(
        (task.approximate_number_of_messages_moved, task.approximate_number_of_messages_to_move),
        (Some(3), Some(3))
    );
    assert_eq!((task.task_handle.clone(), task.started_timestamp), (None, Some(world.now())));
}

#[tokio::test]
async fn a_rate_is_kept_and_a_task_is_cancelled_or_taken_up_again() {
    let world = World::new().await;
    with_dead_letters(&world, 6).await;
    world.create("other", &[]).await.unwrap();
    let handle = start(&world, |input| {
        input.destination_arn = Some(arn("other"));
        input.max_number_of_messages_per_second = Some(2);
    });
    let handle = handle.await.unwrap();
    assert_eq!(list(&world).await[0].task_handle.as_deref(), Some(handle.as_str()));
    assert_fails(
        start(&world, |_| {}).await,
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    );
    let turn = async |world: &World| crate::task::move_messages(&world.service.inner).await.unwrap();
    assert!(turn(&world).await.is_some());
    assert_eq!(world.counts("other").await[0], "2");
    turn(&world).await;
    assert_eq!(world.counts("other").await[0], "2");
    world.advance(1);
    turn(&world).await;
    assert_eq!(world.counts("other").await[0], "4");
    let cancel = CancelMessageMoveTaskRequest { task_handle: Some(handle.clone()) };
    let cancelled = world.service.cancel_message_move_task(world.grant(), cancel.clone()).await.unwrap();
    assert_eq!(cancelled.approximate_number_of_messages_moved, Some(4));
    assert_eq!(turn(&world).await, None);
    assert_eq!(list(&world).await[0].status.as_deref(), Some("CANCELLED"));
    assert_eq!(
        world.service.cancel_message_move_task(world.grant(), cancel).await.unwrap_err().code,
        "ResourceNotFoundException"
    );
    assert_eq!(world.counts("dlq").await[0], "2");
    start(&world, |input| input.destination_arn = Some(arn("other"))).await.unwrap();
    let world = world.restarted().await;
    crate::task::move_messages(&world.service.inner).await.unwrap();
    assert_eq!(world.counts("other").await[0], "6");
    let statuses: Vec<_> = list(&world).await.into_iter().map(|task| task.status.unwrap()).collect();
    assert_eq!(statuses, ["COMPLETED", "CANCELLED"]);
}

#[tokio::test]
async fn tasks_that_cannot_be_are_refused_or_fail() {
    let world = World::new().await;
    with_dead_letters(&world, 0).await;
    let not_dead = start(&world, |input| input.source_arn = Some(arn("q"))).await;
    assert_fails(
        not_dead,
        "InvalidParameterValue",
        "Source queue must be configured as a Dead Letter Queue.",
    );
    assert_eq!(
        start(&world, |input| input.source_arn = Some(arn("none"))).await.unwrap_err().code,
        "ResourceNotFoundException"
    );
    assert_eq!(
        start(&world, |input| input.destination_arn = Some(arn("none"))).await.unwrap_err().code,
        "ResourceNotFoundException"
    );
    assert_eq!(
        start(&world, |input| input.max_number_of_messages_per_second = Some(501)).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    // One that was sent here directly came from nowhere.
    world.send("dlq", "direct").await.unwrap();
    start(&world, |_| {}).await.unwrap();
    crate::task::move_messages(&world.service.inner).await.unwrap();
    let task = &list(&world).await[0];
    assert_eq!(
        (task.status.as_deref(), task.failure_reason.as_deref()),
        (Some("FAILED"), Some("CouldNotDetermineMessageSource"))
    );
    assert_eq!(world.counts("dlq").await[0], "1");
}
