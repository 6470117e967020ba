//! Which service a request is for: by the scope of its signature, the target header, the host, the path, the query.
//!
//! It reads the head only and decides nothing about the caller.

use crate::browser::{authority, host_name};
use hearth_api::Dispatch;
use hearth_wire::{Protocol, Request, Service};
use std::sync::Arc;

/// Stands in for a service where none was recognised, so that errors still have the form the client reads.
pub(crate) static NO_SERVICE: Service = Service {
    name: "hearth",
    signing_name: "",
    endpoint_prefix: "",
    service_id: "Hearth",
    api_version: "",
    target_prefix: "",
    xml_namespace: "",
    protocols: &[
        Protocol::RestJson1,
        Protocol::AwsJson1_0,
        Protocol::AwsJson1_1,
        Protocol::AwsQuery,
        Protocol::RestXml,
        Protocol::RpcV2Cbor,
    ],
    query_compatible: false,
    validation_code: "ValidationException",
    path_member: "",
    operations: &[],
    unimplemented: &[],
};

/// Finds the service. `signing_name` is the one of the signature's scope, for requests that have a signature; it rules
/// out services with another one.
pub(crate) fn recognise<'a>(
    services: &'a [Arc<dyn Dispatch>],
    request: &Request,
    signing_name: Option<&str>,
) -> Option<&'a Arc<dyn Dispatch>> {
    let signed = |service: &Service| signing_name.is_none_or(|name| service.signing_name == name);
    let mut candidates = services.iter().filter(|dispatch| signed(dispatch.service()));
    let first = candidates.next()?;
    if signing_name.is_some() && candidates.next().is_none() {
        return Some(first);
    }
    let hints: [fn(&'static Service, &Request) -> usize; 4] = [by_target, by_host, by_path, by_version];
    for hint in hints {
        let best = services
            .iter()
            .filter(|dispatch| signed(dispatch.service()))
            .map(|dispatch| (hint(dispatch.service(), request), dispatch))
            .filter(|(strength, _)| *strength > 0)
            .max_by_key(|(strength, _)| *strength);
        if let Some((_, dispatch)) = best {
            return Some(dispatch);
        }
    }
    signing_name.map(|_| first)
}

/// `X-Amz-Target: Logs_20140328.DescribeLogGroups`.
fn by_target(service: &'static Service, request: &Request) -> usize {
    let Some(target) = request.headers.get("x-amz-target").and_then(|value| value.to_str().ok()) else {
        return 0;
    };
    let prefix = target.rsplit_once('.').map_or(target, |(prefix, _)| prefix);
    usize::from(!service.target_prefix.is_empty() && prefix == service.target_prefix)
}

/// `lambda.us-east-1.amazonaws.com`, `lambda.localhost`, `bucket.s3.localhost.localstack.cloud`: the longest prefix that
/// stands in the name as whole labels.
fn by_host(service: &'static Service, request: &Request) -> usize {
    let name = host_name(authority(&request.uri, &request.headers)).to_ascii_lowercase();
    let domains = [".localhost.localstack.cloud", ".localhost", ".amazonaws.com.cn", ".amazonaws.com"];
    let Some(labels) = domains.iter().find_map(|domain| name.strip_suffix(domain)) else { return 0 };
    let (labels, prefix) = (format!(".{labels}."), format!(".{}.", service.endpoint_prefix));
    if labels.contains(&prefix) { prefix.len() } else { 0 }
}

/// `/2015-03-31/functions`: a REST service that has an operation there.
fn by_path(service: &'static Service, request: &Request) -> usize {
    let rest = service
        .protocols
        .iter()
        .find(|protocol| matches!(protocol, Protocol::RestJson1 | Protocol::RestXml | Protocol::RpcV2Cbor));
    let Some(protocol) = rest else { return 0 };
    usize::from(protocol.route(service, request).is_ok())
}

/// `?Version=2011-06-15` of the query protocols.
fn by_version(service: &'static Service, request: &Request) -> usize {
    let query = request.uri.query().unwrap_or_default();
    let speaks = service.protocols.iter().any(|it| matches!(it, Protocol::AwsQuery | Protocol::Ec2Query));
    let named = query.split('&').any(|pair| pair.strip_prefix("Version=") == Some(service.api_version));
    usize::from(speaks && named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_api::Grant;
    use hearth_api::authorisation::Authorisation;
    use hearth_base::BoxFuture;
    use hearth_wire::{Failure, Value};

    struct Table(&'static Service);

    impl Dispatch for Table {
        fn service(&self) -> &'static Service {
            self.0
        }

        fn authorisation(&self) -> &'static [Authorisation] {
            &[]
        }

        fn call(&self, _: usize, _: Grant, _: Value) -> BoxFuture<'_, Result<Value, Failure>> {
            unreachable!("nothing is called here")
        }
    }

    /// Signs like Lambda and is reached under a longer name, as DynamoDB's streams are beside DynamoDB.
    static EDGE: Service = Service {
        name: "edge",
        endpoint_prefix: "edge.lambda",
        target_prefix: "Edge_20261123",
        signing_name: "lambda",
        ..NO_SERVICE
    };

    #[test]
    fn services_are_told_by_scope_target_host_path_and_version() {
        let tables = [
            &hearth_api::lambda::SERVICE,
            &hearth_api::logs::SERVICE,
            &hearth_api::scheduler::SERVICE,
            &hearth_api::sts::SERVICE,
            &EDGE,
        ];
        let services = tables.map(|table| Arc::new(Table(table)) as Arc<dyn Dispatch>);
        for (scope, target, host, uri, expected) in [
            (Some("logs"), "", "", "/", Some("logs")),
            (Some("sqs"), "", "lambda.us-east-1.amazonaws.com", "/2015-03-31/functions/", None),
            (Some("lambda"), "", "", "/2015-03-31/functions/", Some("lambda")),
            (Some("lambda"), "Edge_20261123.Do", "", "/", Some("edge")),
            (Some("lambda"), "", "edge.lambda.us-east-1.amazonaws.com", "/", Some("edge")),
            (Some("lambda"), "", "lambda.us-east-1.amazonaws.com", "/", Some("lambda")),
            (Some("lambda"), "", "", "/nowhere", Some("lambda")),
            (None, "Logs_20140328.GetLogEvents", "", "/", Some("logs")),
            (None, "", "logs.eu-west-1.amazonaws.com:443", "/", Some("logs")),
            (None, "", "LOGS.localhost:4566", "/", Some("logs")),
            (None, "", "sts.localhost.localstack.cloud:4566", "/", Some("sts")),
            (None, "", "sts.example.org", "/", None),
            (None, "", "logsts.localhost", "/", None),
            (None, "", "127.0.0.1:4566", "/2015-03-31/functions/f/invocations", None),
            (None, "", "127.0.0.1:4566", "/2015-03-31/functions/f", Some("lambda")),
            (None, "", "127.0.0.1:4566", "/schedules/s", Some("scheduler")),
            (None, "", "127.0.0.1:4566", "/tags/arn%3Aaws%3Ascheduler", Some("scheduler")),
            (None, "", "127.0.0.1:4566", "/2017-03-31/tags/arn", Some("lambda")),
            (Some("lambda"), "", "", "/tags/arn", Some("lambda")),
            (None, "", "127.0.0.1:4566", "/?Action=GetCallerIdentity&Version=2011-06-15", Some("sts")),
            (None, "", "127.0.0.1:4566", "/", None),
        ] {
            let mut headers = http::HeaderMap::new();
            for (name, value) in [("x-amz-target", target), ("host", host)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let (method, uri, body) = (http::Method::GET, uri.parse().unwrap(), bytes::Bytes::new());
            let request = Request { method, uri, headers, body };
            let found = recognise(&services, &request, scope).map(|dispatch| dispatch.service().name);
            assert_eq!(found, expected, "{scope:?} {target} {host} {}", request.uri);
        }
    }
}
