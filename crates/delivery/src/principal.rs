//! Leave to deliver: for a service in its own name, or for a role that it takes on.

use crate::Inner;
use hearth_api::delivery::Sender;
use hearth_api::{Delivery, Grant};
use hearth_base::Arn;
use hearth_iam::Call;
use hearth_wire::Failure;

impl Inner {
    /// A grant for one call to the target.
    pub(crate) fn grant(&self, target: &Arn, delivery: &Delivery) -> Result<Grant, Failure> {
        let account = target.account.parse();
        let account = account.map_err(|_| crate::unknown(&delivery.target))?;
        let region = if target.region.is_empty() { None } else { target.region.parse().ok() };
        let call = Call {
            account,
            region: region.unwrap_or_else(|| delivery.region.clone()),
            request_id: delivery.request_id,
            endpoint: "".into(),
        };
        let grant = match &delivery.sender {
            Sender::Service { principal, .. } => self.authority.service_grant(principal, call),
            Sender::Role { arn, session } => {
                let role = arn.rsplit('/').next().unwrap_or_default();
                self.authority.role_grant(&role.into(), session, call)
            }
        };
        Ok(grant.traced(delivery.trace_header.as_deref()))
    }
}
