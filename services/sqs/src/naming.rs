//! Queue names, ARNs and URLs.
//!
//! It refuses to look anything up.

use crate::failures::{invalid, missing};
use hearth_api::Grant;
use hearth_api::sqs::errors;
use hearth_base::Arn;
use hearth_wire::Failure;

/// Characters of a queue's name.
const NAME_LENGTH_MAX: usize = 80;
/// How names of FIFO queues end.
pub const FIFO_SUFFIX: &str = ".fifo";

/// A queue's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    pub account: String,
    pub region: String,
    pub name: String,
}

impl QueueName {
    /// The name in the account and region of a request.
    pub fn of(grant: &Grant, name: &str) -> Self {
        Self {
            account: grant.account().as_str().to_owned(),
            region: grant.region().as_str().to_owned(),
            name: name.to_owned(),
        }
    }

    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 3] {
        [&self.account, &self.region, &self.name]
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        let Self { account, region, name } = self;
        let partition = region.parse::<hearth_base::Region>().map_or("aws", |region| region.partition());
        format!("arn:{partition}:sqs:{region}:{account}:{name}")
    }

    /// The URL, under the name by which the client reached the server.
    pub fn url(&self, grant: &Grant) -> String {
        format!("{}/{}/{}", grant.endpoint().trim_end_matches('/'), self.account, self.name)
    }

    /// The queue of a URL: of any host, since only the end of the path names it. The authoriser reads it in the same way.
    pub fn of_url(grant: &Grant, url: &str) -> Result<Self, Failure> {
        if url.is_empty() {
            return Err(missing("QueueUrl"));
        }
        let mut segments = url.rsplit('/');
        match (segments.next(), segments.next()) {
            (Some(name), Some(account))
                if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Ok(Self { account: account.to_owned(), ..Self::of(grant, name) })
            }
            _ => Err(errors::invalid_address(format!("The address {url} is not valid for this endpoint."))),
        }
    }

    /// The queue of an ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "sqs")?;
        Some(Self { account: arn.account, region: arn.region, name: arn.resource })
    }
}

/// Checks the name of a queue to be made.
pub fn check_name(name: &str, fifo: bool) -> Result<(), Failure> {
    let allowed = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let short = name.len() <= NAME_LENGTH_MAX;
    match fifo {
        true if short && name.strip_suffix(FIFO_SUFFIX).is_some_and(allowed) => Ok(()),
        true => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
             .fifo suffix and be 1 to 80 in length.",
        )),
        false if short && allowed(name) => Ok(()),
        false => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}
