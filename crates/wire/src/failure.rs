//! What an operation answers when it does not succeed: an AWS error code and message, not yet in any protocol's form.

use crate::Value;
use crate::schema::Shape;
use std::borrow::Cow;
use std::fmt;

/// An AWS error on its way to a client.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error code: `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The code it has in awsQuery, where that is another: services that once spoke nothing else tell it too.
    pub query_code: Option<&'static str>,
    /// AWS's message.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether the client is at fault.
    pub sender: bool,
    /// The modeled error shape and its members, for errors that carry more than a message.
    pub detail: Option<(&'static Shape, Box<Value>)>,
    /// Headers the error sets, such as `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
}

impl Failure {
    /// An error of the client's with no modeled shape.
    pub fn sender(code: impl Into<Cow<'static, str>>, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            query_code: None,
            message: message.into(),
            status,
            sender: true,
            detail: None,
            headers: Vec::new(),
        }
    }

    /// A fault of Hearth's own. What went wrong belongs in the server's log, not in `message`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed("InternalFailure"),
            query_code: None,
            message: message.into(),
            status: 500,
            sender: false,
            detail: None,
            headers: Vec::new(),
        }
    }

    /// The same with a header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with the code it has in awsQuery.
    pub fn with_query_code(self, code: &'static str) -> Self {
        Self { query_code: Some(code), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
