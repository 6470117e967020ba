//! The resource policy of a layer version: who beside its owner's account may read and use it.
//!
//! It refuses nothing by itself but policies that grow too long: what a statement may say, the operations check.
//! <https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html>

use crate::layer::naming::LayerVersionKey;
use hearth_api::lambda::errors;
use hearth_base::AccountId;
use hearth_wire::Failure;
use serde::{Deserialize, Serialize};

/// Bytes of a policy as JSON.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const POLICY_BYTES_MAX: usize = 20_480;
/// The one action that can be allowed.
const ACTION: &str = "lambda:GetLayerVersion";
/// The principal that is everybody.
pub(crate) const EVERYBODY: &str = "*";

/// The policy of a layer version. It has at least one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// A UUID that changes with every change.
    pub(crate) revision_id: String,
    /// In the order they were added.
    pub(crate) statements: Vec<Statement>,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement {
    /// `Sid`: unlike that of every other statement of the policy.
    pub(crate) id: String,
    /// `*`, or the ARN of an account's root.
    pub(crate) principal: String,
    /// Only to accounts of this organization.
    pub(crate) organization: Option<String>,
}

/// The JSON of a policy, its members in the order in which AWS prints them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyJson<'a> {
    version: &'static str,
    id: &'static str,
    statement: Vec<StatementJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatementJson<'a> {
    sid: &'a str,
    effect: &'static str,
    principal: PrincipalJson<'a>,
    action: &'static str,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionJson<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PrincipalJson<'a> {
    Everybody(&'a str),
    Account {
        #[serde(rename = "AWS")]
        aws: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConditionJson<'a> {
    string_equals: OrganizationJson<'a>,
}

#[derive(Serialize)]
struct OrganizationJson<'a> {
    #[serde(rename = "aws:PrincipalOrgID")]
    organization: &'a str,
}

impl Policy {
    /// Whether an account may use the version. Nothing here knows of organizations, so that a statement for one
    /// lets nobody in.
    pub(crate) fn allows(&self, account: AccountId) -> bool {
        self.statements.iter().any(|statement| statement.allows(account))
    }

    /// The whole policy as JSON.
    pub(crate) fn json(&self, of: &LayerVersionKey) -> String {
        text(&PolicyJson {
            version: "2012-10-17",
            id: "default",
            statement: self.statements.iter().map(|statement| statement.document(of)).collect(),
        })
    }

    /// Refuses a policy that has grown too long.
    pub(crate) fn check_length(&self, of: &LayerVersionKey) -> Result<(), Failure> {
        let bytes = self.json(of).len();
        if bytes > POLICY_BYTES_MAX {
            return Err(errors::policy_length_exceeded(format!(
                "The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX})."
            )));
        }
        Ok(())
    }
}

impl Statement {
    /// The statement as JSON.
    pub(crate) fn json(&self, of: &LayerVersionKey) -> String {
        text(&self.document(of))
    }

    fn allows(&self, account: AccountId) -> bool {
        let named = self.principal.split(':').nth(4) == Some(account.as_str());
        self.organization.is_none() && (self.principal == EVERYBODY || named)
    }

    fn document(&self, of: &LayerVersionKey) -> StatementJson<'_> {
        StatementJson {
            sid: &self.id,
            effect: "Allow",
            principal: match self.principal.as_str() {
                EVERYBODY => PrincipalJson::Everybody(EVERYBODY),
                arn => PrincipalJson::Account { aws: arn },
            },
            action: ACTION,
            resource: of.arn(),
            condition: self
                .organization
                .as_deref()
                .map(|organization| ConditionJson { string_equals: OrganizationJson { organization } }),
        }
    }
}

fn text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("structures of texts are JSON")
}
