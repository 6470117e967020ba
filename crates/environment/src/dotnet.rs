//! How .NET is started: which files of the package its host is given, and what it is told by variables.
//!
//! AWS's runtime finds these by a shell script in the environment; here the package is looked at before. What is missing in
//! it ends the start as there, with the same line in the log and the same exit code. It refuses to read the package's code.
//! <https://docs.aws.amazon.com/lambda/latest/dg/csharp-handler.html>

use crate::variables::Directories;
use crate::{Definition, Interpreter};
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// Names the assembly whose `.deps.json` and `.runtimeconfig.json` count, when it is not the handler's.
const MAIN_ASSEMBLY: &str = "LAMBDA_DOTNET_MAIN_ASSEMBLY";
/// Says that a profiler is to be loaded.
const PROFILING: &str = "CORECLR_ENABLE_PROFILING";
/// How many bytes of a `.runtimeconfig.json` are read.
const CONFIGURATION_BYTES_MAX: u64 = 256 * 1024;

/// What is started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A program, which a wrapper of the user's may start in its place.
    Program(PathBuf, Vec<OsString>),
    /// Nothing of the package's: a line to the log, and an end with this code.
    Refused(u8, String),
}

impl Start {
    fn dotnet(program: &Path, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let exec = std::iter::once("exec".into()).chain(arguments);
        Self::Program(program.to_path_buf(), exec.collect())
    }
}

/// The shell that says why nothing was started.
pub(crate) fn refusal(code: u8, message: String) -> (PathBuf, Vec<OsString>) {
    let script = format!("echo \"$0\" 1>&2; exit {code}");
    ("/bin/sh".into(), vec!["-c".into(), script.into(), message.into()])
}

/// What starts `definition`: `program` is .NET's host, and `bootstrap` the assembly that speaks the Runtime API.
pub(crate) fn start(
    definition: &Definition,
    directories: Directories<'_>,
    program: &Path,
    bootstrap: &Path,
) -> Start {
    let handler = definition.handler.as_str();
    let Some((assembly, _)) = handler.split_once(':') else {
        return start_executable(definition, directories, program);
    };
    let named = variable(definition, MAIN_ASSEMBLY).filter(|name| !name.is_empty());
    let assembly = named.map_or(assembly, |name| name.strip_suffix(".dll").unwrap_or(name));
    let mut options: Vec<OsString> = Vec::new();
    for (option, ending, code) in
        [("--depsfile", ".deps.json", 105), ("--runtimeconfig", ".runtimeconfig.json", 106)]
    {
        match find(&definition.code, assembly, ending) {
            Some(file) => options.extend([option.into(), directories.task.join(file).into()]),
            None => {
                let task = directories.task.display();
                return Start::Refused(
                    code,
                    format!(
                        "Error: .NET binaries for Lambda function are not correctly installed in the {task} directory of the \
                         image when the image was built. The {task} directory is missing the required {ending} file."
                    ),
                );
            }
        }
    }
    options.extend([bootstrap.into(), handler.into()]);
    Start::dotnet(program, options)
}

/// A handler without a colon names a program of its own: an assembly, or what was compiled for this machine.
fn start_executable(definition: &Definition, directories: Directories<'_>, program: &Path) -> Start {
    let handler = definition.handler.as_str();
    let assembly = if handler.ends_with(".dll") { handler.to_owned() } else { format!("{handler}.dll") };
    let shown = |name: &str| directories.task.join(name);
    if is_file_below(&definition.code, &assembly) {
        return Start::dotnet(program, [shown(&assembly).into()]);
    }
    if is_file_below(&definition.code, handler) {
        return Start::Program(shown(handler), Vec::new());
    }
    let (assembly, binary) = (shown(&assembly), shown(handler));
    let message = format!(
        "Error: executable assembly {} or binary {} not found.",
        assembly.display(),
        binary.display()
    );
    Start::Refused(104, message)
}

/// `ASSEMBLY.ending`, or else the only file with that ending.
fn find(code: &Path, assembly: &str, ending: &str) -> Option<OsString> {
    let own = format!("{assembly}{ending}");
    if is_file_below(code, &own) {
        return Some(own.into());
    }
    let names = fs::read_dir(code).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut fitting = names.filter(|name| name.to_str().is_some_and(|name| name.ends_with(ending)));
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

/// Whether the package has it. What leads out of the package is not looked for.
fn is_file_below(code: &Path, name: &str) -> bool {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    inside && code.join(name).is_file()
}

fn variable<'a>(definition: &'a Definition, name: &str) -> Option<&'a str> {
    definition.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What .NET is told by variables that a user may set otherwise.
pub(crate) fn defaults(
    definition: &Definition,
    interpreter: &Interpreter,
    directories: Directories<'_>,
) -> Vec<(String, String)> {
    let (major, minor, patch) = interpreter.version;
    let program = interpreter.program_in(directories.language);
    let root = program.parent().unwrap_or(Path::new("/")).display().to_string();
    let mut defaults = vec![
        ("DOTNET_ROOT".to_owned(), root),
        ("DOTNET_VERSION".to_owned(), format!("{major}.{minor}.{patch}")),
        ("DOTNET_RUNNING_IN_CONTAINER".to_owned(), "true".to_owned()),
        ("DOTNET_NOLOGO".to_owned(), "true".to_owned()),
        ("DOTNET_CLI_TELEMETRY_OPTOUT".to_owned(), "true".to_owned()),
    ];
    let mut set = |name: String, value: String| defaults.push((name, value));
    // Older ones know the settings of the runtime itself by their first name only.
    let prefix = if major < 6 { "COMPlus" } else { "DOTNET" };
    // It would listen in /tmp for debuggers, of which there are none. Without it there are no profilers either.
    if variable(definition, PROFILING).is_none() {
        set(format!("{prefix}_EnableDiagnostics"), "0".to_owned());
    }
    // The machine's memory is not the function's, and that is all it sees.
    // AWS: the heap may have all the memory there is, unless the function has its own mind.
    if !sets_heap_limit(definition) {
        let limit = u64::from(definition.memory_mb) << 20;
        set(format!("{prefix}_GCHeapHardLimit"), format!("{limit:x}"));
    }
    if interpreter.lacks_cultures {
        set("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT".to_owned(), "1".to_owned());
    }
    // A package for another version says which; this one stands in for it.
    if (major, minor) != definition.runtime.version() {
        set("DOTNET_ROLL_FORWARD".to_owned(), "Major".to_owned());
    }
    defaults
}

/// Whether the package's own configuration bounds the heap.
fn sets_heap_limit(definition: &Definition) -> bool {
    let assembly = definition.handler.split(':').next().unwrap_or_default();
    let assembly = assembly.strip_suffix(".dll").unwrap_or(assembly);
    let Some(file) = find(&definition.code, assembly, ".runtimeconfig.json") else { return false };
    let mut text = Vec::new();
    let read = fs::File::open(definition.code.join(file))
        .and_then(|file| file.take(CONFIGURATION_BYTES_MAX).read_to_end(&mut text));
    // What cannot be read sets nothing; the host says what is wrong with it.
    let configuration: serde_json::Value =
        read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let properties = configuration.pointer("/runtimeOptions/configProperties");
    properties
        .and_then(serde_json::Value::as_object)
        .is_some_and(|properties| properties.keys().any(|name| name.starts_with("System.GC.HeapHardLimit")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Language, LogFormat, LogLevel, Logging, TracingMode};
    use std::time::Duration;

    fn directories() -> Directories<'static> {
        Directories {
            task: Path::new("/var/task"),
            runtime: Path::new("/var/runtime"),
            layers: Path::new("/opt"),
            sdk: None,
            language: Some(Path::new("/var/lang")),
        }
    }

    fn package(files: &[&str]) -> tempfile::TempDir {
        let code = tempfile::tempdir().unwrap();
        for name in files {
            fs::write(code.path().join(name), "{}").unwrap();
        }
        code
    }

    fn function(code: &Path, handler: &str) -> Definition {
        Definition {
            key: Key {
                account: "000000000000".parse().unwrap(),
                region: "eu-west-1".parse().unwrap(),
                name: "f".to_owned(),
                version: "$LATEST".to_owned(),
                revision: "1".to_owned(),
            },
            arn: "arn".to_owned(),
            runtime: "dotnet8".parse().unwrap(),
            handler: handler.to_owned(),
            code: code.to_path_buf(),
            layers: None,
            memory_mb: 512,
            timeout: Duration::from_secs(3),
            ephemeral_storage_mb: 512,
            variables: Vec::new(),
            role_arn: "role".to_owned(),
            logging: Logging {
                group: "/aws/lambda/f".to_owned(),
                format: LogFormat::Text,
                application_level: LogLevel::Info,
                system_level: LogLevel::Info,
            },
            tracing: TracingMode::PassThrough,
            initialization: crate::InitializationType::OnDemand,
        }
    }

    fn started(definition: &Definition) -> Start {
        start(definition, directories(), Path::new("/d/dotnet"), Path::new("/var/runtime/Hearth.Runtime.dll"))
    }

    fn words(start: &Start) -> String {
        match start {
            Start::Program(program, arguments) => {
                let words =
                    std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
                words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            }
            Start::Refused(code, message) => format!("{code} {message}"),
        }
    }

    #[test]
    fn the_host_is_given_the_files_of_the_package() {
        let own = ["A.deps.json", "A.runtimeconfig.json", "B.deps.json", "B.runtimeconfig.json"];
        let run = "/var/runtime/Hearth.Runtime.dll A::N.T::M";
        for (files, variables, handler, expected) in [
            (
                own.as_slice(),
                None,
                "A::N.T::M",
                format!(
                    "/d/dotnet exec --depsfile /var/task/A.deps.json --runtimeconfig /var/task/A.runtimeconfig.json {run}"
                ),
            ),
            (
                own.as_slice(),
                Some("B.dll"),
                "A::N.T::M",
                format!(
                    "/d/dotnet exec --depsfile /var/task/B.deps.json --runtimeconfig /var/task/B.runtimeconfig.json {run}"
                ),
            ),
            // The only ones there are count for every assembly.
            (
                &["C.deps.json", "C.runtimeconfig.json"],
                None,
                "A::N.T::M",
                format!(
                    "/d/dotnet exec --depsfile /var/task/C.deps.json --runtimeconfig /var/task/C.runtimeconfig.json {run}"
                ),
            ),
            (&["A.dll"], None, "A", "/d/dotnet exec /var/task/A.dll".to_owned()),
            (&["A.dll"], None, "A.dll", "/d/dotnet exec /var/task/A.dll".to_owned()),
            (&["A"], None, "A", "/var/task/A".to_owned()),
        ] {
            let code = package(files);
            let mut definition = function(code.path(), handler);
            definition.variables.extend(variables.map(|name| (MAIN_ASSEMBLY.to_owned(), name.to_owned())));
            assert_eq!(words(&started(&definition)), expected, "{handler}");
        }
    }

    #[test]
    fn what_is_missing_ends_the_start_in_aws_words() {
        let missing = "Error: .NET binaries for Lambda function are not correctly installed in the /var/task directory of the \
                       image when the image was built. The /var/task directory is missing the required";
        let absent = |name: &str| {
            format!(
                "104 Error: executable assembly /var/task/{name}.dll or binary /var/task/{name} not found."
            )
        };
        for (files, handler, expected) in [
            (&[][..], "A::N.T::M", format!("105 {missing} .deps.json file.")),
            (&["A.deps.json"], "A::N.T::M", format!("106 {missing} .runtimeconfig.json file.")),
            (&["B.deps.json", "C.deps.json"], "A::N.T::M", format!("105 {missing} .deps.json file.")),
            (&[], "A", absent("A")),
            (&[], "../../bin/sh", absent("../../bin/sh")),
        ] {
            let code = package(files);
            assert_eq!(words(&started(&function(code.path(), handler))), expected);
        }
    }

    #[test]
    fn variables_follow_the_version_and_the_package() {
        let code = package(&["A.runtimeconfig.json"]);
        let told = |version: (u16, u16, u16), lacks_cultures, change: &dyn Fn(&mut Definition)| {
            let interpreter = Interpreter {
                language: Language::DotNet,
                version,
                program: "/opt/dotnet/dotnet".into(),
                prefix: "/opt/dotnet".into(),
                directories: Vec::new(),
                lacks_cultures,
                named_for: None,
            };
            let mut definition = function(code.path(), "A::N.T::M");
            change(&mut definition);
            let told = defaults(&definition, &interpreter, directories());
            told.into_iter().skip(5).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(
            told((8, 0, 1), false, &|_| {}),
            ["DOTNET_EnableDiagnostics=0", "DOTNET_GCHeapHardLimit=20000000"]
        );
        assert_eq!(
            told((3, 1, 23), true, &|_| {}),
            [
                "COMPlus_EnableDiagnostics=0",
                "COMPlus_GCHeapHardLimit=20000000",
                "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1",
                "DOTNET_ROLL_FORWARD=Major"
            ]
        );
        let profiled = |definition: &mut Definition| {
            definition.variables.push((PROFILING.to_owned(), "1".to_owned()));
        };
        assert_eq!(told((8, 0, 1), false, &profiled), ["DOTNET_GCHeapHardLimit=20000000"]);
        let own = r#"{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimitPercent": 50}}}"#;
        fs::write(code.path().join("A.runtimeconfig.json"), own).unwrap();
        assert_eq!(told((8, 0, 1), false, &|_| {}), ["DOTNET_EnableDiagnostics=0"]);
    }
}
