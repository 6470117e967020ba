//! A function URL as it is stored. It refuses to know under which host it is reached.

use hearth_base::Timestamp;
use serde::{Deserialize, Serialize};

/// `FunctionUrlConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Url {
    /// The first label of its host: 32 characters that name this URL and no other, ever.
    pub id: String,
    /// Who may use it.
    pub auth: UrlAuth,
    /// Whether responses stream: `InvokeMode`.
    pub streams: bool,
    /// Answers to browsers; none when never set.
    pub cors: Option<Cors>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_modified: Timestamp,
}

/// `FunctionUrlAuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Everyone, as far as the function's policy allows it.
    None,
    /// Those who sign.
    AwsIam,
}

/// `Cors`. What is none was never given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// `AllowCredentials`.
    pub allow_credentials: Option<bool>,
    /// `AllowHeaders`.
    pub allow_headers: Option<Vec<String>>,
    /// `AllowMethods`.
    pub allow_methods: Option<Vec<String>>,
    /// `AllowOrigins`.
    pub allow_origins: Option<Vec<String>>,
    /// `ExposeHeaders`.
    pub expose_headers: Option<Vec<String>>,
    /// `MaxAge` in seconds.
    pub max_age: Option<u32>,
}
