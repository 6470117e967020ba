//! Names and ARNs of buses, rules, archives and replays.
//!
//! It refuses to look anything up.

use hearth_api::Grant;
use hearth_base::Arn;

/// The bus that every account has in every region.
pub const DEFAULT_BUS: &str = "default";

/// An account's part of a region, where names are told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub account: String,
    pub region: String,
}

/// The full name of a bus, an archive or a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub place: Place,
    pub name: String,
}

/// The full name of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName {
    pub bus: Name,
    pub name: String,
}

impl Place {
    /// That of a request.
    pub fn of(grant: &Grant) -> Self {
        Self { account: grant.account().to_string(), region: grant.region().as_str().to_owned() }
    }

    /// The name of something in it.
    pub fn name(self, name: &str) -> Name {
        Name { place: self, name: name.to_owned() }
    }

    fn arn(&self, resource: &str) -> String {
        let Self { account, region } = self;
        let partition = region.parse::<hearth_base::Region>().map_or("aws", |region| region.partition());
        format!("arn:{partition}:events:{region}:{account}:{resource}")
    }
}

impl Name {
    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 3] {
        [&self.place.account, &self.place.region, &self.name]
    }

    /// From the parts of a record's key.
    pub fn of_parts(parts: Vec<String>) -> Self {
        let [account, region, name] = <[String; 3]>::try_from(parts).unwrap_or_default();
        Self { place: Place { account, region }, name }
    }

    /// The bus that a request names, by its name or its ARN; the default one when it names none.
    pub fn bus(grant: &Grant, text: Option<&str>) -> Self {
        let text = text.unwrap_or(DEFAULT_BUS);
        Self::of_arn(text, "event-bus").unwrap_or_else(|| Place::of(grant).name(text))
    }

    /// The bus (`event-bus`), archive (`archive`) or replay (`replay`) of an ARN.
    pub fn of_arn(text: &str, kind: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "events")?;
        let name = arn.resource.strip_prefix(kind)?.strip_prefix('/')?.to_owned();
        Some(Self { place: Place { account: arn.account, region: arn.region }, name })
    }

    /// The ARN, of a resource of this kind.
    pub fn arn(&self, kind: &str) -> String {
        self.place.arn(&format!("{kind}/{}", self.name))
    }

    /// The ARN of a bus.
    pub fn bus_arn(&self) -> String {
        self.arn("event-bus")
    }

    /// A rule of this bus.
    pub fn rule(self, name: &str) -> RuleName {
        RuleName { bus: self, name: name.to_owned() }
    }
}

impl RuleName {
    /// The parts of the record's key.
    pub fn parts(&self) -> [&str; 4] {
        let [account, region, bus] = self.bus.parts();
        [account, region, bus, &self.name]
    }

    /// From the parts of a record's key.
    pub fn of_parts(parts: Vec<String>) -> Self {
        let [account, region, bus, name] = <[String; 4]>::try_from(parts).unwrap_or_default();
        Self { bus: Name { place: Place { account, region }, name: bus }, name }
    }

    /// The ARN, in which the default bus is not named.
    pub fn arn(&self) -> String {
        match self.bus.name.as_str() {
            DEFAULT_BUS => self.bus.place.arn(&format!("rule/{}", self.name)),
            bus => self.bus.place.arn(&format!("rule/{bus}/{}", self.name)),
        }
    }

    /// The rule of an ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "events")?;
        let rest = arn.resource.strip_prefix("rule/")?;
        let (bus, name) = rest.rsplit_once('/').unwrap_or((DEFAULT_BUS, rest));
        let place = Place { account: arn.account, region: arn.region };
        Some(place.name(bus).rule(name))
    }
}
