//! What environments need from the rest of the server: the AWS endpoint, credentials, and a place for logs.
//!
//! The server wires these in; this crate refuses to know what stands behind them.

use crate::Definition;
use hearth_base::{BoxFuture, Timestamp};
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves AWS API calls that code inside an environment makes.
pub trait Endpoint: Send + Sync + 'static {
    /// Serves one connection opened inside an environment of `definition`, until it closes or the environment ends
    /// (then the future is dropped).
    fn serve(&self, connection: TcpStream, definition: Arc<Definition>) -> BoxFuture<'static, ()>;
}

/// Issues the credentials of the execution role.
pub trait CredentialSource: Send + Sync + 'static {
    /// Temporary credentials for a new environment of `definition`; None while Lambda may not assume the role, or there is no
    /// such role. Must not block.
    fn issue(&self, definition: &Definition) -> Option<Credentials>;
}

/// Temporary credentials, as an environment sees them in its variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: String,
    /// An environment takes no invocation that might outlive this.
    pub expiration: Timestamp,
}

/// Where the lines of environments go.
pub trait LogSink: Send + Sync + 'static {
    /// Takes a batch of events of one stream, in order; one batch at a time. Called outside the path of invocations: while
    /// it is slow, lines gather in bounded queues, then what functions print waits in their pipes, and what must not
    /// wait is dropped and counted.
    fn write(
        &self,
        definition: Arc<Definition>,
        stream: Arc<str>,
        events: Vec<LogEvent>,
    ) -> BoxFuture<'_, ()>;
}

/// One log event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was read.
    pub timestamp: Timestamp,
    /// The text, with its line end when it had one: as on AWS, where messages of Lambda end in `\n`. At most 256 KB.
    pub message: String,
}

impl std::fmt::Debug for Credentials {
    /// Shows the key id and the expiration, never the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}
