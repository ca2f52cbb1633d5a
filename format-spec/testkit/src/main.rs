//! `edgepkg-testkit write`: makes the folder of vectors. `check` compares it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: edgepkg-testkit write|check [FOLDER]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, folder) = match &arguments[..] {
        [command] => (command, edgepkg_testkit::committed()),
        [command, folder] => (command, PathBuf::from(folder)),
        _ => return fail(USAGE),
    };
    let done = match command.as_str() {
        "write" => write(&folder),
        "check" => edgepkg_testkit::differences(&folder).and_then(|differences| {
            if differences.is_empty() {
                return Ok(());
            }
            Err(std::io::Error::other(differences.join("\n")))
        }),
        _ => return fail(USAGE),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

/// Removes what a former run wrote and is no longer made, then writes the rest.
fn write(folder: &Path) -> std::io::Result<()> {
    for made in ["accept", "reject"] {
        match fs::remove_dir_all(folder.join(made)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for (path, bytes) in edgepkg_testkit::files() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("below the folder"))?;
        fs::write(path, bytes)?;
    }
    Ok(())
}
