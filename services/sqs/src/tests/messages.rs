//! Messages of standard queues: sent, received, hidden, delayed, expired and deleted.

use super::*;
use bytes::Bytes;
use hearth_api::sqs::MessageSystemAttributeValue;

#[tokio::test]
async fn a_message_is_received_as_it_was_sent_and_comes_back_until_it_is_deleted() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let sent = world.send("q", "hello").await.unwrap();
    assert_eq!(sent.md5_of_message_body.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    world.advance(2);
    let first = world.receive("q", 10).await;
    assert_eq!(bodies(&first), ["hello"]);
    assert_eq!(
        (first[0].message_id.clone(), first[0].md5_of_body.clone()),
        (sent.message_id.clone(), sent.md5_of_message_body)
    );
    assert_eq!(attribute(&first[0], "SentTimestamp"), NOW.to_string());
    assert_eq!(attribute(&first[0], "ApproximateFirstReceiveTimestamp"), (NOW + 2_000).to_string());
    assert_eq!(attribute(&first[0], "ApproximateReceiveCount"), "1");
    assert_eq!(world.receive("q", 10).await, []);
    assert_eq!(world.counts("q").await, ["0", "1", "0"]);
    world.advance(29);
    assert_eq!(world.receive("q", 10).await, []);
    world.advance(1);
    let second = world.receive("q", 10).await;
    assert_eq!(second[0].message_id, sent.message_id);
    assert_ne!(second[0].receipt_handle, first[0].receipt_handle);
    assert_eq!(attribute(&second[0], "ApproximateReceiveCount"), "2");
    assert_eq!(attribute(&second[0], "ApproximateFirstReceiveTimestamp"), (NOW + 2_000).to_string());
    // The handle of an earlier receive deletes nothing, and that is no error.
    world.delete("q", &first[0]).await.unwrap();
    assert_eq!(world.counts("q").await, ["0", "1", "0"]);
    world.delete("q", &second[0]).await.unwrap();
    world.delete("q", &second[0]).await.unwrap();
    assert_eq!(world.counts("q").await, ["0", "0", "0"]);
    world.advance(100);
    assert_eq!(world.receive("q", 10).await, []);
}

#[tokio::test]
async fn a_handle_deletes_after_its_time_unless_another_has_received() {
    let world = World::new().await;
    world.create("q", &[("VisibilityTimeout", "1")]).await.unwrap();
    world.send("q", "a").await.unwrap();
    let received = world.receive("q", 1).await;
    world.advance(5);
    world.delete("q", &received[0]).await.unwrap();
    assert_eq!(world.counts("q").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn visibility_is_changed_within_its_bounds() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    world.send("q", "a").await.unwrap();
    let received = world.receive("q", 1).await;
    let message = &received[0];
    world.change_visibility("q", message, 100).await.unwrap();
    world.advance(99);
    assert_eq!(world.receive("q", 1).await, []);
    let beyond = "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                  message is beyond the limit [43200 seconds]";
    assert_fails(world.change_visibility("q", message, 43_200).await, "InvalidParameterValue", beyond);
    assert!(world.change_visibility("q", message, 43_201).await.is_err());
    assert!(world.change_visibility("q", message, -1).await.is_err());
    world.change_visibility("q", message, 0).await.unwrap();
    let not_in_flight = world.change_visibility("q", message, 5).await;
    assert_fails(not_in_flight, "AWS.SimpleQueueService.MessageNotInflight", "The message is not in flight.");
    let again = world.receive("q", 1).await;
    assert_eq!(again.len(), 1);
    let stale = world.change_visibility("q", message, 5).await.unwrap_err();
    assert_eq!(stale.code, "InvalidParameterValue");
    assert!(
        stale
            .message
            .ends_with("Reason: Message does not exist or is not available for visibility timeout change.")
    );
    let bad = Message { receipt_handle: text("nonsense"), ..Message::default() };
    let bad_message = "The input receipt handle \"nonsense\" is not a valid receipt handle.";
    assert_fails(world.change_visibility("q", &bad, 5).await, "ReceiptHandleIsInvalid", bad_message);
    assert_fails(world.delete("q", &bad).await, "ReceiptHandleIsInvalid", bad_message);
}

#[tokio::test]
async fn delays_are_of_the_queue_or_of_the_message() {
    let world = World::new().await;
    world.create("q", &[("DelaySeconds", "10")]).await.unwrap();
    world.send("q", "ten").await.unwrap();
    world.send_with("q", "none", |input| input.delay_seconds = Some(0)).await.unwrap();
    world.send_with("q", "five", |input| input.delay_seconds = Some(5)).await.unwrap();
    world.set("q", &[("DelaySeconds", "0")]).await.unwrap();
    assert_eq!(world.counts("q").await, ["1", "0", "2"]);
    assert_eq!(bodies(&world.receive("q", 10).await), ["none"]);
    world.advance(5);
    assert_eq!(world.counts("q").await, ["1", "1", "1"]);
    let five = world.receive("q", 10).await;
    assert_eq!(bodies(&five), ["five"]);
    world.delete("q", &five[0]).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.counts("q").await, ["0", "1", "1"]);
    world.advance(5);
    assert_eq!(bodies(&world.receive("q", 10).await), ["ten"]);
    world.advance(30);
    let mut both = world.receive("q", 10).await;
    both.sort_by_key(|message| message.body.clone());
    assert_eq!(bodies(&both), ["none", "ten"]);
    for message in &both {
        world.delete("q", message).await.unwrap();
    }
    assert_eq!(
        (world.rows("waiting").await, world.rows("delayed").await, world.rows("claimed").await),
        (0, 0, 0)
    );
    let late =
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
    let refused = world.send_with("q", "late", |input| input.delay_seconds = Some(901)).await;
    assert_fails(refused, "InvalidParameterValue", late);
}

#[tokio::test]
async fn messages_expire_visible_or_not() {
    let world = World::new().await;
    world.create("q", &[("MessageRetentionPeriod", "60"), ("VisibilityTimeout", "1000")]).await.unwrap();
    world.send("q", "in flight").await.unwrap();
    world.receive("q", 1).await;
    world.send("q", "old").await.unwrap();
    world.send_with("q", "delayed", |input| input.delay_seconds = Some(30)).await.unwrap();
    world.advance(50);
    world.send("q", "young").await.unwrap();
    world.advance(11);
    assert_eq!(
        bodies(&world.receive_with("q", |input| input.visibility_timeout = Some(0)).await.unwrap()),
        ["young"]
    );
    assert_eq!(world.counts("q").await, ["1", "0", "0"]);
    world.advance(60);
    crate::task::sweep(&world.service.inner).await.unwrap();
    assert_eq!(
        (world.rows("waiting").await, world.rows("delayed").await, world.rows("claimed").await),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_receiver_waits_by_the_clock_and_is_woken_by_a_message() {
    let world = Arc::new(World::new().await);
    world.create("q", &[]).await.unwrap();
    let wait = |seconds: i64| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            world.receive_with("q", |input| input.wait_time_seconds = Some(seconds)).await.unwrap()
        })
    };
    let waiting = wait(20);
    tokio::task::yield_now().await;
    world.send("q", "a").await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["a"]);
    // What comes back and what was delayed wakes too, and the end of the wait.
    let waiting = wait(20);
    settle().await;
    world.advance(10);
    settle().await;
    assert!(!waiting.is_finished());
    world.advance(10);
    assert_eq!(waiting.await.unwrap(), []);
    let waiting = wait(20);
    settle().await;
    world.advance(10);
    assert_eq!(bodies(&waiting.await.unwrap()), ["a"]);
    let waiting = wait(20);
    settle().await;
    world.send_with("q", "late", |input| input.delay_seconds = Some(5)).await.unwrap();
    settle().await;
    assert!(!waiting.is_finished());
    world.advance(5);
    assert_eq!(bodies(&waiting.await.unwrap()), ["late"]);
}

#[tokio::test]
async fn every_message_wakes_one_of_those_who_wait() {
    let world = Arc::new(World::new().await);
    world.create("q", &[]).await.unwrap();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world.receive_with("q", |input| input.wait_time_seconds = Some(20)).await.unwrap()
            })
        })
        .collect();
    settle().await;
    for number in 0..20 {
        world.send("q", &format!("m{number}")).await.unwrap();
    }
    let mut all = Vec::new();
    for waiter in waiting {
        all.extend(waiter.await.unwrap().into_iter().map(|message| message.body.unwrap()));
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}

/// Lets every task go as far as it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn attributes_are_digested_and_selected() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let value = |kind: &str, text: &str| MessageAttributeValue {
        data_type: Some(kind.to_owned()),
        string_value: Some(text.to_owned()),
        ..Default::default()
    };
    let binary = MessageAttributeValue {
        data_type: text("Binary.png"),
        binary_value: Some(Bytes::from_static(b"\0\x01\xff")),
        ..Default::default()
    };
    let attributes: BTreeMap<String, MessageAttributeValue> = [
        ("foo.one".to_owned(), value("String", "1")),
        ("foo.two".to_owned(), value("Number.int", "2")),
        ("bar".to_owned(), binary),
    ]
    .into();
    let trace = MessageSystemAttributeValue {
        data_type: text("String"),
        string_value: text("Root=1-5759e988-bd862e3fe1be46a994272793"),
        ..Default::default()
    };
    let sent = world
        .send_with("q", "a", |input| {
            input.message_attributes = Some(attributes.clone());
            input.message_system_attributes = Some([("AWSTraceHeader".to_owned(), trace)].into());
        })
        .await
        .unwrap();
    assert!(sent.md5_of_message_system_attributes.is_some());
    for (wanted, expected) in [
        (&["All"][..], &["bar", "foo.one", "foo.two"][..]),
        (&[".*"], &["bar", "foo.one", "foo.two"]),
        (&["foo.*"], &["foo.one", "foo.two"]),
        (&["bar", "none"], &["bar"]),
        (&[], &[]),
    ] {
        let received = world.receive_with("q", |input| {
            input.message_attribute_names = Some(wanted.iter().map(|name| (*name).to_owned()).collect());
            input.visibility_timeout = Some(0);
        });
        let message = received.await.unwrap().remove(0);
        let found = message.message_attributes.unwrap_or_default();
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{wanted:?}");
        assert!(found.iter().all(|(name, value)| attributes[name] == *value));
        assert_eq!(message.md5_of_message_attributes.is_some(), !expected.is_empty());
        if expected.len() == 3 {
            assert_eq!(message.md5_of_message_attributes, sent.md5_of_message_attributes);
        }
        assert_eq!(message.attributes.unwrap()["AWSTraceHeader"], "Root=1-5759e988-bd862e3fe1be46a994272793");
    }
    let none = world.receive_with("q", |input| input.attribute_names = None).await.unwrap();
    assert_eq!(none[0].attributes, None);
}

#[tokio::test]
async fn messages_that_cannot_be_are_refused() {
    let world = World::new().await;
    world.create("q", &[("MaximumMessageSize", "1024")]).await.unwrap();
    let with = |name: &str, kind: &str, value: Option<&str>| -> BTreeMap<String, MessageAttributeValue> {
        let value = MessageAttributeValue {
            data_type: text(kind),
            string_value: value.map(str::to_owned),
            ..Default::default()
        };
        [(name.to_owned(), value)].into()
    };
    let invalid = "InvalidParameterValue";
    let kinds = "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is \
                 Binary, Number, and String.";
    let cases = [
        (with("a", "Text", Some("1")), kinds),
        (
            with("a", "", Some("1")),
            "The message attribute 'a' must contain non-empty message attribute type.",
        ),
        (
            with("a", "String", None),
            "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
        ),
        (
            with("a", "Number", Some("one")),
            "Can't cast the value of message (user) attribute 'a' to a number.",
        ),
    ];
    for (attributes, message) in cases {
        let refused = world.send_with("q", "a", |input| input.message_attributes = Some(attributes)).await;
        assert_fails(refused, invalid, message);
    }
    for name in ["AWS.x", "amazon.x", ".x", "x.", "x..y", "x y", ""] {
        let attributes = with(name, "String", Some("1"));
        let refused = world.send_with("q", "a", |input| input.message_attributes = Some(attributes)).await;
        assert_eq!(refused.unwrap_err().code, invalid, "{name}");
    }
    let many = (0..11).flat_map(|n| with(&format!("a{n}"), "String", Some("1"))).collect();
    let refused = world.send_with("q", "a", |input| input.message_attributes = Some(many)).await;
    assert_fails(refused, invalid, "Number of message attributes [11] exceeds the allowed maximum [10].");
    let long = "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.";
    assert_fails(world.send("q", &"x".repeat(1_025)).await, invalid, long);
    assert_fails(
        world.send("q", "").await,
        "MissingParameter",
        "The request must contain the parameter MessageBody.",
    );
    assert_eq!(world.send("q", "\u{1}").await.unwrap_err().code, "InvalidMessageContents");
    assert_eq!(world.send("q", "\u{fffe}").await.unwrap_err().code, "InvalidMessageContents");
    world.send("q", "\t\r\n\u{1f600}").await.unwrap();
    let kind = "The request include parameter that is not valid for this queue type.";
    let refused = world.send_with("q", "a", |input| input.message_deduplication_id = text("d")).await;
    assert_fails(
        refused,
        invalid,
        &format!("Value d for parameter MessageDeduplicationId is invalid. Reason: {kind}"),
    );
    assert_eq!(world.counts("q").await, ["1", "0", "0"]);
    for (name, value) in [("max", 0), ("max", 11), ("wait", 21), ("visibility", 43_201), ("visibility", -1)] {
        let refused = world.receive_with("q", |input| match name {
            "max" => input.max_number_of_messages = Some(value),
            "wait" => input.wait_time_seconds = Some(value),
            _ => input.visibility_timeout = Some(value),
        });
        assert_eq!(refused.await.unwrap_err().code, invalid, "{name} {value}");
    }
    let refused =
        world.receive_with("q", |input| input.attribute_names = Some(vec!["Colour".to_owned()])).await;
    assert_fails(refused, "InvalidAttributeName", "Unknown Attribute Colour.");
}

#[tokio::test]
async fn batches_are_checked_whole_and_fail_in_part() {
    let world = World::new().await;
    world.create("q", &[]).await.unwrap();
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry {
        id: text(id),
        message_body: text(body),
        ..Default::default()
    };
    let send = |entries: Vec<SendMessageBatchRequestEntry>| {
        let input = SendMessageBatchRequest { queue_url: url("q"), entries: Some(entries) };
        world.service.send_message_batch(world.grant(), input)
    };
    let code = |kind: &str| format!("AWS.SimpleQueueService.{kind}");
    let half = "x".repeat(524_289);
    for (entries, kind) in [
        (vec![], "EmptyBatchRequest"),
        ((0..11).map(|n| entry(&n.to_string(), "a")).collect(), "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "1"), entry("a", "2")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "1")], "InvalidBatchEntryId"),
        (vec![entry("a", &half), entry("b", &half)], "BatchRequestTooLong"),
    ] {
        assert_eq!(send(entries).await.unwrap_err().code, code(kind));
    }
    let part = send(vec![entry("good", "1"), entry("bad", "\u{2}"), entry("fine", "2")]).await.unwrap();
    let ids: Vec<_> = part.successful.unwrap().into_iter().map(|entry| entry.id.unwrap()).collect();
    assert_eq!(ids, ["good", "fine"]);
    let failed = &part.failed.unwrap()[0];
    assert_eq!(
        (failed.id.as_deref(), failed.code.as_deref(), failed.sender_fault),
        (Some("bad"), Some("InvalidMessageContents"), Some(true))
    );
    let received = world.receive("q", 10).await;
    assert_eq!(bodies(&received), ["1", "2"]);
    let change = |n: usize, handle: Option<String>| ChangeMessageVisibilityBatchRequestEntry {
        id: Some(n.to_string()),
        receipt_handle: handle,
        visibility_timeout: Some(0),
    };
    let entries = vec![change(0, received[0].receipt_handle.clone()), change(1, text("x"))];
    let input = ChangeMessageVisibilityBatchRequest { queue_url: url("q"), entries: Some(entries) };
    let changed = world.service.change_message_visibility_batch(world.grant(), input).await.unwrap();
    assert_eq!(changed.successful.unwrap()[0].id.as_deref(), Some("0"));
    assert_eq!(changed.failed.unwrap()[0].code.as_deref(), Some("ReceiptHandleIsInvalid"));
    assert_eq!(world.counts("q").await, ["1", "1", "0"]);
    let delete = |n: usize, handle: Option<String>| DeleteMessageBatchRequestEntry {
        id: Some(n.to_string()),
        receipt_handle: handle,
    };
    let entries = vec![delete(0, text("x")), delete(1, received[1].receipt_handle.clone())];
    let input = DeleteMessageBatchRequest { queue_url: url("q"), entries: Some(entries) };
    let deleted = world.service.delete_message_batch(world.grant(), input).await.unwrap();
    assert_eq!(deleted.successful.unwrap()[0].id.as_deref(), Some("1"));
    assert_eq!(deleted.failed.unwrap()[0].id.as_deref(), Some("0"));
    assert_eq!(world.counts("q").await, ["1", "0", "0"]);
}
