//! A running `hearth` for the demo and for tests in languages that do not start one themselves.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server did not start.
#[derive(Debug)]
pub enum Error {
    /// The program could not be started.
    Start(std::io::Error),
    /// Its log file could not be made.
    Log(std::path::PathBuf, std::io::Error),
    /// It ended, or said something else, before it was ready.
    NotReady(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(_) => write!(f, "cannot start hearth"),
            Self::Log(path, _) => write!(f, "cannot make {}", path.display()),
            Self::NotReady(said) => write!(f, "hearth did not become ready; it said {said:?}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(source) | Self::Log(_, source) => Some(source),
            Self::NotReady(_) => None,
        }
    }
}

/// What to start.
pub struct Options<'a> {
    /// The program.
    pub hearth: &'a Path,
    /// Where the server keeps everything.
    pub data_dir: &'a Path,
    /// Where the SDKs for functions are; none leaves it to the server.
    pub sdk_dir: Option<&'a Path>,
    /// Where it logs; none is where this program's errors go, and then only warnings.
    pub log: Option<&'a Path>,
}

/// A server that is ready. Dropping it stops it and waits for its end.
pub struct Server {
    child: Option<Child>,
    /// `http://127.0.0.1:<port>`.
    pub endpoint: String,
}

impl Server {
    /// Starts a server on a free port and waits until it is ready.
    pub fn start(options: &Options<'_>) -> Result<Self, Error> {
        let mut command = Command::new(options.hearth);
        match options.log {
            Some(path) => {
                let file =
                    std::fs::File::create(path).map_err(|source| Error::Log(path.to_owned(), source))?;
                command.stderr(file);
            }
            None => {
                command.args(["--log", "warn"]);
            }
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(options.data_dir);
        if let Some(directory) = options.sdk_dir {
            command.arg("--sdk-dir").arg(directory);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(Error::Start)?;
        let mut said = String::new();
        let output = child.stdout.take().expect("standard output was piped");
        // What cannot be read is as good as an end without a word.
        let _ = BufReader::new(output).read_line(&mut said);
        let endpoint = said.trim_end().split(" listens on ").nth(1).map(str::to_owned);
        let mut server = Self { child: Some(child), endpoint: String::new() };
        server.endpoint = endpoint.ok_or(Error::NotReady(said))?;
        Ok(server)
    }

    /// Lets the server run on after this program's end, and gives its process id.
    pub fn leave(mut self) -> u32 {
        self.child.take().map_or(0, |child| child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // SIGTERM, as an operator's `kill` sends it, so that the server clears up after itself.
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", child.id())).status();
        let _ = child.wait();
    }
}
