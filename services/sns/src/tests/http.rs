//! Endpoints of http and https: their consent, what is sent to them, and when it is tried again.

use super::*;
use crate::model::SubscriptionRecord;
use serde_json::Value;

const URL: &str = "http://example.org/in";
const DEAD: (&str, &str) =
    ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#);
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl World {
    async fn subscribe_url(&self, url: &str, attributes: &[(&str, &str)]) -> Result<String, Failure> {
        let input = SubscribeInput {
            topic_arn: text(&format!("{TOPICS}t")),
            protocol: text(url.split(':').next().unwrap()),
            endpoint: text(url),
            attributes: Some(map(attributes)),
            return_subscription_arn: Some(true),
        };
        Ok(self.service.subscribe(self.grant(), input).await?.subscription_arn.unwrap())
    }

    /// A topic and a confirmed subscription of the URL: its ARN.
    async fn subscribed(&self, attributes: &[(&str, &str)]) -> String {
        self.topic("t", &[]).await.unwrap();
        let arn = self.subscribe_url(URL, attributes).await.unwrap();
        self.settle().await;
        assert_eq!(self.confirm(&self.token()).await.unwrap(), arn);
        self.endpoints.posted.lock().unwrap().clear();
        arn
    }

    async fn confirm(&self, token: &str) -> Result<String, Failure> {
        let input = ConfirmSubscriptionInput {
            topic_arn: text(&format!("{TOPICS}t")),
            token: text(token),
            ..Default::default()
        };
        let confirmed = self.service.confirm_subscription(self.grant_to(Principal::Anonymous), input).await?;
        Ok(confirmed.subscription_arn.unwrap())
    }

    async fn unsubscribe(&self, arn: &str, who: Principal) -> Result<(), Failure> {
        self.service.unsubscribe(self.grant_to(who), UnsubscribeInput { subscription_arn: text(arn) }).await
    }

    async fn attributes_of(&self, arn: &str) -> Result<std::collections::BTreeMap<String, String>, Failure> {
        let input = GetSubscriptionAttributesInput { subscription_arn: text(arn) };
        let shown = self.service.get_subscription_attributes(self.grant(), input).await?;
        Ok(shown.attributes.unwrap())
    }

    async fn listed(&self) -> Vec<String> {
        let listed = self.service.list_subscriptions(self.grant(), ListSubscriptionsInput::default()).await;
        let listed = listed.unwrap().subscriptions.unwrap().into_iter();
        listed.map(|it| format!("{} {}", it.subscription_arn.unwrap(), it.endpoint.unwrap())).collect()
    }

    /// What the endpoint got last: the headers and the body.
    fn last(&self) -> (std::collections::BTreeMap<&'static str, String>, Value) {
        let posted = self.endpoints.posted.lock().unwrap();
        let (posting, _) = posted.last().unwrap();
        let body = serde_json::from_slice(&posting.body).unwrap_or(Value::Null);
        (posting.headers.iter().cloned().collect(), body)
    }

    fn token(&self) -> String {
        self.last().1["Token"].as_str().unwrap().to_owned()
    }

    /// After how many seconds the endpoint was tried.
    fn posted(&self) -> Vec<i64> {
        self.endpoints.posted.lock().unwrap().iter().map(|it| it.1 / 1_000).collect()
    }

    fn fail_url(&self, status: u16) {
        *self.endpoints.failing.lock().unwrap() = vec![(URL.to_owned(), status)];
    }

    async fn advance(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.settle_for(30).await;
        }
        self.settle().await;
    }
}

#[tokio::test]
async fn an_endpoint_must_consent_before_it_gets_anything() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let _work = world.start();
    let arn = world.subscribe_url(URL, &[]).await.unwrap();
    world.publish("t", "too early").await.unwrap();
    world.settle().await;
    let (headers, body) = world.last();
    assert_eq!(headers["x-amz-sns-message-type"], "SubscriptionConfirmation");
    assert_eq!(headers["x-amz-sns-message-id"], body["MessageId"].as_str().unwrap());
    assert_eq!(headers["content-type"], "text/plain; charset=UTF-8");
    assert_eq!(headers["user-agent"], "Amazon Simple Notification Service Agent");
    assert!(!headers.contains_key("x-amz-sns-subscription-arn"));
    let token = world.token();
    let url = format!("http://127.0.0.1:4566/?Action=ConfirmSubscription&TopicArn={TOPICS}t&Token={token}");
    assert_eq!((token.len(), body["SubscribeURL"].as_str().unwrap()), (128, &*url));
    assert!(body["Message"].as_str().unwrap().starts_with("You have chosen to subscribe to the topic arn:"));
    assert_eq!(world.posted().len(), 1, "and nothing that was published");
    assert_eq!(world.attributes_of(&arn).await.unwrap()["PendingConfirmation"], "true");
    assert_eq!(world.listed().await, [format!("PendingConfirmation {URL}")]);
    for wrong in ["", "x", &token[1..]] {
        assert_eq!(world.confirm(wrong).await.unwrap_err().message, "Invalid parameter: Token");
    }
    let failure = world.unsubscribe(&arn, Principal::Anonymous).await.unwrap_err();
    assert!(failure.message.contains("Cannot unsubscribe a subscription that is pending confirmation"));
    assert_eq!(world.confirm(&token).await.unwrap(), arn);
    assert_eq!(world.confirm(&token).await.unwrap(), arn, "whoever confirms twice has confirmed once");
    let shown = world.attributes_of(&arn).await.unwrap();
    assert_eq!((&*shown["PendingConfirmation"], &*shown["ConfirmationWasAuthenticated"]), ("false", "false"));
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    let (headers, body) = world.last();
    assert_eq!(headers["x-amz-sns-subscription-arn"], arn);
    assert_eq!((body["Type"].as_str(), body["Message"].as_str()), (Some("Notification"), Some("m")));
    assert_eq!(world.posted().len(), 2);
}

#[tokio::test]
async fn without_arn_the_answer_says_pending_and_an_endpoint_is_asked_each_time() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let _work = world.start();
    let input = SubscribeInput {
        topic_arn: text(&format!("{TOPICS}t")),
        protocol: text("http"),
        endpoint: text(URL),
        ..Default::default()
    };
    for asked in 1..=2 {
        let answer = world.service.subscribe(world.grant(), input.clone()).await.unwrap();
        assert_eq!(answer.subscription_arn.as_deref(), Some("pending confirmation"));
        world.settle().await;
        assert_eq!(world.posted().len(), asked);
    }
    assert_eq!(world.listed().await.len(), 1);
    let arn = world.confirm(&world.token()).await.unwrap();
    let answer = world.service.subscribe(world.grant(), input).await.unwrap();
    assert_eq!(answer.subscription_arn, Some(arn), "it is confirmed already");
}

#[tokio::test]
async fn who_does_not_consent_within_two_days_is_forgotten() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let _work = world.start();
    let arn = world.subscribe_url(URL, &[]).await.unwrap();
    world.settle().await;
    let token = world.token();
    world.clock.advance(2 * DAY);
    world.settle().await;
    assert_eq!(world.attributes_of(&arn).await.unwrap()["PendingConfirmation"], "true");
    world.clock.advance(Duration::from_secs(61));
    world.settle().await;
    assert_eq!(world.confirm(&token).await.unwrap_err().message, "Invalid parameter: Token");
    assert_eq!(world.attributes_of(&arn).await.unwrap_err().message, "Subscription does not exist");
    let world = world.restarted().await;
    assert!(world.listed().await.is_empty());
}

#[tokio::test]
async fn who_leaves_is_told_and_may_come_back() {
    let world = World::new().await;
    let _work = world.start();
    let arn = world.subscribed(&[]).await;
    world.unsubscribe(&arn, Principal::Anonymous).await.unwrap();
    world.publish("t", "too late").await.unwrap();
    world.settle().await;
    let (headers, body) = world.last();
    assert_eq!(headers["x-amz-sns-message-type"], "UnsubscribeConfirmation");
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .starts_with(&format!("You have chosen to deactivate subscription {arn}."))
    );
    assert_eq!(world.posted().len(), 1);
    assert!(world.listed().await.is_empty() && world.attributes_of(&arn).await.is_err());
    world.unsubscribe(&arn, Principal::Anonymous).await.unwrap();
    assert_eq!(world.confirm(&world.token()).await.unwrap(), arn);
    world.publish("t", "back").await.unwrap();
    world.settle().await;
    assert_eq!(world.last().1["Message"], "back");
}

#[tokio::test]
async fn who_confirmed_with_a_signature_may_close_the_door() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let _work = world.start();
    let arn = world.subscribe_url(URL, &[]).await.unwrap();
    world.settle().await;
    let input = ConfirmSubscriptionInput {
        topic_arn: text(&format!("{TOPICS}t")),
        token: text(&world.token()),
        authenticate_on_unsubscribe: text("true"),
    };
    let unsigned = world.grant_to(Principal::Anonymous);
    assert!(world.service.confirm_subscription(unsigned, input.clone()).await.is_err());
    world.service.confirm_subscription(world.grant(), input).await.unwrap();
    assert_eq!(world.attributes_of(&arn).await.unwrap()["ConfirmationWasAuthenticated"], "true");
    let failure = world.unsubscribe(&arn, Principal::Anonymous).await.unwrap_err();
    assert_eq!((&*failure.code, failure.status), ("AuthorizationError", 403));
    world.unsubscribe(&arn, Principal::Root(AccountId::DEVELOPMENT)).await.unwrap();
    let queue = world.subscribe(("t", "q"), &[]).await.unwrap();
    assert!(world.unsubscribe(&queue, Principal::Anonymous).await.is_err(), "AWS: never for queues");
}

#[tokio::test]
async fn a_message_without_an_answer_holds_up_none_behind_it() {
    let world = World::new().await;
    let _work = world.start();
    world.subscribed(&[("RawMessageDelivery", "true")]).await;
    world.publish("t", UNANSWERED).await.unwrap();
    for _ in 0..40 {
        world.publish("t", "answered").await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.endpoints.posted.lock().unwrap().len(), 41);
}

#[tokio::test]
async fn tries_follow_the_policy_and_then_comes_the_dead_letter() {
    let world = World::new().await;
    let _work = world.start();
    let policy = r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":5,"numRetries":5,"numNoDelayRetries":1,"numMinDelayRetries":1,"numMaxDelayRetries":1}}"#;
    world.subscribed(&[DEAD, ("DeliveryPolicy", policy)]).await;
    world.fail_url(503);
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    world.advance(16).await;
    assert_eq!(world.posted(), [0, 0, 1, 2, 7, 12]);
    assert_eq!(serde_json::from_str::<Value>(&world.at("dead")[0]).unwrap()["Message"], "m");
}

#[tokio::test]
async fn what_the_endpoint_does_not_take_is_not_tried_again() {
    let world = World::new().await;
    let _work = world.start();
    world.subscribed(&[DEAD, ("RawMessageDelivery", "true")]).await;
    world.fail_url(404);
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    assert_eq!((world.posted().len(), world.at("dead")), (1, vec!["m".to_owned()]));
    let (headers, _) = world.last();
    assert_eq!(headers["x-amz-sns-rawdelivery"], "true");
    world.fail_url(429);
    world.publish("t", "n").await.unwrap();
    world.settle().await;
    world.advance(21).await;
    assert_eq!(world.posted()[1..], [0, 20], "429 is for later");
}

#[tokio::test]
async fn deliveries_keep_to_a_rate_and_survive_a_restart() {
    let world = World::new().await;
    let work = world.start();
    world.subscribed(&[("DeliveryPolicy", r#"{"throttlePolicy":{"maxReceivesPerSecond":2}}"#)]).await;
    for number in 0..5 {
        world.publish("t", &number.to_string()).await.unwrap();
    }
    world.settle().await;
    world.advance(1).await;
    let so_far = world.posted().len();
    assert!((1..=4).contains(&so_far), "{so_far}");
    work.stop().await;
    world.clock.advance(Duration::from_secs(1));
    let world = world.restarted().await;
    let _work = world.start();
    world.settle().await;
    world.advance(40).await;
    assert_eq!(world.posted().len(), 5);
    assert!(
        world.posted().chunk_by(|one, other| one == other).all(|second| second.len() <= 2),
        "{:?}",
        world.posted()
    );
}

#[tokio::test]
async fn a_queue_of_another_account_consents_too() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let _work = world.start();
    let input = |protocol: &str, endpoint: &str| SubscribeInput {
        topic_arn: text(&format!("{TOPICS}t")),
        protocol: text(protocol),
        endpoint: text(endpoint),
        attributes: Some(map(&[("RawMessageDelivery", "true")])),
        ..Default::default()
    };
    let theirs = "arn:aws:sqs:us-east-1:111111111111:q";
    let answer = world.service.subscribe(world.grant(), input("sqs", theirs)).await.unwrap();
    assert_eq!(answer.subscription_arn.as_deref(), Some("pending confirmation"));
    world.settle().await;
    let body = world.targets.arrived.lock().unwrap()[0].clone();
    assert_eq!(body.target, theirs);
    let body: Value = serde_json::from_slice(&body.body).unwrap();
    world.confirm(body["Token"].as_str().unwrap()).await.unwrap();
    world.publish("t", "m").await.unwrap();
    world.settle().await;
    assert_eq!(world.targets.arrived.lock().unwrap()[1].body, "m");
    let function = input("lambda", "arn:aws:lambda:us-east-1:111111111111:function:f");
    let failure = world
        .service
        .subscribe(world.grant(), SubscribeInput { attributes: None, ..function })
        .await
        .unwrap_err();
    assert!(failure.message.contains("Hearth does not support subscriptions of functions in other accounts"));
}

#[tokio::test]
async fn wrong_endpoints_and_policies_are_refused() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    let long = format!("http://example.org/{}", "x".repeat(2_048));
    for (url, attribute, words) in [
        ("https:example.org", ("RawMessageDelivery", "true"), "Endpoint must match the specified protocol"),
        (
            "http://internal/",
            ("RawMessageDelivery", "true"),
            "Not authorized to subscribe internal endpoints",
        ),
        (&long, ("RawMessageDelivery", "true"), "Invalid parameter: Endpoint"),
        (
            URL,
            ("DeliveryPolicy", r#"{"healthyRetryPolicy":{"minDelayTarget":0}}"#),
            "Invalid parameter: Attributes Reason: DeliveryPolicy: healthyRetryPolicy.minDelayTarget must be greater than or equal to 1",
        ),
    ] {
        let failure = world.subscribe_url(url, &[attribute]).await.unwrap_err();
        assert!(failure.message.contains(words), "{url}: {}", failure.message);
    }
    assert!(world.listed().await.is_empty());
    world.subscribe_url("http://name:word@example.org/in", &[]).await.unwrap();
    assert_eq!(world.listed().await, ["PendingConfirmation http://name:****@example.org/in"]);
}

#[tokio::test]
async fn only_so_many_subscriptions_of_an_account_wait_for_consent() {
    let world = World::new().await;
    world.topic("t", &[]).await.unwrap();
    world.subscribe_url(URL, &[]).await.unwrap();
    let table = Table::new(world.store.clone(), Shard::new(Keyspace::Queues, "sns"), "sns.subscription");
    let [first] = &world.service.inner.registry.subscriptions()[..] else { panic!("there is one") };
    let [account, region, topic, _] = first.name.parts();
    for number in 1..5_000 {
        let record = SubscriptionRecord { endpoint: format!("{URL}/{number}"), ..(*first.record).clone() };
        table.put(&[account, region, topic, &number.to_string()], &record).await.unwrap();
    }
    let world = world.restarted().await;
    let failure = world.subscribe_url("http://example.org/one-more", &[]).await.unwrap_err();
    assert_eq!((&*failure.code, failure.status), ("SubscriptionLimitExceeded", 403));
    world.subscribe(("t", "q"), &[]).await.unwrap();
}
