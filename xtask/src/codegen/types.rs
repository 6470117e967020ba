//! The Rust types, traits, dispatcher and error functions of a service, as text.

use super::graph::{Scope, holds_itself, says_more};
use super::model::{Model, Operation};
use super::name;
use super::operations::ServiceEntry;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names that the file itself uses: a structure or enumeration of such a name would take their place.
const RESERVED: &[&str] =
    &["BTreeMap", "Bytes", "Dispatcher", "Document", "String", "Timestamp", "Vec", "Box"];

/// The service's traits, one method for each operation, and the dispatcher over them.
pub fn traits(key: &str, entry: &ServiceEntry, model: &Model) -> Result<String, String> {
    let owners = owners(key, entry)?;
    let mut out = String::new();
    let mut traits: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (operation, owner) in &owners {
        traits.entry(owner).or_default().push(operation);
    }
    for (name, operations) in &traits {
        let _ = writeln!(out, "pub trait {name}: Send + Sync + 'static {{");
        for operation in operations {
            let (input, output) = signature(model.operation(operation)?);
            let input = input.map(|shape| format!(", input: {shape}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "fn {}<'a>(&'a self, grant: crate::Grant{input}) \
                 -> hearth_base::BoxFuture<'a, Result<{}, hearth_wire::Failure>>;",
                name::snake(operation),
                output.unwrap_or("()")
            );
        }
        out.push_str("}\n\n");
    }
    out.push_str(&dispatcher(&owners, &traits, model)?);
    Ok(out)
}

/// Which trait has each operation, in the order of the operations' names.
fn owners<'a>(key: &str, entry: &'a ServiceEntry) -> Result<BTreeMap<&'a str, String>, String> {
    let main = entry.main_trait.clone().unwrap_or_else(|| name::pascal(key));
    let mut owners: BTreeMap<&str, String> =
        entry.operations.iter().map(|operation| (operation.as_str(), main.clone())).collect();
    if owners.len() != entry.operations.len() {
        return Err("an operation is listed twice".to_owned());
    }
    for (name, operations) in &entry.traits {
        for operation in operations {
            match owners.get_mut(operation.as_str()) {
                Some(owner) => owner.clone_from(name),
                None => return Err(format!("the trait {name} has {operation}, which is not listed")),
            }
        }
    }
    Ok(owners)
}

/// The types of an operation's input and output; none when the model has none.
fn signature(operation: &Operation) -> (Option<&str>, Option<&str>) {
    (
        operation.input.as_ref().map(|reference| reference.shape.as_str()),
        operation.output.as_ref().map(|reference| reference.shape.as_str()),
    )
}

fn dispatcher(
    owners: &BTreeMap<&str, String>,
    traits: &BTreeMap<&str, Vec<&str>>,
    model: &Model,
) -> Result<String, String> {
    let mut fields = String::new();
    let mut parameters = String::new();
    let mut names = String::new();
    for name in traits.keys() {
        let field = name::snake(name);
        let _ = writeln!(fields, "{field}: std::sync::Arc<dyn {name}>,");
        let _ = write!(parameters, "{field}: std::sync::Arc<dyn {name}>,");
        let _ = write!(names, "{field},");
    }
    let mut arms = String::new();
    for (index, (operation, owner)) in owners.iter().enumerate() {
        let (input, output) = signature(model.operation(operation)?);
        let answer = if output.is_some() { "answer" } else { "answer_nothing" };
        let argument = if input.is_some() { ", crate::slots::request(input)" } else { "" };
        let call = format!("self.{}.{}(grant{argument})", name::snake(owner), name::snake(operation));
        let _ = writeln!(arms, "{index} => crate::slots::{answer}({call}),");
    }
    Ok(format!(
        "/// Calls the service's traits by operation number.\n\
         pub struct Dispatcher {{ {fields} }}\n\n\
         impl Dispatcher {{\n\
         pub fn new({parameters}) -> Self {{ Self {{ {names} }} }}\n\
         }}\n\n\
         impl crate::Dispatch for Dispatcher {{\n\
         fn service(&self) -> &'static hearth_wire::Service {{ &SERVICE }}\n\n\
         fn authorisation(&self) -> &'static [crate::authorisation::Authorisation] {{ AUTHORISATION }}\n\n\
         fn call(&self, operation: usize, grant: crate::Grant, input: hearth_wire::Value) \
         -> hearth_base::BoxFuture<'_, Result<hearth_wire::Value, hearth_wire::Failure>> {{\n\
         match operation {{\n{arms}\
         _ => crate::slots::no_such_operation(operation),\n\
         }}\n}}\n}}\n\n"
    ))
}

/// The structures and enumerations.
pub fn types(model: &Model, scope: &Scope) -> Result<String, String> {
    let mut out = String::new();
    for name in &scope.types {
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("the shape {name} has a name that generated code needs for itself"));
        }
        let shape = model.shape(name)?;
        if shape.is_structure() {
            let _ = writeln!(out, "structure!({name} {{");
            for (member_name, member) in &shape.members.0 {
                let field = name::snake(member_name);
                let mut rust = rust_type(model, &member.shape)?;
                if holds_itself(model, name, &member.shape) {
                    rust = format!("Box<{rust}>");
                }
                let _ = writeln!(out, "    {field}: {rust},");
            }
        } else {
            let _ = writeln!(out, "enumeration!({name} {{");
            for (variant, value) in name::variants(&shape.values).iter().zip(&shape.values) {
                let _ = writeln!(out, "    {variant} = {value:?},");
            }
        }
        out.push_str("});\n\n");
    }
    Ok(out)
}

/// The type of a field of this shape.
fn rust_type(model: &Model, name: &str) -> Result<String, String> {
    let shape = model.shape(name)?;
    let inner = |member: &Option<super::model::Member>| match member {
        Some(member) => rust_type(model, &member.shape),
        None => Err(format!("{name} has no item")),
    };
    Ok(match shape.kind.as_str() {
        _ if shape.document => "Document".to_owned(),
        // The events are still to come when the answer begins.
        "structure" if shape.eventstream => "hearth_wire::Events".to_owned(),
        "structure" => name.to_owned(),
        "string" if !shape.values.is_empty() => name.to_owned(),
        "string" | "character" => "String".to_owned(),
        "boolean" => "bool".to_owned(),
        "byte" | "short" | "integer" | "long" => "i64".to_owned(),
        "float" | "double" => "f64".to_owned(),
        "blob" => "Bytes".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "list" => format!("Vec<{}>", inner(&shape.member)?),
        "map" => format!("BTreeMap<String, {}>", inner(&shape.value)?),
        other => return Err(format!("{name} is of a kind that is not known: {other}")),
    })
}

/// The module of error functions, and what turns the errors that say more into failures.
pub fn errors(model: &Model, scope: &Scope) -> Result<String, String> {
    if scope.errors.is_empty() {
        return Ok(String::new());
    }
    let mut functions: BTreeMap<String, &str> = BTreeMap::new();
    let mut structures = String::new();
    for name in &scope.errors {
        let short = ["Exception", "Error", "Fault"].iter().find_map(|end| name.strip_suffix(end));
        let short = name::snake(short.filter(|short| !short.is_empty()).unwrap_or(name));
        // Two errors may differ in the ending alone; the later one keeps its whole name.
        let function = if functions.contains_key(&short) { name::snake(name) } else { short };
        functions.insert(function, name);
        if says_more(model.shape(name)?) {
            let _ = writeln!(structures, "    {name},");
        }
    }
    let mut out =
        String::from("/// The errors that the model lists, each made from its message.\npub mod errors {\n");
    out.push_str("    crate::fault::error_functions! {\n");
    for (function, shape) in functions {
        let _ = writeln!(out, "        {function} => {shape},");
    }
    out.push_str("    }\n}\n\n");
    if !structures.is_empty() {
        let _ = writeln!(out, "crate::fault::error_structures! {{\n{structures}}}\n");
    }
    Ok(out)
}
