//! placeholder
use super::session::Session;
use crate::cli::DoctorArgs;
use crate::error::{Exit, Result};
pub(super) fn doctor(_s: &Session, _a: &DoctorArgs) -> Result<Exit> {
    Ok(Exit::Done)
}
pub(super) fn boot_unit_installed(_s: &Session, _e: &str) -> bool {
    false
}
