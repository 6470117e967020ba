//! The runtimes Lambda knows by identifier, and what is known of each without looking at the machine.

use std::fmt;
use std::str::FromStr;

/// A runtime that Hearth can run: `python3.12`, `nodejs22.x`, `provided.al2023`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Runtime {
    identifier: &'static str,
    language: Language,
    version: (u16, u16),
}

/// What executes the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// CRuby.
    Ruby,
    /// A Java virtual machine.
    Java,
    /// The runtime of .NET, which `dotnet` starts.
    DotNet,
    /// The function's own `bootstrap`.
    Provided,
}

/// The identifier names no runtime that Hearth can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRuntime(pub String);

const RUNTIMES: &[Runtime] = &[
    python("python3.6", 6),
    python("python3.7", 7),
    python("python3.8", 8),
    python("python3.9", 9),
    python("python3.10", 10),
    python("python3.11", 11),
    python("python3.12", 12),
    python("python3.13", 13),
    python("python3.14", 14),
    node("nodejs12.x", 12),
    node("nodejs14.x", 14),
    node("nodejs16.x", 16),
    node("nodejs18.x", 18),
    node("nodejs20.x", 20),
    node("nodejs22.x", 22),
    node("nodejs24.x", 24),
    ruby("ruby2.5", (2, 5)),
    ruby("ruby2.7", (2, 7)),
    ruby("ruby3.2", (3, 2)),
    ruby("ruby3.3", (3, 3)),
    ruby("ruby3.4", (3, 4)),
    ruby("ruby4.0", (4, 0)),
    java("java8", 8),
    java("java8.al2", 8),
    java("java8.al2023", 8),
    java("java11", 11),
    java("java11.al2023", 11),
    java("java17", 17),
    java("java17.al2023", 17),
    java("java21", 21),
    java("java25", 25),
    dotnet("dotnetcore1.0", (1, 0)),
    dotnet("dotnetcore2.0", (2, 0)),
    dotnet("dotnetcore2.1", (2, 1)),
    dotnet("dotnetcore3.1", (3, 1)),
    dotnet("dotnet6", (6, 0)),
    dotnet("dotnet8", (8, 0)),
    dotnet("dotnet10", (10, 0)),
    provided("provided"),
    provided("provided.al2"),
    provided("provided.al2023"),
];

const fn python(identifier: &'static str, minor: u16) -> Runtime {
    Runtime { identifier, language: Language::Python, version: (3, minor) }
}

const fn node(identifier: &'static str, major: u16) -> Runtime {
    Runtime { identifier, language: Language::Node, version: (major, 0) }
}

const fn ruby(identifier: &'static str, version: (u16, u16)) -> Runtime {
    Runtime { identifier, language: Language::Ruby, version }
}

const fn java(identifier: &'static str, major: u16) -> Runtime {
    Runtime { identifier, language: Language::Java, version: (major, 0) }
}

const fn dotnet(identifier: &'static str, version: (u16, u16)) -> Runtime {
    Runtime { identifier, language: Language::DotNet, version }
}

const fn provided(identifier: &'static str) -> Runtime {
    Runtime { identifier, language: Language::Provided, version: (0, 0) }
}

impl Runtime {
    /// All runtimes Hearth can run.
    pub fn all() -> &'static [Runtime] {
        RUNTIMES
    }

    /// The identifier, as in `CreateFunction`.
    pub fn identifier(self) -> &'static str {
        self.identifier
    }

    /// What executes the code.
    pub fn language(self) -> Language {
        self.language
    }

    /// Major and minor version of the language; the minor is 0 for Node.js and Java, and both are for `provided`.
    pub fn version(self) -> (u16, u16) {
        self.version
    }
}

impl Language {
    /// The name people call it by, as in `hearth runtimes install python`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "nodejs",
            Self::Ruby => "ruby",
            Self::Java => "java",
            Self::DotNet => "dotnet",
            Self::Provided => "provided",
        }
    }
}

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        RUNTIMES
            .iter()
            .find(|runtime| runtime.identifier == text)
            .copied()
            .ok_or_else(|| UnknownRuntime(text.to_owned()))
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.identifier)
    }
}

impl fmt::Display for UnknownRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the runtime {:?} is not supported by Hearth: it runs python3.6 to python3.14, nodejs12.x to nodejs24.x, ruby2.5 to ruby4.0, java8 to java25, dotnetcore1.0 to dotnet10, provided, provided.al2 and provided.al2023",
            self.0
        )
    }
}

impl std::error::Error for UnknownRuntime {}
