//! `hearth doctor`: what this machine can enforce and run, and what to do about what is missing.

use hearth_environment::{Interpreter, Language, Runtimes};
use hearth_sandbox::{Finding, State};
use std::fmt::Write;
use std::io::IsTerminal;

/// The whole report, and whether functions can be isolated in full here.
pub fn report(findings: &[Finding], runtimes: &Runtimes) -> (String, bool) {
    let paint = std::io::stdout().is_terminal();
    let mut text = String::from("Isolation\n");
    for finding in findings {
        line(&mut text, finding, paint);
    }
    text.push_str("\nRuntimes\n");
    text.push_str(&runtime_table(runtimes));
    let sound = findings.iter().all(|finding| finding.state == State::Enforced);
    let verdict = if sound {
        "\nEverything that isolates functions is enforced here.\n"
    } else {
        "\nNot everything that isolates functions is enforced here: see the lines above.\n"
    };
    text.push_str(verdict);
    (text, sound)
}

/// The interpreters found, one a line, with the runtimes each serves exactly.
pub fn runtime_table(runtimes: &Runtimes) -> String {
    let mut text = String::new();
    for interpreter in runtimes.list() {
        let Interpreter { language, version: (major, minor, patch), program, .. } = interpreter;
        let name = match language {
            Language::Python => format!("python{major}.{minor}"),
            Language::Node => format!("nodejs{major}.x"),
            Language::Ruby => format!("ruby{major}.{minor}"),
            Language::Java => format!("java{major}"),
            Language::DotNet if *major < 5 => format!("dotnetcore{major}.{minor}"),
            Language::DotNet => format!("dotnet{major}"),
            Language::Provided => continue,
        };
        let version = format!("{major}.{minor}.{patch}");
        writeln!(text, "  {name:<14} {version:<10} {}", program.display())
            .expect("a String takes all that is written to it");
    }
    for (language, advice) in [
        (Language::Python, "install Python 3, for example: apt-get install python3"),
        (Language::Node, "install Node.js 20 or later, for example with nvm"),
        (Language::Ruby, "install Ruby 3.1 or later, for example: apt-get install ruby"),
        (Language::Java, "install Java 17 or later, for example: apt-get install openjdk-17-jre-headless"),
        (Language::DotNet, "install .NET 6 or later, for example Microsoft's dotnet-runtime-8.0"),
    ] {
        if !runtimes.list().iter().any(|interpreter| interpreter.language == language) {
            writeln!(text, "  {:<14} not found: {advice}", language.as_str())
                .expect("a String takes all that is written to it");
        }
    }
    text.push_str("  provided       a function's own bootstrap, always there\n");
    text
}

fn line(text: &mut String, finding: &Finding, paint: bool) {
    let (word, colour) = match finding.state {
        State::Enforced => ("yes", "32"),
        State::Weaker => ("partly", "33"),
        State::Missing => ("no", "31"),
    };
    let shown = if paint { format!("\u{1b}[{colour}m{word:<6}\u{1b}[0m") } else { format!("{word:<6}") };
    writeln!(text, "  {shown} {:<22} {}", finding.subject, finding.detail)
        .expect("a String takes all that is written to it");
    if let Some(advice) = &finding.advice {
        writeln!(text, "         {:<22} → {advice}", "").expect("a String takes all that is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        let finding = |state, advice: Option<&str>| Finding {
            subject: "memory limit".into(),
            state,
            detail: "cgroup v1".into(),
            advice: advice.map(str::to_owned),
        };
        let runtimes = Runtimes::discover(&hearth_environment::RuntimesOptions::default());
        let (text, sound) = report(&[finding(State::Enforced, None)], &runtimes);
        assert!(sound && text.contains("yes") && text.contains("provided"));
        let (text, sound) = report(&[finding(State::Missing, Some("mount it"))], &runtimes);
        assert!(!sound && text.contains("→ mount it"));
    }
}
