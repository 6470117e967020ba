//! How a value reads in a validation message: as Java prints it.

use crate::schema::{Kind, Shape};
use crate::value::Value;
use std::fmt::Write as _;

/// The most bytes of a value that a message repeats.
const BYTES_MAX: usize = 16 << 10;

/// The text of a value, with what is sensitive inside it covered.
pub(super) fn of(value: &Value, shape: &Shape) -> String {
    let mut out = String::new();
    write(&mut out, value, shape);
    if out.len() > BYTES_MAX {
        out.truncate(out.floor_char_boundary(BYTES_MAX));
        out.push_str("...");
    }
    out
}

fn write(out: &mut String, value: &Value, shape: &Shape) {
    if out.len() > BYTES_MAX {
        return;
    }
    if shape.sensitive {
        out.push_str("***");
        return;
    }
    let _ = match (value, &shape.kind) {
        (Value::String(text), _) => {
            out.push_str(text);
            Ok(())
        }
        (Value::Boolean(flag), _) => write!(out, "{flag}"),
        (Value::Integer(number), _) => write!(out, "{number}"),
        (Value::Double(number), _) => write!(out, "{number:?}"),
        (Value::Blob(bytes), _) => {
            write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len())
        }
        (Value::Timestamp(moment), _) => write!(out, "{}", moment.date_time()),
        (Value::Document(document), _) => write!(out, "{document}"),
        (Value::List(items), Kind::List { item, .. }) => {
            out.push('[');
            for (index, value) in items.iter().enumerate() {
                separate(out, index);
                write(out, value, item.shape);
            }
            out.push(']');
            Ok(())
        }
        (Value::Map(entries), Kind::Map { key, value: item, .. }) => {
            out.push('{');
            for (index, (name, value)) in entries.iter().enumerate() {
                separate(out, index);
                out.push_str(if key.shape.sensitive { "***" } else { name });
                out.push('=');
                write(out, value, item.shape);
            }
            out.push('}');
            Ok(())
        }
        (Value::Structure(slots), Kind::Structure(structure)) => {
            out.push_str(shape.name);
            out.push('(');
            let set = structure.members.iter().zip(slots);
            for (index, (member, value)) in
                set.filter_map(|(member, slot)| Some((member, slot.as_ref()?))).enumerate()
            {
                separate(out, index);
                let _ = write!(out, "{}=", super::decapitalised(member.name));
                write(out, value, member.shape);
            }
            out.push(')');
            Ok(())
        }
        _ => {
            out.push_str("null");
            Ok(())
        }
    };
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push_str(", ");
    }
}
