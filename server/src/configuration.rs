//! What `hearth` is told: flags, `HEARTH_*` variables, a TOML file and defaults, in that order.
//!
//! It refuses settings it does not know, in the file as on the command line.

use crate::credentials::has_root_key;
use hearth_base::{AccountId, Region, limits};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How functions are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Namespaces, cgroups, seccomp and Landlock around each environment.
    Sandbox,
    /// Plain processes of the user who runs Hearth: for machines where a sandbox cannot be had, and for code you trust.
    Process,
}

/// Where users may have this server send requests: to endpoints of SNS subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PostTo {
    /// Everywhere but link-local addresses, where cloud machines have their metadata.
    Any,
    /// To addresses of the public Internet alone: not this machine, and no private network.
    Public,
}

/// Which time the services go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// The machine's.
    System,
    /// The machine's, and `POST /_hearth/clock` puts it forward: for tests of what takes minutes or days.
    Virtual,
}

/// The settings of a running server, every one decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Where the AWS endpoint listens.
    pub listen: SocketAddr,
    /// Names of this machine that browsers and downloads may reach the server under, beside its addresses.
    pub hosts: Vec<String>,
    /// Under which URL subscribers reach this server, for links in what SNS sends; none for the one a publisher used.
    pub public_url: Option<String>,
    /// Where users may have this server send requests.
    pub post_to: PostTo,
    /// Where everything durable lives; none for `--ephemeral`, which makes a directory of its own and removes it.
    pub data_dir: Option<PathBuf>,
    /// Where the AWS SDKs for functions are, when not in the data directory.
    pub sdk_dir: Option<PathBuf>,
    /// The account of the development key.
    pub account: AccountId,
    /// The region of requests that name none.
    pub region: Region,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// Whether less than full isolation is a failure.
    pub strict: bool,
    /// Which time the services go by.
    pub clock: ClockKind,
    /// Interpreters the user chose: runtime name to program.
    pub runtimes: BTreeMap<String, PathBuf>,
    /// Whether a runtime must be there in the very version asked for.
    pub strict_runtimes: bool,
    /// Environments at once, busy and idle.
    pub environments_max: usize,
    /// Invocations that an account may run at once in a region.
    pub account_concurrency: u32,
    /// Memory for stem cells, in MB; 0 for none.
    pub stem_cell_memory_mb: u32,
    /// How long an idle environment is kept.
    pub idle_timeout: Duration,
    /// How long in-flight invocations may take to finish after SIGTERM.
    pub grace: Duration,
}

/// Settings as one source gives them: what it leaves out is asked of the next.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port of the AWS endpoint [default: 127.0.0.1:4566]
    #[arg(long, env = "HEARTH_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// A name under which others reach this server, for links to packages and for browsers; may be given several times
    #[arg(long = "host", env = "HEARTH_HOSTS", value_name = "NAME", value_delimiter = ',')]
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The URL under which subscribers of SNS topics reach this server, such as https://hearth.example.org: for links and
    /// certificates in what it sends [default: http and the host that the publisher used]
    #[arg(long, env = "HEARTH_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Where SNS subscriptions over HTTP may lead: any place but link-local addresses, or the public Internet alone [default: any]
    #[arg(long, env = "HEARTH_POST_TO", value_name = "PLACES")]
    pub post_to: Option<PostTo>,
    /// Where functions, logs and the database live [default: $XDG_DATA_HOME/hearth or ~/.local/share/hearth]
    #[arg(long, env = "HEARTH_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Keep everything in a temporary directory and in memory, and remove it at the end; allows POST /_hearth/reset
    #[arg(long, env = "HEARTH_EPHEMERAL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub ephemeral: Option<bool>,
    /// Where `hearth runtimes install` puts the AWS SDKs for functions [default: runtimes/sdk in the data directory]
    #[arg(long, env = "HEARTH_SDK_DIR", value_name = "DIR")]
    pub sdk_dir: Option<PathBuf>,
    /// The account of the development key test/test [default: 000000000000]
    #[arg(long, env = "HEARTH_ACCOUNT", value_name = "ACCOUNT", value_parser = parse_account)]
    pub account: Option<AccountId>,
    /// The region of requests that name none [default: us-east-1]
    #[arg(long, env = "HEARTH_REGION", value_name = "REGION", value_parser = parse_region)]
    pub region: Option<Region>,
    /// How functions are kept apart [default: sandbox]
    #[arg(long, env = "HEARTH_ISOLATION", value_name = "KIND")]
    pub isolation: Option<Isolation>,
    /// Insist that everything that isolates functions is enforced: serve does not start without it, and doctor fails
    #[arg(long, env = "HEARTH_STRICT", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub strict: Option<bool>,
    /// Which time retries, schedules and ages go by; POST /_hearth/clock puts a virtual one forward [default: system]
    #[arg(long, env = "HEARTH_CLOCK", value_name = "KIND")]
    pub clock: Option<ClockKind>,
    /// Use this interpreter for a runtime, for example python3.12=/usr/bin/python3.12; may be given several times
    #[arg(long = "runtime", env = "HEARTH_RUNTIMES", value_name = "RUNTIME=PROGRAM", value_delimiter = ',', value_parser = parse_runtime)]
    #[serde(default, deserialize_with = "runtime_table")]
    pub runtimes: Vec<(String, PathBuf)>,
    /// Refuse a runtime whose exact version is not installed, instead of taking the nearest one with a warning
    #[arg(long, env = "HEARTH_STRICT_RUNTIMES", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub strict_runtimes: Option<bool>,
    /// Most execution environments at once, busy and idle [default: 1000]
    #[arg(long, env = "HEARTH_ENVIRONMENTS_MAX", value_name = "COUNT")]
    pub environments_max: Option<usize>,
    /// Most invocations at once in an account and region, as AWS's quota of concurrent executions [default: 1000]
    #[arg(long, env = "HEARTH_ACCOUNT_CONCURRENCY", value_name = "COUNT")]
    pub account_concurrency: Option<u32>,
    /// Most memory in MB for stem cells, interpreters that have started and wait for a function; 0 for none [default: 512]
    #[arg(long, env = "HEARTH_STEM_CELL_MEMORY", value_name = "MB")]
    pub stem_cell_memory: Option<u32>,
    /// Seconds an idle execution environment is kept [default: 600]
    #[arg(long, env = "HEARTH_IDLE_TIMEOUT", value_name = "SECONDS")]
    pub idle_timeout: Option<u64>,
    /// Seconds that running invocations may take to finish after SIGTERM [default: 30]
    #[arg(long, env = "HEARTH_GRACE", value_name = "SECONDS")]
    pub grace: Option<u64>,
}

/// Why the settings make no configuration.
#[derive(Debug)]
pub enum ConfigurationError {
    /// The file named by `--config` or `HEARTH_CONFIG` cannot be read.
    Read(PathBuf, std::io::Error),
    /// The file is not TOML, or has settings that Hearth does not know.
    Parse(PathBuf, Box<toml::de::Error>),
    /// No home directory to put data in, and none named.
    NoDataDirectory,
    /// `ephemeral` and `data_dir` exclude each other.
    EphemeralWithDataDirectory,
    /// The development key would be open to the network.
    NotLoopback(SocketAddr),
    /// `public_url` is no URL of a server.
    PublicUrl(String),
    /// Zero environments run nothing.
    NoEnvironments,
    /// Nor does an account without concurrency.
    NoConcurrency,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read the configuration file {}: {error}", path.display()),
            Self::Parse(path, error) => write!(f, "the configuration file {} is wrong: {error}", path.display()),
            Self::NoDataDirectory => f.write_str(
                "there is no home directory to keep data in: name one with --data-dir DIR, or use --ephemeral",
            ),
            Self::EphemeralWithDataDirectory => f.write_str(
                "--ephemeral keeps nothing and --data-dir keeps everything there: give one of them, not both",
            ),
            Self::NotLoopback(address) => write!(
                f,
                "will not listen on {address}: the only credentials so far are the development key test/test, which \
                 everyone knows. Make a root key with `hearth credentials create`, or listen on a loopback address such as \
                 127.0.0.1:{}",
                address.port()
            ),
            Self::PublicUrl(url) => {
                write!(f, "--public-url {url} is not the URL of a server: write one like https://hearth.example.org")
            }
            Self::NoEnvironments => f.write_str("--environments-max must be at least 1"),
            Self::NoConcurrency => f.write_str("--account-concurrency must be at least 1"),
        }
    }
}

impl std::error::Error for ConfigurationError {}

impl Settings {
    /// Reads the file. A named file must exist; the usual places may be empty.
    pub fn from_file(named: Option<&Path>) -> Result<Self, ConfigurationError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match usual_files().into_iter().find(|path| path.exists()) {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text =
            std::fs::read_to_string(&path).map_err(|error| ConfigurationError::Read(path.clone(), error))?;
        toml::from_str(&text).map_err(|error| ConfigurationError::Parse(path, Box::new(error)))
    }

    /// What stands here, and from `fallback` what does not. Choosing a data directory or none overrides the other.
    pub fn or(self, fallback: Settings) -> Settings {
        let storage_chosen = self.data_dir.is_some() || self.ephemeral.is_some();
        let mut runtimes = fallback.runtimes;
        runtimes.extend(self.runtimes);
        let mut hosts = fallback.hosts;
        hosts.extend(self.hosts);
        Settings {
            listen: self.listen.or(fallback.listen),
            hosts,
            public_url: self.public_url.or(fallback.public_url),
            post_to: self.post_to.or(fallback.post_to),
            data_dir: if storage_chosen { self.data_dir } else { fallback.data_dir },
            ephemeral: if storage_chosen { self.ephemeral } else { fallback.ephemeral },
            sdk_dir: self.sdk_dir.or(fallback.sdk_dir),
            account: self.account.or(fallback.account),
            region: self.region.or(fallback.region),
            isolation: self.isolation.or(fallback.isolation),
            strict: self.strict.or(fallback.strict),
            clock: self.clock.or(fallback.clock),
            runtimes,
            strict_runtimes: self.strict_runtimes.or(fallback.strict_runtimes),
            environments_max: self.environments_max.or(fallback.environments_max),
            account_concurrency: self.account_concurrency.or(fallback.account_concurrency),
            stem_cell_memory: self.stem_cell_memory.or(fallback.stem_cell_memory),
            idle_timeout: self.idle_timeout.or(fallback.idle_timeout),
            grace: self.grace.or(fallback.grace),
        }
    }

    /// Fills in the defaults and checks the whole.
    pub fn decide(self) -> Result<Configuration, ConfigurationError> {
        let ephemeral = self.ephemeral.unwrap_or(false);
        let data_dir = match (ephemeral, self.data_dir) {
            (true, Some(_)) => return Err(ConfigurationError::EphemeralWithDataDirectory),
            (true, None) => None,
            (false, Some(path)) => Some(path),
            (false, None) => Some(default_data_dir().ok_or(ConfigurationError::NoDataDirectory)?),
        };
        let listen = self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4566)));
        // Everybody knows the development key: other machines are let in once there is another.
        if !listen.ip().is_loopback() && !data_dir.as_deref().is_some_and(has_root_key) {
            return Err(ConfigurationError::NotLoopback(listen));
        }
        let mut hosts = self.hosts;
        if let Some(url) = &self.public_url {
            // Whoever comes by this URL comes by a name of ours.
            hosts.push(host_of(url).ok_or_else(|| ConfigurationError::PublicUrl(url.clone()))?);
        }
        let environments_max = self.environments_max.unwrap_or(1_000);
        if environments_max == 0 {
            return Err(ConfigurationError::NoEnvironments);
        }
        let account_concurrency = self.account_concurrency.unwrap_or(limits::CONCURRENT_EXECUTIONS_DEFAULT);
        if account_concurrency == 0 {
            return Err(ConfigurationError::NoConcurrency);
        }
        Ok(Configuration {
            listen,
            hosts,
            public_url: self.public_url,
            post_to: self.post_to.unwrap_or(PostTo::Any),
            data_dir,
            sdk_dir: self.sdk_dir,
            account: self.account.unwrap_or(AccountId::DEVELOPMENT),
            region: self.region.unwrap_or_default(),
            isolation: self.isolation.unwrap_or(Isolation::Sandbox),
            strict: self.strict.unwrap_or(false),
            clock: self.clock.unwrap_or(ClockKind::System),
            runtimes: self.runtimes.into_iter().collect(),
            strict_runtimes: self.strict_runtimes.unwrap_or(false),
            environments_max,
            account_concurrency,
            stem_cell_memory_mb: self.stem_cell_memory.unwrap_or(512),
            idle_timeout: Duration::from_secs(self.idle_timeout.unwrap_or(600)),
            grace: Duration::from_secs(self.grace.unwrap_or(30)),
        })
    }
}

/// The host in the URL of a server: of http or https, with nothing behind host and port.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let plain =
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.path() == "/" && uri.query().is_none();
    let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@'))?;
    Some(authority.host().trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// Where data is kept when nobody says: the user's own data directory.
pub fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?.join("hearth"))
}

fn usual_files() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    own.map(|directory| directory.join("hearth/hearth.toml"))
        .into_iter()
        .chain([PathBuf::from("/etc/hearth/hearth.toml")])
        .collect()
}

fn parse_account(text: &str) -> Result<AccountId, String> {
    text.parse().map_err(|error: hearth_base::account::InvalidAccountId| error.to_string())
}

fn parse_region(text: &str) -> Result<Region, String> {
    text.parse().map_err(|error: hearth_base::region::InvalidRegion| error.to_string())
}

fn parse_runtime(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((runtime, program)) if !runtime.is_empty() && program.starts_with('/') => {
            Ok((runtime.to_owned(), PathBuf::from(program)))
        }
        _ => Err("write RUNTIME=/absolute/path, for example python3.12=/usr/bin/python3.12".to_owned()),
    }
}

/// In the file, runtimes are a table: `[runtimes]` and lines such as `"python3.12" = "/usr/bin/python3.12"`.
fn runtime_table<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, PathBuf)>, D::Error> {
    use serde::Deserialize;
    BTreeMap::<String, PathBuf>::deserialize(deserializer).map(|table| table.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_nearer_source_wins_setting_by_setting() {
        let near = settings("listen = '127.0.0.1:1'\n[runtimes]\n'python3.12' = '/a'");
        let far = settings(
            "listen = '127.0.0.1:2'\nregion = 'eu-west-1'\ndata_dir = '/d'\n[runtimes]\n'python3.12' = '/b'\n'nodejs20.x' = '/n'",
        );
        let decided = near.or(far).decide().unwrap();
        assert_eq!(decided.listen.port(), 1);
        assert_eq!(decided.region.as_str(), "eu-west-1");
        assert_eq!(decided.data_dir, Some("/d".into()));
        assert_eq!(decided.runtimes["python3.12"], PathBuf::from("/a"));
        assert_eq!(decided.runtimes["nodejs20.x"], PathBuf::from("/n"));
    }

    #[test]
    fn ephemeral_overrides_a_data_directory_from_further_away() {
        let decided = settings("ephemeral = true").or(settings("data_dir = '/d'")).decide().unwrap();
        assert_eq!(decided.data_dir, None);
        let both = settings("ephemeral = true\ndata_dir = '/d'").decide();
        assert!(matches!(both, Err(ConfigurationError::EphemeralWithDataDirectory)));
    }

    #[test]
    fn the_host_of_the_public_url_is_one_of_ours() {
        let decided =
            settings("ephemeral = true\npublic_url = 'https://hearth.example.org:8443'").decide().unwrap();
        assert_eq!(decided.hosts, ["hearth.example.org"]);
        for wrong in ["hearth.example.org", "ftp://h", "https://h/path", "https://u:p@h", "https://"] {
            let decided = settings(&format!("ephemeral = true\npublic_url = '{wrong}'")).decide();
            assert!(matches!(decided, Err(ConfigurationError::PublicUrl(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_unsafe_or_unknown_is_refused() {
        let open = settings("listen = '0.0.0.0:4566'\nephemeral = true").decide();
        assert!(matches!(open, Err(ConfigurationError::NotLoopback(_))));
        let keyless = tempfile::tempdir().unwrap();
        let place = format!("listen = '0.0.0.0:4566'\ndata_dir = '{}'", keyless.path().display());
        assert!(matches!(settings(&place).decide(), Err(ConfigurationError::NotLoopback(_))));
        assert!(toml::from_str::<Settings>("listne = 'x'").is_err());
        assert!(parse_runtime("python3.12=python").is_err());
    }
}
