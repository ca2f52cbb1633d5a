//! Which Unix socket the engine is reached at: the choice of [`engine_http::socket`]
//! with this program's errors.

use std::path::PathBuf;

use engine_http::socket::{self, SocketError};
pub use engine_http::socket::{Chosen, ChosenBy, USUAL_SOCKETS, Wishes, connect};

use crate::error::{Code, Error, Result};

/// The socket to use: what `--engine` says, else what `DOCKER_HOST` says, else
/// the first usual one that we may write to, else the first that is there.
///
/// # Errors
/// `usage.invalid` for an address that is no absolute Unix socket path,
/// `engine.unreachable` if none is named and none of the usual ones exists.
pub fn choose(wishes: Wishes<'_>) -> Result<Chosen> {
    socket::choose(wishes).map_err(|error| match error {
        SocketError::Address {
            what,
            origin,
            found,
            wanted,
        } => Error::new(Code::Usage, what)
            .at(origin)
            .found(found)
            .wanted(wanted),
        SocketError::NoneFound { places } => {
            Error::new(Code::EngineUnreachable, "no container engine was found")
                .at(list(&places))
                .found("no socket in any of these places")
                .next("start the engine, or name its socket with --engine")
        }
    })
}

fn list(places: &[PathBuf]) -> String {
    let places: Vec<String> = places
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    places.join(", ")
}
