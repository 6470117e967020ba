//! Why a benchmark could not be run. It refuses to judge speed: slow is a figure, not a failure.

use std::fmt;
use std::io;

/// What could not be done.
#[derive(Debug)]
pub enum Failure {
    /// The machine refused something; what was tried is named first.
    Machine(String, io::Error),
    /// A connection to a server broke; the server is named first.
    Connection(&'static str, hyper::Error),
    /// A server answered otherwise than the measurement needs: what was asked, the status and the body.
    Answer(String, http::StatusCode, String),
    /// A program ended, or said something else than it should.
    Program(String, String),
}

impl Failure {
    /// For `map_err`: names what was tried.
    pub fn machine(act: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let act = act.into();
        move |source| Self::Machine(act, source)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(act, _) => write!(f, "cannot {act}"),
            Self::Connection(server, _) => write!(f, "the connection to {server} broke"),
            Self::Answer(asked, status, body) => {
                let shown: String = body.chars().take(500).collect();
                write!(f, "{asked} was answered with {status}: {shown}")
            }
            Self::Program(program, trouble) => write!(f, "{program}: {trouble}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Machine(_, source) => Some(source),
            Self::Connection(_, source) => Some(source),
            Self::Answer(..) | Self::Program(..) => None,
        }
    }
}
