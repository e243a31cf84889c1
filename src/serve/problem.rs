//! Errors as the API answers them: a name that the service's model knows, and a message.

use std::fmt;

/// The name of an error, as in the service's model or its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Name {
    InvalidInput,
    InvalidNextToken,
    LimitExceeded,
    ResourceAlreadyExists,
    ResourceInUse,
    ResourceNotFound,
    /// The body is not JSON, or a member has a wrong JSON type.
    Serialization,
    UnknownOperation,
    MissingAuthenticationToken,
    IncompleteSignature,
    InvalidSignature,
    UnrecognizedClient,
    /// The body is longer than any valid request.
    RequestTooLarge,
    /// The server itself failed; the client may try again.
    Internal,
}

impl Name {
    /// The name on the wire.
    pub(super) fn word(self) -> &'static str {
        match self {
            Name::InvalidInput => "InvalidInputException",
            Name::InvalidNextToken => "InvalidNextTokenException",
            Name::LimitExceeded => "LimitExceededException",
            Name::ResourceAlreadyExists => "ResourceAlreadyExistsException",
            Name::ResourceInUse => "ResourceInUseException",
            Name::ResourceNotFound => "ResourceNotFoundException",
            Name::Serialization => "SerializationException",
            Name::UnknownOperation => "UnknownOperationException",
            Name::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Name::IncompleteSignature => "IncompleteSignatureException",
            Name::InvalidSignature => "InvalidSignatureException",
            Name::UnrecognizedClient => "UnrecognizedClientException",
            Name::RequestTooLarge => "RequestEntityTooLargeException",
            Name::Internal => "InternalFailure",
        }
    }

    /// The status code. Clients tell errors apart by name: AWS answers nearly all of them with 400.
    pub(super) fn status(self) -> u16 {
        match self {
            Name::RequestTooLarge => 413,
            Name::Internal => 500,
            _ => 400,
        }
    }

    /// Whether the request was refused for its signature.
    pub(super) fn is_of_signature(self) -> bool {
        use Name::{IncompleteSignature, InvalidSignature, MissingAuthenticationToken, UnrecognizedClient};
        matches!(
            self,
            IncompleteSignature | InvalidSignature | MissingAuthenticationToken | UnrecognizedClient
        )
    }
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) name: Name,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(name: Name, message: impl Into<String>) -> Self {
        Problem { name, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Name::InvalidInput, message)
    }

    pub(super) fn no_such(arn: &str) -> Self {
        Self::new(Name::ResourceNotFound, format!("No resource found {arn}"))
    }
}

/// A failure of the database is the server's, and only its log says more.
impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the state cannot be read or written");
        Problem::new(Name::Internal, "The server cannot read or write its state. Its log says why.")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.word(), self.message)
    }
}
