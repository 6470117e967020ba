//! Amazon Resource Names: `arn:partition:service:region:account:resource`.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>

use std::fmt;
use std::str::FromStr;

/// A parsed ARN. Region and account may be empty, as they are for global resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, ...
    pub partition: String,
    /// `lambda`, `logs`, ...
    pub service: String,
    /// A region name, or empty.
    pub region: String,
    /// Twelve digits, or empty, or `aws` for what AWS owns.
    pub account: String,
    /// All that follows, colons and slashes included.
    pub resource: String,
}

/// The text has not the six fields of an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArn(pub String);

impl FromStr for Arn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.splitn(6, ':');
        let mut next = || fields.next().map(str::to_owned);
        match (next(), next(), next(), next(), next(), next()) {
            (Some(prefix), Some(partition), Some(service), Some(region), Some(account), Some(resource))
                if prefix == "arn"
                    && !partition.is_empty()
                    && !service.is_empty()
                    && !resource.is_empty() =>
            {
                Ok(Self { partition, service, region, account, resource })
            }
            _ => Err(InvalidArn(text.to_owned())),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl fmt::Display for InvalidArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an ARN (arn:partition:service:region:account:resource)", self.0)
    }
}

impl std::error::Error for InvalidArn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_read_back_as_written() {
        for text in [
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
            "arn:aws:iam::123456789012:role/service-role/r",
            "arn:aws:s3:::bucket/key:with:colons",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
        for wrong in ["", "arn:aws:lambda", "arn:aws:lambda:us-east-1:1:", "urn:a:b:c:d:e"] {
            assert!(wrong.parse::<Arn>().is_err(), "{wrong:?}");
        }
    }
}
