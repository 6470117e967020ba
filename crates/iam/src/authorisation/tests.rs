//! What requests come to: resources and condition keys of real operations, denials in AWS's words, calls of services.

use super::*;
use crate::credentials::{AccessKey, Credentials, Options};
use crate::identities::Identities;
use crate::sources::{ResourcePolicies, Sources};
use hearth_api::{Dispatch, lambda, logs};
use hearth_base::{SeededRng, Timestamp, VirtualClock};
use hearth_wire::Structured;
use std::collections::HashMap;

const ACCOUNT: &str = "123456789012";
const F: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";

fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

fn document(statements: &str) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.replace('\'', "\""));
    Arc::new(Document::parse(&text).unwrap_or_else(|malformed| panic!("{text}: {malformed}")))
}

/// One user, alice, and one role, r, with these policies.
struct People {
    policies: Vec<Attached>,
    boundary: Option<Attached>,
    trust: Arc<Document>,
}

impl People {
    fn with(statements: &str) -> Self {
        let trust = "{'Effect':'Allow','Principal':{'Service':'lambda.amazonaws.com'},'Action':'sts:AssumeRole',\
             'Condition':{'StringEquals':{'aws:SourceAccount':'123456789012'}}}";
        Self { policies: vec![attached(document(statements))], boundary: None, trust: document(trust) }
    }

    fn identity(&self, arn: &str, id: &str) -> Option<Arc<IdentityPolicies>> {
        Some(Arc::new(IdentityPolicies {
            arn: arn.into(),
            id: id.into(),
            policies: self.policies.clone(),
            boundary: self.boundary.clone(),
            tags: vec![("Team".to_owned(), "red".to_owned())],
            trust: arn.contains(":role/").then(|| Arc::clone(&self.trust)),
        }))
    }
}

impl Identities for People {
    fn user(&self, of: AccountId, name: &str) -> Option<Arc<IdentityPolicies>> {
        let known = name == "alice" && of == account();
        known.then(|| self.identity("arn:aws:iam::123456789012:user/team/alice", "AIDAALICE")).flatten()
    }

    fn role(&self, of: AccountId, name: &str) -> Option<Arc<IdentityPolicies>> {
        let known = name == "r" && of == account();
        known.then(|| self.identity("arn:aws:iam::123456789012:role/service-role/r", "AROAROLE")).flatten()
    }

    fn group(&self, _of: AccountId, _name: &str) -> Option<Arc<str>> {
        None
    }
}

struct Policies(HashMap<String, Arc<Document>>);

impl ResourcePolicies for Policies {
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        self.0.get(resource_arn).cloned()
    }

    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        if resource_arn == F { vec![("env".to_owned(), "prod".to_owned())] } else { Vec::new() }
    }
}

fn authority(people: People, policies: &[(&str, &str)]) -> Authority {
    let clock = Arc::new(VirtualClock::new(Timestamp::parse_date_time("2026-11-25T12:00:00Z").unwrap()));
    let credentials = Credentials::new(Options {
        account: AccountId::DEVELOPMENT,
        root: AccessKey::development(),
        sealing_key: [7; 32],
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(5)),
    });
    let authority = Authority::new(Arc::new(credentials), clock);
    let policies = policies.iter().map(|(arn, text)| ((*arn).to_owned(), document(text))).collect();
    let sources = Sources::new()
        .with_identities(Arc::new(people))
        .with_resources("lambda", Arc::new(Policies(policies)));
    authority.set_sources(sources);
    authority
}

fn alice() -> Principal {
    Principal::User { account: account(), name: "alice".into(), path: "/team/".into() }
}

fn role() -> Principal {
    Principal::AssumedRole { account: account(), role: "r".into(), session: "s".into() }
}

fn caller(principal: Principal) -> Caller {
    let account = principal.account().unwrap();
    Caller { principal, account, region: "eu-west-1".parse().unwrap(), session: None }
}

fn ask(operation: &str, input: &Value) -> Ask<'static> {
    let tables =
        lambda::AUTHORISATION.iter().chain(logs::AUTHORISATION).chain(hearth_api::sts::AUTHORISATION);
    let authorisation = tables.into_iter().find(|line| line.operation == operation).unwrap();
    // A test's input lives as long as the test run.
    let input: &'static Value = Box::leak(Box::new(input.clone()));
    Ask {
        authorisation,
        input,
        dialect: Dialect::RestJson,
        request_id: RequestId::new(&SeededRng::new(1)),
        endpoint: "http://localhost".into(),
        client: Client { address: "203.0.113.7".parse().ok(), user_agent: Some("aws-cli/2".into()) },
    }
}

fn invoke(name: &str, qualifier: Option<&str>) -> Value {
    let request = lambda::InvocationRequest {
        function_name: Some(name.to_owned()),
        qualifier: qualifier.map(str::to_owned),
        ..Default::default()
    };
    Value::Structure(request.into_slots())
}

fn told(authority: &Authority, principal: Principal, ask: Ask<'_>) -> String {
    authority.authorise(caller(principal), ask).err().map_or(String::new(), |failure| failure.message)
}

#[test]
fn every_operation_has_its_line_in_order() {
    let tables = [
        (&lambda::SERVICE, lambda::AUTHORISATION),
        (&logs::SERVICE, logs::AUTHORISATION),
        (&hearth_api::sts::SERVICE, hearth_api::sts::AUTHORISATION),
    ];
    for (service, lines) in tables {
        let operations: Vec<&str> = service.operations.iter().map(|operation| operation.name).collect();
        let lines: Vec<&str> = lines.iter().map(|line| line.operation).collect();
        assert_eq!(lines, operations);
    }
    let _: fn(&dyn Dispatch) -> &'static [Authorisation] = |dispatch| dispatch.authorisation();
}

#[test]
fn functions_are_named_in_every_form() {
    let none = "{'Effect':'Allow','Action':'s3:*','Resource':'*'}";
    let authority = authority(People::with(none), &[]);
    for (name, qualifier, expected) in [
        ("f", None, F.to_owned()),
        ("f", Some("live"), format!("{F}:live")),
        ("f:live", None, format!("{F}:live")),
        ("f", Some("$LATEST"), format!("{F}:$LATEST")),
        ("123456789012:function:f", Some("1"), format!("{F}:1")),
        (F, None, F.to_owned()),
        (&format!("{F}:live"), Some("live"), format!("{F}:live")),
    ] {
        let message = told(&authority, alice(), ask("Invoke", &invoke(name, qualifier)));
        assert_eq!(
            message,
            format!(
                "User: arn:aws:iam::123456789012:user/team/alice is not authorized to perform: lambda:InvokeFunction \
                 on resource: {expected} because no identity-based policy allows the lambda:InvokeFunction action"
            )
        );
    }
}

#[test]
fn resources_are_made_of_the_input() {
    let none = "{'Effect':'Allow','Action':'s3:*','Resource':'*'}";
    let authority = authority(People::with(none), &[]);
    let (group, stream, arn) =
        ("g".to_owned(), "s".to_owned(), "arn:aws:logs:eu-west-1:123456789012:log-group:h");
    let put = logs::PutLogEventsRequest {
        log_group_name: Some(group.clone()),
        log_stream_name: Some(stream.clone()),
        ..Default::default()
    };
    let get = logs::GetLogEventsRequest {
        log_group_identifier: Some(arn.to_owned()),
        log_stream_name: Some(stream),
        ..Default::default()
    };
    let tag = lambda::TagResourceRequest { resource: Some(F.to_owned()), ..Default::default() };
    let layer = lambda::GetLayerVersionRequest { layer_name: Some("l".to_owned()), version_number: Some(3) };
    let named = lambda::GetLayerVersionRequest {
        layer_name: Some("arn:aws:lambda:eu-west-1:123456789012:layer:m".to_owned()),
        version_number: Some(4),
    };
    for (operation, input, expected) in [
        ("PutLogEvents", put.into_slots(), "arn:aws:logs:eu-west-1:123456789012:log-group:g:log-stream:s"),
        ("GetLogEvents", get.into_slots(), "arn:aws:logs:eu-west-1:123456789012:log-group:h:log-stream:s"),
        ("DescribeLogGroups", Vec::new(), "arn:aws:logs:eu-west-1:123456789012:log-group::log-stream:"),
        ("ListFunctions", Vec::new(), "*"),
        ("GetLayerVersion", layer.into_slots(), "arn:aws:lambda:eu-west-1:123456789012:layer:l:3"),
        ("GetLayerVersion", named.into_slots(), "arn:aws:lambda:eu-west-1:123456789012:layer:m:4"),
        ("TagResource", tag.into_slots(), F),
    ] {
        let message = told(&authority, alice(), ask(operation, &Value::Structure(input)));
        let place = format!(" on resource: {expected} because");
        assert!(message.contains(&place), "{operation}: {message}");
    }
    // Everybody may ask who it is.
    assert_eq!(told(&authority, alice(), ask("GetCallerIdentity", &Value::Structure(Vec::new()))), "");
}

#[test]
fn condition_keys_are_there() {
    let tags = [("team".to_owned(), "red".to_owned()), ("x".to_owned(), "y".to_owned())];
    let create = lambda::CreateFunctionRequest {
        function_name: Some("f".to_owned()),
        layers: Some(vec!["arn:aws:lambda:eu-west-1:123456789012:layer:l:1".to_owned()]),
        tags: Some(tags.into()),
        ..Default::default()
    };
    let input = Value::Structure(create.into_slots());
    for (condition, expected) in [
        ("'StringEquals':{'aws:username':'alice'}", true),
        ("'StringEquals':{'aws:userid':'AIDAALICE'}", true),
        ("'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:user/team/alice'}", true),
        ("'StringEquals':{'aws:PrincipalAccount':'123456789012','aws:PrincipalType':'User'}", true),
        ("'StringEquals':{'aws:PrincipalTag/team':'red'}", true),
        ("'StringEquals':{'aws:PrincipalTag/team':'${aws:RequestTag/team}'}", true),
        ("'StringEquals':{'aws:RequestTag/team':'blue'}", false),
        ("'ForAllValues:StringEquals':{'aws:TagKeys':['team','x']}", true),
        ("'ForAllValues:StringEquals':{'aws:TagKeys':['team']}", false),
        ("'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}", true),
        ("'IpAddress':{'aws:SourceIp':'10.0.0.0/8'}", false),
        ("'Bool':{'aws:SecureTransport':'false','aws:ViaAWSService':'false'}", true),
        ("'StringLike':{'aws:UserAgent':'aws-cli/*'}", true),
        ("'StringEquals':{'aws:RequestedRegion':'eu-west-1'}", true),
        ("'DateLessThan':{'aws:CurrentTime':'2026-11-25T12:00:01Z'}", true),
        ("'NumericEquals':{'aws:EpochTime':'1795608000'}", true),
        ("'Null':{'aws:TokenIssueTime':'true'}", true),
        ("'Bool':{'aws:PrincipalIsAWSService':'true'}", false),
        ("'StringEquals':{'aws:ResourceTag/env':'prod'}", true),
        ("'ForAllValues:StringLike':{'lambda:Layer':'arn:aws:lambda:*:123456789012:layer:l:*'}", true),
        ("'ForAllValues:StringLike':{'lambda:Layer':'arn:aws:lambda:*:123456789012:layer:m:*'}", false),
        ("'Null':{'lambda:SubnetIds':'true'}", true),
    ] {
        let statement =
            format!("{{'Effect':'Allow','Action':'lambda:*','Resource':'*','Condition':{{{condition}}}}}");
        let authority = authority(People::with(&statement), &[]);
        let allowed = authority.authorise(caller(alice()), ask("CreateFunction", &input)).is_ok();
        assert_eq!(allowed, expected, "{condition}");
    }
}

#[test]
fn sessions_carry_keys_and_policies_of_their_own() {
    let all = "{'Effect':'Allow','Action':'lambda:*','Resource':'*'}";
    let narrow =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:Get*","Resource":"*"}}"#;
    let session = Session {
        issued: Some(Timestamp::from_seconds(1_795_600_000)),
        policies: vec![narrow.into()],
        tags: vec![("team".to_owned(), "blue".to_owned())],
        source_function: Some(F.into()),
        ..Default::default()
    };
    let in_session = |condition: &str, session: &Session| {
        let statement = all.replace("'*'}", &format!("'*','Condition':{{{condition}}}}}"));
        let caller = Caller { session: Some(Arc::new(session.clone())), ..caller(role()) };
        let asked = ask("Invoke", &invoke("f", None));
        authority(People::with(&statement), &[]).authorise(caller, asked).map_err(|failure| failure.message)
    };
    let limited = in_session("", &session).unwrap_err();
    assert!(
        limited.starts_with("User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized")
            && limited.ends_with("because no session policy allows the lambda:InvokeFunction action"),
        "{limited}"
    );
    let free = Session { policies: Vec::new(), ..session };
    for condition in [
        "'StringEquals':{'aws:PrincipalTag/team':'blue','aws:userid':'AROAROLE:s'}",
        "'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/service-role/r'}",
        "'ArnEquals':{'lambda:SourceFunctionArn':'arn:aws:lambda:eu-west-1:123456789012:function:f'}",
        "'DateGreaterThan':{'aws:TokenIssueTime':'2026-11-25T09:00:00Z'},'Null':{'aws:username':'true'}",
    ] {
        assert!(in_session(condition, &free).is_ok(), "{condition}");
    }
    // A session policy that cannot be read lets nothing through.
    let broken = Session { policies: vec!["{".into()], ..free };
    assert!(in_session("", &broken).is_err());
}

#[test]
fn roots_and_strangers_are_told_apart() {
    let none = "{'Effect':'Allow','Action':'s3:*','Resource':'*'}";
    let root = Principal::Root(account());
    let other = Principal::Root("999999999999".parse().unwrap());
    let deny = "{'Effect':'Deny','Principal':'*','Action':'lambda:InvokeFunction','Resource':'*'}";
    let share = "{'Effect':'Allow','Principal':{'AWS':'999999999999'},'Action':'lambda:InvokeFunction','Resource':'*'}";
    let invoke = || ask("Invoke", &invoke(F, None));
    let open = authority(People::with(none), &[]);
    assert_eq!(told(&open, root.clone(), invoke()), "");
    assert!(
        told(&open, other.clone(), invoke())
            .ends_with("because no resource-based policy allows the lambda:InvokeFunction action")
    );
    assert_eq!(told(&authority(People::with(none), &[(F, share)]), other, invoke()), "");
    let denied = told(&authority(People::with(none), &[(F, deny)]), root, invoke());
    assert!(denied.ends_with("with an explicit deny in a resource-based policy"), "{denied}");
    // Who is not there any more may nothing.
    let gone = Principal::User { account: account(), name: "bob".into(), path: "/".into() };
    let all = "{'Effect':'Allow','Action':'*','Resource':'*'}";
    assert!(told(&authority(People::with(all), &[]), gone, invoke()).contains("no identity-based policy"));
    // A boundary limits.
    let limits = People { boundary: Some(attached(document(none))), ..People::with(all) };
    assert!(told(&authority(limits, &[]), alice(), invoke()).contains("no permissions boundary"));
}

#[test]
fn a_role_is_passed_only_with_leave() {
    let create = |role: &str| {
        let request = lambda::CreateFunctionRequest {
            function_name: Some("f".to_owned()),
            role: Some(role.to_owned()),
            ..Default::default()
        };
        ask("CreateFunction", &Value::Structure(request.into_slots()))
    };
    let own = "arn:aws:iam::123456789012:role/service-role/r";
    let lambda = "{'Effect':'Allow','Action':'lambda:*','Resource':'*'}";
    let pass = "{'Effect':'Allow','Action':'iam:PassRole','Resource':'arn:aws:iam::123456789012:role/service-role/*',\
                'Condition':{'StringEquals':{'iam:PassedToService':'lambda.amazonaws.com'}}}";
    let without = told(&authority(People::with(lambda), &[]), alice(), create(own));
    assert_eq!(
        without,
        format!(
            "User: arn:aws:iam::123456789012:user/team/alice is not authorized to perform: iam:PassRole on resource: {own} \
             because no identity-based policy allows the iam:PassRole action"
        )
    );
    let with = authority(People::with(&format!("{lambda},{pass}")), &[]);
    assert_eq!(told(&with, alice(), create(own)), "");
    let other = "arn:aws:iam::999999999999:role/service-role/r";
    assert_eq!(
        told(&with, Principal::Root(account()), create(other)),
        "Cross-account pass role is not allowed."
    );
    for (role, account, expected) in [
        (own, Some(account()), true),
        (own, None, false),
        ("arn:aws:iam::123456789012:role/r", Some(account()), false),
        ("arn:aws:iam::123456789012:role/service-role/none", Some(account()), false),
    ] {
        let access = Access { source_account: account, ..Access::new("sts:AssumeRole", role) };
        assert_eq!(
            with.service_may_assume("lambda.amazonaws.com", role, &access),
            expected,
            "{role} {account:?}"
        );
        assert!(!with.service_may_assume("ec2.amazonaws.com", role, &access));
    }
}

#[test]
fn services_are_checked_as_well() {
    let call = || Call {
        account: account(),
        region: "eu-west-1".parse().unwrap(),
        request_id: RequestId::new(&SeededRng::new(1)),
        endpoint: "".into(),
    };
    let writes = "{'Effect':'Allow','Action':'logs:PutLogEvents','Resource':'arn:aws:logs:*:*:log-group:/aws/lambda/f:*'}";
    let from = "{'Effect':'Allow','Principal':{'Service':'s3.amazonaws.com'},'Action':'lambda:InvokeFunction','Resource':\
                'arn:aws:lambda:eu-west-1:123456789012:function:f','Condition':{'ArnLike':{'AWS:SourceArn':'arn:aws:s3:::b'},\
                'StringEquals':{'AWS:SourceAccount':'123456789012'}}}";
    let authority = authority(People::with(writes), &[(F, from)]);
    let invoke = Access {
        source_arn: Some("arn:aws:s3:::b"),
        source_account: Some(account()),
        ..Access::new("lambda:InvokeFunction", F)
    };
    let grant = authority.as_service("s3.amazonaws.com", &invoke, call()).unwrap();
    assert_eq!(grant.principal(), &Principal::Service("s3.amazonaws.com"));
    let elsewhere = Access { source_arn: Some("arn:aws:s3:::c"), ..invoke };
    let denied = authority.as_service("s3.amazonaws.com", &elsewhere, call()).unwrap_err();
    assert_eq!((denied.code.as_ref(), denied.status), ("AccessDeniedException", 403));
    assert_eq!(
        denied.message,
        format!(
            "User: s3.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: {F} because no \
             resource-based policy allows the lambda:InvokeFunction action"
        )
    );
    assert!(authority.as_service("sns.amazonaws.com", &invoke, call()).is_err());
    let role = "arn:aws:iam::123456789012:role/service-role/r";
    let group =
        |name: &str| format!("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{name}:log-stream:s");
    let (f, g) = (group("f"), group("g"));
    let grant = authority.as_role((role, "f"), &Access::new("logs:PutLogEvents", &f), call()).unwrap();
    assert_eq!(grant.principal().arn("aws"), "arn:aws:sts::123456789012:assumed-role/r/f");
    for (action, resource) in [("logs:PutLogEvents", &g), ("logs:CreateLogGroup", &f)] {
        assert!(authority.as_role((role, "f"), &Access::new(action, resource), call()).is_err());
    }
    // A handler asks for its caller.
    assert!(authority.also(&grant, &Access::new("logs:PutLogEvents", &f)).is_ok());
    assert!(authority.also(&grant, &Access::new("logs:PutLogEvents", &g)).is_err());
}

#[test]
fn each_family_of_services_denies_its_own_way() {
    let none = "{'Effect':'Allow','Action':'s3:*','Resource':'*'}";
    let authority = authority(People::with(none), &[]);
    for (dialect, code, status) in [
        (Dialect::RestJson, "AccessDeniedException", 403),
        (Dialect::Json, "AccessDeniedException", 400),
        (Dialect::Query, "AccessDenied", 403),
        (Dialect::S3, "AccessDenied", 403),
        (Dialect::Ec2, "UnauthorizedOperation", 403),
    ] {
        let asked = Ask { dialect, ..ask("ListFunctions", &Value::Structure(Vec::new())) };
        let failure = authority.authorise(caller(alice()), asked).unwrap_err();
        assert_eq!((failure.code.as_ref(), failure.status, failure.sender), (code, status, true));
        assert_eq!(failure.query_code, Some("AccessDenied"));
    }
}
