//! XML to and from [`Value`]s, along the schema. Namespaces are written and not looked at when reading; document type
//! declarations are refused, and with them every entity but XML's own five.

mod read;
mod write;

pub(crate) use read::Element;
pub(crate) use write::Writer;

#[cfg(test)]
mod tests;
