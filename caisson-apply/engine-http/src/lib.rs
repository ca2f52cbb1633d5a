//! What it takes to talk to a container engine: choosing its Unix socket, a
//! connection with a time limit, and HTTP/1.1 framing as functions over `Read`
//! and `Write`: request heads, chunked request bodies, response heads, and the
//! three ways a response body ends.
//!
//! The framing knows no sockets, no time and no engine: deadlines come from the
//! reader it is given ([`connection`]), meaning comes from who calls. It never
//! sends more than one request over a connection and never follows a redirect.
//!
//! The other side is trusted with the containers, not with our memory:
//! - a head without end, or with thousands of fields: [`HEAD_BYTES_MAX`], [`HEADER_COUNT_MAX`];
//! - a body without end, in any of the three framings: the caller's limit, checked per byte;
//! - a length that disagrees with the bytes, two lengths, a length beside chunks:
//!   refused, never guessed;
//! - a chunk size that overflows, an endless chunk extension or trailer:
//!   [`CHUNK_LINE_BYTES_MAX`], [`TRAILER_BYTES_MAX`];
//! - a name that means another route: [`target`] encodes or refuses it.
//!
//! Source: RFC 9112, sections 2 to 7.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;

pub mod api_version;
pub mod connection;
mod request;
mod response;
pub mod socket;
pub mod target;

pub use api_version::ApiVersion;
pub use connection::{Connection, TimeLimit};

pub use request::{ChunkedWriter, RequestBody, request_head};
pub use response::{
    CHUNK_LINE_BYTES_MAX, Framing, HEAD_BYTES_MAX, HEADER_COUNT_MAX, Response, ResponseHead,
    TRAILER_BYTES_MAX, status_in,
};

/// Why a response could not be read.
#[derive(Debug)]
pub enum HttpError {
    /// The connection failed or ran into its deadline.
    Io(io::Error),
    /// The connection ended in the middle of the named part.
    Cut(&'static str),
    /// The bytes are not HTTP, or say two things at once.
    Malformed(String),
    /// The body is larger than the caller takes, in bytes.
    TooLarge(u64),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Cut(part) => write!(f, "the connection ended inside the {part}"),
            Self::Malformed(why) => write!(f, "not an HTTP answer: {why}"),
            Self::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes"),
        }
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Cut(_) | Self::Malformed(_) | Self::TooLarge(_) => None,
        }
    }
}

#[cfg(test)]
mod framing_tests;
