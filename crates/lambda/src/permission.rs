//! The resource policy of a function, a version or an alias: who may do what with it, beside those whom IAM lets.
//!
//! It owns what is stored of permissions and the JSON that AWS makes of them. It refuses to decide: the authoriser
//! evaluates the documents that [`crate::Functions`] hands out.
//! <https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html>

use crate::failures::invalid_parameter;
use hearth_api::lambda::{AddPermissionRequest, FunctionUrlAuthType, errors};
use hearth_base::{AccountId, Arn};
use hearth_iam::policy::Document;
use hearth_wire::Failure;
use serde::{Deserialize, Serialize, Serializer};

/// Bytes of a policy as JSON.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const POLICY_BYTES_MAX: usize = 20_480;
/// The one action that a condition on the authentication of function URLs goes with.
const INVOKE_URL: &str = "lambda:InvokeFunctionUrl";
/// What the names of service principals end in.
const SERVICE_DOMAINS: &[&str] = &[".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];

/// The policy of one qualifier. It has at least one statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// In the order they were added.
    pub statements: Vec<Statement>,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// `Sid`: unlike that of every other statement of the policy.
    pub id: String,
    /// Who.
    pub principal: Grantee,
    /// What: `lambda:InvokeFunction` and the like.
    pub action: String,
    /// Only on behalf of resources like this.
    pub source_arn: Option<String>,
    /// Only on behalf of this account.
    pub source_account: Option<String>,
    /// Only members of this organization.
    pub organization: Option<String>,
    /// Only with this token of an Alexa skill.
    pub event_source_token: Option<String>,
    /// Only through a function URL of this authentication.
    pub url_auth_type: Option<String>,
    /// Only through a function URL, or only not.
    pub via_url: Option<bool>,
}

/// Who is given a permission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Grantee {
    /// Everybody: `*`.
    Everybody,
    /// A service, by its name.
    Service(String),
    /// An account, user or role, by its ARN.
    Aws(String),
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
    action: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "ConditionJson::is_empty")]
    condition: ConditionJson<'a>,
}

#[derive(Serialize)]
enum PrincipalJson<'a> {
    Service(&'a str),
    #[serde(rename = "AWS")]
    Aws(&'a str),
    #[serde(untagged)]
    Everybody(&'static str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConditionJson<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    string_equals: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    arn_like: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    bool: Pairs<'a>,
}

/// Keys and values of one condition operator, in their order.
struct Pairs<'a>(Vec<(&'static str, &'a str)>);

impl Pairs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl ConditionJson<'_> {
    fn is_empty(&self) -> bool {
        self.string_equals.is_empty() && self.arn_like.is_empty() && self.bool.is_empty()
    }
}

impl Policy {
    /// The whole policy as JSON, on the function, version or alias with this ARN.
    pub(crate) fn json(&self, arn: &str) -> String {
        text(&PolicyJson {
            version: "2012-10-17",
            id: "default",
            statement: self.statements.iter().map(|statement| statement.document(arn)).collect(),
        })
    }

    /// Adds a statement.
    ///
    /// # Errors
    /// AWS's, for an id that is there already and for a policy that grows too long.
    pub(crate) fn add(&mut self, statement: Statement, arn: &str) -> Result<(), Failure> {
        if self.statements.iter().any(|present| present.id == statement.id) {
            return Err(errors::resource_conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement.",
                statement.id
            )));
        }
        self.statements.push(statement);
        let json = self.json(arn);
        // What the authoriser could not read would allow nothing, and nobody would be told.
        Document::resource(&json).map_err(|_| invalid_principal())?;
        let bytes = json.len();
        if bytes > POLICY_BYTES_MAX {
            return Err(errors::policy_length_exceeded(format!(
                "The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX})."
            )));
        }
        Ok(())
    }

    /// Removes a statement.
    ///
    /// # Errors
    /// AWS's not found.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Failure> {
        let before = self.statements.len();
        self.statements.retain(|statement| statement.id != id);
        if self.statements.len() == before {
            return Err(errors::resource_not_found(format!(
                "Statement {id} is not found in resource policy."
            )));
        }
        Ok(())
    }
}

impl Statement {
    /// Reads a request.
    ///
    /// # Errors
    /// AWS's, for principals of no form and conditions that go with another action.
    pub(crate) fn read(input: AddPermissionRequest, partition: &str) -> Result<Self, Failure> {
        let action = input.action.unwrap_or_default();
        if input.function_url_auth_type.is_some() && action != INVOKE_URL {
            return Err(invalid_parameter(
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
            ));
        }
        Ok(Self {
            id: input.statement_id.unwrap_or_default(),
            principal: Grantee::read(&input.principal.unwrap_or_default(), partition)?,
            action,
            source_arn: input.source_arn,
            source_account: input.source_account.filter(|account| !account.is_empty()),
            organization: input.principal_org_id,
            event_source_token: input.event_source_token.filter(|token| !token.is_empty()),
            url_auth_type: input
                .function_url_auth_type
                .map(|kind: FunctionUrlAuthType| kind.as_str().to_owned()),
            via_url: input.invoked_via_function_url,
        })
    }

    /// The statement as JSON.
    pub(crate) fn json(&self, arn: &str) -> String {
        text(&self.document(arn))
    }

    /// Whether it is enough for a request to a function URL that nobody signed.
    pub(crate) fn lets_everyone_invoke_by_url(&self) -> bool {
        let Self { source_arn, source_account, organization, event_source_token, .. } = self;
        // Of nobody nothing is known that a further condition could hold for.
        let others = [source_arn, source_account, organization, event_source_token];
        self.principal == Grantee::Everybody
            && matches!(self.action.as_str(), INVOKE_URL | "lambda:*" | "*")
            && self.url_auth_type.as_deref().is_none_or(|kind| kind == FunctionUrlAuthType::None.as_str())
            && self.via_url != Some(false)
            && others.iter().all(|condition| condition.is_none())
    }

    fn document<'a>(&'a self, arn: &'a str) -> StatementJson<'a> {
        let pairs = |list: &[(&'static str, &'a Option<String>)]| {
            Pairs(list.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect())
        };
        StatementJson {
            sid: &self.id,
            effect: "Allow",
            principal: match &self.principal {
                Grantee::Everybody => PrincipalJson::Everybody("*"),
                Grantee::Service(name) => PrincipalJson::Service(name),
                Grantee::Aws(arn) => PrincipalJson::Aws(arn),
            },
            action: &self.action,
            resource: arn,
            condition: ConditionJson {
                // AWS: these two keys begin in capitals, as nobody else writes them.
                string_equals: pairs(&[
                    ("AWS:SourceAccount", &self.source_account),
                    ("aws:PrincipalOrgID", &self.organization),
                    ("lambda:EventSourceToken", &self.event_source_token),
                    ("lambda:FunctionUrlAuthType", &self.url_auth_type),
                ]),
                arn_like: pairs(&[("AWS:SourceArn", &self.source_arn)]),
                bool: Pairs(
                    self.via_url
                        .map(|via| ("lambda:InvokedViaFunctionUrl", if via { "true" } else { "false" }))
                        .into_iter()
                        .collect(),
                ),
            },
        }
    }
}

impl Grantee {
    /// `*`, an account's number or ARN, a user or role, or a service.
    fn read(text: &str, partition: &str) -> Result<Self, Failure> {
        if text == "*" {
            return Ok(Self::Everybody);
        }
        // AWS: the number of an account stands for its root.
        if let Ok(account) = text.parse::<AccountId>() {
            return Ok(Self::Aws(format!("arn:{partition}:iam::{account}:root")));
        }
        let of_principal = |arn: &Arn| match arn.service.as_str() {
            "iam" => {
                arn.resource == "root" || ["user/", "role/"].iter().any(|kind| arn.resource.starts_with(kind))
            }
            "sts" => ["assumed-role/", "federated-user/"].iter().any(|kind| arn.resource.starts_with(kind)),
            _ => false,
        };
        if let Ok(arn) = text.parse::<Arn>() {
            let fits =
                arn.region.is_empty() && arn.account.parse::<AccountId>().is_ok() && of_principal(&arn);
            return if fits { Ok(Self::Aws(text.to_owned())) } else { Err(invalid_principal()) };
        }
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        let names_service =
            SERVICE_DOMAINS.iter().any(|domain| text.len() > domain.len() && text.ends_with(domain));
        if names_service && text.bytes().all(allowed) && !text.starts_with(['.', '-']) {
            return Ok(Self::Service(text.to_owned()));
        }
        Err(invalid_principal())
    }
}

fn invalid_principal() -> Failure {
    invalid_parameter("The provided principal was invalid. Please check the principal and try again.")
}

fn text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("structures of texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn request(principal: &str) -> AddPermissionRequest {
        AddPermissionRequest {
            statement_id: Some("s".to_owned()),
            action: Some("lambda:InvokeFunction".to_owned()),
            principal: Some(principal.to_owned()),
            ..Default::default()
        }
    }

    fn json(input: AddPermissionRequest) -> String {
        Statement::read(input, "aws").unwrap().json(ARN)
    }

    #[test]
    fn statements_are_printed_as_aws_prints_them() {
        let head = r#"{"Sid":"s","Effect":"Allow","Principal":"#;
        let tail = format!(r#","Action":"lambda:InvokeFunction","Resource":"{ARN}"}}"#);
        for (principal, printed) in [
            ("*", r#""*""#),
            ("s3.amazonaws.com", r#"{"Service":"s3.amazonaws.com"}"#),
            ("alexa-appkit.amazon.com", r#"{"Service":"alexa-appkit.amazon.com"}"#),
            ("111122223333", r#"{"AWS":"arn:aws:iam::111122223333:root"}"#),
            ("arn:aws:iam::111122223333:role/r", r#"{"AWS":"arn:aws:iam::111122223333:role/r"}"#),
        ] {
            assert_eq!(json(request(principal)), format!("{head}{printed}{tail}"));
        }
        let conditions = AddPermissionRequest {
            action: Some("lambda:InvokeFunctionUrl".to_owned()),
            source_arn: Some("arn:aws:s3:::b".to_owned()),
            source_account: Some("111122223333".to_owned()),
            principal_org_id: Some("o-1234567890".to_owned()),
            event_source_token: Some("t".to_owned()),
            function_url_auth_type: Some(FunctionUrlAuthType::None),
            invoked_via_function_url: Some(true),
            ..request("*")
        };
        assert_eq!(
            json(conditions),
            format!(
                r#"{head}"*","Action":"lambda:InvokeFunctionUrl","Resource":"{ARN}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"111122223333","aws:PrincipalOrgID":"o-1234567890","lambda:EventSourceToken":"t","lambda:FunctionUrlAuthType":"NONE"}},"ArnLike":{{"AWS:SourceArn":"arn:aws:s3:::b"}},"Bool":{{"lambda:InvokedViaFunctionUrl":"true"}}}}}}"#
            )
        );
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for wrong in [
            "amazonaws.com",
            ".amazonaws.com",
            "s3",
            "arn:aws:s3:::b",
            "arn:aws:iam::1:root",
            "S3.amazonaws.com",
        ] {
            let failure = Statement::read(request(wrong), "aws").unwrap_err();
            assert!(failure.message.starts_with("The provided principal was invalid"), "{wrong}");
        }
    }

    #[test]
    fn a_policy_holds_an_id_once_and_twenty_kilobytes() {
        let mut policy = Policy::default();
        let statement = |id: String| {
            Statement::read(AddPermissionRequest { statement_id: Some(id), ..request("*") }, "aws").unwrap()
        };
        policy.add(statement("a".into()), ARN).unwrap();
        assert_eq!(policy.add(statement("a".into()), ARN).unwrap_err().status, 409);
        let failure = (0..1_000).find_map(|n| policy.add(statement(format!("s{n}")), ARN).err()).unwrap();
        assert_eq!(failure.code, "PolicyLengthExceededException");
        assert_eq!(policy.remove("zz").unwrap_err().message, "Statement zz is not found in resource policy.");
    }
}
