//! Which shapes the listed operations reach, and which fields would make a type hold itself.

use super::model::{Member, Model, Shape};
use std::collections::BTreeSet;

/// The part of a model that is generated.
pub struct Scope {
    /// Every shape that an input, an output or an error reaches.
    pub shapes: BTreeSet<String>,
    /// The shapes among them that become Rust types: structures and enumerations.
    pub types: BTreeSet<String>,
    /// The error shapes among them.
    pub errors: BTreeSet<String>,
}

impl Scope {
    /// What these operations reach.
    pub fn of(model: &Model, operations: &[String]) -> Result<Self, String> {
        let mut scope = Self { shapes: BTreeSet::new(), types: BTreeSet::new(), errors: BTreeSet::new() };
        for name in operations {
            let operation = model.operation(name)?;
            for reference in operation.input.iter().chain(&operation.output) {
                reach(model, &reference.shape, &mut scope.types)?;
            }
            scope.errors.extend(operation.errors.iter().map(|error| error.shape.clone()));
        }
        scope.shapes.clone_from(&scope.types);
        for error in &scope.errors {
            reach(model, error, &mut scope.shapes)?;
            if says_more(model.shape(error)?) {
                reach(model, error, &mut scope.types)?;
            }
        }
        let plain: Vec<&String> = scope.types.iter().filter(|name| !is_type(&model.shapes[*name])).collect();
        let plain: BTreeSet<String> = plain.into_iter().cloned().collect();
        scope.types.retain(|name| !plain.contains(name));
        Ok(scope)
    }
}

/// Whether an error has members that neither a message nor its code fills.
pub fn says_more(error: &Shape) -> bool {
    error
        .members
        .0
        .iter()
        .any(|(name, _)| !["message", "type", "code"].iter().any(|plain| name.eq_ignore_ascii_case(plain)))
}

fn is_type(shape: &Shape) -> bool {
    shape.is_structure() || !shape.values.is_empty()
}

fn reach(model: &Model, name: &str, reached: &mut BTreeSet<String>) -> Result<(), String> {
    if !reached.insert(name.to_owned()) {
        return Ok(());
    }
    members(model.shape(name)?).try_for_each(|member| reach(model, &member.shape, reached))
}

/// The members of a structure, the item of a list, the key and value of a map.
fn members(shape: &Shape) -> impl Iterator<Item = &Member> {
    let of_structure = shape.members.0.iter().map(|(_, member)| member);
    of_structure.chain(&shape.member).chain(&shape.key).chain(&shape.value)
}

/// Whether `owner` is reached from its own member `target` through members alone: lists and maps hold their items
/// apart already, a structure in a structure does not.
pub fn holds_itself(model: &Model, owner: &str, target: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut pending = vec![target];
    while let Some(name) = pending.pop() {
        if name == owner {
            return true;
        }
        if let Some(shape) = model.shapes.get(name).filter(|shape| shape.is_structure() && seen.insert(name))
        {
            pending.extend(shape.members.0.iter().map(|(_, member)| member.shape.as_str()));
        }
    }
    false
}
