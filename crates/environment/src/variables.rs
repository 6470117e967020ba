//! The environment variables of a function's processes: Lambda's, those of the user, and where everything is.
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
//!
//! It refuses to let a user's variable stand in for a reserved one.

use crate::{Credentials, Definition, InitializationType, Language, LogFormat};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Where the code finds the Runtime API.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// Where the AWS SDKs find AWS.
pub(crate) const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Where runtimes find the pipe for messages in frames: `log/frame.rs`.
pub(crate) const MESSAGES: &str = "_LAMBDA_TELEMETRY_LOG_FD";

/// What starts the runtime in place of the platform.
pub(crate) const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// What the runtime gets and extensions do not.
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-api-lifecycle>
pub(crate) const HIDDEN_FROM_EXTENSIONS: [&str; 6] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
];

/// The directories as the function sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directories<'a> {
    /// `/var/task`.
    pub(crate) task: &'a Path,
    /// `/var/runtime`.
    pub(crate) runtime: &'a Path,
    /// `/opt`.
    pub(crate) layers: &'a Path,
    /// The AWS SDK, when it does not stand where the bootstrap looks for it anyway.
    pub(crate) sdk: Option<&'a Path>,
    /// `/var/lang`, when there is one.
    pub(crate) language: Option<&'a Path>,
}

/// All variables but those that the sandbox announces.
pub(crate) fn variables(
    definition: &Definition,
    credentials: &Credentials,
    log_stream: &str,
    directories: Directories<'_>,
) -> Vec<(OsString, OsString)> {
    let mut variables: BTreeMap<&str, OsString> = BTreeMap::new();
    let mut set = |name, value: &str| {
        variables.insert(name, value.into());
    };
    defaults(definition, directories, &mut set);
    for (name, value) in &definition.variables {
        set(name, value);
    }
    // Later ones replace earlier ones: what is reserved comes last.
    reserved(definition, directories, &mut set);
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream);
    set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
    set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
    set("AWS_SESSION_TOKEN", &credentials.session_token);
    if definition.initialization == InitializationType::SnapStart {
        // AWS: they are not the same in every environment of a snapshot.
        // https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html
        variables.remove("AWS_LAMBDA_LOG_GROUP_NAME");
        variables.remove("AWS_LAMBDA_LOG_STREAM_NAME");
    }
    variables.remove(RUNTIME_API);
    variables.remove(MESSAGES);
    variables.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// What a user may set otherwise.
fn defaults<'a>(definition: &Definition, directories: Directories<'_>, set: &mut impl FnMut(&'a str, &str)) {
    let shown = |path: &Path| path.display().to_string();
    let (task, runtime, layers) =
        (shown(directories.task), shown(directories.runtime), shown(directories.layers));
    let language = definition.runtime.language();
    let (binaries, libraries) = match language {
        Language::Provided => ("", ""),
        Language::Python | Language::Node | Language::Ruby | Language::Java | Language::DotNet => {
            ("/var/lang/bin:", "/var/lang/lib:")
        }
    };
    set("LANG", "en_US.UTF-8");
    set("PATH", &format!("{binaries}/usr/local/bin:/usr/bin/:/bin:{layers}/bin"));
    set(
        "LD_LIBRARY_PATH",
        &format!("{libraries}/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{layers}/lib"),
    );
    if language == Language::Ruby {
        ruby_paths(definition, directories, set);
    }
    // Where everything stands as on AWS, the bootstraps themselves set the search paths that AWS's runtimes have.
    if directories.sdk.is_none() && directories.layers == Path::new("/opt") {
        return;
    }
    let (major, minor) = definition.runtime.version();
    let sdk = directories.sdk.map(shown);
    match language {
        Language::Node => {
            let mut paths = vec![
                format!("{layers}/nodejs/node{major}/node_modules"),
                format!("{layers}/nodejs/node_modules"),
            ];
            paths.extend(sdk.map(|sdk| format!("{sdk}/node_modules")));
            paths.extend([runtime, task]);
            set("NODE_PATH", &paths.join(":"));
        }
        Language::Python => {
            let own = format!("{layers}/python/lib/python{major}.{minor}/site-packages");
            let mut paths = vec![own, format!("{layers}/python"), runtime];
            paths.extend(sdk);
            set("PYTHONPATH", &paths.join(":"));
        }
        Language::Ruby | Language::Java | Language::DotNet | Language::Provided => {}
    }
}

/// Where RubyGems and `require` look for what the function, its layers and the SDK bring.
/// <https://docs.aws.amazon.com/lambda/latest/dg/ruby-package.html>
fn ruby_paths<'a>(
    definition: &Definition,
    directories: Directories<'_>,
    set: &mut impl FnMut(&'a str, &str),
) {
    let (major, minor) = definition.runtime.version();
    let (task, layers) = (directories.task.display(), directories.layers.display());
    let sdk = directories.sdk.unwrap_or(Path::new("/var/lang-sdk/ruby")).display();
    set(
        "GEM_PATH",
        &format!("{task}/vendor/bundle/ruby/{major}.{minor}.0:{layers}/ruby/gems/{major}.{minor}.0:{sdk}"),
    );
    set("RUBYLIB", &format!("{task}:{layers}/ruby/lib"));
}

fn reserved<'a>(definition: &Definition, directories: Directories<'_>, set: &mut impl FnMut(&'a str, &str)) {
    let key = &definition.key;
    set("TZ", ":UTC");
    set("_HANDLER", &definition.handler);
    set("LAMBDA_TASK_ROOT", &directories.task.display().to_string());
    set("LAMBDA_RUNTIME_DIR", &directories.runtime.display().to_string());
    set("AWS_REGION", key.region.as_str());
    set("AWS_DEFAULT_REGION", key.region.as_str());
    set("AWS_LAMBDA_FUNCTION_NAME", &key.name);
    set("AWS_LAMBDA_FUNCTION_VERSION", &key.version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &definition.memory_mb.to_string());
    set("AWS_LAMBDA_LOG_GROUP_NAME", &definition.logging.group);
    set("AWS_LAMBDA_INITIALIZATION_TYPE", definition.initialization.as_str());
    set("AWS_LAMBDA_LOG_FORMAT", definition.logging.format.as_str());
    if definition.logging.format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_LEVEL", definition.logging.application_level.as_str());
    }
    // AWS: custom runtimes have no such variable.
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    if definition.runtime.language() != Language::Provided {
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", definition.runtime));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::Timestamp;

    #[test]
    fn the_initialization_type_is_that_of_the_definition() {
        let credentials = Credentials {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: String::new(),
            expiration: Timestamp::from_seconds(0),
        };
        let root = Path::new("/");
        let directories = Directories { task: root, runtime: root, layers: root, sdk: None, language: None };
        for (initialization, expected) in [
            (InitializationType::OnDemand, "on-demand"),
            (InitializationType::ProvisionedConcurrency, "provisioned-concurrency"),
            (InitializationType::SnapStart, "snap-start"),
        ] {
            let definition = Definition { initialization, ..Definition::sample() };
            let variables = variables(&definition, &credentials, "stream", directories);
            let told = variables.iter().find(|(name, _)| name == "AWS_LAMBDA_INITIALIZATION_TYPE");
            assert_eq!(told.map(|(_, value)| value.to_str()), Some(Some(expected)));
            let has_log = variables.iter().any(|(name, _)| name == "AWS_LAMBDA_LOG_STREAM_NAME");
            assert_eq!(has_log, initialization != InitializationType::SnapStart);
        }
    }
}
