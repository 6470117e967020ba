//! What stem cells there can be: the part of a cage that is the same for every function of a runtime, and which functions
//! may be put into such a cage without noticing.
//!
//! It refuses every function whose process would have started differently: what acts at the start of a process cannot
//! be changed after it.

use crate::bytecode;
use crate::function_classes;
use crate::variables::EXEC_WRAPPER;
use crate::{Definition, Language};
use hearth_sandbox::{Assignment, File, Limits, Line, Link, Listener, Mount, Spec, Stem, Temporary};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Tells a bootstrap that it is in a stem cell, and by what it hears more.
const LINE: &str = "_HEARTH_STEM";
/// Where the function's own files are mounted.
const PLACES: [&str; 2] = [TASK, "/opt"];
const TASK: &str = "/var/task";
/// Directories in those that `LD_LIBRARY_PATH` names.
const LIBRARIES: &str = "lib";
/// Bytes for the environment: AWS lets functions have 4 KB of variables, and Lambda's own take less than as much.
const ENVIRONMENT_ROOM: usize = 16 * 1024;
/// Variables that a process can be given which cannot set its own. Half of them are kept for Lambda's own.
const VARIABLES_MAX: usize = 256;
/// Variables that a process reads when it starts, with the values that all functions of a runtime have.
const STARTING: [&str; 6] = ["AWS_EXECUTION_ENV", "GEM_PATH", "LANG", "LD_LIBRARY_PATH", "RUBYLIB", "TZ"];
/// The beginnings of names of variables that would have changed how a process starts: the dynamic loader, the C library, the
/// interpreters.
const ACTING: [&str; 20] = [
    "LD_",
    "LANG",
    "LC_",
    "LOCPATH",
    "GCONV_PATH",
    "GLIBC_",
    "MALLOC_",
    "PYTHON",
    "NODE_",
    "UV_",
    "OPENSSL_",
    "SSL_",
    "JAVA_",
    "JDK_",
    "_JAVA_",
    "CLASSPATH",
    "RUBY",
    "GEM_",
    "BUNDLER_SETUP",
    LINE,
];
/// Directories in which the dynamic loader looks for libraries made for some processors.
const HARDWARE: [&str; 4] = ["glibc-hwcaps", "haswell", "tls", "x86_64"];
/// What Ruby and its bootstrap load before the function is known: a file of that name, or a newer gem, would be loaded in its place.
const LOADED_BY_RUBY: [&str; 8] = [
    "rubygems",
    "rbconfig",
    "monitor",
    "bundled_gems",
    "error_highlight",
    "did_you_mean",
    "syntax_suggest",
    "socket.so",
];
/// Of a busy machine's processors, against the usual 100: cells are made when there is nothing better to do.
const CPU_WEIGHT: u32 = 1;

/// Functions with the same one can have each other's stem cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    language: Language,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    mounts: Vec<Mount>,
    links: Vec<Link>,
    files: Vec<File>,
    temporary_bytes: u64,
    limits: Limits,
    hostname: String,
    listeners: Vec<Listener>,
    messages: Option<OsString>,
}

impl Shape {
    /// The shape of the cell that could become what `spec` says; None when the function has to start from the beginning.
    pub(crate) fn of(spec: &Spec, definition: &Definition) -> Option<Self> {
        let language = definition.runtime.language();
        let memory_bytes = memory_bytes(language)?;
        let Temporary::Fresh { bytes } = spec.temporary else { return None };
        let is_plain = spec.companions.is_empty() && spec.stem.is_none();
        let acts = |(name, value): &(String, String)| {
            ACTING.iter().any(|acting| name.starts_with(acting))
                || (name == EXEC_WRAPPER && !value.is_empty())
        };
        let is_too_much =
            definition.variables.len() > VARIABLES_MAX / 2 && line(language) != Line::Descriptor;
        let brings = brings_libraries(definition)
            || (language == Language::Ruby && brings_what_ruby_loads(definition));
        if !is_plain || is_too_much || definition.variables.iter().any(acts) || brings {
            return None;
        }
        let starting = |(name, _): &&(OsString, OsString)| STARTING.iter().any(|starting| name == starting);
        let place = |mount: &&Mount| !is_place(&mount.target);
        let bare = |listener: &Listener| Listener { announcements: Vec::new(), ..listener.clone() };
        Some(Self {
            language,
            program: spec.program.clone(),
            arguments: spec.arguments.clone(),
            environment: spec.environment.iter().filter(starting).cloned().collect(),
            mounts: spec.mounts.iter().filter(place).cloned().collect(),
            links: spec.links.clone(),
            files: spec.files.clone(),
            temporary_bytes: bytes,
            limits: Limits { memory_bytes, cpu_weight: CPU_WEIGHT, ..spec.limits },
            hostname: spec.hostname.clone(),
            listeners: spec.listeners.iter().map(bare).collect(),
            messages: spec.messages.clone(),
        })
    }

    /// Bytes that a cell of this shape may take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.limits.memory_bytes
    }

    /// Whether one function alone can have its cells: they have mapped its classes.
    pub(crate) fn is_of_one_function(&self) -> bool {
        self.mounts.iter().any(|mount| mount.target == Path::new(function_classes::PLACE))
    }

    /// Whether there can be zygotes of it: a process can be copied only while it has one thread.
    pub(crate) fn has_one_thread(&self) -> bool {
        self.language == Language::Python
    }

    /// What the copy of a zygote of this shape is made from, which somebody waits for.
    pub(crate) fn spec_of_copy(&self, cpu_weight: u32) -> Spec {
        let spec = self.spec();
        Spec { limits: Limits { cpu_weight, ..spec.limits }, ..spec }
    }

    /// What a cell of this shape is made from.
    pub(crate) fn spec(&self) -> Spec {
        let line = line(self.language);
        Spec {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            // The other bootstraps go to the function's directory themselves.
            directory: if line == Line::Descriptor { "/" } else { TASK }.into(),
            companions: Vec::new(),
            mounts: self.mounts.clone(),
            links: self.links.clone(),
            files: self.files.clone(),
            temporary: Temporary::Fresh { bytes: self.temporary_bytes },
            limits: self.limits,
            hostname: self.hostname.clone(),
            stem: Some(Stem {
                variable: LINE.into(),
                line,
                places: places(self.language),
                inner: vec![LIBRARIES.into()],
                room: ENVIRONMENT_ROOM,
            }),
            listeners: self.listeners.clone(),
            messages: self.messages.clone(),
        }
    }
}

/// What makes of a cell what `spec` says.
pub(crate) fn assignment(spec: &Spec) -> Assignment {
    Assignment {
        mounts: spec.mounts.iter().filter(|mount| is_place(&mount.target)).cloned().collect(),
        environment: spec.environment.clone(),
        listeners: spec.listeners.clone(),
        messages: spec.messages.clone(),
        limits: spec.limits,
    }
}

fn is_place(target: &Path) -> bool {
    PLACES.iter().chain(&bytecode::PLACES).any(|place| target == Path::new(place))
}

/// The places that a function of this language can fill.
fn places(language: Language) -> Vec<PathBuf> {
    PLACES.iter().chain(bytecode::places(language)).map(PathBuf::from).collect()
}

/// How a bootstrap hears more: a JVM can change neither its directory nor its environment.
fn line(language: Language) -> Line {
    match language {
        Language::Java => Line::Pipes { variables: VARIABLES_MAX },
        _ => Line::Descriptor,
    }
}

/// What a cell may take while it waits; None for a language whose bootstrap cannot wait.
fn memory_bytes(language: Language) -> Option<u64> {
    let megabytes: u64 = match language {
        Language::Python => 48,
        Language::Node => 128,
        Language::Java => 64,
        Language::Ruby => 48,
        Language::DotNet | Language::Provided => return None,
    };
    Some(megabytes << 20)
}

/// Whether the dynamic loader could have taken a library of the function's, or of its layers, when the interpreter started.
fn brings_libraries(definition: &Definition) -> bool {
    let layers = definition.layers.as_ref().map(|layers| layers.join(LIBRARIES));
    let searched = [Some(definition.code.clone()), Some(definition.code.join(LIBRARIES)), layers];
    searched.iter().flatten().any(|directory| {
        let Ok(entries) = fs::read_dir(directory) else { return false };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            HARDWARE.contains(&&*name) || (name.starts_with("lib") && name.contains(".so"))
        })
    })
}

/// Whether Ruby could have loaded something of the function's, or of its layers, when it started.
fn brings_what_ruby_loads(definition: &Definition) -> bool {
    let (major, minor) = definition.runtime.version();
    let code = &definition.code;
    let gems = code.join(format!("vendor/bundle/ruby/{major}.{minor}.0/specifications"));
    let of_layers = definition.layers.iter().flat_map(|layers| {
        [layers.join("ruby/lib"), layers.join(format!("ruby/gems/{major}.{minor}.0/specifications"))]
    });
    [code.clone(), gems].into_iter().chain(of_layers).any(|directory| {
        let Ok(entries) = fs::read_dir(directory) else { return false };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // `monitor.rb`, the directory `rubygems`, `error_highlight-0.7.0.gemspec`.
            let rest = LOADED_BY_RUBY.iter().find_map(|loaded| name.strip_prefix(loaded));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        })
    })
}

#[cfg(test)]
impl Shape {
    /// That of some function.
    pub(crate) fn sample() -> Self {
        let definition = Definition { runtime: "python3.12".parse().unwrap(), ..Definition::sample() };
        Self::of(&tests::spec(), &definition).unwrap()
    }

    /// That of some function, and of no other.
    pub(crate) fn sample_of_one_function() -> Self {
        let mut shape = Self::sample();
        shape.mounts.push(Mount { source: "/classes".into(), target: function_classes::PLACE.into() });
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn spec() -> Spec {
        let mount = |source: &str, target: &str| Mount { source: source.into(), target: target.into() };
        Spec {
            program: "/var/lang/bin/python3.12".into(),
            arguments: vec!["-S".into(), "/var/runtime/bootstrap.py".into()],
            environment: vec![("LANG".into(), "C".into()), ("_HANDLER".into(), "a.b".into())],
            directory: "/var/task".into(),
            companions: Vec::new(),
            mounts: vec![mount("/code/1", "/var/task"), mount("/r", "/var/runtime"), mount("/l", "/opt")],
            links: Vec::new(),
            files: Vec::new(),
            temporary: Temporary::Fresh { bytes: 512 << 20 },
            limits: Limits {
                memory_bytes: 1 << 30,
                cpu_millis_per_second: 2000,
                cpu_weight: 100,
                processes_max: 1024,
                file_descriptors_max: 1024,
            },
            hostname: "h".into(),
            stem: None,
            listeners: Vec::new(),
            messages: None,
        }
    }

    fn definition(runtime: &str, variables: &[(&str, &str)]) -> Definition {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Definition { runtime: runtime.parse().unwrap(), variables, ..Definition::sample() }
    }

    #[test]
    fn functions_of_a_runtime_share_cells_whatever_is_their_own() {
        let shape = Shape::of(&spec(), &definition("python3.12", &[("A", "b")])).unwrap();
        let mut other = spec();
        other.mounts[0].source = "/code/2".into();
        other.mounts.pop();
        other.environment[1].1 = "c.d".into();
        other.limits.memory_bytes = 2 << 30;
        assert_eq!(Shape::of(&other, &definition("python3.12", &[])), Some(shape.clone()));
        let cell = shape.spec();
        assert_eq!(cell.mounts.len(), 1);
        assert_eq!(cell.environment, [("LANG".into(), "C".into())]);
        assert!(cell.limits.memory_bytes < 1 << 30 && cell.limits.cpu_weight < 100);
        let assignment = assignment(&spec());
        assert_eq!(assignment.mounts.len(), 2);
        assert_eq!((assignment.environment.len(), assignment.limits.memory_bytes), (2, 1 << 30));
        other.temporary = Temporary::Fresh { bytes: 1 << 30 };
        assert_ne!(Shape::of(&other, &definition("python3.12", &[])), Some(shape));
    }

    #[test]
    fn what_acts_at_the_start_of_a_process_starts_plainly() {
        for name in [
            "PYTHONPATH",
            "PYTHONHASHSEED",
            "NODE_OPTIONS",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LANG",
            "LC_ALL",
            "MALLOC_ARENA_MAX",
            "GLIBC_TUNABLES",
            "JAVA_TOOL_OPTIONS",
            "RUBYOPT",
            "RUBYLIB",
            "RUBY_GC_HEAP_GROWTH_FACTOR",
            "GEM_PATH",
            "BUNDLER_SETUP",
            "AWS_LAMBDA_EXEC_WRAPPER",
            "_HEARTH_STEM",
        ] {
            assert_eq!(Shape::of(&spec(), &definition("python3.12", &[(name, "x")])), None, "{name}");
        }
        assert!(Shape::of(&spec(), &definition("python3.12", &[("AWS_LAMBDA_EXEC_WRAPPER", "")])).is_some());
        assert_eq!(Shape::of(&spec(), &definition("provided.al2023", &[])), None);
    }

    #[test]
    fn a_jvm_is_changed_from_outside_and_has_room_for_so_many_variables() {
        let cell = Shape::of(&spec(), &definition("java17", &[("A", "b")])).unwrap().spec();
        let stem = cell.stem.unwrap();
        assert_eq!(stem.line, Line::Pipes { variables: VARIABLES_MAX });
        assert!(stem.places.contains(&cell.directory));
        let names: Vec<String> = (0..=VARIABLES_MAX / 2).map(|number| format!("V{number}")).collect();
        let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert!(Shape::of(&spec(), &definition("java17", &variables[1..])).is_some());
        assert_eq!(Shape::of(&spec(), &definition("java17", &variables)), None);
        assert!(Shape::of(&spec(), &definition("python3.12", &variables)).is_some());
    }

    #[test]
    fn what_brings_libraries_starts_plainly() {
        let code = tempfile::tempdir().unwrap();
        let definition = Definition { code: code.path().to_owned(), ..definition("python3.12", &[]) };
        fs::write(code.path().join("app.py"), "").unwrap();
        fs::write(code.path().join("_speed.cpython-312.so"), "").unwrap();
        assert!(Shape::of(&spec(), &definition).is_some());
        fs::create_dir(code.path().join("lib")).unwrap();
        fs::write(code.path().join("lib/libz.so.1"), "").unwrap();
        assert_eq!(Shape::of(&spec(), &definition), None);
    }

    #[test]
    fn what_brings_its_own_of_what_ruby_starts_with_starts_plainly() {
        for (path, is_plain) in [
            ("code/monitor.rb", true),
            ("code/rubygems/version.rb", true),
            ("code/monitoring.rb", false),
            ("code/json.rb", false),
            ("code/vendor/bundle/ruby/3.3.0/specifications/error_highlight-0.7.0.gemspec", true),
            ("code/vendor/bundle/ruby/3.2.0/specifications/error_highlight-0.7.0.gemspec", false),
            ("code/vendor/bundle/ruby/3.3.0/specifications/json-2.9.1.gemspec", false),
            ("layers/ruby/lib/rbconfig.rb", true),
            ("layers/ruby/gems/3.3.0/specifications/did_you_mean-2.0.0.gemspec", true),
        ] {
            let place = tempfile::tempdir().unwrap();
            let file = place.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
            let brought = |runtime| Definition {
                code: place.path().join("code"),
                layers: Some(place.path().join("layers")),
                ..definition(runtime, &[])
            };
            assert_eq!(Shape::of(&spec(), &brought("ruby3.3")).is_none(), is_plain, "{path}");
            assert!(Shape::of(&spec(), &brought("python3.12")).is_some(), "{path}");
        }
    }

    #[test]
    fn ruby_starts_with_the_paths_of_all_its_functions() {
        let mut of_ruby = spec();
        of_ruby.environment = ["GEM_PATH", "RUBYLIB", "PATH"].map(|name| (name.into(), "/x".into())).into();
        let cell = Shape::of(&of_ruby, &definition("ruby3.3", &[])).unwrap().spec();
        assert_eq!(cell.environment, of_ruby.environment[..2]);
    }
}
