//! Node.js's compile cache: V8's bytecode of a package and of all that it names, which the bootstrap has Node look into.
//! <https://nodejs.org/docs/latest-v22.x/api/module.html#module-compile-cache>
//!
//! Node has one directory for all modules of a process, so it is made for a package together with the layers and the SDK that it is
//! run with. It refuses a Node that has no such cache.

use super::{Compiler, Function, Product, WITH};
use crate::{Interpreter, chore, plan};
use hearth_sandbox::{Mount, Spec};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What compiles.
const PROGRAM: &str = include_str!("node.cjs");
/// Where the bootstrap looks.
pub(super) const PLACE: &str = "/var/lang-compile-cache";
/// The first version with `module.enableCompileCache`.
const OLDEST: (u16, u16) = (22, 1);

pub(super) const COMPILER: Compiler = Compiler { products, compilation, is_bytecode };

fn products(Function { interpreter, definition, sdk }: Function<'_>) -> Vec<Product> {
    let (major, minor, patch) = interpreter.version;
    let Some(code) = definition.code.file_name().filter(|_| (major, minor) >= OLDEST) else {
        return Vec::new();
    };
    let mut name = code.to_owned();
    let mut sources = vec![Mount { source: definition.code.clone(), target: "/var/task".into() }];
    if let Some(layers) = &definition.layers {
        name.push(OsStr::from_bytes(&[WITH]));
        name.push(layers.file_name().unwrap_or_default());
        sources.push(Mount { source: layers.clone(), target: "/opt".into() });
    }
    name.push(format!(".node.{major}.{minor}.{patch}"));
    if let Some(sdk) = sdk {
        name.push(".sdk.");
        name.push(sdk.file_name().unwrap_or_default());
        sources.push(Mount { source: sdk.to_path_buf(), target: plan::sdk_place(interpreter.language) });
    }
    vec![Product { name, sources, place: PLACE }]
}

fn compilation(interpreter: &Interpreter, product: &Product) -> Spec {
    let node = interpreter.program_in(Some(Path::new("/var/lang")));
    // V8 takes nothing that was compiled with other flags of its own.
    let flags = plan::NODE_FLAGS.iter().chain(&["--expose-internals", "--no-warnings", "-e", PROGRAM]);
    let arguments: Vec<OsString> = flags.map(Into::into).collect();
    chore::spec(interpreter, product.sources.clone(), node, arguments)
}

/// Node's: a directory for a version of V8 and a user, in it a file for each module, by a checksum of its path.
fn is_bytecode(path: &Path) -> bool {
    let is_hexadecimal = |name: &str| name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    path.components().count() == 2
        && path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.len() == 8 && is_hexadecimal(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Definition, Language};
    use std::path::PathBuf;

    fn interpreter(version: (u16, u16, u16)) -> Interpreter {
        Interpreter {
            language: Language::Node,
            version,
            program: "/opt/node/bin/node".into(),
            prefix: "/opt/node".into(),
            directories: Vec::new(),
            lacks_cultures: false,
            named_for: None,
        }
    }

    #[test]
    fn it_is_of_a_package_with_its_layers_and_one_sdk_and_for_one_version() {
        let code = Definition { code: "/data/code/one".into(), layers: None, ..Definition::sample() };
        let layered = Definition { layers: Some(PathBuf::from("/data/code/two.layers")), ..code.clone() };
        let sdk = Path::new("/data/sdk/nodejs/3");
        let names = |version, definition: &Definition, sdk| {
            let products = products(Function { interpreter: &interpreter(version), definition, sdk });
            products.into_iter().map(|product| product.name.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(names((22, 23, 3), &code, None), ["one.node.22.23.3"]);
        assert_eq!(names((24, 1, 0), &layered, Some(sdk)), ["one+two.layers.node.24.1.0.sdk.3"]);
        assert_eq!(names((22, 1, 0), &code, None).len(), 1);
        for without in [(20, 20, 2), (22, 0, 0)] {
            assert!(names(without, &layered, Some(sdk)).is_empty(), "{without:?}");
        }
    }

    #[test]
    fn a_compiler_that_was_taken_over_writes_nothing_else() {
        assert!(is_bytecode(Path::new("v22.23.3-x64-159ae863-0/c6f19909")));
        for path in ["c6f19909", "a/b/c6f19909", "a/c6f1990", "a/c6f1990z", "a/c6f19909.js"] {
            assert!(!is_bytecode(Path::new(path)), "{path}");
        }
    }
}
