//! Names and ARNs of topics and subscriptions.
//!
//! It refuses to look anything up.

use crate::failures::{invalid, no_such_topic};
use hearth_api::Grant;
use hearth_base::Arn;
use hearth_wire::Failure;

/// Characters of a topic's name.
const NAME_LENGTH_MAX: usize = 256;
/// How names of FIFO topics end.
pub const FIFO_SUFFIX: &str = ".fifo";

/// A topic's full name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName {
    pub account: String,
    pub region: String,
    pub name: String,
}

/// A subscription's full name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionName {
    pub topic: TopicName,
    pub id: String,
}

impl TopicName {
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
        format!("arn:{partition}:sns:{region}:{account}:{name}")
    }

    /// The topic of an ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "sns")?;
        let own = !arn.resource.contains(':');
        own.then_some(Self { account: arn.account, region: arn.region, name: arn.resource })
    }

    /// The topic that a request names.
    pub fn of_request(grant: &Grant, text: Option<&str>, parameter: &str) -> Result<Self, Failure> {
        let text = text.unwrap_or_default();
        let elements = text.split(':').count();
        if elements < 6 {
            return Err(invalid(format!(
                "{parameter} Reason: An ARN must have at least 6 elements, not {elements}"
            )));
        }
        let name = Self::of_arn(text).ok_or_else(|| invalid(parameter))?;
        // A region holds its own topics only.
        if name.region != grant.region().as_str() { Err(no_such_topic()) } else { Ok(name) }
    }
}

impl SubscriptionName {
    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 4] {
        let [account, region, name] = self.topic.parts();
        [account, region, name, &self.id]
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    /// The subscription of an ARN.
    pub fn of_arn(text: &str) -> Result<Self, Failure> {
        let elements = text.split(':').count();
        let wrong = || {
            invalid(format!("SubscriptionArn Reason: An ARN must have at least 6 elements, not {elements}"))
        };
        let (topic, id) = text.rsplit_once(':').ok_or_else(wrong)?;
        if elements < 6 {
            return Err(wrong());
        }
        let topic = TopicName::of_arn(topic).ok_or_else(|| invalid("SubscriptionId"))?;
        Ok(Self { topic, id: id.to_owned() })
    }
}

/// Checks the name of a topic to be made.
pub fn check_name(name: &str, fifo: bool) -> Result<(), Failure> {
    let base = if fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match base {
        Some(base) if !base.is_empty() && name.len() <= NAME_LENGTH_MAX && base.bytes().all(allowed) => {
            Ok(())
        }
        _ if fifo => Err(invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, \
             numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        _ => Err(invalid("Topic Name")),
    }
}
