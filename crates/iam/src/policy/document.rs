//! A policy document as read. It refuses to hold what the grammar does not allow: only the reader makes documents.

use super::condition::Condition;
use super::pattern::Pattern;
use super::principal::Principals;

/// A policy that has been read and found well formed.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) version: Version,
    pub(super) id: Option<String>,
    pub(super) statements: Vec<Statement>,
}

/// The version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, or none: there are no variables.
    V2008,
    /// `2012-10-17`
    V2012,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// One statement.
#[derive(Debug, Clone)]
pub struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Option<Principals>,
    pub(super) actions: Choice,
    /// None in trust policies, and in resource policies that mean the resource they are attached to.
    pub(super) resources: Option<Choice>,
    pub(super) conditions: Vec<Condition>,
    pub(super) begin: Place,
    pub(super) end: Place,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) negated: bool,
    pub(super) patterns: Vec<Pattern>,
}

/// A place in the text of a policy, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

impl Document {
    /// The version of the language it is written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its statements, in order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The condition keys that deciding by it may ask for, as they are written: those of conditions and of variables.
    pub fn context_keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        let mut add = |key| {
            if !keys.iter().any(|known: &&str| known.eq_ignore_ascii_case(key)) {
                keys.push(key);
            }
        };
        for statement in &self.statements {
            let resources = statement.resources.iter().flat_map(|choice| &choice.patterns);
            resources.flat_map(Pattern::variables).for_each(&mut add);
            for condition in &statement.conditions {
                add(condition.key());
                condition.values().iter().flat_map(Pattern::variables).for_each(&mut add);
            }
        }
        keys
    }
}

impl Statement {
    /// Its `Sid`.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it allows or denies.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Whom it is about, in policies of resources and roles.
    pub fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// Where it begins and ends in the text it was read from.
    pub fn span(&self) -> (Place, Place) {
        (self.begin, self.end)
    }
}
