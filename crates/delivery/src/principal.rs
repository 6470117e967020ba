//! Leave to deliver: for a service in its own name, which the target's policy must let in, or for a role that it takes on.

use crate::Inner;
use hearth_api::delivery::Sender;
use hearth_api::{Delivery, Grant};
use hearth_base::Arn;
use hearth_iam::Call;
use hearth_iam::authorisation::Access;
use hearth_wire::Failure;

impl Inner {
    /// A grant for one call that does `action` to the target.
    pub(crate) fn grant(
        &self,
        action: &str,
        (target, delivery): (&Arn, &Delivery),
    ) -> Result<Grant, Failure> {
        let account = target.account.parse();
        let account = account.map_err(|_| crate::unknown(&delivery.target))?;
        let region = if target.region.is_empty() { None } else { target.region.parse().ok() };
        let call = Call {
            account,
            region: region.unwrap_or_else(|| delivery.region.clone()),
            request_id: delivery.request_id,
            endpoint: "".into(),
        };
        let access = Access::new(action, &delivery.target);
        let grant = match &delivery.sender {
            Sender::Service { principal, source_arn } => {
                let source_account = source_arn.split(':').nth(4).and_then(|text| text.parse().ok());
                let access = Access { source_arn: Some(source_arn), source_account, ..access };
                self.authority.as_service(principal, &access, call)?
            }
            Sender::Role { arn, session } => self.authority.as_role((arn, session), &access, call)?,
        };
        Ok(grant.traced(delivery.trace_header.as_deref()))
    }
}
