//! Which interpreters this machine has, and which of them runs a given runtime.
//!
//! It looks at `PATH`, `/usr`, pyenv, nvm, rbenv, SDKMAN `JAVA_HOME` and `DOTNET_ROOT`, and asks each program for its version once. It refuses to install any.

mod icu;
mod probe;
#[cfg(test)]
mod tests;

use crate::{Language, Runtime};
use hearth_base::Region;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The oldest interpreters that the bootstraps run on.
const OLDEST: [(Language, (u16, u16)); 5] = [
    (Language::Python, (3, 9)),
    (Language::Node, (20, 0)),
    (Language::Ruby, (3, 1)),
    (Language::Java, (17, 0)),
    (Language::DotNet, (3, 1)),
];

/// Where to look, and how strict to be.
#[derive(Debug, Clone, Default)]
pub struct RuntimesOptions {
    /// `--runtime python3.12=/path`: before anything that is found.
    pub overrides: Vec<(Runtime, PathBuf)>,
    /// Refuse a runtime whose exact version is not on the machine, instead of taking the nearest.
    pub strict: bool,
    /// A file that remembers what programs were found to be, so that they need not be run at every start.
    pub cache: Option<PathBuf>,
}

/// The interpreters of this machine. What asks for them waits until they are discovered.
#[derive(Debug)]
pub struct Runtimes {
    discovered: Arc<OnceLock<Discovered>>,
    strict: bool,
}

#[derive(Debug, Default)]
struct Discovered {
    found: Vec<Interpreter>,
    problems: Vec<String>,
}

/// One interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// What it runs.
    pub language: Language,
    /// Major, minor and patch.
    pub version: (u16, u16, u16),
    /// The program, symbolic links resolved.
    pub program: PathBuf,
    /// The directory it is installed in: `/usr`, or one of its own that is shown in the cage as `/var/lang`.
    pub prefix: PathBuf,
    /// Further host directories that must be seen in the cage under their own names for it to run, beside `/usr`: those of
    /// its shared libraries.
    pub directories: Vec<PathBuf>,
    /// A .NET for which there is no ICU here: it runs without the data of any culture, or not at all.
    pub lacks_cultures: bool,
    /// The runtime it was named for with `--runtime`.
    pub named_for: Option<Runtime>,
}

/// What a runtime runs on here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The runtime asked for.
    pub runtime: Runtime,
    /// The interpreter; `provided` runtimes have none.
    pub interpreter: Option<Interpreter>,
    /// What the user should know: the version is not the exact one.
    pub warning: Option<String>,
}

/// No interpreter here runs the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The runtime asked for.
    pub runtime: Runtime,
    /// What is missing and what to install, in words for the user.
    pub reason: String,
}

impl Runtimes {
    /// Looks for interpreters and runs each once to learn its version: some tens of milliseconds for each program that is
    /// not in the cache. A thread does it, so that a server is ready before; whoever asks for an interpreter meanwhile is
    /// blocked for the rest of it.
    pub fn discover(options: &RuntimesOptions) -> Self {
        let (strict, options) = (options.strict, options.clone());
        let discovered = Arc::new(OnceLock::new());
        let result = Arc::clone(&discovered);
        // It is the only one to set the result, so that cannot fail; a thread that panics must not leave others waiting.
        std::thread::spawn(move || {
            result.set(catch_unwind(|| Discovered::new(&options)).unwrap_or_default())
        });
        Self { discovered, strict }
    }

    fn discovered(&self) -> &Discovered {
        self.discovered.wait()
    }

    /// What `runtime` runs on here.
    pub fn resolve(&self, runtime: Runtime) -> Result<Resolved, Unavailable> {
        let language = runtime.language();
        if language == Language::Provided {
            return Ok(Resolved { runtime, interpreter: None, warning: None });
        }
        let found = &self.discovered().found;
        let named = found.iter().find(|interpreter| interpreter.named_for == Some(runtime));
        // The list is sorted: the last one has the highest patch.
        let able = || found.iter().rev().filter(|interpreter| interpreter.runs_bootstrap_of(language));
        let exact = || able().find(|interpreter| interpreter.is_exactly(runtime));
        if let Some(interpreter) = named.or_else(exact) {
            let warning = (!interpreter.is_exactly(runtime))
                .then(|| format!("{runtime} runs on {interpreter}, as `--runtime {runtime}=…` says"));
            return Ok(Resolved { runtime, interpreter: Some(interpreter.clone()), warning });
        }
        let nearest = able().filter(|interpreter| interpreter.stands_in_for(runtime));
        match nearest.min_by_key(|interpreter| interpreter.distance(runtime)) {
            Some(interpreter) if !self.strict => {
                let warning = format!(
                    "this machine has no {}: {runtime} runs on {interpreter}. {}, or refuse stand-ins with --strict-runtimes",
                    spoken(runtime),
                    advice(runtime)
                );
                Ok(Resolved { runtime, interpreter: Some(interpreter.clone()), warning: Some(warning) })
            }
            Some(interpreter) => Err(Unavailable {
                runtime,
                reason: format!(
                    "this machine has no {} for {runtime} (the nearest is {interpreter}, which --strict-runtimes refuses). {}",
                    spoken(runtime),
                    advice(runtime)
                ),
            }),
            None => Err(Unavailable {
                runtime,
                reason: format!("this machine has no {} for {runtime}. {}", spoken(runtime), advice(runtime)),
            }),
        }
    }

    /// Every interpreter found, by language and version.
    pub fn list(&self) -> &[Interpreter] {
        &self.discovered().found
    }

    /// Programs that look like interpreters and are of no use, each with the reason; overrides among them.
    pub fn problems(&self) -> &[String] {
        &self.discovered().problems
    }

    /// Whether an interpreter is new enough for the bootstrap of `language`.
    pub fn can_run(&self, interpreter: &Interpreter, language: Language) -> bool {
        interpreter.runs_bootstrap_of(language)
    }

    /// The newest interpreter of a language that is new enough for its bootstrap.
    pub fn newest(&self, language: Language) -> Option<&Interpreter> {
        self.list().iter().rev().find(|interpreter| interpreter.runs_bootstrap_of(language))
    }
}

impl Discovered {
    fn new(options: &RuntimesOptions) -> Self {
        let (mut found, problems) = probe::discover(options);
        found.sort_by(|a, b| (a.language, a.version, &a.program).cmp(&(b.language, b.version, &b.program)));
        Self { found, problems }
    }
}

impl Interpreter {
    /// Whether the cage has to be shown its directory: `/usr` is there anyway.
    pub(crate) fn prefix_is_shown(&self) -> bool {
        !self.prefix.starts_with("/usr") && self.program.starts_with(&self.prefix)
    }

    /// The program where its prefix is seen as `language`: it finds its library by its own place.
    pub(crate) fn program_in(&self, language: Option<&Path>) -> PathBuf {
        match (language, self.program.strip_prefix(&self.prefix)) {
            (Some(language), Ok(inside)) if self.prefix_is_shown() => language.join(inside),
            _ => self.program.clone(),
        }
    }

    fn is_exactly(&self, runtime: Runtime) -> bool {
        let (major, minor, _) = self.version;
        self.language == runtime.language()
            && match self.language {
                Language::Node | Language::Java => major == runtime.version().0,
                Language::Python | Language::Ruby | Language::DotNet | Language::Provided => {
                    (major, minor) == runtime.version()
                }
            }
    }

    /// Whether it is new enough, and not kept for one runtime.
    fn runs_bootstrap_of(&self, language: Language) -> bool {
        let (major, minor, _) = self.version;
        let new_enough = OLDEST.iter().any(|(of, oldest)| *of == language && (major, minor) >= *oldest);
        self.language == language && self.named_for.is_none() && new_enough
    }

    /// Whether it may run a runtime of another version. An older Java reads no class files of a newer one, and an older
    /// .NET has not the libraries that a newer one's assemblies refer to.
    fn stands_in_for(&self, runtime: Runtime) -> bool {
        !matches!(self.language, Language::Java | Language::DotNet) || self.version.0 >= runtime.version().0
    }

    fn distance(&self, runtime: Runtime) -> u16 {
        let number = |(major, minor): (u16, u16)| match self.language {
            Language::Node | Language::Java => major,
            Language::Python | Language::Ruby | Language::DotNet | Language::Provided => major * 100 + minor,
        };
        number((self.version.0, self.version.1)).abs_diff(number(runtime.version()))
    }
}

impl Resolved {
    /// The version as AWS names them in INIT_START: `python:3.11.v7`.
    pub fn version_name(&self) -> String {
        match &self.interpreter {
            None => match self.runtime.identifier().split_once('.') {
                Some((provided, system)) => format!("{provided}:{system}.v1"),
                None => "provided:al1.v1".to_owned(),
            },
            Some(interpreter) => {
                let (major, minor, patch) = interpreter.version;
                match interpreter.language {
                    Language::Node => format!("nodejs:{major}.v{minor}"),
                    Language::Java => format!("java:{major}.v{patch}"),
                    Language::Ruby => format!("ruby:{major}.{minor}.v{patch}"),
                    Language::DotNet if major < 5 => format!("dotnetcore:{major}.{minor}.v{patch}"),
                    Language::DotNet => format!("dotnet:{major}.v{patch}"),
                    Language::Python | Language::Provided => format!("python:{major}.{minor}.v{patch}"),
                }
            }
        }
    }

    /// `RuntimeVersionArn`: as on AWS it names the version by a digest.
    pub fn version_arn(&self, region: &Region) -> String {
        let digest = Sha256::digest(self.version_name());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("arn:{}:lambda:{region}::runtime:{digest}", region.partition())
    }
}

fn spoken(runtime: Runtime) -> String {
    let (major, minor) = runtime.version();
    match runtime.language() {
        Language::Python => format!("Python {major}.{minor}"),
        Language::Node => format!("Node.js {major}"),
        Language::Ruby => format!("Ruby {major}.{minor}"),
        // The bootstrap needs more than the oldest runtimes do.
        Language::Java => format!("Java {} or later", major.max(17)),
        Language::DotNet => {
            let (major, minor) = (major, minor).max((3, 1));
            format!(".NET {major}.{minor} or later")
        }
        Language::Provided => "bootstrap".to_owned(),
    }
}

fn advice(runtime: Runtime) -> String {
    let (major, minor) = runtime.version();
    match runtime.language() {
        Language::Python => format!(
            "Install it (`pyenv install {major}.{minor}`, or your distribution's python{major}.{minor}), or name one with --runtime {runtime}=/path/to/python{major}.{minor}"
        ),
        Language::Node => format!(
            "Install it (`nvm install {major}`, or your distribution's nodejs), or name one with --runtime {runtime}=/path/to/node"
        ),
        Language::Ruby => format!(
            "Install it (`rbenv install {major}.{minor}`, or your distribution's ruby), or name one with --runtime {runtime}=/path/to/ruby"
        ),
        Language::Java => format!(
            "Install it (your distribution's openjdk-{}-jre-headless), or name one with --runtime {runtime}=/path/to/bin/java",
            major.max(17)
        ),
        Language::DotNet => {
            let (major, minor) = (major, minor).max((3, 1));
            format!(
                "Install it (Microsoft's or your distribution's dotnet-runtime-{major}.{minor}), or name one with --runtime {runtime}=/path/to/dotnet"
            )
        }
        Language::Provided => "Put an executable `bootstrap` into the package".to_owned(),
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        let language = match self.language {
            Language::Python => "Python",
            Language::Node => "Node.js",
            Language::Ruby => "Ruby",
            Language::Java => "Java",
            Language::DotNet => ".NET",
            Language::Provided => "bootstrap",
        };
        write!(f, "{language} {major}.{minor}.{patch} ({})", self.program.display())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unavailable {}
