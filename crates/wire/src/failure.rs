//! What an operation answers when it does not succeed: an AWS error code and message, not yet in any protocol's form.

use crate::Value;
use crate::schema::Shape;
use std::borrow::Cow;
use std::fmt;

/// The header that tells the code of an error in awsQuery, and whose fault it is.
/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>
pub(crate) const QUERY_ERROR: &str = "x-amzn-query-error";

/// An AWS error on its way to a client.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error code: `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
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

    /// The same of a service that once spoke awsQuery alone, with the code that it had there and that its clients still
    /// tell it by.
    pub fn once_called(self, code: &str) -> Self {
        self.with_header(QUERY_ERROR, format!("{code};Sender"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
