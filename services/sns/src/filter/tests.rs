//! Filter policies: what they let through, and what is refused when one is set.

use super::*;
use hearth_wire::Failure;
use serde_json::json;

fn policy(text: &str, scope: Scope) -> Result<Option<Policy>, Failure> {
    read(text, scope)
}

fn passes(policy_text: &Value, message: &Value, scope: Scope) -> bool {
    let policy = policy(&policy_text.to_string(), scope).unwrap().unwrap();
    let mut sent = Message::default();
    if scope == Scope::Attributes {
        for (name, value) in message.as_object().unwrap() {
            let (data_type, value) = match value {
                Value::Array(_) => ("String.Array", value.to_string()),
                Value::Number(_) => ("Number", value.to_string()),
                value => ("String", value.as_str().unwrap().to_owned()),
            };
            sent.attributes.insert(name.clone(), Attribute { data_type: data_type.to_owned(), value });
        }
        return policy.matches(&sent, "");
    }
    policy.matches(&sent, &message.to_string())
}

/// After the examples of <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html> and its neighbours.
#[test]
fn attributes_match_as_the_guide_says() {
    for (policy, message, wanted) in [
        (json!({"k": ["rugby"]}), json!({"k": "rugby"}), true),
        (json!({"k": ["rugby", "tennis"]}), json!({"k": "tennis"}), true),
        (json!({"k": ["rugby"]}), json!({"k": "Rugby"}), false),
        (json!({"k": ["rugby"]}), json!({"other": "rugby"}), false),
        (json!({"k": ["rugby"]}), json!({"k": ["golf", "rugby"]}), true),
        (json!({"a": ["x"], "b": ["y"]}), json!({"a": "x", "b": "y"}), true),
        (json!({"a": ["x"], "b": ["y"]}), json!({"a": "x", "b": "z"}), false),
        (json!({"k": [{"anything-but": ["rugby", "tennis"]}]}), json!({"k": "golf"}), true),
        (json!({"k": [{"anything-but": ["rugby", "tennis"]}]}), json!({"k": "tennis"}), false),
        (json!({"k": [{"anything-but": ["rugby"]}]}), json!({}), false),
        (json!({"k": [{"anything-but": "rugby"}]}), json!({"k": ["rugby", "golf"]}), true),
        (json!({"k": [{"anything-but": [100]}]}), json!({"k": 100}), false),
        (json!({"k": [{"anything-but": {"prefix": "order-"}}]}), json!({"k": "order-1"}), false),
        (json!({"k": [{"anything-but": {"prefix": "order-"}}]}), json!({"k": "offer-1"}), true),
        (json!({"k": [{"equals-ignore-case": "tennis"}]}), json!({"k": "TENNIS"}), true),
        (json!({"k": [{"prefix": "bas"}]}), json!({"k": "baseball"}), true),
        (json!({"k": [{"prefix": "bas"}]}), json!({"k": "rugby"}), false),
        (json!({"k": [{"suffix": "ball"}]}), json!({"k": "baseball"}), true),
        (json!({"k": [{"cidr": "10.0.0.0/24"}]}), json!({"k": "10.0.0.255"}), true),
        (json!({"k": [{"cidr": "10.0.0.0/24"}]}), json!({"k": "10.1.1.0"}), false),
        (json!({"k": [{"cidr": "0.0.0.0/0"}]}), json!({"k": "10.1.1.0"}), true),
        (json!({"k": [{"cidr": "2001:db8::/32"}]}), json!({"k": "2001:db8::1"}), true),
        (json!({"k": [301.5]}), json!({"k": 301.5}), true),
        (json!({"k": [301.5]}), json!({"k": "301.5"}), false),
        (json!({"k": [{"numeric": ["=", 301.5]}]}), json!({"k": 3.015e2}), true),
        (json!({"k": [{"numeric": [">", 0, "<=", 150]}]}), json!({"k": 150}), true),
        (json!({"k": [{"numeric": [">", 0, "<=", 150]}]}), json!({"k": 0}), false),
        (json!({"k": [{"numeric": ["<", 0]}]}), json!({"k": -1}), true),
        (json!({"k": [{"exists": true}]}), json!({"k": "any"}), true),
        (json!({"k": [{"exists": true}]}), json!({}), false),
        (json!({"k": [{"exists": false}]}), json!({}), true),
        (json!({"k": [{"exists": false}]}), json!({"k": "any"}), false),
        (json!({"$or": [{"a": ["x"]}, {"b": ["y"]}]}), json!({"b": "y"}), true),
        (json!({"$or": [{"a": ["x"]}, {"b": ["y"]}]}), json!({"b": "x"}), false),
        (json!({"s": ["q"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}), json!({"a": "x"}), false),
    ] {
        assert_eq!(passes(&policy, &message, Scope::Attributes), wanted, "{policy} {message}");
    }
}

#[test]
fn bodies_match_through_their_levels() {
    for (policy, message, wanted) in [
        (json!({"a": {"b": ["x"]}}), json!({"a": {"b": "x"}}), true),
        (json!({"a": {"b": ["x"]}}), json!({"a": [{"b": "y"}, {"b": "x"}]}), true),
        (json!({"a": {"b": ["x"]}}), json!({"a": "x"}), false),
        (json!({"a": [true]}), json!({"a": true}), true),
        (json!({"a": [null]}), json!({"a": null}), true),
        (json!({"a": {"b": [{"exists": false}]}}), json!({"a": {"c": 1}}), true),
        (json!({"a": {"$or": [{"b": [1]}, {"c": [{"numeric": [">", 5]}]}]}}), json!({"a": {"c": 6}}), true),
    ] {
        assert_eq!(passes(&policy, &message, Scope::Body), wanted, "{policy} {message}");
    }
    let policy = policy(r#"{"a":[{"exists":false}]}"#, Scope::Body).unwrap().unwrap();
    assert!(!policy.matches(&Message::default(), "not JSON"));
}

#[test]
fn wrong_policies_are_refused() {
    let many = json!({"a": [1], "b": [1], "c": [1], "d": [1], "e": [1], "f": [1]}).to_string();
    let numbers: Vec<u32> = (0..151).collect();
    let complex = json!({"a": numbers}).to_string();
    for (text, words) in [
        ("{", "failed to parse JSON"),
        ("[]", "must be a JSON object"),
        (r#"{"a":"x"}"#, "\"a\" must be an object or an array"),
        (r#"{"a":[]}"#, "Empty arrays are not allowed"),
        (r#"{"a":[{"sounds-like":"x"}]}"#, "Unrecognized match type sounds-like"),
        (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a":[{"prefix":1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"exists":"yes"}]}"#, "exists match pattern must be either true or false."),
        (r#"{"a":[{"numeric":["~",1]}]}"#, "Unrecognized numeric range operator: ~"),
        (r#"{"a":[{"numeric":["<","x"]}]}"#, "Value of < must be numeric"),
        (r#"{"a":[{"numeric":[">",5,"<",1]}]}"#, "Bottom must be less than top"),
        (r#"{"a":[{"cidr":"10.0.0.0"}]}"#, "Malformed CIDR"),
        (r#"{"a":[{"anything-but":[]}]}"#, "Empty arrays are not allowed"),
        (r#"{"a":{"b":["x"]}}"#, "does not support nested filter policy"),
        (&many, "can not have more than 5 keys"),
        (&complex, "too complex"),
    ] {
        let failure = policy(text, Scope::Attributes).unwrap_err();
        assert!(failure.message.starts_with("Invalid parameter: "), "{text}: {}", failure.message);
        assert!(failure.message.contains(words), "{text}: {}", failure.message);
    }
    assert!(policy("{}", Scope::Attributes).unwrap().is_none());
}
