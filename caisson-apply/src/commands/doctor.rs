//! `doctor`: what the installation on this device lacks, and the boot unit.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use crate::boot_unit::{self, Status};
use crate::cli::DoctorArgs;
use crate::engine::Engine;
use crate::error::{Code, Error, Exit, Result};

use super::session::Session;
use super::{confirm, show, talk};

/// Places whose file systems are there at every boot.
const PERMANENT: [&str; 4] = ["/", "/usr", "/usr/local", "/opt"];
/// The file system the units are looked for in.
const ROOT: &str = "/";

pub(super) fn doctor(session: &Session, args: &DoctorArgs) -> Result<Exit> {
    let engine = session.engine()?.address();
    if args.install_boot_unit {
        return install(session, &engine);
    }
    let status = boot_unit::status(Path::new(ROOT), &session.global.state_dir, &engine);
    let (installed, words) = match &status {
        Status::Installed => (true, vec!["the boot unit is installed".to_owned()]),
        Status::Incomplete(reasons) => {
            let mut words = vec![
                "the boot unit is not installed: `caisson-apply doctor --install-boot-unit` does it"
                    .to_owned(),
            ];
            words.extend(reasons.iter().map(|reason| format!("  {reason}")));
            (false, words)
        }
    };
    show(
        session,
        &json!({ "engine": engine, "boot_unit": installed }),
        &words,
    );
    Ok(Exit::Done)
}

/// Shows the units, asks, writes them.
fn install(session: &Session, engine: &str) -> Result<Exit> {
    let binary = std::env::current_exe().map_err(|error| {
        Error::new(
            Code::BootUnitWrite,
            format!("this program's own path is not known: {error}"),
        )
        .state("nothing changed")
    })?;
    stays_here(&binary)?;
    let units = boot_unit::render(&binary, &session.global.state_dir, engine)?;
    for unit in &units {
        talk(&format!("{}:", unit.path.display()));
        for line in unit.text.lines() {
            talk(&format!("    {line}"));
        }
    }
    confirm(session, "Write and enable these?")?;
    boot_unit::install(Path::new(ROOT), &units, &mut boot_unit::run_systemctl)?;
    let paths: Vec<String> = units
        .iter()
        .map(|unit| unit.path.display().to_string())
        .collect();
    show(
        session,
        &json!({ "result": "installed", "files": paths, "exit": 0 }),
        &["the boot unit is installed and enabled".to_owned()],
    );
    Ok(Exit::Done)
}

/// A unit that names a program on a stick recovers nothing once the stick is gone.
fn stays_here(binary: &Path) -> Result<()> {
    let device = |path: &Path| std::fs::metadata(path).map(|facts| facts.dev()).ok();
    let here = device(binary);
    if PERMANENT
        .iter()
        .any(|place| here.is_some() && device(Path::new(place)) == here)
    {
        return Ok(());
    }
    Err(Error::new(
        Code::BootUnitWrite,
        "this program runs from a medium that may be taken away",
    )
    .at(binary.display().to_string())
    .state("nothing changed")
    .next("copy it to /usr/local/bin and run `doctor --install-boot-unit` from there"))
}

/// Does the boot unit recover this state directory on this engine?
pub(super) fn boot_unit_installed(session: &Session, engine: &str) -> bool {
    boot_unit::status(Path::new(ROOT), &session.global.state_dir, engine) == Status::Installed
}
