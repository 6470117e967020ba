//! Function URLs: which function an id names, and how a URL is shown to clients.
//!
//! It refuses to serve them: that is the data plane's.

use crate::Inner;
use crate::model::{self, Function};
use crate::naming::{FunctionKey, Target};
use crate::permission::Statement;
use crate::registry::{Entry, key_of};
use hearth_api::lambda as api;
use hearth_base::{Qualifier, Region};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

/// The second label of every URL's host.
const LABEL: &str = "lambda-url";

/// A function URL, as the data plane needs it.
#[derive(Debug, Clone)]
pub struct FunctionUrl {
    /// What it invokes.
    pub target: Target,
    /// How it is configured.
    pub url: model::Url,
    /// Whether the function's policy lets everyone use it.
    pub is_public: bool,
}

/// Every function URL there is, by id.
#[derive(Default)]
pub(crate) struct Urls(RwLock<HashMap<String, (FunctionKey, Qualifier)>>);

impl Urls {
    /// A function has changed, has come or has gone.
    pub(crate) fn apply(&self, before: Option<&Entry>, after: Option<&Entry>) {
        let has_urls = |entry: Option<&Entry>| entry.is_some_and(|entry| !entry.function().urls.is_empty());
        if !has_urls(before) && !has_urls(after) {
            return;
        }
        let mut urls = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for url in before.iter().flat_map(|entry| entry.function().urls.values()) {
            urls.remove(&url.id);
        }
        if let Some(entry) = after {
            let key = key_of(entry.function());
            for (qualifier, url) in &entry.function().urls {
                urls.insert(url.id.clone(), (key.clone(), qualifier.clone()));
            }
        }
    }

    fn find(&self, id: &str) -> Option<(FunctionKey, Qualifier)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

/// The URL of this id. Reads memory only.
pub(crate) fn find(inner: &Inner, id: &str) -> Option<FunctionUrl> {
    let (key, qualifier) = inner.registry.urls().find(id)?;
    let entry = inner.registry.get(&key)?;
    let url = entry.function().urls.get(&qualifier)?.clone();
    let is_public = is_public(entry.function(), &qualifier);
    let qualifier = Some(qualifier).filter(|qualifier| *qualifier != Qualifier::Latest);
    Some(FunctionUrl { target: Target { key, qualifier }, url, is_public })
}

/// Whether a function has what a URL would invoke: itself, or an alias.
pub(crate) fn has(function: &Function, qualifier: &Qualifier) -> bool {
    match qualifier {
        Qualifier::Latest => true,
        Qualifier::Alias(name) => function.aliases.contains_key(name),
        // The model lets no number through.
        Qualifier::Version(_) => false,
    }
}

/// The ARN of what a URL invokes.
pub(crate) fn arn(function: &Function, qualifier: &Qualifier) -> String {
    match qualifier {
        Qualifier::Latest => function.arn(),
        alias => format!("{}:{alias}", function.arn()),
    }
}

/// A URL under the host that the client used. What is reached by address is reached as `localhost`, since an address
/// has no names below it.
pub(crate) fn text(endpoint: &str, id: &str, region: &Region) -> String {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, format!(":{port}")),
        _ => (authority, String::new()),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let domain = ["localhost", "localhost.localstack.cloud"]
        .into_iter()
        .find(|domain| bare.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    let host = match domain {
        Some(domain) => domain,
        None if bare.is_empty() || bare.parse::<IpAddr>().is_ok() => "localhost",
        None => bare,
    };
    format!("http://{id}.{LABEL}.{region}.{host}{port}/")
}

pub(crate) fn auth_type(auth: model::UrlAuth) -> api::FunctionUrlAuthType {
    match auth {
        model::UrlAuth::None => api::FunctionUrlAuthType::None,
        model::UrlAuth::AwsIam => api::FunctionUrlAuthType::AwsIam,
    }
}

pub(crate) fn read_auth(auth: api::FunctionUrlAuthType) -> model::UrlAuth {
    match auth {
        api::FunctionUrlAuthType::None => model::UrlAuth::None,
        api::FunctionUrlAuthType::AwsIam => model::UrlAuth::AwsIam,
    }
}

pub(crate) fn invoke_mode(url: &model::Url) -> api::InvokeMode {
    if url.streams { api::InvokeMode::ResponseStream } else { api::InvokeMode::Buffered }
}

pub(crate) fn cors(cors: &model::Cors) -> api::Cors {
    api::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age.map(i64::from),
    }
}

/// `Cors` of a request; one that says nothing takes away what was said before.
pub(crate) fn read_cors(cors: api::Cors) -> Option<model::Cors> {
    let read = model::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        allow_origins: cors.allow_origins,
        expose_headers: cors.expose_headers,
        max_age: cors.max_age.and_then(|seconds| u32::try_from(seconds).ok()),
    };
    (read != model::Cors::default()).then_some(read)
}

/// Whether the policy of what a URL invokes has a statement that lets everyone invoke it by a URL that asks for no
/// signature.
fn is_public(function: &Function, qualifier: &Qualifier) -> bool {
    let policy = function.policies.get(qualifier);
    policy.into_iter().flat_map(|policy| &policy.statements).any(Statement::lets_everyone_invoke_by_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_the_host_that_the_client_used() {
        let region = "eu-west-1".parse().unwrap();
        for (endpoint, expected) in [
            ("http://127.0.0.1:4566", "http://x.lambda-url.eu-west-1.localhost:4566/"),
            ("http://[::1]:4566", "http://x.lambda-url.eu-west-1.localhost:4566/"),
            ("http://localhost:4566", "http://x.lambda-url.eu-west-1.localhost:4566/"),
            ("http://lambda.us-east-1.localhost:1", "http://x.lambda-url.eu-west-1.localhost:1/"),
            (
                "http://localhost.localstack.cloud:4566",
                "http://x.lambda-url.eu-west-1.localhost.localstack.cloud:4566/",
            ),
            ("http://hearth.example.org", "http://x.lambda-url.eu-west-1.hearth.example.org/"),
            ("http://", "http://x.lambda-url.eu-west-1.localhost/"),
        ] {
            assert_eq!(text(endpoint, "x", &region), expected);
        }
    }
}
