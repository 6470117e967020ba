//! What a cage of an environment is made from: a program with its arguments and variables, mounts, limits and listeners, as AWS
//! lays them out for each language.
//!
//! It refuses to start anything: it says what [`Cage`](crate::cage::Cage) starts.

use crate::bootstrap::Bootstraps;
use crate::bytecode::{Bytecode, Function};
use crate::cells::{Cells, Shape, assignment};
use crate::chore;
use crate::dotnet::{self, Start};
use crate::extensions_api::{EXTENSIONS_MAX, Extensions, Failed};
use crate::failure::Fault;
use crate::function_classes::FunctionClasses;
use crate::variables::{self, Directories};
use crate::{Credentials, Definition, Interpreter, Language, Resolved};
use hearth_base::limits;
use hearth_sandbox::{
    Announcement, Companion, File, Isolation, Limits, Link, Listener, Mount, Sandbox, Spawner, Spec,
    Temporary, TemporaryStorage,
};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Processors during the initialisation, whatever the memory.
// AWS: small functions are initialised with more than their share; how much is not promised, two have been measured.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
pub(crate) const INIT_CPU_MILLIS_PER_SECOND: u32 = 2000;
/// What each environment has of a busy machine's processors, in proportion to the others.
const CPU_WEIGHT: u32 = 100;
/// Where layers have their external extensions.
const EXTENSIONS: &str = "extensions";
/// Where the Runtime API listens, as on AWS.
const RUNTIME_API_PORT: u16 = 9001;
/// Where the AWS endpoint listens: the port that people's scripts name.
const ENDPOINT_PORT: u16 = 4566;
/// The host name inside, as on AWS.
pub(crate) const HOSTNAME: &str = "169.254.100.1";
/// Where the interpreter stands, as on AWS.
const LANGUAGE_ROOT: &str = "/var/lang";
/// Where the bootstraps look for the AWS SDK of their language.
const SDK_ROOT: &str = "/var/lang-sdk";
/// What Node.js is started with, as on AWS.
pub(crate) const NODE_FLAGS: [&str; 2] = ["--expose-gc", "--max-http-header-size=81920"];

/// What a cage is made from.
pub(crate) struct Plan<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) resolved: &'a Resolved,
    pub(crate) credentials: &'a Credentials,
    pub(crate) log_stream: &'a str,
    pub(crate) bootstraps: &'a Bootstraps,
    pub(crate) bytecode: &'a Bytecode,
    pub(crate) function_classes: &'a FunctionClasses,
    /// The AWS SDK of the language, when it is installed.
    pub(crate) sdk: Option<PathBuf>,
    /// The `/tmp` of the cage before.
    pub(crate) temporary: Option<TemporaryStorage>,
    /// Who registers, and before that the names of the external ones.
    pub(crate) extensions: Arc<Extensions>,
    pub(crate) cells: &'a Cells,
    /// Whether many of the function's environments start at once.
    pub(crate) is_burst: bool,
    /// Told when the runtime's process, or that of an extension, has ended.
    pub(crate) deaths: Arc<Notify>,
}

impl Plan<'_> {
    /// The cage as its initialisation needs it, and the limits that it has from then on.
    pub(crate) fn initial(&self, isolation: Isolation) -> Result<(Spec, Limits), Fault> {
        let mut spec = self.spec(isolation)?;
        let limits = spec.limits;
        spec.limits.cpu_millis_per_second = limits.cpu_millis_per_second.max(INIT_CPU_MILLIS_PER_SECOND);
        Ok((spec, limits))
    }

    /// A stem cell that has become what `spec` says.
    pub(crate) async fn claim(&self, spec: &Spec) -> Option<Sandbox> {
        let shape = Shape::of(spec, self.definition)?;
        let key = &self.definition.key;
        let sandbox = match self.cells.claim(&shape, key) {
            Some(sandbox) => sandbox,
            None => self.cells.copy((&shape, key), CPU_WEIGHT, self.is_burst).await?,
        };
        match sandbox.assign(&assignment(spec)).await {
            Ok(()) => Some(sandbox),
            Err(error) => {
                // Nothing of the function has run: it starts plainly.
                tracing::warn!(%error, "a stem cell could not be assigned");
                None
            }
        }
    }

    /// Lets stem cells be made that can become this cage.
    pub(crate) fn expect(&self, spawner: &Spawner) {
        let spec = self.initial(spawner.isolation()).ok();
        if let Some(shape) = spec.and_then(|(spec, _)| Shape::of(&spec, self.definition)) {
            self.cells.expect(&shape, &self.definition.key);
        }
    }

    fn spec(&self, isolation: Isolation) -> Result<Spec, Fault> {
        match isolation {
            Isolation::Sandbox => self.caged(),
            Isolation::Process => self.uncaged(),
        }
    }

    /// Everything stands where AWS has it.
    fn caged(&self) -> Result<Spec, Fault> {
        let directories = Directories {
            task: Path::new("/var/task"),
            runtime: Path::new("/var/runtime"),
            layers: Path::new("/opt"),
            sdk: None,
            language: Some(Path::new(LANGUAGE_ROOT)),
        };
        let mut mounts = vec![Mount { source: self.definition.code.clone(), target: "/var/task".into() }];
        let mut links = Vec::new();
        let language = self.definition.runtime.language();
        if let Some((source, _)) = self.bootstraps.of(language) {
            mounts.push(Mount { source, target: "/var/runtime".into() });
        }
        if let Some(layers) = &self.definition.layers {
            mounts.push(Mount { source: layers.clone(), target: "/opt".into() });
        }
        if let Some(sdk) = &self.sdk {
            mounts.push(Mount { source: sdk.clone(), target: sdk_place(language) });
        }
        let hosts = format!("127.0.0.1 localhost {HOSTNAME} sandbox.localdomain sandbox\n::1 localhost\n");
        let files = vec![File { path: "/etc/hosts".into(), contents: hosts.into_bytes() }];
        let spec = self.bare(directories)?;
        if let Some(interpreter) = &self.resolved.interpreter {
            let (shown, linked) = installation(interpreter);
            mounts.extend(shown);
            mounts.extend(self.bytecode.mounts(Function {
                interpreter,
                definition: self.definition,
                sdk: self.sdk.as_deref(),
            }));
            mounts.extend(self.function_classes.mount(interpreter, self.definition));
            links.extend(linked);
        }
        Ok(Spec { mounts, links, files, ..spec })
    }

    /// Everything stands where the host has it.
    fn uncaged(&self) -> Result<Spec, Fault> {
        let bootstrap = self.bootstraps.of(self.definition.runtime.language());
        self.bare(Directories {
            task: &self.definition.code,
            runtime: bootstrap.as_ref().map_or(Path::new("/var/runtime"), |(directory, _)| directory),
            layers: self.definition.layers.as_deref().unwrap_or(Path::new("/opt")),
            sdk: self.sdk.as_deref(),
            language: None,
        })
    }

    /// All but mounts, links and files.
    fn bare(&self, directories: Directories<'_>) -> Result<Spec, Fault> {
        let definition = self.definition;
        let (program, arguments) = self.program(directories)?;
        let mut environment =
            variables::variables(definition, self.credentials, self.log_stream, directories);
        if let Some(interpreter) =
            self.resolved.interpreter.as_ref().filter(|found| found.language == Language::DotNet)
        {
            for (name, value) in dotnet::defaults(definition, interpreter, directories) {
                if !environment.iter().any(|(known, _)| *known == *name) {
                    environment.push((name.into(), value.into()));
                }
            }
        }
        // A user who names an endpoint of their own means it.
        let own_endpoint = definition.variables.iter().any(|(name, _)| name == variables::ENDPOINT_URL);
        let announce =
            |variable: &str, prefix: &str| Announcement { variable: variable.into(), prefix: prefix.into() };
        let listener = |port, announcements| Listener {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            announcements,
        };
        let endpoint =
            if own_endpoint { Vec::new() } else { vec![announce(variables::ENDPOINT_URL, "http://")] };
        Ok(Spec {
            program,
            arguments,
            environment,
            directory: directories.task.to_path_buf(),
            companions: self.companions(directories.layers),
            mounts: Vec::new(),
            links: Vec::new(),
            files: Vec::new(),
            stem: None,
            temporary: match &self.temporary {
                Some(kept) => Temporary::Kept(kept.clone()),
                None => Temporary::Fresh { bytes: u64::from(definition.ephemeral_storage_mb) << 20 },
            },
            limits: Limits {
                memory_bytes: u64::from(definition.memory_mb) << 20,
                cpu_millis_per_second: cpu_millis_per_second(definition.memory_mb),
                cpu_weight: CPU_WEIGHT,
                processes_max: limits::PROCESSES_MAX as u32,
                file_descriptors_max: limits::FILE_DESCRIPTORS_MAX,
            },
            hostname: HOSTNAME.to_owned(),
            listeners: vec![
                listener(RUNTIME_API_PORT, vec![announce(variables::RUNTIME_API, "")]),
                listener(ENDPOINT_PORT, endpoint),
            ],
            messages: Some(variables::MESSAGES.into()),
        })
    }

    /// The external extensions.
    fn companions(&self, layers: &Path) -> Vec<Companion> {
        let hidden: Vec<OsString> = variables::HIDDEN_FROM_EXTENSIONS.map(Into::into).into();
        let names = self.extensions.expected();
        let companion =
            |name| Companion { program: layers.join(EXTENSIONS).join(name), hidden: hidden.clone() };
        names.into_iter().map(companion).collect()
    }

    pub(crate) fn is_extension(&self, program: &Path) -> bool {
        program.parent().is_some_and(|directory| directory.ends_with(EXTENSIONS))
            && program.file_name().is_some_and(|name| {
                self.extensions.expected().iter().any(|extension| name == extension.as_str())
            })
    }

    fn program(&self, directories: Directories<'_>) -> Result<(PathBuf, Vec<OsString>), Fault> {
        let bootstrap = self.bootstraps.of(self.definition.runtime.language());
        match (&self.resolved.interpreter, bootstrap) {
            (Some(interpreter), Some((_, name))) => {
                let program = interpreter.program_in(directories.language);
                let bootstrap = directories.runtime.join(name);
                if interpreter.language == Language::DotNet {
                    return Ok(match dotnet::start(self.definition, directories, &program, &bootstrap) {
                        Start::Program(program, arguments) => self.wrapped(program, arguments),
                        Start::Refused(code, message) => dotnet::refusal(code, message),
                    });
                }
                let mut arguments = self.flags(interpreter);
                if interpreter.language == Language::Java {
                    let of_function = self.function_classes.mount(interpreter, self.definition);
                    let archived = match of_function {
                        Some(_) => Some(FunctionClasses::option()),
                        None => self.bootstraps.class_data.option(interpreter, self.definition),
                    };
                    // Elsewhere the class path is another than the archive's.
                    arguments.extend(archived.filter(|_| directories.language.is_some()).map(Into::into));
                    arguments.push("-cp".into());
                }
                arguments.push(bootstrap.into());
                if interpreter.language == Language::Java {
                    // A class path was named; now the class, and what it cannot know.
                    arguments.extend(["hearth.runtime.Bootstrap".into(), directories.layers.into()]);
                }
                Ok(self.wrapped(program, arguments))
            }
            _ => self.own_bootstrap(directories).map(|program| (program, Vec::new())),
        }
    }

    /// What `runtimes/README.md` asks for.
    fn flags(&self, interpreter: &Interpreter) -> Vec<OsString> {
        let flags: &[&str] = match interpreter.language {
            Language::Python => &["-S"],
            Language::Node => &NODE_FLAGS,
            // Older ones put hints for people into an error's message; AWS's runtimes have none there.
            Language::Ruby if interpreter.version < (3, 2, 0) => {
                &["--disable=error_highlight", "--disable=did_you_mean"]
            }
            Language::Ruby | Language::DotNet | Language::Provided => &[],
            Language::Java => {
                return java_flags(self.definition.memory_mb).into_iter().map(Into::into).collect();
            }
        };
        let mut flags: Vec<OsString> = flags.iter().map(Into::into).collect();
        let (major, minor, _) = interpreter.version;
        let asked = self.definition.variables.iter().find(|(name, _)| name == "NODE_OPTIONS");
        let mut refuse = |feature: &str, runtimes: &[u16], since: (u16, u16)| {
            let wanted =
                asked.is_some_and(|(_, options)| options.contains(&format!("--experimental-{feature}")));
            let runtime = self.definition.runtime;
            // The interpreter may be another than the runtime's, and an older one knows fewer flags.
            if runtime.language() == Language::Node
                && runtimes.contains(&runtime.version().0)
                && (major, minor) >= since
                && !wanted
            {
                flags.push(format!("--no-experimental-{feature}").into());
            }
        };
        refuse("require-module", &[20, 22], (20, 17));
        refuse("detect-module", &[22], (20, 10));
        flags
    }

    /// A script of the user's may start the runtime in its own way.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper>
    fn wrapped(&self, program: PathBuf, mut arguments: Vec<OsString>) -> (PathBuf, Vec<OsString>) {
        match self.wrapper() {
            Some(wrapper) => {
                arguments.insert(0, program.into());
                (wrapper.into(), arguments)
            }
            None => (program, arguments),
        }
    }

    pub(crate) fn wrapper(&self) -> Option<&str> {
        let named = self.definition.variables.iter().find(|(name, _)| name == variables::EXEC_WRAPPER);
        named.map(|(_, path)| path.as_str()).filter(|path| !path.is_empty())
    }

    /// The function's own, or else that of a layer.
    fn own_bootstrap(&self, directories: Directories<'_>) -> Result<PathBuf, Fault> {
        let definition = self.definition;
        if definition.code.join("bootstrap").exists() {
            return Ok(directories.task.join("bootstrap"));
        }
        if definition.layers.as_ref().is_some_and(|layers| layers.join("bootstrap").exists()) {
            return Ok(directories.layers.join("bootstrap"));
        }
        let message = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
        Err(Fault::invalid_entrypoint(message.to_owned()))
    }
}

/// The external extensions, in the order in which they start.
pub(crate) fn extension_names(definition: &Definition) -> Result<Vec<String>, Fault> {
    let Some(layers) = &definition.layers else { return Ok(Vec::new()) };
    let Ok(entries) = std::fs::read_dir(layers.join(EXTENSIONS)) else { return Ok(Vec::new()) };
    // AWS: every file there is one, executable or not; directories hold what they need.
    // https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    if names.len() > EXTENSIONS_MAX {
        let message = format!("{} extensions, and {EXTENSIONS_MAX} are the limit", names.len());
        return Err(Fault::extension(Failed {
            error_type: "Extension.TooManyExtensions".to_owned(),
            message,
        }));
    }
    Ok(names)
}

/// How AWS starts Java: a heap of 85 % of the memory, the simplest collector, and the compiler that is soonest done.
/// <https://docs.aws.amazon.com/lambda/latest/dg/java-customization.html>
fn java_flags(memory_mb: u32) -> [String; 5] {
    [
        format!("-XX:MaxHeapSize={}k", (u64::from(memory_mb) * 1024 * 85).div_ceil(100)),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-Xshare:auto".to_owned(),
        // It would keep a file of counters in /tmp.
        "-XX:-UsePerfData".to_owned(),
    ]
}

/// Where functions of a language see its AWS SDK.
pub(crate) fn sdk_place(language: Language) -> PathBuf {
    Path::new(SDK_ROOT).join(match language {
        Language::Node => "node",
        Language::Ruby => "ruby",
        Language::Python | Language::Java | Language::DotNet | Language::Provided => "python",
    })
}

/// Where an interpreter stands in a cage.
pub(crate) fn installation(interpreter: &Interpreter) -> (Vec<Mount>, Option<Link>) {
    let shown = |directory: &PathBuf| Mount { source: directory.clone(), target: directory.clone() };
    let mut mounts: Vec<Mount> = interpreter.directories.iter().map(shown).collect();
    if interpreter.prefix_is_shown() {
        mounts.push(Mount { source: interpreter.prefix.clone(), target: LANGUAGE_ROOT.into() });
        return (mounts, None);
    }
    (mounts, Some(Link { target: interpreter.prefix.clone(), link: LANGUAGE_ROOT.into() }))
}

/// A cage in which the Java bootstrap rehearses, and which writes the archive of its classes to standard output.
pub(crate) fn rehearsal(interpreter: &Interpreter, bootstrap: &Path) -> Spec {
    let seen = Path::new("/var/runtime");
    let java = interpreter.program_in(Some(Path::new(LANGUAGE_ROOT)));
    let script = "exec 3>&1 >/dev/null 2>&1; \"$0\" \"$@\" && exec cat /tmp/bootstrap.jsa >&3";
    let mut arguments: Vec<OsString> = vec!["-c".into(), script.into(), java.into()];
    arguments.extend(java_flags(chore::MEMORY_MB).map(Into::into));
    arguments.extend(["-XX:ArchiveClassesAtExit=/tmp/bootstrap.jsa", "-cp"].map(Into::into));
    arguments.push(seen.join("hearth-runtime.jar").into());
    arguments.extend(["hearth.runtime.Rehearsal", "/opt"].map(Into::into));
    let api = format!("127.0.0.1:{RUNTIME_API_PORT}");
    let environment = [
        (variables::RUNTIME_API, api.as_str()),
        ("_HANDLER", "hearth.runtime.Rehearsal::handle"),
        ("LAMBDA_TASK_ROOT", "/tmp"),
        ("AWS_LAMBDA_FUNCTION_NAME", "rehearsal"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "rehearsal"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "rehearsal"),
        ("LANG", "en_US.UTF-8"),
    ];
    let bootstrap = Mount { source: bootstrap.to_path_buf(), target: seen.to_path_buf() };
    let environment = environment.map(|(name, value)| (name.into(), value.into())).into();
    Spec { environment, ..chore::spec(interpreter, vec![bootstrap], "/bin/sh".into(), arguments) }
}

/// Processors follow memory: one whole at 1,769 MB.
fn cpu_millis_per_second(memory_mb: u32) -> u32 {
    (memory_mb * 1000).div_ceil(limits::MEMORY_PER_VCPU_MB)
}
