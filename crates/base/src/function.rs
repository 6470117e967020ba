//! How a caller names a function: by name, partial ARN or full ARN, with an optional qualifier.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax>

use crate::{AccountId, Region};
use std::fmt;

/// Which code and configuration of a function is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// The unpublished version, `$LATEST`.
    Latest,
    /// A published version: 1 and upwards.
    Version(u64),
    /// An alias. Never digits only.
    Alias(String),
}

/// A function as named in a request. What the name leaves out (account, region) is the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// The account of a partial or full ARN.
    pub account: Option<AccountId>,
    /// The region of a full ARN.
    pub region: Option<Region>,
    /// The bare name, 1 to 64 of `[A-Za-z0-9-_]`.
    pub name: String,
    /// The qualifier written behind the name.
    pub qualifier: Option<Qualifier>,
}

/// The text names no function in any of the three forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFunctionReference(pub String);

impl Qualifier {
    /// Reads `$LATEST`, a version number or an alias name (1 to 128 of `[A-Za-z0-9-_]`).
    pub fn parse(text: &str) -> Option<Self> {
        if text == "$LATEST" {
            return Some(Self::Latest);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
            return None;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Version);
        }
        Some(Self::Alias(text.to_owned()))
    }
}

impl serde::Serialize for Qualifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Qualifier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("{text:?} is not a version or an alias")))
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Version(number) => write!(f, "{number}"),
            Self::Alias(name) => f.write_str(name),
        }
    }
}

impl FunctionReference {
    /// Reads `name`, `account:function:name` or `arn:…:lambda:region:account:function:name`, each with an optional `:qualifier`.
    pub fn parse(text: &str) -> Result<Self, InvalidFunctionReference> {
        let invalid = || InvalidFunctionReference(text.to_owned());
        let fields: Vec<&str> = text.split(':').collect();
        let (account, region, rest) = match fields.as_slice() {
            ["arn", partition, "lambda", region, account, "function", rest @ ..]
                if partition.starts_with("aws") =>
            {
                let region = region.parse().map_err(|_| invalid())?;
                (Some(account.parse().map_err(|_| invalid())?), Some(region), rest)
            }
            [account, "function", rest @ ..] => (Some(account.parse().map_err(|_| invalid())?), None, rest),
            ["function", rest @ ..] if !rest.is_empty() => (None, None, rest),
            rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(Qualifier::parse(qualifier).ok_or_else(invalid)?)),
            _ => return Err(invalid()),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty()
            || name.len() > crate::limits::FUNCTION_NAME_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(invalid());
        }
        Ok(Self { account, region, name: name.to_owned(), qualifier })
    }
}

impl fmt::Display for InvalidFunctionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a function name, partial ARN or ARN", self.0)
    }
}

impl std::error::Error for InvalidFunctionReference {}

/// The unqualified ARN of a function.
pub fn function_arn(region: &Region, account: AccountId, name: &str) -> String {
    format!("arn:{}:lambda:{region}:{account}:function:{name}", region.partition())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_name_the_same_function() {
        let cases = [
            ("f", None, None, None),
            ("f:$LATEST", None, None, Some(Qualifier::Latest)),
            ("f:live", None, None, Some(Qualifier::Alias("live".into()))),
            ("function:f:12", None, None, Some(Qualifier::Version(12))),
            ("123456789012:function:f:7", Some("123456789012"), None, Some(Qualifier::Version(7))),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                Some("123456789012"),
                Some("eu-west-1"),
                None,
            ),
        ];
        for (text, account, region, qualifier) in cases {
            let parsed = FunctionReference::parse(text).unwrap();
            assert_eq!(parsed.name, "f", "{text}");
            assert_eq!(parsed.account, account.map(|a| a.parse().unwrap()), "{text}");
            assert_eq!(parsed.region, region.map(|r| r.parse().unwrap()), "{text}");
            assert_eq!(parsed.qualifier, qualifier, "{text}");
        }
    }

    #[test]
    fn what_is_no_function_is_refused() {
        let long = "x".repeat(65);
        for wrong in
            ["", "a b", "f:", "f:a:b", "12:function:f", "arn:aws:s3:us-east-1:123456789012:function:f", &long]
        {
            assert!(FunctionReference::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
