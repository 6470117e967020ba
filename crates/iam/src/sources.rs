//! Where policies are found: what the authority asks before it decides. Everything behind it answers from memory.

use crate::identities::Identities;
use crate::policy::Document;
use std::fmt;
use std::sync::Arc;

/// The policies and tags of one service's resources. It answers at once, from memory: it is asked on every request.
pub trait ResourcePolicies: Send + Sync + 'static {
    /// The policy of the resource with this ARN; none when it has none, or does not exist.
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>>;

    /// The tags of the resource with this ARN, for conditions on `aws:ResourceTag/…`.
    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        let _ = resource_arn;
        Vec::new()
    }
}

/// Who there is, and which services have policies of their own.
#[derive(Default)]
pub struct Sources {
    identities: Option<Arc<dyn Identities>>,
    services: Vec<(&'static str, Arc<dyn ResourcePolicies>)>,
}

impl Sources {
    /// Nobody and nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with these users and roles.
    pub fn with_identities(self, identities: Arc<dyn Identities>) -> Self {
        Self { identities: Some(identities), ..self }
    }

    /// The same with the policies of a service's resources. `service` is what their ARNs say, such as `lambda`.
    pub fn with_resources(mut self, service: &'static str, policies: Arc<dyn ResourcePolicies>) -> Self {
        self.services.push((service, policies));
        self
    }

    /// The users and roles.
    pub(crate) fn identities(&self) -> Option<&dyn Identities> {
        self.identities.as_deref()
    }

    /// Whatever knows the resource with this ARN.
    pub(crate) fn resources(&self, arn: &str) -> Option<&dyn ResourcePolicies> {
        let service = arn.splitn(4, ':').nth(2)?;
        self.services.iter().find(|(name, _)| *name == service).map(|(_, policies)| &**policies)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<&str> = self.services.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Sources").field("services", &services).finish_non_exhaustive()
    }
}
