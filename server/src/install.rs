//! `hearth runtimes install`: the AWS SDKs that AWS's managed runtimes bundle.

use crate::configuration::Configuration;
use crate::home::{Home, sdk_dir};
use crate::wiring;
use hearth_environment::Language;
use hearth_environment::sdk::{self, Installation};
use std::error::Error;
use std::process::ExitCode;

/// Fetches the SDKs of these languages with the languages' own package managers, and says what is there then.
///
/// # Errors
/// What the package manager said, or that there is none.
pub fn install(
    configuration: &Configuration,
    languages: &[String],
    packages: &[String],
) -> Result<ExitCode, Box<dyn Error>> {
    let directory = sdk_dir(configuration.sdk_dir.as_deref(), configuration.data_dir.as_deref());
    if let Some(data_dir) = configuration.data_dir.as_deref().filter(|data_dir| !data_dir.exists()) {
        // The first to use a data directory makes it, so that a server later knows it for its own.
        drop(Home::open(Some(data_dir))?);
    }
    let runtimes = wiring::runtimes(configuration)?;
    for name in languages {
        let language = match name.as_str() {
            "python" => Language::Python,
            "ruby" => Language::Ruby,
            _ => Language::Node,
        };
        let (mine, others): (Vec<_>, Vec<_>) =
            packages.iter().cloned().partition(|package| language_of(package) == language);
        if languages.len() == 1 && !others.is_empty() {
            return Err(format!("{} is no package for {name}", others.join(", ")).into());
        }
        let what = Installation { sdk_dir: &directory, runtimes: &runtimes, language, packages: &mine };
        println!("Installing the AWS SDK for {name} into {}", directory.join(language.as_str()).display());
        let installed = sdk::install(&what, &mut |line| println!("  {line}"))?;
        println!("{name}: {installed}. New execution environments see it.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose package it is, by the way its name is made.
fn language_of(package: &str) -> Language {
    if package.starts_with('@') {
        Language::Node
    } else if package.starts_with("aws-sdk-") {
        Language::Ruby
    } else {
        Language::Python
    }
}
