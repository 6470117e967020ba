//! The guide's own examples, the corners around them, and the promise never to panic.

use super::*;
use proptest::prelude::*;

fn matches(pattern: &str, message: &str) -> bool {
    FilterPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(message)
}

/// For each pattern: which of the messages, by number, it asks for.
fn assert_matches(messages: &[&str], cases: &[(&str, &[usize])]) {
    for (pattern, expected) in cases {
        let found: Vec<usize> =
            (0..messages.len()).filter(|index| matches(pattern, messages[*index])).collect();
        assert_eq!(&found, expected, "{pattern}");
    }
}

#[test]
fn terms() {
    let messages = [
        "[ERROR 400] BAD REQUEST",
        "[ERROR 401] UNAUTHORIZED REQUEST",
        "[ERROR 419] MISSING ARGUMENTS",
        "[ERROR 500] INTERNAL SERVER ERROR",
        "[INFO] INVALID ARGUMENTS PROVIDED",
        "[WARN] request took 5 ms, 100% \"done\"",
    ];
    assert_matches(
        &messages,
        &[
            ("", &[0, 1, 2, 3, 4, 5]),
            ("\" \"", &[0, 1, 2, 3, 4, 5]),
            ("\"\"", &[0, 1, 2, 3, 4, 5]),
            ("ERROR", &[0, 1, 2, 3]),
            ("error", &[]),
            ("ERROR ARGUMENTS", &[2]),
            ("?ERROR ?ARGUMENTS", &[0, 1, 2, 3, 4]),
            ("?ERROR ?ARGUMENTS REQUEST", &[0, 1]),
            ("?ERROR ?WARN -ARGUMENTS", &[0, 1, 3, 5]),
            ("\"INTERNAL SERVER ERROR\"", &[3]),
            ("\"SERVER INTERNAL\"", &[]),
            ("ERROR -ARGUMENTS", &[0, 1, 3]),
            ("\"ERROR\" - \"BAD\"", &[1, 2, 3]),
            ("-ERROR", &[4, 5]),
            ("\"\\\"done\\\"\"", &[5]),
            ("%AUTHORIZED%", &[1]),
            ("%^\\[ERROR 4\\d{2}\\]%", &[0, 1, 2]),
            ("%ARGUMENTS$|BAD%", &[0, 2]),
            ("%\\x25%", &[5]),
            ("ERROR %[45]00%", &[0, 3]),
            ("%colou?r%", &[]),
        ],
    );
}

#[test]
fn json_conditions() {
    let messages = [
        r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
            "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true}"#,
        r#"{"eventType": "PutEvent", "latency": 120.5, "errorCode": 400, "numbers": [0.001, 20], "account": 123456789012345678,
            "a.b": {"c d": "deep"}, "ThisFlag": false, "empty": "", "users": [1, 2, 3], "user_id": "404"}"#,
        "not { json",
        "UpdateTrail",
    ];
    assert_matches(
        &messages,
        &[
            ("{ $.eventType = \"UpdateTrail\" }", &[0]),
            ("{$.eventType=UpdateTrail}", &[0]),
            ("{ $.eventType != \"UpdateTrail\" }", &[1]),
            ("{ $.eventType = *Event }", &[1]),
            ("{ $.eventType = \"Up*\" }", &[0]),
            ("{ $.eventType = Up*Trail }", &[]),
            ("{ $.eventType = * }", &[0, 1]),
            ("{ $.sourceIPAddress != 123.123.* }", &[0]),
            ("{ $.arrayKey[0] = \"value\" }", &[0]),
            ("{ $.arrayKey[1] = \"value\" }", &[]),
            ("{ $.arrayKey[*] = \"another*\" }", &[0]),
            ("{ $.objectList[1].id = 2 }", &[0]),
            ("{ $.SomeObject IS NULL }", &[0]),
            ("{ $.SomeOtherObject NOT EXISTS }", &[0, 1]),
            ("{ $.SomeObject NOT EXISTS }", &[1]),
            ("{ $.ThisFlag IS TRUE }", &[0]),
            ("{ $.ThisFlag IS FALSE }", &[1]),
            ("{ $.latency >= 120.5 }", &[1]),
            ("{ $.latency > 120.5 }", &[]),
            ("{ $.latency < 1.21e2 }", &[1]),
            ("{ $.latency > +100 && $.latency <= 200 }", &[1]),
            ("{ $.latency = * }", &[1]),
            ("{ $.errorCode = 400 }", &[1]),
            ("{ $.errorCode = 4.0e2 }", &[1]),
            ("{ $.errorCode = 4* }", &[1]),
            ("{ $.errorCode = \"400\" }", &[1]),
            ("{ $.errorCode != 500 }", &[1]),
            ("{ $.numbers[0] = 1e-3 }", &[1]),
            ("{ $.numbers[0] != 1e+3 }", &[1]),
            ("{ $.numbers[2] NOT EXISTS }", &[0, 1]),
            ("{ $.account = 123456789012345678 }", &[1]),
            ("{ $.account = 123456789012345679 }", &[]),
            ("{ $.['a.b'].['c d'] = deep }", &[1]),
            ("{ $['a.b'][\"c d\"] = \"deep\" }", &[1]),
            ("{ $.empty = \"\" }", &[1]),
            ("{ $.users = 1 }", &[]),
            ("{ $.users != 1 }", &[]),
            ("{ $.missing != 1 }", &[]),
            ("{ $.user_id > 400 }", &[]),
            ("{ $.eventType = %^Put|Trail$% }", &[0, 1]),
            ("{ $.sourceIPAddress = %^[0-9.]+$% && $.eventType = %Trail% }", &[0]),
        ],
    );
}

#[test]
fn json_compounds() {
    let message = [r#"{"user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]}"#];
    assert_matches(
        &message,
        &[
            ("{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }", &[0]),
            ("{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"GET\" }", &[]),
            (
                "{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }",
                &[0],
            ),
            (
                "{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }",
                &[],
            ),
            ("{ (($.coordinates[1][2] = 6)) }", &[0]),
        ],
    );
}

#[test]
fn space_delimited_fields() {
    let messages = [
        "127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534",
        "127.0.0.1 - bob [10/Oct/2000:13:35:22 -0700] \"GET /apache_pb.gif HTTP/1.0\" 500 5324",
        "127.0.0.1  -\tann [10/Oct/2000:13:50:35 -0700] \"GET /page.html HTTP/1.0\" 410 0",
        "ERROR WARN message",
        "ERROR message",
        "WARN message",
        "an \"unterminated field",
    ];
    assert_matches(
        &messages,
        &[
            ("[ip, user, username, timestamp, request, status_code, bytes]", &[0, 1, 2]),
            ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", &[0, 2]),
            ("[..., request =*.html*, status_code = 4*, bytes]", &[0, 2]),
            ("[..., request=*.html*, status_code=4*,]", &[0, 2]),
            ("[..., status_code = 404 || status_code = 410, bytes]", &[0, 2]),
            ("[ip, user, ..., status_code, bytes > 1000]", &[0, 1]),
            ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 410, bytes]", &[0]),
            ("[..., code = 4* && code != 410, bytes]", &[0]),
            ("[ip = \"127.0.0.1\", ...]", &[0, 1, 2]),
            ("[ip = %^127%, user = \"-\", ...]", &[1, 2]),
            ("[ip, user, username, timestamp = 10/Oct/2000:13:25*, ...]", &[0]),
            ("[w1=ERROR, w2]", &[4]),
            ("[w1=ERROR || W1=WARN, w2]", &[4, 5]),
            ("[w1!=ERROR && w1!=WARN, w2, w3]", &[6]),
            ("[w1, w2, w3]", &[3, 6]),
            ("[(w1=ERROR || w1=WARN) && w1!=WARN, ...]", &[3, 4]),
            ("[...]", &[0, 1, 2, 3, 4, 5, 6]),
        ],
    );
}

#[test]
fn what_is_no_pattern_is_refused_in_words() {
    let cases = [
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("[a, b", "If a filter pattern starts with '[' it must end with ']'"),
        ("email@example.com", "Invalid character(s) in term 'email@example.com'"),
        ("ERR*", "Invalid character(s) in term 'ERR*'"),
        ("?", "Invalid character(s) in term ''"),
        ("%some(thing)%", "Invalid character(s) in term '%some(thing)%'"),
        ("%something!%", "Invalid character(s) in term '%something!%'"),
        ("%é%", "Invalid character(s) in term '%é%'"),
        ("%\\b%", "Invalid character(s) in term '%\\b%'"),
        ("%[%", "Invalid filter pattern"),
        ("%a% %b% %c%", "Invalid filter pattern"),
        ("%unclosed", "Invalid filter pattern"),
        ("\"unclosed", "Invalid filter pattern"),
        ("{}", "Invalid filter pattern"),
        ("{ $ = 1 }", "Invalid filter pattern"),
        ("{ $.a }", "Invalid filter pattern"),
        ("{ a = 1 }", "Invalid filter pattern"),
        ("{ $.a == 1 }", "Invalid filter pattern"),
        ("{ $.a > x }", "Invalid filter pattern"),
        ("{ $.a = joe@example.com }", "Invalid filter pattern"),
        ("{ $.a IS NOT NULL }", "Invalid filter pattern"),
        ("{ $.a EXISTS }", "Invalid filter pattern"),
        ("{ $.a[x] = 1 }", "Invalid filter pattern"),
        ("{ $.a = 1 && }", "Invalid filter pattern"),
        ("{ ($.a = 1 }", "Invalid filter pattern"),
        ("[..., a, ...]", "Invalid filter pattern"),
        ("[a = 1 && b = 2]", "Invalid filter pattern"),
        ("[a b]", "Invalid filter pattern"),
    ];
    for (pattern, message) in cases {
        assert_eq!(FilterPattern::parse(pattern).expect_err(pattern).to_string(), message, "{pattern}");
    }
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
    assert_eq!(FilterPattern::parse(&deep).expect_err("too deep"), InvalidFilterPattern::Syntax);
    assert!(FilterPattern::parse(&"a".repeat(PATTERN_CHARS_MAX + 1)).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(pattern in "[{\\[%?-]?[ $.a1\"'%&|()\\[\\]{}=!<>*,\\\\é-]{0,40}[}\\]%\"]?", message in ".{0,60}") {
        if let Ok(pattern) = FilterPattern::parse(&pattern) {
            pattern.matches(&message);
        }
    }

    #[test]
    fn any_words_in_quotes_are_found_where_they_stand(words in "[a-zA-Z0-9@:/.{}\\[\\]% -]{1,30}", before in ".{0,10}", after in ".{0,10}") {
        let pattern = FilterPattern::parse(&format!("\"{words}\"")).expect("quotes take any text");
        let message = format!("{before}{words}{after}");
        prop_assert!(pattern.matches(&message));
    }
}
