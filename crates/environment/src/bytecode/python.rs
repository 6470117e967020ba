//! Python's bytecode: a file for each source, where a compiled module would stand beside it. It refuses to be for what `PYTHONPATH` and the
//! like add: it is of a package, or of layers, each seen where all functions see it.

use super::{Compiler, Function, Product};
use crate::{Interpreter, chore};
use hearth_sandbox::{Mount, Spec};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What compiles.
const PROGRAM: &str = include_str!("python.py");
/// Where the bootstrap looks for what was compiled of the function's own code and of its layers.
pub(super) const PLACES: [&str; 2] = ["/var/lang-bytecode-task", "/var/lang-bytecode-opt"];

pub(super) const COMPILER: Compiler = Compiler { products, compilation, is_bytecode };

/// One of the code, and one of the layers: functions that have the same layers share theirs.
fn products(Function { interpreter, definition, .. }: Function<'_>) -> Vec<Product> {
    let (major, minor, patch) = interpreter.version;
    let product = |source: &Path, name: &str, seen: &str, place| {
        let mut named = source.file_name()?.to_owned();
        named.push(format!(".{name}.{major}.{minor}.{patch}"));
        let sources = vec![Mount { source: source.to_path_buf(), target: seen.into() }];
        Some(Product { name: named, sources, place })
    };
    let [of_code, of_layers] = PLACES;
    let code = product(&definition.code, "task", "/var/task", of_code);
    let layers = definition.layers.as_deref().and_then(|layers| product(layers, "opt", "/opt", of_layers));
    code.into_iter().chain(layers).collect()
}

fn compilation(interpreter: &Interpreter, product: &Product) -> Spec {
    let python = interpreter.program_in(Some(Path::new("/var/lang")));
    let mut arguments: Vec<OsString> = ["-I", "-S", "-c", PROGRAM].map(Into::into).into();
    arguments.extend(product.sources.iter().map(|mount| mount.target.clone().into()));
    chore::spec(interpreter, product.sources.clone(), python, arguments)
}

fn is_bytecode(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("pyc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_was_taken_over_writes_nothing_else() {
        assert!(is_bytecode(Path::new("package/__pycache__/b.cpython-311.pyc")));
        for path in ["x.py", "x", "pyc"] {
            assert!(!is_bytecode(Path::new(path)), "{path}");
        }
    }
}
