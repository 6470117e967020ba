//! Every operator against present, missing and many values.

use super::super::{Document, Effect, Identity, Question, Requester, decide};
use std::collections::BTreeMap;

fn context(entries: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    entries
        .iter()
        .map(|(key, values)| {
            (key.to_ascii_lowercase(), values.iter().map(|&value| value.to_owned()).collect())
        })
        .collect()
}

/// Whether a condition block, as JSON, holds.
fn holds(block: &str, entries: &[(&str, &[&str])]) -> bool {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{block}}}}}"#
    );
    let document = Document::identity(&text).unwrap_or_else(|malformed| panic!("{block}: {malformed}"));
    assert_eq!(document.statements()[0].effect(), Effect::Allow);
    let context = context(entries);
    document.statements()[0].conditions.iter().all(|condition| condition.holds(&context))
}

#[test]
fn operators_compare_as_published() {
    type Case = (&'static str, &'static str, &'static str, bool);
    let cases: [Case; 64] = [
        ("StringEquals", "a", "a", true),
        ("StringEquals", "a", "A", false),
        ("StringEquals", "a*", "ab", false),
        ("StringNotEquals", "a", "b", true),
        ("StringNotEquals", "a", "a", false),
        ("StringEqualsIgnoreCase", "aÉ", "Aé", true),
        ("StringNotEqualsIgnoreCase", "a", "A", false),
        ("StringLike", "a*c", "abbc", true),
        ("StringLike", "a?c", "abbc", false),
        ("StringLike", "A*", "ab", false),
        ("StringNotLike", "a*", "ab", false),
        ("StringNotLike", "a*", "b", true),
        ("NumericEquals", "10", "10.0", true),
        ("NumericNotEquals", "10", "11", true),
        ("NumericLessThan", "10", "9", true),
        ("NumericLessThan", "10", "10", false),
        ("NumericLessThanEquals", "10", "10", true),
        ("NumericGreaterThan", "-1", "0", true),
        ("NumericGreaterThanEquals", "10", "9.99", false),
        ("NumericEquals", "ten", "ten", false),
        ("DateEquals", "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", true),
        ("DateEquals", "2026-11-25T12:00:00Z", "1795608000", true),
        ("DateEquals", "2026-11-25T13:00:00+01:00", "2026-11-25T12:00:00Z", true),
        ("DateEquals", "2026-11-25T12:00:00.5Z", "2026-11-25T12:00:00.500Z", true),
        ("DateNotEquals", "2026-11-25", "2026-11-25T00:00:01Z", true),
        ("DateLessThan", "2026", "2025-12-31T23:59:59Z", true),
        ("DateLessThanEquals", "2026-11", "2026-11-01T00:00Z", true),
        ("DateGreaterThan", "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", false),
        ("DateGreaterThanEquals", "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", true),
        ("DateLessThan", "soon", "2026-11-25T12:00:00Z", false),
        ("Bool", "true", "True", true),
        ("Bool", "true", "false", false),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", true),
        ("BinaryEquals", "QmluYXJ5", "QmluYXI=", false),
        ("BinaryEquals", "no base64", "no base64", false),
        ("IpAddress", "203.0.113.0/24", "203.0.113.255", true),
        ("IpAddress", "203.0.113.0/24", "203.0.114.0", false),
        ("IpAddress", "203.0.113.7", "203.0.113.7", true),
        ("IpAddress", "0.0.0.0/0", "203.0.113.7", true),
        ("IpAddress", "2001:db8:1234:5678::/64", "2001:db8:1234:5678::9", true),
        ("IpAddress", "2001:db8:1234:5678::/64", "2001:db8:1234:5679::9", false),
        ("IpAddress", "10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("IpAddress", "::/0", "10.1.2.3", false),
        ("IpAddress", "10.0.0.0/33", "10.0.0.0", false),
        ("IpAddress", "10.0.0.0/8", "here", false),
        ("NotIpAddress", "203.0.113.0/24", "203.0.114.0", true),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.1", false),
        ("ArnEquals", "arn:aws:sns:*:123456789012:t*", "arn:aws:sns:eu-west-1:123456789012:topic", true),
        ("ArnLike", "arn:aws:sns:*:topic", "arn:aws:sns:eu-west-1:123456789012:topic", false),
        ("ArnLike", "arn:aws:sns:*:*:*", "arn:aws:sns:eu-west-1:123456789012:a:b", true),
        ("ArnLike", "arn:aws:sns:eu-west?1:123456789012:t", "arn:aws:sns:eu-west:1:123456789012:t", false),
        ("ArnLike", "*", "arn:aws:sns:eu-west-1:123456789012:topic", true),
        ("ArnLike", "arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a:b/c", true),
        ("ArnNotEquals", "arn:aws:sns:*:*:a", "arn:aws:sns:eu-west-1:123456789012:a", false),
        ("ArnNotLike", "arn:aws:sns:*:*:a", "arn:aws:sns:eu-west-1:123456789012:b", true),
        ("Null", "true", "a", false),
        ("Null", "false", "a", true),
        ("StringEqualsIfExists", "a", "b", false),
        ("StringEquals", "${*}", "*", true),
        ("StringLike", "a${*}", "ab", false),
        ("StringEquals", "${aws:k}", "${aws:k}", false),
        ("StringEquals", "${aws:missing, 'x'}", "x", true),
        ("ForAnyValue:StringEquals", "a", "a", true),
        ("ForAllValues:StringLike", "a*", "b", false),
    ];
    for (operator, wanted, value, expected) in cases {
        let block = format!(r#"{{"{operator}":{{"AWS:Key":"{wanted}"}}}}"#);
        assert_eq!(holds(&block, &[("aws:key", &[value])]), expected, "{operator} {wanted} {value}");
    }
}

#[test]
fn missing_keys_fail_but_under_negation_and_if_exists() {
    for (operator, wanted, expected) in [
        ("StringEquals", "a", false),
        ("StringLike", "*", false),
        ("StringNotEquals", "a", true),
        ("ArnNotLike", "arn:aws:sns:*:*:*", true),
        ("NotIpAddress", "10.0.0.0/8", true),
        ("StringEqualsIfExists", "a", true),
        ("NumericLessThanIfExists", "1", true),
        ("ForAllValues:StringEquals", "a", true),
        ("ForAnyValue:StringEquals", "a", false),
        ("ForAnyValue:StringNotEquals", "a", false),
        ("ForAnyValue:StringEqualsIfExists", "a", true),
        ("Null", "true", true),
        ("Null", "false", false),
        ("Bool", "false", false),
    ] {
        let block = format!(r#"{{"{operator}":{{"aws:key":"{wanted}"}}}}"#);
        assert_eq!(holds(&block, &[("aws:other", &["x"])]), expected, "{operator}");
        assert_eq!(holds(&block, &[("aws:key", &[])]), expected, "{operator} of no values");
    }
}

#[test]
fn sets_of_values_are_compared_as_published() {
    for (operator, wanted, values, expected) in [
        ("ForAllValues:StringEquals", r#"["a","b"]"#, &["a", "b"][..], true),
        ("ForAllValues:StringEquals", r#"["a","b"]"#, &["a", "c"], false),
        ("ForAllValues:StringNotEquals", r#"["a","b"]"#, &["c", "d"], true),
        ("ForAllValues:StringNotEquals", r#"["a","b"]"#, &["c", "a"], false),
        ("ForAnyValue:StringEquals", r#"["a","b"]"#, &["c", "b"], true),
        ("ForAnyValue:StringEquals", r#"["a","b"]"#, &["c", "d"], false),
        ("ForAnyValue:StringNotEquals", r#"["a","b"]"#, &["a", "c"], true),
        ("ForAnyValue:StringNotEquals", r#"["a","b"]"#, &["a", "b"], false),
        ("StringEquals", r#"["a","b"]"#, &["b"], true),
        ("StringNotEquals", r#"["a","b"]"#, &["b"], false),
        ("StringNotEquals", r#"["a","b"]"#, &["c"], true),
        ("StringEquals", "[]", &["a"], false),
    ] {
        let block = format!(r#"{{"{operator}":{{"aws:TagKeys":{wanted}}}}}"#);
        assert_eq!(holds(&block, &[("aws:tagkeys", values)]), expected, "{operator} {wanted} {values:?}");
    }
    // Several keys and several operators must all hold.
    let block =
        r#"{"StringEquals":{"aws:a":"1","aws:b":"2"},"Bool":{"aws:c":true},"NumericEquals":{"aws:d":3}}"#;
    let all: [(&str, &[&str]); 4] =
        [("aws:a", &["1"]), ("aws:b", &["2"]), ("aws:c", &["true"]), ("aws:d", &["3"])];
    assert!(holds(block, &all));
    for missing in 0..all.len() {
        let some: Vec<_> = (0..all.len()).filter(|at| *at != missing).map(|at| all[at]).collect();
        assert!(!holds(block, &some));
    }
}

#[test]
fn a_condition_that_does_not_hold_takes_its_statement_away() {
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    let policies =
        [super::super::Attached { id: "p".into(), document: Document::identity(text).unwrap().into() }];
    let requester = Requester::Service { name: "x.amazonaws.com".into() };
    for (secure, allowed) in [("true", true), ("false", false)] {
        let context = context(&[("aws:SecureTransport", &[secure])]);
        let question =
            Question { action: "s3:GetObject", resource: "*", requester: &requester, context: &context };
        let applicable = super::super::Applicable {
            identity: Identity::Policies(&policies),
            boundary: None,
            session: None,
            resource: None,
            cross_account: false,
            trust_needed: false,
        };
        assert_eq!(decide(&question, &applicable).is_ok(), allowed, "{secure}");
    }
}
