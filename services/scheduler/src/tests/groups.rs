//! Groups and their tags.

use super::*;

async fn group(world: &World, name: &str) -> Result<GetScheduleGroupOutput, Failure> {
    world.service.get_schedule_group(world.grant(), GetScheduleGroupInput { name: text(name) }).await
}

async fn create(world: &World, name: &str, token: &str) -> Result<String, Failure> {
    let tags = vec![Tag { key: text("a"), value: text("1") }];
    let input = CreateScheduleGroupInput { name: text(name), tags: Some(tags), client_token: text(token) };
    Ok(world.service.create_schedule_group(world.grant(), input).await?.schedule_group_arn.unwrap())
}

async fn delete(world: &World, name: &str, token: &str) -> Result<(), Failure> {
    let input = DeleteScheduleGroupInput { name: text(name), client_token: text(token) };
    world.service.delete_schedule_group(world.grant(), input).await.map(drop)
}

async fn names(world: &World, max: i64, token: Option<String>) -> (Vec<String>, Option<String>) {
    let input = ListScheduleGroupsInput { max_results: Some(max), next_token: token, name_prefix: None };
    let page = world.service.list_schedule_groups(world.grant(), input).await.unwrap();
    (page.schedule_groups.unwrap().into_iter().map(|group| group.name.unwrap()).collect(), page.next_token)
}

#[tokio::test]
async fn every_account_has_a_group_that_cannot_be_deleted() {
    let world = World::new().await;
    let there = group(&world, "default").await.unwrap();
    assert_eq!(there.arn.unwrap(), "arn:aws:scheduler:us-east-1:000000000000:schedule-group/default");
    assert_eq!(there.state, Some(ScheduleGroupState::Active));
    assert_eq!(delete(&world, "default", "t").await.unwrap_err().code, "ValidationException");
    assert_eq!(create(&world, "default", "t").await.unwrap_err().code, "ConflictException");
}

#[tokio::test]
async fn groups_are_made_once_and_listed_in_pages() {
    let world = World::new().await;
    let arn = create(&world, "b", "token").await.unwrap();
    assert_eq!(create(&world, "b", "token").await.unwrap(), arn, "the same request once more");
    let failure = create(&world, "b", "other").await.unwrap_err();
    assert_eq!(
        (&*failure.code, &*failure.message, failure.status),
        ("ConflictException", "Schedule group b already exists.", 409)
    );
    create(&world, "a", "another").await.unwrap();
    let (first, token) = names(&world, 2, None).await;
    let (rest, end) = names(&world, 2, token).await;
    assert_eq!((first, rest, end), (vec!["a".to_owned(), "b".to_owned()], vec!["default".to_owned()], None));
    let failure = group(&world, "c").await.unwrap_err();
    assert_eq!(
        (&*failure.code, &*failure.message),
        ("ResourceNotFoundException", "Schedule group c does not exist.")
    );
    let wrong = ListScheduleGroupsInput { next_token: text("?"), ..Default::default() };
    let failure = world.service.list_schedule_groups(world.grant(), wrong).await.unwrap_err();
    assert_eq!(failure.code, "ValidationException");
}

#[tokio::test]
async fn an_account_has_so_many_groups_in_a_region() {
    let world = World::new().await;
    for number in 1..500 {
        create(&world, &format!("g{number}"), "t").await.unwrap();
    }
    let failure = create(&world, "late", "t").await.unwrap_err();
    assert_eq!((&*failure.code, failure.status), ("ServiceQuotaExceededException", 402));
    assert_eq!(group(&world, "late").await.unwrap_err().code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_group_has_tags() {
    let world = World::new().await;
    let arn = create(&world, "g", "t").await.unwrap();
    let tags = |key: &str| Some(vec![Tag { key: text(key), value: text("2") }]);
    let tag = |tags| TagResourceInput { resource_arn: text(&arn), tags };
    world.service.tag_resource(world.grant(), tag(tags("b"))).await.unwrap();
    let refused = world.service.tag_resource(world.grant(), tag(tags("aws:b"))).await.unwrap_err();
    assert_eq!(refused.code, "ValidationException");
    let untag = UntagResourceInput { resource_arn: text(&arn), tag_keys: Some(vec!["a".to_owned()]) };
    world.service.untag_resource(world.grant(), untag).await.unwrap();
    let world = world.restarted().await;
    let list = |arn: &str| ListTagsForResourceInput { resource_arn: text(arn) };
    let listed = world.service.list_tags_for_resource(world.grant(), list(&arn)).await.unwrap();
    assert_eq!(listed.tags, tags("b"));
    let other = world.service.list_tags_for_resource(world.grant(), list(&format!("{arn}x"))).await;
    assert_eq!(other.unwrap_err().code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_group_goes_with_its_schedules() {
    let world = World::new().await;
    create(&world, "g", "t").await.unwrap();
    for number in 0..250 {
        let name = format!("s{number}");
        let made = world.schedule_with((&name, "rate(1 hour)"), |it| {
            it.group_name = text("g");
            it.start_date = seconds(3_600);
        });
        made.await.unwrap();
    }
    world.schedule_with(("s1", "rate(1 hour)"), |it| it.start_date = seconds(3_600)).await.unwrap();
    delete(&world, "g", "d").await.unwrap();
    assert_eq!(group(&world, "g").await.unwrap().state, Some(ScheduleGroupState::Deleting));
    delete(&world, "g", "d").await.unwrap();
    assert_eq!(delete(&world, "g", "e").await.unwrap_err().code, "ConflictException");
    let late = world.schedule_with(("late", "rate(1 hour)"), |it| it.group_name = text("g")).await;
    assert_eq!(late.unwrap_err().code, "ConflictException");
    // A crash in between does not stop it.
    let world = world.restarted().await;
    let _work = world.start();
    world.settle().await;
    assert_eq!(group(&world, "g").await.unwrap_err().code, "ResourceNotFoundException");
    let all = world.service.list_schedules(world.grant(), ListSchedulesInput::default()).await.unwrap();
    assert_eq!(all.schedules.unwrap().len(), 1, "that of another group");
    world.pass(Duration::from_secs(3_600)).await;
    assert_eq!((world.at("s0").len(), world.at("s1").len()), (0, 1));
    create(&world, "g", "t").await.unwrap();
}
