//! Why a request is not believed, and how each family of AWS services words that.
//!
//! The code and the status differ by protocol family, the message hardly ever.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>

use hearth_wire::{Failure, Protocol, Service};
use std::fmt;

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has no signature.
    MissingToken,
    /// A part of the signature is missing or malformed; the text says which.
    Incomplete(String),
    /// A query parameter of a presigned URL is out of range; the text says which.
    QueryParameter(String),
    /// It is signed in its headers and in its query.
    TwoMechanisms,
    /// The signature's scope does not fit the request; the text says how.
    Scope(String),
    /// No such access key here.
    UnknownKey,
    /// The session token is not one of ours, or not for this key.
    UnknownToken,
    /// The session is over.
    ExpiredToken,
    /// Signed too long ago or in the future; the text says when.
    Skewed(String),
    /// A presigned URL past its time; the text says when.
    UrlExpired(String),
    /// The signature is not the one that the secret gives.
    Mismatch,
    /// The body's hash is not the one that was signed.
    PayloadMismatch,
    /// The `aws-chunked` framing is broken; the text says how.
    Framing(&'static str),
}

/// The way a family of services words refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// awsQuery and the XML services but S3: bare codes.
    Query,
    /// EC2: codes of its own.
    Ec2,
    /// S3: codes and messages of its own.
    S3,
    /// awsJson and CBOR: codes end in `Exception`, and the status is 400.
    Json,
    /// restJson: the same codes with status 403.
    RestJson,
}

const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
                        AWS Secret Access Key and signing method. Consult the service documentation for details.";
const TWO_MECHANISMS: &str = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
                              query string parameter or the Authorization header should be specified";

impl Dialect {
    /// The dialect of a service when it is spoken to in this protocol.
    pub fn of(service: &Service, protocol: Protocol) -> Self {
        match protocol {
            Protocol::RestXml if service.signing_name == "s3" => Self::S3,
            Protocol::AwsQuery | Protocol::RestXml => Self::Query,
            Protocol::Ec2Query => Self::Ec2,
            Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor => Self::Json,
            Protocol::RestJson1 => Self::RestJson,
        }
    }
}

impl Refusal {
    /// The error a client of this family is told.
    pub fn failure(&self, dialect: Dialect) -> Failure {
        let (code, status, message) = match dialect {
            Dialect::Query => self.query(),
            Dialect::Ec2 => self.ec2(),
            Dialect::S3 => self.s3(),
            Dialect::Json => self.json(400),
            Dialect::RestJson => self.json(403),
        };
        Failure::sender(code, status, message).with_query_code(self.query().0)
    }

    fn query(&self) -> (&'static str, u16, String) {
        match self {
            Self::MissingToken => {
                ("MissingAuthenticationToken", 403, "Request is missing Authentication Token".into())
            }
            Self::Incomplete(message) | Self::QueryParameter(message) => {
                ("IncompleteSignature", 400, message.clone())
            }
            Self::TwoMechanisms => ("IncompleteSignature", 400, TWO_MECHANISMS.into()),
            Self::UnknownKey | Self::UnknownToken => ("InvalidClientTokenId", 403, INVALID_TOKEN.into()),
            Self::ExpiredToken => ("ExpiredToken", 403, self.to_string()),
            Self::Framing(message) => ("IncompleteBody", 400, (*message).into()),
            Self::Scope(_)
            | Self::Skewed(_)
            | Self::UrlExpired(_)
            | Self::Mismatch
            | Self::PayloadMismatch => ("SignatureDoesNotMatch", 403, self.to_string()),
        }
    }

    fn json(&self, status: u16) -> (&'static str, u16, String) {
        match self {
            Self::MissingToken => ("MissingAuthenticationTokenException", status, self.to_string()),
            Self::Incomplete(message) | Self::QueryParameter(message) => {
                ("IncompleteSignatureException", status, message.clone())
            }
            Self::TwoMechanisms => ("IncompleteSignatureException", status, TWO_MECHANISMS.into()),
            Self::UnknownKey | Self::UnknownToken => {
                ("UnrecognizedClientException", status, INVALID_TOKEN.into())
            }
            Self::ExpiredToken => ("ExpiredTokenException", status, self.to_string()),
            Self::Framing(message) => ("IncompleteBody", 400, (*message).into()),
            Self::Scope(_)
            | Self::Skewed(_)
            | Self::UrlExpired(_)
            | Self::Mismatch
            | Self::PayloadMismatch => ("InvalidSignatureException", status, self.to_string()),
        }
    }

    fn ec2(&self) -> (&'static str, u16, String) {
        const NOT_VALIDATED: &str = "AWS was not able to validate the provided access credentials";
        match self {
            Self::Skewed(_) | Self::UrlExpired(_) | Self::ExpiredToken => {
                ("RequestExpired", 400, "Request has expired.".into())
            }
            Self::Incomplete(message) | Self::QueryParameter(message) => {
                ("AuthFailure", 401, message.clone())
            }
            Self::TwoMechanisms => ("AuthFailure", 401, TWO_MECHANISMS.into()),
            Self::Framing(message) => ("IncompleteBody", 400, (*message).into()),
            _ => ("AuthFailure", 401, NOT_VALIDATED.into()),
        }
    }

    fn s3(&self) -> (&'static str, u16, String) {
        match self {
            Self::MissingToken => ("AccessDenied", 403, "Access Denied".into()),
            Self::Incomplete(message) | Self::Scope(message) => {
                ("AuthorizationHeaderMalformed", 400, message.clone())
            }
            Self::QueryParameter(message) => ("AuthorizationQueryParametersError", 400, message.clone()),
            Self::TwoMechanisms => ("InvalidArgument", 400, TWO_MECHANISMS.into()),
            Self::UnknownKey => (
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.".into(),
            ),
            Self::UnknownToken => {
                ("InvalidToken", 400, "The provided token is malformed or otherwise invalid.".into())
            }
            Self::ExpiredToken => ("ExpiredToken", 400, "The provided token has expired.".into()),
            Self::Skewed(_) => (
                "RequestTimeTooSkewed",
                403,
                "The difference between the request time and the current time is too large.".into(),
            ),
            Self::UrlExpired(_) => ("AccessDenied", 403, "Request has expired".into()),
            Self::Mismatch => (
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method."
                    .into(),
            ),
            Self::PayloadMismatch => ("XAmzContentSHA256Mismatch", 400, self.to_string()),
            Self::Framing(message) => ("IncompleteBody", 400, (*message).into()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingToken => "Missing Authentication Token",
            Self::TwoMechanisms => TWO_MECHANISMS,
            Self::UnknownKey | Self::UnknownToken => INVALID_TOKEN,
            Self::ExpiredToken => "The security token included in the request is expired",
            Self::Mismatch => MISMATCH,
            Self::PayloadMismatch => {
                "The provided 'x-amz-content-sha256' header does not match what was computed."
            }
            Self::Framing(message) => message,
            Self::Incomplete(message)
            | Self::QueryParameter(message)
            | Self::Scope(message)
            | Self::Skewed(message)
            | Self::UrlExpired(message) => message,
        })
    }
}

impl std::error::Error for Refusal {}
