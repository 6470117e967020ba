//! What `operations.toml` says over a model: names that the model has lost, and constraints that operations check
//! themselves.
//!
//! It refuses to name what is not in the model: a misspelt line would otherwise do nothing.

use super::model::{ErrorTrait, Member, Model, Shape, XmlNamespace};
use super::operations::{Query, ServiceEntry};

/// Changes a model as its entry says.
pub fn lay(entry: &ServiceEntry, model: &mut Model) -> Result<(), String> {
    if let Some(query) = &entry.query {
        name(query, model)?;
    }
    if entry.unconstrained {
        for shape in model.shapes.values_mut() {
            release(shape);
        }
    }
    Ok(())
}

/// Puts the names of the query protocol where older models had them.
fn name(query: &Query, model: &mut Model) -> Result<(), String> {
    model.metadata.xml_namespace = XmlNamespace::Uri(query.xml_namespace.clone());
    for (operation, told) in &mut model.operations {
        if let Some(output) = &mut told.output {
            output.result_wrapper = format!("{operation}Result");
        }
    }
    for (path, name) in &query.names {
        member(model, path)?.location_name = Some(name.clone());
    }
    for (shape, code) in &query.codes {
        let shape = model.shapes.get_mut(shape).ok_or_else(|| format!("the model has no error {shape}"))?;
        shape.error =
            Some(ErrorTrait { code: Some(code.clone()), http_status_code: Some(400), sender_fault: true });
    }
    Ok(())
}

fn member<'m>(model: &'m mut Model, path: &str) -> Result<&'m mut Member, String> {
    let missing = || format!("the model has no member {path}");
    let (shape, member) = path.split_once('.').ok_or_else(missing)?;
    let shape = model.shapes.get_mut(shape).ok_or_else(missing)?;
    let found = match (shape.kind.as_str(), member) {
        ("list", "member") => shape.member.as_mut(),
        ("map", "key") => shape.key.as_mut(),
        ("map", "value") => shape.value.as_mut(),
        ("structure", _) => {
            shape.members.0.iter_mut().find(|(name, _)| name == member).map(|(_, member)| member)
        }
        _ => None,
    };
    found.ok_or_else(missing)
}

/// Takes away what the wire would check.
fn release(shape: &mut Shape) {
    shape.required.clear();
    shape.values.clear();
    shape.pattern.clear();
    (shape.min, shape.max) = (None, None);
}
