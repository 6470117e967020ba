//! The exceptions to the house rules, and which of them are still needed.

use super::{Breach, Error};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `tidy.toml`: for each rule that has exceptions, what is excepted and why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// Files that are too long, by path.
    #[serde(default)]
    long_files: BTreeMap<String, String>,
    /// Functions that are too long, by `path function`.
    #[serde(default)]
    long_functions: BTreeMap<String, String>,
    /// Crates that are there in several versions, by name.
    #[serde(default)]
    duplicates: BTreeMap<String, String>,
    /// Crates whose licence the rules do not know, by name.
    #[serde(default)]
    licences: BTreeMap<String, String>,
    /// The exceptions that something asked for.
    #[serde(skip)]
    used: RefCell<BTreeSet<(Rule, String)>>,
}

/// A rule that has exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    LongFile,
    LongFunction,
    Duplicate,
    Licence,
}

impl Exceptions {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Exceptions(path.to_path_buf(), source);
        let text = std::fs::read_to_string(path).map_err(|source| fail(Box::new(source)))?;
        toml::from_str(&text).map_err(|source| fail(Box::new(source)))
    }

    /// Whether this is excepted from the rule. Ask only about what breaks it: what is never asked about is idle.
    pub fn excepts(&self, rule: Rule, subject: &str) -> bool {
        let excepted = self.list(rule).1.contains_key(subject);
        if excepted {
            self.used.borrow_mut().insert((rule, subject.to_owned()));
        }
        excepted
    }

    /// Breaches for the exceptions that nothing needs any longer, and for those without a reason.
    pub fn idle(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for rule in [Rule::LongFile, Rule::LongFunction, Rule::Duplicate, Rule::Licence] {
            let (name, list) = self.list(rule);
            for (subject, reason) in list {
                let place = format!("xtask/tidy.toml [{name}] {subject:?}");
                if !self.used.borrow().contains(&(rule, subject.clone())) {
                    breaches.push(Breach::new(place.clone(), "no longer needed: take it off the list"));
                }
                if reason.trim().is_empty() {
                    breaches.push(Breach::new(place, "an exception has a reason"));
                }
            }
        }
        breaches
    }

    fn list(&self, rule: Rule) -> (&'static str, &BTreeMap<String, String>) {
        match rule {
            Rule::LongFile => ("long_files", &self.long_files),
            Rule::LongFunction => ("long_functions", &self.long_functions),
            Rule::Duplicate => ("duplicates", &self.duplicates),
            Rule::Licence => ("licences", &self.licences),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_that_nothing_needs_are_breaches() {
        let exceptions: Exceptions =
            toml::from_str("[long_files]\n'a.rs' = 'a table'\n'b.rs' = 'another'\n'c.rs' = ' '\n").unwrap();
        assert!(exceptions.excepts(Rule::LongFile, "a.rs"));
        assert!(exceptions.excepts(Rule::LongFile, "c.rs"));
        assert!(!exceptions.excepts(Rule::LongFile, "d.rs"));
        assert!(!exceptions.excepts(Rule::Licence, "a.rs"));
        let places: Vec<String> = exceptions.idle().into_iter().map(|breach| breach.place).collect();
        assert_eq!(
            places,
            ["xtask/tidy.toml [long_files] \"b.rs\"", "xtask/tidy.toml [long_files] \"c.rs\""]
        );
    }
}
