//! The grammar, AWS's published cases of evaluation, and what must hold of every policy.

use super::*;
use hearth_base::AccountId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const ACCOUNT: &str = "123456789012";

fn attached(id: &str, text: &str) -> Attached {
    let document = Document::parse(text).unwrap_or_else(|malformed| panic!("{text}: {malformed}"));
    Attached { id: id.into(), document: Arc::new(document) }
}

/// A policy of the statements given, with `'` for `"`.
fn policy(statements: &str) -> Attached {
    attached("p", &format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.replace('\'', "\"")))
}

fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

fn user() -> Requester {
    Requester::User {
        account: account(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/team/alice"),
        id: "AIDAALICE0000000".into(),
    }
}

fn session() -> Requester {
    Requester::Session {
        account: account(),
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/service-role/r"),
        role_id: "AROAROLE00000000".into(),
        session_arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/s"),
    }
}

#[test]
fn malformed_documents_are_refused_in_iams_words() {
    type Reader = fn(&str) -> Result<Document, Malformed>;
    let (identity, resource, trust): (Reader, Reader, Reader) =
        (Document::identity, Document::resource, Document::trust);
    let allow = |rest: &str| format!("{{'Version':'2012-10-17','Statement':{{'Effect':'Allow',{rest}}}}}");
    let syntax = "Syntax errors in policy.";
    let prefaced = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    let cases: Vec<(Reader, String, &str)> = vec![
        (identity, "{".into(), "This policy contains invalid Json"),
        (
            identity,
            "{'Version':'2012-10-17','Version':'2012-10-17'}".into(),
            "This policy contains invalid Json",
        ),
        (identity, "[]".into(), syntax),
        (identity, "{'Version':'2012-10-17'}".into(), syntax),
        (identity, "{'Version':'2012-10-17','Statement':[]}".into(), syntax),
        (identity, "{'Version':'2020-01-01','Statement':{}}".into(), syntax),
        (identity, "{'Statement':{'Effect':'Permit','Action':'*','Resource':'*'}}".into(), syntax),
        (identity, "{'Statement':{'Action':'*','Resource':'*'}}".into(), syntax),
        (identity, allow("'Action':'*','Resource':'*','Extra':1"), syntax),
        (identity, allow("'Action':'*','NotAction':'*','Resource':'*'"), syntax),
        (identity, allow("'Action':{},'Resource':'*'"), syntax),
        (identity, allow("'Resource':'*'"), "Policy statement must contain actions."),
        (identity, allow("'Action':[],'Resource':'*'"), "Policy statement must contain actions."),
        (identity, allow("'Action':'s3:*'"), "Policy statement must contain resources."),
        (identity, allow("'Action':'s3:*','Resource':[]"), "Policy statement must contain resources."),
        (identity, allow("'Action':'GetObject','Resource':'*'"), prefaced),
        (
            identity,
            allow("'Action':'s3:Get:Object','Resource':'*'"),
            "Actions/Condition can contain only one colon.",
        ),
        (identity, allow("'Action':'s*:Get','Resource':'*'"), "Vendor s* is not valid"),
        (
            identity,
            allow("'Action':'s3:*','Resource':'bucket'"),
            "Resource bucket must be in ARN format or \"*\".",
        ),
        (
            identity,
            allow("'Action':'s3:*','Resource':'arn:aws:s3'"),
            "Resource arn:aws:s3 must be in ARN format or \"*\".",
        ),
        (
            identity,
            allow("'Action':'s3:*','Resource':'arn:x:x:::b'"),
            "Partition \"x\" is not valid for resource \"arn:x:x:::b\".",
        ),
        (identity, allow("'Action':'s3:*','Resource':'arn:aws:s3:::${aws:username'"), syntax),
        (
            identity,
            allow("'Principal':'*','Action':'s3:*','Resource':'*'"),
            "Policy document should not specify a principal.",
        ),
        (
            identity,
            allow("'Action':'s3:*','Resource':'*','Condition':{'StringIs':{'aws:a':'b'}}"),
            "Invalid Condition type : StringIs.",
        ),
        (
            identity,
            allow("'Action':'s3:*','Resource':'*','Condition':{'NullIfExists':{'aws:a':'b'}}"),
            "Invalid Condition type : NullIfExists.",
        ),
        (identity, allow("'Action':'s3:*','Resource':'*','Condition':{'Bool':{'a':'b'}}"), prefaced),
        (identity, allow("'Action':'s3:*','Resource':'*','Condition':{'Bool':{'aws:a':{}}}"), syntax),
        (
            identity,
            allow("'Sid':'a b','Action':'s3:*','Resource':'*'"),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (
            identity,
            "{'Statement':[{'Sid':'a','Effect':'Deny','Action':'*','Resource':'*'},\
             {'Sid':'a','Effect':'Deny','Action':'*','Resource':'*'}]}"
                .into(),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (resource, allow("'Action':'s3:*','Resource':'*'"), "Missing required field Principal"),
        (
            resource,
            allow("'Principal':{'AWS':'alice'},'Action':'s3:*','Resource':'*'"),
            "Invalid principal in policy: \"AWS\":\"alice\"",
        ),
        (
            resource,
            allow("'Principal':{'AWS':'arn:aws:iam::123456789012:role/*'},'Action':'s3:*','Resource':'*'"),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:role/*\"",
        ),
        (
            resource,
            allow("'Principal':{'Human':'me'},'Action':'s3:*','Resource':'*'"),
            "Invalid principal in policy: \"Human\":\"me\"",
        ),
        (
            resource,
            allow("'NotPrincipal':'*','Action':'s3:*','Resource':'*'"),
            "Allow with NotPrincipal is not allowed.",
        ),
        (trust, allow("'Action':'sts:AssumeRole'"), "Missing required field Principal"),
        (
            trust,
            allow("'Principal':{'Service':'lambda.amazonaws.com'},'Action':'sts:AssumeRole','Resource':'*'"),
            "Has prohibited field Resource",
        ),
        (
            trust,
            allow("'Principal':{'Service':'lambda.amazonaws.com'},'Action':'s3:*'"),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
    ];
    for (read, text, expected) in cases {
        let text = text.replace('\'', "\"");
        let told =
            read(&text).map(|document| document.to_string()).map_err(|malformed| malformed.to_string());
        assert_eq!(told.unwrap_err(), expected, "{text}");
    }
    assert!(Document::parse(&format!("{{\"Id\":\"{}\"}}", "x".repeat(200_000))).is_err());
}

#[test]
fn what_iam_takes_is_taken() {
    for text in [
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2008-10-17","Id":"x","Statement":[{"Sid":"","Effect":"Deny","NotAction":["iam:*"],"NotResource":["arn:aws:logs:*:*:*"]}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:${aws:p}:s3:::b"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*",
            "Condition":{"Null":{"aws:TokenIssueTime":true},"StringLike":{"accounts.google.com:aud":["a"]}}}]}"#,
    ] {
        Document::identity(text).unwrap_or_else(|malformed| panic!("{text}: {malformed}"));
    }
    Document::trust(
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com"],
        "AWS":["123456789012","arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:user/a/b","AIDAALICE0000000"],
        "Federated":"cognito-identity.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#,
    )
    .unwrap();
    let spread = "{\n \"Statement\": [\n  {\"Effect\":\"Allow\",\"Action\":\"*\",\n   \"Resource\":\"*\"}]}";
    let (begin, end) = Document::identity(spread).unwrap().statements()[0].span();
    assert_eq!((begin.line, begin.column, end.line, end.column), (3, 3, 4, 19));
}

#[test]
fn context_keys_are_those_of_conditions_and_variables() {
    let policy = policy(
        "{'Effect':'Allow','Action':'s3:*','Resource':'arn:aws:s3:::b/${aws:username}/*','Condition':\
         {'StringEquals':{'aws:PrincipalTag/team':'${aws:userid}','AWS:UserName':'x'}}}",
    );
    assert_eq!(policy.document.context_keys(), ["aws:username", "aws:PrincipalTag/team", "aws:userid"]);
}

/// A case of the evaluation logic: the policies of each kind, and the expected end of the message.
struct Case {
    name: &'static str,
    requester: Requester,
    identity: &'static str,
    boundary: Option<&'static str>,
    session: Option<&'static str>,
    resource: Option<&'static str>,
    cross_account: bool,
    trust: bool,
    expected: &'static str,
}

const ALLOW: &str = "{'Effect':'Allow','Action':'s3:*','Resource':'*'}";
const OTHER: &str = "{'Effect':'Allow','Action':'ec2:*','Resource':'*'}";
const DENY: &str = "{'Effect':'Deny','Action':'s3:Get*','Resource':'arn:aws:s3:::b/*'}";
const TO_ACCOUNT: &str =
    "{'Effect':'Allow','Principal':{'AWS':'123456789012'},'Action':'s3:*','Resource':'*'}";
const TO_ALICE: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/team/alice'},'Action':'s3:*','Resource':'*'}";
const TO_ROLE: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:role/service-role/r'},'Action':'s3:*','Resource':'*'}";
const TO_SESSION: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:sts::123456789012:assumed-role/r/s'},'Action':'s3:*','Resource':'*'}";
const TO_ANYONE: &str = "{'Effect':'Allow','Principal':'*','Action':'s3:*','Resource':'*'}";
const TO_LAMBDA: &str =
    "{'Effect':'Allow','Principal':{'Service':'lambda.amazonaws.com'},'Action':'s3:*','Resource':'*'}";
const DENY_ALICE: &str =
    "{'Effect':'Deny','Principal':{'AWS':'AIDAALICE0000000'},'Action':'s3:*','Resource':'*'}";
const DENY_BUT_ALICE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['arn:aws:iam::123456789012:user/team/alice',\
    'arn:aws:iam::123456789012:root']},'Action':'s3:*','Resource':'*'}";
const DENY_BUT_ROLE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['arn:aws:iam::123456789012:role/service-role/r',\
    '123456789012']},'Action':'s3:*','Resource':'*'}";

const NO_IDENTITY: &str = "because no identity-based policy allows the s3:GetObject action";
const NO_RESOURCE: &str = "because no resource-based policy allows the s3:GetObject action";
const NO_BOUNDARY: &str = "because no permissions boundary allows the s3:GetObject action";
const NO_SESSION: &str = "because no session policy allows the s3:GetObject action";

fn case(name: &'static str, requester: Requester, identity: &'static str, expected: &'static str) -> Case {
    Case {
        name,
        requester,
        identity,
        boundary: None,
        session: None,
        resource: None,
        cross_account: false,
        trust: false,
        expected,
    }
}

fn within_an_account() -> Vec<Case> {
    vec![
        case("nothing allows", user(), OTHER, NO_IDENTITY),
        case("identity allows", user(), ALLOW, ""),
        case(
            "an explicit deny wins",
            user(),
            &*[ALLOW, DENY].join(",").leak(),
            "with an explicit deny in an identity-based policy",
        ),
        Case { boundary: Some(OTHER), ..case("a boundary limits", user(), ALLOW, NO_BOUNDARY) },
        Case { boundary: Some(ALLOW), ..case("a boundary gives nothing", user(), OTHER, NO_IDENTITY) },
        Case { boundary: Some(ALLOW), ..case("both allow", user(), ALLOW, "") },
        Case {
            boundary: Some(DENY),
            ..case("a boundary denies", user(), ALLOW, "with an explicit deny in a permissions boundary")
        },
        Case { session: Some(OTHER), ..case("a session policy limits", session(), ALLOW, NO_SESSION) },
        Case {
            session: Some(ALLOW),
            ..case("a session policy gives nothing", session(), OTHER, NO_IDENTITY)
        },
        Case {
            session: Some(DENY),
            ..case("a session policy denies", session(), ALLOW, "with an explicit deny in a session policy")
        },
        Case { resource: Some(TO_ALICE), ..case("a resource lets a user in", user(), OTHER, "") },
        Case {
            resource: Some(TO_ALICE),
            boundary: Some(OTHER),
            ..case("whatever the boundary is silent about", user(), OTHER, "")
        },
        Case {
            resource: Some(TO_ALICE),
            boundary: Some(DENY),
            ..case("not what it denies", user(), OTHER, "with an explicit deny in a permissions boundary")
        },
        Case { resource: Some(TO_ALICE), ..case("a user is not a role", session(), OTHER, NO_IDENTITY) },
        Case {
            resource: Some(TO_ACCOUNT),
            ..case("the account must give leave itself", user(), OTHER, NO_IDENTITY)
        },
        Case { resource: Some(TO_ACCOUNT), ..case("and may", user(), ALLOW, "") },
        Case { resource: Some(TO_ROLE), ..case("a resource lets a role in", session(), OTHER, "") },
        Case {
            resource: Some(TO_ROLE),
            boundary: Some(OTHER),
            ..case("within its boundary", session(), OTHER, NO_BOUNDARY)
        },
        Case {
            resource: Some(TO_ROLE),
            session: Some(OTHER),
            ..case("and its session policy", session(), OTHER, NO_SESSION)
        },
        Case {
            resource: Some(TO_SESSION),
            boundary: Some(OTHER),
            session: Some(OTHER),
            ..case("a session named is not limited", session(), OTHER, "")
        },
        Case { resource: Some(TO_ANYONE), ..case("everybody is a user too", user(), OTHER, "") },
        Case {
            resource: Some(TO_ANYONE),
            boundary: Some(OTHER),
            ..case("everybody is a role too", session(), OTHER, NO_BOUNDARY)
        },
        Case {
            resource: Some(DENY_ALICE),
            ..case(
                "a resource denies by id",
                user(),
                ALLOW,
                "with an explicit deny in a resource-based policy",
            )
        },
        Case { resource: Some(DENY_BUT_ALICE), ..case("who is spared with its account", user(), ALLOW, "") },
        Case {
            resource: Some(DENY_BUT_ALICE),
            ..case("who is not spared", session(), ALLOW, "with an explicit deny in a resource-based policy")
        },
        Case {
            resource: Some(DENY_BUT_ROLE),
            ..case(
                "a session is spared by all its names only",
                session(),
                ALLOW,
                "with an explicit deny in a resource-based policy",
            )
        },
        Case { resource: Some(ALLOW), ..case("a statement that names nobody", user(), OTHER, NO_IDENTITY) },
    ]
}

fn across_accounts_and_roles() -> Vec<Case> {
    let across = |case: Case| Case { cross_account: true, ..case };
    let trust = |case: Case| Case { trust: true, ..case };
    let lambda = || Requester::Service { name: "lambda.amazonaws.com".into() };
    let root = || Requester::Root { account: account(), arn: format!("arn:aws:iam::{ACCOUNT}:root") };
    vec![
        across(case("another account's resource is silent", user(), ALLOW, NO_RESOURCE)),
        across(Case { resource: Some(TO_ALICE), ..case("both must allow", user(), ALLOW, "") }),
        across(Case { resource: Some(TO_ALICE), ..case("one is not enough", user(), OTHER, NO_IDENTITY) }),
        across(Case {
            resource: Some(TO_ACCOUNT),
            ..case("the account is enough across", user(), ALLOW, "")
        }),
        across(Case {
            resource: Some(TO_ANYONE),
            boundary: Some(OTHER),
            ..case("a boundary limits across", user(), ALLOW, NO_BOUNDARY)
        }),
        across(Case {
            resource: Some(TO_SESSION),
            session: Some(OTHER),
            ..case("a session policy limits across", session(), ALLOW, NO_SESSION)
        }),
        case("root may", root(), "", ""),
        Case {
            resource: Some(
                "{'Effect':'Deny','Principal':{'AWS':'123456789012'},'Action':'*','Resource':'*'}",
            ),
            ..case("root denied", root(), "", "with an explicit deny in a resource-based policy")
        },
        across(case("root is nobody elsewhere", root(), "", NO_RESOURCE)),
        across(Case { resource: Some(TO_ACCOUNT), ..case("unless let in", root(), "", "") }),
        case("a service may nothing by itself", lambda(), "", NO_RESOURCE),
        Case { resource: Some(TO_LAMBDA), ..case("a service let in", lambda(), "", "") },
        Case {
            resource: Some(TO_ACCOUNT),
            ..case("a service is not its account", lambda(), "", NO_RESOURCE)
        },
        Case { resource: Some(TO_ANYONE), ..case("everybody is a service too", lambda(), "", "") },
        trust(Case {
            resource: Some(TO_ACCOUNT),
            ..case("trusted by account and allowed", user(), ALLOW, "")
        }),
        trust(Case {
            resource: Some(TO_ACCOUNT),
            ..case("trusted by account only", user(), OTHER, NO_IDENTITY)
        }),
        trust(Case { resource: Some(TO_ALICE), ..case("trusted by name", user(), OTHER, "") }),
        trust(Case {
            resource: Some(TO_LAMBDA),
            ..case(
                "allowed but not trusted",
                user(),
                ALLOW,
                "because no role trust policy allows the s3:GetObject action",
            )
        }),
        trust(Case {
            resource: Some(DENY_ALICE),
            ..case("denied by trust", user(), ALLOW, "with an explicit deny in the role trust policy")
        }),
    ]
}

#[test]
fn the_published_logic_decides() {
    for case in within_an_account().into_iter().chain(across_accounts_and_roles()) {
        let identity = [policy(if case.identity.is_empty() { OTHER } else { case.identity })];
        let (boundary, resource) = (case.boundary.map(policy), case.resource.map(policy));
        let session = case.session.map(|text| vec![policy(text)]);
        let identity = match &case.requester {
            Requester::Root { .. } => Identity::Root,
            Requester::Service { .. } | Requester::Federated { .. } => Identity::None,
            _ => Identity::Policies(&identity),
        };
        let applicable = Applicable {
            identity,
            boundary: boundary.as_ref(),
            session: session.as_deref(),
            resource: resource.as_ref(),
            cross_account: case.cross_account,
            trust_needed: case.trust,
        };
        let (action, resource) = ("s3:GetObject", "arn:aws:s3:::b/k");
        let question = Question { action, resource, requester: &case.requester, context: &() };
        let told = decide(&question, &applicable).err().map_or(String::new(), |denial| denial.reason(action));
        assert_eq!(told, case.expected, "{}", case.name);
        let explained = explain(&question, &applicable).decision;
        assert_eq!(explained.err().map_or(String::new(), |denial| denial.reason(action)), case.expected);
    }
}

fn allows(statements: &str, action: &str, resource: &str, context: &dyn Context) -> bool {
    let policies = [policy(statements)];
    let applicable = Applicable {
        identity: Identity::Policies(&policies),
        boundary: None,
        session: None,
        resource: None,
        cross_account: false,
        trust_needed: false,
    };
    decide(&Question { action, resource, requester: &user(), context }, &applicable).is_ok()
}

#[test]
fn actions_and_resources_are_matched() {
    let f = "arn:aws:lambda:us-east-1:123456789012:function:f";
    for (statement, expected) in [
        ("{'Effect':'Allow','Action':'LAMBDA:invokeFUNCTION','Resource':'*'}", true),
        ("{'Effect':'Allow','Action':'lambda:Invoke*','Resource':'arn:aws:lambda:*:*:function:f'}", true),
        (
            "{'Effect':'Allow','Action':'lambda:InvokeFunctio?','Resource':'arn:aws:lambda:*:*:function:g'}",
            false,
        ),
        ("{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}", true),
        ("{'Effect':'Allow','NotAction':['iam:*','lambda:*'],'Resource':'*'}", false),
        ("{'Effect':'Allow','Action':'*','NotResource':'arn:aws:s3:::*'}", true),
        ("{'Effect':'Allow','Action':'*','NotResource':'arn:aws:lambda:*:*:function:*'}", false),
        (
            "{'Effect':'Allow','Action':'*','Resource':'arn:aws:lambda:us-east-1:123456789012:function:F'}",
            false,
        ),
        (
            "{'Effect':'Allow','Action':'*','Resource':'arn:aws:lambda:us-east-1:123456789012:function:${aws:username}'}",
            true,
        ),
        (
            "{'Effect':'Allow','Action':'*','Resource':'arn:aws:lambda:us-east-1:123456789012:function:${aws:none}'}",
            false,
        ),
        (
            "{'Effect':'Allow','Action':'*','NotResource':'arn:aws:lambda:us-east-1:123456789012:function:${aws:none}'}",
            false,
        ),
        (
            "{'Effect':'Allow','Action':'*','Resource':'*'},\
             {'Effect':'Deny','Action':'*','NotResource':'arn:aws:lambda:us-east-1:123456789012:function:${aws:none}'}",
            false,
        ),
    ] {
        let context = BTreeMap::from([("aws:username".to_owned(), vec!["f".to_owned()])]);
        assert_eq!(allows(statement, "lambda:InvokeFunction", f, &context), expected, "{statement}");
    }
}

#[test]
fn an_explanation_names_statements_and_what_is_missing() {
    let text = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},\n\
                {\"Effect\":\"Deny\",\"Action\":\"s3:Put*\",\"Resource\":\"*\"},\
                {\"Effect\":\"Allow\",\"Action\":\"s3:Get*\",\"Resource\":\"*\",\"Condition\":\
                {\"StringEquals\":{\"aws:PrincipalTag/Team\":\"a\"}}}]}";
    let policies = [attached("mine", text)];
    let applicable = Applicable {
        identity: Identity::Policies(&policies),
        boundary: None,
        session: None,
        resource: None,
        cross_account: false,
        trust_needed: false,
    };
    let requester = user();
    let question = Question { action: "s3:GetObject", resource: "*", requester: &requester, context: &() };
    let told = explain(&question, &applicable);
    assert_eq!(told.decision, Ok(()));
    assert_eq!(told.missing.into_iter().collect::<Vec<_>>(), ["aws:PrincipalTag/Team"]);
    let [matched] = told.matched.as_slice() else { panic!("{:?}", told.matched) };
    assert_eq!((&*matched.policy, matched.source, matched.effect), ("mine", Source::Identity, Effect::Allow));
    assert_eq!(matched.span.0, Place { line: 1, column: 38 });
}

#[test]
fn services_are_known_with_their_region_too() {
    for (named, expected) in [
        ("logs.amazonaws.com", true),
        ("logs.us-east-1.amazonaws.com", true),
        ("logs.amazonaws.com.evil.com", false),
        ("s3.amazonaws.com", false),
    ] {
        let statement =
            format!("{{'Effect':'Allow','Principal':{{'Service':'{named}'}},'Action':'*','Resource':'*'}}");
        let resource = policy(&statement);
        let requester = Requester::Service { name: "logs.amazonaws.com".into() };
        let question =
            Question { action: "s3:PutObject", resource: "*", requester: &requester, context: &() };
        let applicable = Applicable {
            identity: Identity::None,
            boundary: None,
            session: None,
            resource: Some(&resource),
            cross_account: false,
            trust_needed: false,
        };
        assert_eq!(decide(&question, &applicable).is_ok(), expected, "{named}");
    }
}

fn statement() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec!["s3:*", "s3:Get*", "s3:PutObject", "*", "ec2:*"]);
    let resource = prop::sample::select(vec![
        "*",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::${aws:username}/k",
    ]);
    let condition = prop::sample::select(vec![
        "",
        ",'Condition':{'StringEquals':{'aws:a':['1','2']}}",
        ",'Condition':{'StringNotLike':{'aws:b':'x*'},'Null':{'aws:a':'false'}}",
        ",'Condition':{'ForAllValues:StringEquals':{'aws:TagKeys':['t','u']}}",
    ]);
    (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, action, resource, condition).prop_map(
        |(allow, not_action, not_resource, action, resource, condition)| {
            let effect = if allow { "Allow" } else { "Deny" };
            let (action_name, resource_name) =
                (if not_action { "NotAction" } else { "Action" }, if not_resource { "NotResource" } else { "Resource" });
            format!("{{'Effect':'{effect}','{action_name}':'{action}','{resource_name}':['{resource}']{condition}}}")
        },
    )
}

fn circumstances() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    prop::collection::btree_map(
        prop::sample::select(vec!["aws:a", "aws:b", "aws:tagkeys", "aws:username"]).prop_map(str::to_owned),
        prop::collection::vec(prop::sample::select(vec!["1", "x1", "t", "a"]).prop_map(str::to_owned), 1..3),
        0..4,
    )
}

proptest! {
    #[test]
    fn what_holds_of_every_policy(
        statements in prop::collection::vec(statement(), 1..6),
        rotation in 0usize..6,
        context in circumstances(),
        action in prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "ec2:Run"]),
        resource in prop::sample::select(vec!["arn:aws:s3:::a/k", "arn:aws:s3:::b/k", "*"]),
    ) {
        let ask = |statements: &[String]| allows(&statements.join(","), action, resource, &context);
        let allowed = ask(&statements);
        // Order does not matter.
        let mut turned = statements.clone();
        turned.rotate_left(rotation % statements.len());
        prop_assert_eq!(ask(&turned), allowed);
        // A deny wins over whatever else there is.
        let with = |more: &str| { let mut all = statements.clone(); all.push(more.to_owned()); all };
        let denied = ask(&with("{'Effect':'Deny','Action':'*','Resource':'*'}"));
        prop_assert!(!denied);
        // More that allows takes nothing away; more that denies gives nothing.
        let (more, less) =
            ("{'Effect':'Allow','Action':'*','Resource':'*'}", "{'Effect':'Deny','Action':'ec2:*','Resource':'*'}");
        let still = ask(&with(if allowed { more } else { less }));
        prop_assert_eq!(still, allowed);
        // Only what some statement allows alone is allowed.
        if allowed {
            let one_allows = statements.iter().any(|one| ask(std::slice::from_ref(one)));
            prop_assert!(one_allows);
        }
        // One document or many, printed or not, is the same.
        let whole = policy(&statements.join(","));
        let printed = whole.document.to_string();
        let again = Document::parse(&printed).unwrap();
        prop_assert_eq!(again.to_string(), printed);
        let (split, again): (Vec<Attached>, _) =
            (statements.iter().map(|one| policy(one)).collect(), [Attached { id: "again".into(), document: Arc::new(again) }]);
        for policies in [&split[..], &again[..]] {
            let requester = user();
            let question = Question { action, resource, requester: &requester, context: &context };
            let applicable = Applicable {
                identity: Identity::Policies(policies),
                boundary: None,
                session: None,
                resource: None,
                cross_account: false,
                trust_needed: false,
            };
            prop_assert_eq!(decide(&question, &applicable).is_ok(), allowed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"[{}\[\]",:a-zA-Z0-9*$ \\]{0,60}"#) {
        let _ = Document::parse(&text);
    }
}
