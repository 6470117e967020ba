//! Which interpreter is chosen, and what is found on a made-up machine.

use super::*;

fn interpreter(language: Language, version: (u16, u16, u16)) -> Interpreter {
    let (major, minor, patch) = version;
    Interpreter {
        language,
        version,
        program: format!("/opt/{major}.{minor}.{patch}/bin/{}", language.as_str()).into(),
        prefix: format!("/opt/{major}.{minor}.{patch}").into(),
        directories: Vec::new(),
        lacks_cultures: false,
        named_for: None,
    }
}

fn discovered(found: Vec<Interpreter>, strict: bool) -> Runtimes {
    Runtimes { discovered: Arc::new(Discovered { found, problems: Vec::new() }.into()), strict }
}

fn machine(strict: bool) -> Runtimes {
    let mut found = vec![
        interpreter(Language::Python, (3, 8, 18)),
        interpreter(Language::Python, (3, 9, 1)),
        interpreter(Language::Python, (3, 11, 2)),
        interpreter(Language::Python, (3, 11, 7)),
        interpreter(Language::Python, (3, 13, 0)),
        interpreter(Language::Node, (18, 1, 0)),
        interpreter(Language::Node, (20, 2, 0)),
        interpreter(Language::Ruby, (2, 7, 0)),
        interpreter(Language::Ruby, (3, 1, 7)),
        interpreter(Language::Ruby, (3, 4, 1)),
        interpreter(Language::Java, (11, 0, 2)),
        interpreter(Language::Java, (17, 0, 15)),
        interpreter(Language::Java, (21, 0, 1)),
        interpreter(Language::DotNet, (3, 1, 23)),
        interpreter(Language::DotNet, (6, 0, 36)),
        interpreter(Language::DotNet, (8, 0, 2)),
        interpreter(Language::DotNet, (8, 0, 11)),
    ];
    found.push(Interpreter {
        named_for: Some("nodejs24.x".parse().unwrap()),
        ..interpreter(Language::Node, (24, 1, 0))
    });
    discovered(found, strict)
}

#[test]
fn the_exact_version_or_the_nearest() {
    let runtimes = machine(false);
    for (runtime, version, warned) in [
        ("python3.11", (3, 11, 7), false),
        ("python3.9", (3, 9, 1), false),
        ("python3.12", (3, 13, 0), true),
        ("python3.14", (3, 13, 0), true),
        // There is one, exactly, but it is too old for the bootstrap.
        ("python3.8", (3, 9, 1), true),
        ("python3.7", (3, 9, 1), true),
        ("nodejs20.x", (20, 2, 0), false),
        ("nodejs22.x", (20, 2, 0), true),
        ("nodejs24.x", (24, 1, 0), false),
        ("ruby3.4", (3, 4, 1), false),
        ("ruby3.2", (3, 1, 7), true),
        ("ruby2.7", (3, 1, 7), true),
        ("ruby4.0", (3, 4, 1), true),
        ("java17", (17, 0, 15), false),
        ("java21", (21, 0, 1), false),
        ("java11", (17, 0, 15), true),
        ("java8.al2", (17, 0, 15), true),
        ("dotnetcore2.1", (3, 1, 23), true),
        ("dotnetcore3.1", (3, 1, 23), false),
        ("dotnet6", (6, 0, 36), false),
        ("dotnet8", (8, 0, 11), false),
    ] {
        let resolved = runtimes.resolve(runtime.parse().unwrap()).unwrap();
        assert_eq!(resolved.interpreter.unwrap().version, version, "{runtime}");
        assert_eq!(resolved.warning.is_some(), warned, "{runtime}");
    }
    let provided = runtimes.resolve("provided.al2023".parse().unwrap()).unwrap();
    assert_eq!(
        (provided.interpreter.clone(), provided.version_name()),
        (None, "provided:al2023.v1".to_owned())
    );
}

#[test]
fn strict_machines_and_empty_ones_say_what_to_install() {
    let strict = machine(true);
    assert!(strict.resolve("python3.11".parse().unwrap()).is_ok());
    for (runtimes, runtime, words) in [
        (&strict, "python3.12", ["pyenv install 3.12", "--strict-runtimes"]),
        (&machine(false), "dotnet10", ["no .NET 10.0 or later", "dotnet-runtime-10.0"]),
        (
            &discovered(Vec::new(), false),
            "dotnetcore2.1",
            ["no .NET 3.1 or later", "--runtime dotnetcore2.1="],
        ),
        (&machine(false), "java25", ["no Java 25 or later", "openjdk-25-jre-headless"]),
        (&discovered(Vec::new(), false), "java8", ["no Java 17 or later", "--runtime java8="]),
        (&discovered(Vec::new(), false), "ruby3.3", ["no Ruby 3.3", "rbenv install 3.3"]),
        (&strict, "nodejs22.x", ["nvm install 22", "--strict-runtimes"]),
        (&discovered(Vec::new(), false), "python3.12", ["no Python 3.12", "--runtime python3.12="]),
        (&discovered(Vec::new(), false), "nodejs22.x", ["no Node.js 22", "--runtime nodejs22.x="]),
    ] {
        let reason = runtimes.resolve(runtime.parse().unwrap()).unwrap_err().reason;
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    }
}

#[test]
fn versions_are_named_as_aws_names_them() {
    let runtimes = machine(false);
    let resolved = runtimes.resolve("python3.11".parse().unwrap()).unwrap();
    assert_eq!(resolved.version_name(), "python:3.11.v7");
    let arn = resolved.version_arn(&"eu-west-1".parse().unwrap());
    let digest = arn.strip_prefix("arn:aws:lambda:eu-west-1::runtime:").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{arn}");
}

#[test]
fn programs_are_asked_once_and_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("below/interpreters.json");
    let wrong = directory.path().join("wrong");
    std::fs::write(&wrong, "not a program").unwrap();
    let options = RuntimesOptions {
        overrides: vec![("python3.12".parse().unwrap(), wrong)],
        strict: false,
        cache: Some(cache.clone()),
    };
    let first = Runtimes::discover(&options);
    let told = first.problems().iter().any(|problem| problem.contains("/wrong: "));
    assert!(told, "{:?}", first.problems());
    let written = std::fs::read(&cache).unwrap();
    let second = Runtimes::discover(&options);
    assert_eq!(first.list(), second.list());
    assert_eq!(std::fs::read(&cache).unwrap(), written);
    // What the cache says is believed for as long as the program is the same.
    if let Some(interpreter) = first.list().first() {
        let (major, minor, patch) = interpreter.version;
        let text = String::from_utf8(written).unwrap();
        let changed = text.replacen(&format!("{patch}\n"), "999\n", 1);
        std::fs::write(&cache, changed).unwrap();
        let third = Runtimes::discover(&options);
        let known = third.list().iter().any(|found| found.version.2 == 999);
        assert!(known, "{major}.{minor}.{patch} was asked again");
    }
}
