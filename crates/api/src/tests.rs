//! What must hold of the generated tables and types, whichever services are listed.

use crate::{Dispatch, Grant, SERVICES, lambda, logs, sts};
use hearth_base::{BoxFuture, RequestId, SeededRng, Timestamp};
use hearth_wire::{Failure, Kind, Location, Service, Shape, Structured, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Every shape that the service's operations reach.
fn shapes(service: &'static Service) -> Vec<&'static Shape> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut pending: Vec<&'static Shape> = Vec::new();
    for operation in service.operations {
        pending.extend([operation.input, operation.output]);
        pending.extend(operation.errors);
    }
    while let Some(shape) = pending.pop() {
        if !seen.insert(std::ptr::from_ref(shape).addr()) {
            continue;
        }
        found.push(shape);
        match &shape.kind {
            Kind::Structure(structure) => pending.extend(structure.members.iter().map(|member| member.shape)),
            Kind::List { item, .. } => pending.push(item.shape),
            Kind::Map { key, value, .. } => pending.extend([key.shape, value.shape]),
            _ => {}
        }
    }
    found
}

#[test]
fn operations_are_found_by_name() {
    for service in SERVICES {
        assert!(service.operations.is_sorted_by(|a, b| a.name < b.name), "{}", service.name);
        assert!(service.unimplemented.is_sorted_by(|a, b| a.name < b.name), "{}", service.name);
        for (index, operation) in service.operations.iter().enumerate() {
            assert_eq!(service.operation(operation.name).map(|(found, _)| found), Some(index));
        }
        for absent in service.unimplemented {
            assert!(service.operation(absent.name).is_none(), "{} is on both lists", absent.name);
        }
    }
}

#[test]
fn members_are_found_by_wire_name() {
    for shape in SERVICES.iter().flat_map(|service| shapes(service)) {
        let Some(structure) = shape.structure() else { continue };
        for (index, member) in structure.members.iter().enumerate() {
            let (found, _) = structure.member_by_wire_name(member.wire_name).expect("every name is listed");
            let shadowed = member.location != Location::Body
                && structure.members[found].location == Location::Body
                && structure.members[found].wire_name == member.wire_name;
            assert!(found == index || shadowed, "{} {}", shape.name, member.name);
        }
        assert!(structure.member_by_wire_name("no such member").is_none());
        assert!(structure.payload.is_none_or(|place| usize::from(place) < structure.members.len()));
    }
}

#[test]
fn labels_of_uris_are_members_of_inputs() {
    for operation in SERVICES.iter().flat_map(|service| service.operations) {
        let labels: BTreeSet<&str> = operation
            .uri
            .split('{')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0.trim_end_matches('+')))
            .collect();
        let members = operation.input.structure().expect("inputs are structures").members;
        let in_uri = members.iter().filter(|member| member.location == Location::Uri);
        assert_eq!(labels, in_uri.map(|member| member.wire_name).collect(), "{}", operation.name);
    }
}

/// A value of the shape with every member set, as deep as `depth` structures.
fn sample(shape: &'static Shape, depth: usize) -> Value {
    match &shape.kind {
        Kind::Boolean => Value::Boolean(true),
        Kind::Integer => Value::Integer(7),
        Kind::Double => Value::Double(0.5),
        Kind::String => Value::String(shape.values.first().copied().unwrap_or("text").to_owned()),
        Kind::Blob { .. } => Value::Blob("bytes".into()),
        Kind::Timestamp(_) => Value::Timestamp(Timestamp::from_seconds(9)),
        Kind::List { item, .. } => Value::List(vec![sample(item.shape, depth); 2]),
        Kind::Map { key, value, .. } => {
            let Value::String(key) = sample(key.shape, depth) else { panic!("keys are texts") };
            Value::Map(vec![(key, sample(value.shape, depth))])
        }
        Kind::Structure(structure) => Value::Structure(
            structure
                .members
                .iter()
                .map(|member| (depth > 0).then(|| sample(member.shape, depth - 1)))
                .collect(),
        ),
        Kind::Document => Value::Document(crate::Document::from(1)),
    }
}

fn round_trip<T: Structured>() {
    let full = sample(T::SHAPE, 6).into_slots();
    assert_eq!(T::from_slots(full.clone()).into_slots(), full, "{}", T::SHAPE.name);
    let empty = vec![None; full.len()];
    assert_eq!(T::from_slots(empty.clone()).into_slots(), empty, "{}", T::SHAPE.name);
    // Values of another kind than the shape says leave their fields empty.
    let wrong = vec![Some(Value::Null); full.len()];
    assert_eq!(T::from_slots(wrong).into_slots(), empty, "{}", T::SHAPE.name);
}

#[test]
fn structures_go_to_slots_and_back() {
    round_trip::<lambda::CreateFunctionRequest>();
    round_trip::<lambda::FunctionConfiguration>();
    round_trip::<lambda::GetFunctionResponse>();
    round_trip::<lambda::InvocationRequest>();
    round_trip::<lambda::InvocationResponse>();
    round_trip::<lambda::TooManyRequestsException>();
    round_trip::<logs::CreateLogGroupRequest>();
    round_trip::<logs::FilterLogEventsResponse>();
    round_trip::<logs::PutLogEventsRequest>();
    round_trip::<sts::GetCallerIdentityRequest>();
    round_trip::<sts::GetCallerIdentityResponse>();
}

#[test]
fn enumerations_read_what_they_write() {
    for text in lambda::Runtime::VALUES {
        assert_eq!(lambda::Runtime::parse(text).map(lambda::Runtime::as_str), Some(*text));
    }
    assert_eq!(lambda::Runtime::Python3_12.as_str(), "python3.12");
    assert_eq!(lambda::Runtime::parse("python3"), None);
}

#[test]
fn logs_never_show_what_is_sensitive() {
    let request = lambda::CreateFunctionRequest {
        function_name: Some("f".to_owned()),
        code: Some(lambda::FunctionCode { zip_file: Some("key".into()), ..Default::default() }),
        environment: Some(lambda::Environment {
            variables: Some([("TOKEN".to_owned(), "hunter2".to_owned())].into()),
        }),
        ..Default::default()
    };
    assert_eq!(
        format!("{request:?}"),
        "CreateFunctionRequest { FunctionName: \"f\", Code: FunctionCode { ZipFile: [sensitive] }, \
         Environment: Environment { Variables: [sensitive] } }"
    );
}

#[test]
fn errors_are_told_as_the_model_says() {
    let missing = lambda::errors::resource_not_found("Function not found: f");
    assert_eq!(
        (missing.code.as_ref(), missing.status, missing.sender),
        ("ResourceNotFoundException", 404, true)
    );
    let fault = lambda::errors::service("broken");
    assert_eq!((fault.code.as_ref(), fault.status, fault.sender), ("ServiceException", 500, false));
    let exists = logs::errors::resource_already_exists("The specified log group already exists");
    assert_eq!((exists.code.as_ref(), exists.status), ("ResourceAlreadyExistsException", 400));

    let throttled = Failure::from(lambda::TooManyRequestsException {
        message: Some("Rate Exceeded.".to_owned()),
        reason: Some(lambda::ThrottleReason::ConcurrentInvocationLimitExceeded),
        ..Default::default()
    });
    assert_eq!((throttled.message.as_str(), throttled.status), ("Rate Exceeded.", 429));
    let (shape, members) = throttled.detail.expect("modeled errors have their shape");
    let (reason, _) =
        shape.structure().and_then(|s| s.member_by_wire_name("Reason")).expect("it has a reason");
    let expected = Value::String("ConcurrentInvocationLimitExceeded".to_owned());
    assert_eq!(members.into_slots()[reason], Some(expected));
}

struct Identity;

impl sts::Sts for Identity {
    fn get_caller_identity<'a>(
        &'a self,
        grant: Grant,
        _input: sts::GetCallerIdentityRequest,
    ) -> BoxFuture<'a, Result<sts::GetCallerIdentityResponse, Failure>> {
        let account = Some(grant.account().to_string());
        Box::pin(async move { Ok(sts::GetCallerIdentityResponse { account, ..Default::default() }) })
    }

    fn assume_role<'a>(
        &'a self,
        _grant: Grant,
        _input: sts::AssumeRoleRequest,
    ) -> BoxFuture<'a, Result<sts::AssumeRoleResponse, Failure>> {
        unreachable!("the test calls GetCallerIdentity alone")
    }

    fn get_access_key_info<'a>(
        &'a self,
        _grant: Grant,
        _input: sts::GetAccessKeyInfoRequest,
    ) -> BoxFuture<'a, Result<sts::GetAccessKeyInfoResponse, Failure>> {
        unreachable!("the test calls GetCallerIdentity alone")
    }

    fn get_session_token<'a>(
        &'a self,
        _grant: Grant,
        _input: sts::GetSessionTokenRequest,
    ) -> BoxFuture<'a, Result<sts::GetSessionTokenResponse, Failure>> {
        unreachable!("the test calls GetCallerIdentity alone")
    }
}

#[test]
fn the_dispatcher_calls_by_number() {
    let dispatcher = sts::Dispatcher::new(Arc::new(Identity));
    let call = |operation| match dispatcher
        .call(operation, grant(), Value::Structure(Vec::new()))
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nothing here waits"),
    };
    let (number, _) = dispatcher.service().operation("GetCallerIdentity").expect("it is listed");
    let identity = sts::GetCallerIdentityResponse::from_slots(call(number).unwrap().into_slots());
    assert_eq!(identity.account.as_deref(), Some("123456789012"));
    assert_eq!(call(99).unwrap_err().status, 500);
}

fn grant() -> Grant {
    let account = "123456789012".parse().unwrap();
    Grant::issue(crate::grant::GrantParts {
        principal: crate::Principal::Root(account),
        account,
        region: Default::default(),
        request_id: RequestId::new(&SeededRng::new(1)),
        endpoint: "http://127.0.0.1:4566".into(),
    })
}
