//! Rules that are due by the clock.

use super::{World, text};
use hearth_api::events::{DisableRuleRequest, EnableRuleRequest, Events};
use serde_json::Value;

fn times(world: &World, queue: &str) -> Vec<String> {
    let arrived = world.arrived(queue);
    let events = arrived.iter().map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
    events.map(|event| event["time"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_rate_counts_from_when_the_rule_was_made_or_enabled() {
    let world = World::new().await;
    let _running = world.start();
    world.rule("r", |rule| rule.schedule_expression = text("rate(5 minutes)")).await;
    world.target("r", "q", |_| {}).await;
    world.pass(11, 60).await;
    world.until("two are there", || world.arrived("q").len() == 2).await;
    assert_eq!(times(&world, "q"), ["2025-06-15T15:11:40Z", "2025-06-15T15:16:40Z"]);
    let named = || (text("r"), None);
    let (name, event_bus_name) = named();
    world.service.disable_rule(world.grant(), DisableRuleRequest { name, event_bus_name }).await.unwrap();
    world.pass(20, 60).await;
    assert_eq!(world.arrived("q").len(), 2);
    let (name, event_bus_name) = named();
    world.service.enable_rule(world.grant(), EnableRuleRequest { name, event_bus_name }).await.unwrap();
    world.pass(6, 60).await;
    world.until("a third is there", || world.arrived("q").len() == 3).await;
    assert_eq!(times(&world, "q")[2], "2025-06-15T15:42:40Z");
}

#[tokio::test]
async fn what_was_due_while_the_server_was_down_is_not_made_up() {
    let world = World::new().await;
    world.rule("r", |rule| rule.schedule_expression = text("cron(0 * * * ? *)")).await;
    world.target("r", "q", |_| {}).await;
    let running = world.start();
    world.pass(56, 60).await;
    world.until("one is there", || world.arrived("q").len() == 1).await;
    running.stop().await;
    world.pass(3, 3_600).await;
    let world = world.restarted().await;
    let _running = world.start();
    world.pass(70, 60).await;
    world.until("the next is there", || world.arrived("q").len() == 2).await;
    assert_eq!(times(&world, "q"), ["2025-06-15T16:00:00Z", "2025-06-15T20:00:00Z"]);
}
