//! The conditions of a statement: every operator that IAM has, and what each makes of missing and of many values.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
//!
//! A value that cannot be read as what its operator compares (a number, a date, an address) equals nothing.

use super::context::Context;
use super::pattern::{Colons, Outcome, Pattern, Reading};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_base::Timestamp;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

/// One key under one operator.
#[derive(Debug, Clone)]
pub struct Condition {
    pub(super) operator: Operator,
    /// As it was written.
    key: String,
    /// In lower case: keys are the same in any.
    lower_key: String,
    pub(super) values: Vec<Pattern>,
}

/// What a condition compares and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) over: Over,
    comparison: Comparison,
    /// `StringNotEquals` and its like: true when no value compares.
    negated: bool,
    name: &'static str,
    pub(super) if_exists: bool,
}

/// Which of the request's values must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The only one; of many, any.
    One,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Text,
    TextIgnoringCase,
    Like,
    Number(Order),
    Date(Order),
    Boolean,
    Binary,
    Address,
    Arn,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Same,
    Less,
    NotMore,
    More,
    NotLess,
}

impl Order {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Same => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::NotMore => ordering.is_le(),
            Self::More => ordering.is_gt(),
            Self::NotLess => ordering.is_ge(),
        }
    }
}

/// Every operator: its name, what it compares, and whether it is the opposite.
const OPERATORS: [(&str, Comparison, bool); 28] = [
    ("StringEquals", Comparison::Text, false),
    ("StringNotEquals", Comparison::Text, true),
    ("StringEqualsIgnoreCase", Comparison::TextIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::TextIgnoringCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("NumericEquals", Comparison::Number(Order::Same), false),
    ("NumericNotEquals", Comparison::Number(Order::Same), true),
    ("NumericLessThan", Comparison::Number(Order::Less), false),
    ("NumericLessThanEquals", Comparison::Number(Order::NotMore), false),
    ("NumericGreaterThan", Comparison::Number(Order::More), false),
    ("NumericGreaterThanEquals", Comparison::Number(Order::NotLess), false),
    ("DateEquals", Comparison::Date(Order::Same), false),
    ("DateNotEquals", Comparison::Date(Order::Same), true),
    ("DateLessThan", Comparison::Date(Order::Less), false),
    ("DateLessThanEquals", Comparison::Date(Order::NotMore), false),
    ("DateGreaterThan", Comparison::Date(Order::More), false),
    ("DateGreaterThanEquals", Comparison::Date(Order::NotLess), false),
    ("Bool", Comparison::Boolean, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::Address, false),
    ("NotIpAddress", Comparison::Address, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnNotLike", Comparison::Arn, true),
    ("Null", Comparison::Null, false),
    // AWS documents `Bool` alone, and takes policies that were written with its full name.
    ("Boolean", Comparison::Boolean, false),
];

impl Operator {
    /// Reads the name of an operator with what stands before and behind it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (over, rest) = if let Some(rest) = text.strip_prefix("ForAllValues:") {
            (Over::All, rest)
        } else if let Some(rest) = text.strip_prefix("ForAnyValue:") {
            (Over::Any, rest)
        } else {
            (Over::One, text)
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (name, comparison, negated) = *OPERATORS.iter().find(|(known, ..)| *known == name)?;
        let null = comparison == Comparison::Null;
        // What asks whether a key exists cannot hold only if it does, nor for each of its values.
        (!null || (over == Over::One && !if_exists)).then_some(Self {
            over,
            comparison,
            negated,
            name,
            if_exists,
        })
    }

    /// The name as policies write it.
    pub(super) fn text(self) -> String {
        let before = match self.over {
            Over::One => "",
            Over::All => "ForAllValues:",
            Over::Any => "ForAnyValue:",
        };
        format!("{before}{}{}", self.name, if self.if_exists { "IfExists" } else { "" })
    }

    /// How the values of its conditions are read.
    pub(super) fn reading(self, variables: bool) -> Reading {
        let wildcards = matches!(self.comparison, Comparison::Like | Comparison::Arn);
        // AWS: each of the six parts of an ARN is compared alone.
        let colons = if self.comparison == Comparison::Arn { Colons::Stop } else { Colons::Pass };
        Reading { wildcards, variables, colons }
    }
}

impl Condition {
    pub(super) fn new(operator: Operator, key: &str, values: Vec<Pattern>) -> Self {
        Self { operator, key: key.to_owned(), lower_key: key.to_ascii_lowercase(), values }
    }

    /// The key, as it is written.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The operator, as it is written.
    pub fn operator(&self) -> String {
        self.operator.text()
    }

    /// What the key's values are compared with.
    pub fn values(&self) -> &[Pattern] {
        &self.values
    }

    /// The key in lower case: what a [`Context`] is asked for.
    pub(super) fn lower_key(&self) -> &str {
        &self.lower_key
    }

    /// Whether it holds.
    pub(super) fn holds(&self, context: &dyn Context) -> bool {
        let asked = context.get(&self.lower_key);
        let values = asked.as_ref().map_or(&[][..], |values| values.as_slice());
        let Operator { over, comparison, negated, if_exists, .. } = self.operator;
        if comparison == Comparison::Null {
            let absent = values.is_empty();
            return self.values.iter().any(|wanted| wanted.as_str().eq_ignore_ascii_case("true") == absent);
        }
        if values.is_empty() {
            // AWS: a negated operator holds of a key that is not there, and all of no values pass.
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
            return match over {
                Over::All => true,
                Over::Any => if_exists,
                Over::One => negated || if_exists,
            };
        }
        let compares =
            |value: &Cow<'_, str>| self.values.iter().any(|wanted| self.compares(value, wanted, context));
        match (over, negated) {
            (Over::All, _) => values.iter().all(|value| compares(value) != negated),
            (Over::Any, _) | (Over::One, false) => values.iter().any(|value| compares(value) != negated),
            (Over::One, true) => !values.iter().any(compares),
        }
    }

    fn compares(&self, value: &str, wanted: &Pattern, context: &dyn Context) -> bool {
        let comparison = self.operator.comparison;
        if matches!(comparison, Comparison::Like | Comparison::Arn) {
            return wanted.matches_in(value, context) == Outcome::Matches;
        }
        let Some(wanted) = wanted.filled(context) else { return false };
        match comparison {
            Comparison::TextIgnoringCase => value.to_lowercase() == wanted.to_lowercase(),
            Comparison::Number(order) => ordered(number(value).zip(number(&wanted)), order),
            Comparison::Date(order) => ordered(date(value).zip(date(&wanted)), order),
            Comparison::Boolean => value.eq_ignore_ascii_case(&wanted),
            Comparison::Binary => STANDARD
                .decode(value)
                .ok()
                .zip(STANDARD.decode(&wanted).ok())
                .is_some_and(|(one, other)| one == other),
            Comparison::Address => address_within(value, &wanted),
            _ => value == wanted,
        }
    }
}

fn ordered<T: PartialOrd>(pair: Option<(T, T)>, order: Order) -> bool {
    pair.and_then(|(value, wanted)| value.partial_cmp(&wanted)).is_some_and(|ordering| order.admits(ordering))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The W3C's profile of ISO 8601, or seconds since the epoch. In milliseconds.
/// <https://www.w3.org/TR/NOTE-datetime>
fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    let year_only = text.len() == 4;
    if !year_only && let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1_000);
    }
    let (day, clock) = text.split_once('T').unwrap_or((text, "00:00Z"));
    let day = match day.len() {
        4 => format!("{day}-01-01"),
        7 => format!("{day}-01"),
        _ => day.to_owned(),
    };
    let zone = clock.find(['Z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let clock = if clock.len() == 5 { format!("{clock}:00") } else { clock.to_owned() };
    let local = Timestamp::parse_date_time(&format!("{day}T{clock}Z"))?;
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    Some(local.millis() + millis - offset(zone)?)
}

/// `Z` or `+hh:mm`, in milliseconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let within = (0..24).contains(&hours) && (0..60).contains(&minutes);
    within.then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Whether an address lies in a range such as `203.0.113.0/24`; without a length, the address itself is meant.
fn address_within(value: &str, range: &str) -> bool {
    let (network, length) =
        range.split_once('/').map_or((range, None), |(network, length)| (network, Some(length)));
    let (Ok(value), Ok(network)) = (value.parse::<IpAddr>(), network.parse::<IpAddr>()) else { return false };
    let (value, network, bits) = match (value.to_canonical(), network) {
        (IpAddr::V4(value), IpAddr::V4(network)) => {
            (u128::from(value.to_bits()) << 96, u128::from(network.to_bits()) << 96, 32)
        }
        (IpAddr::V6(value), IpAddr::V6(network)) => (value.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let Ok(length) = length.map_or(Ok(bits), str::parse::<u32>) else { return false };
    if length > bits {
        return false;
    }
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    value & mask == network & mask
}

#[cfg(test)]
mod tests;
