//! The program itself, in a folder of its own for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::archive::TestArchive;

/// A scratch folder that goes away with its test.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a scratch folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the scratch folder is writable");
    }

    pub(crate) fn write_archive(&self, name: &str, archive: &TestArchive) {
        self.write(name, archive.bytes());
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the file is there")
    }

    /// Names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).expect("the folder is readable");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The program, in this folder, without the caller's epoch.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caisson-pack"));
        command
            .current_dir(self.folder())
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// Runs the program with arguments separated by blanks.
    pub(crate) fn run(&self, args: &str) -> Ran {
        let output = self.command().args(args.split_whitespace()).output();
        Ran::of(&output.expect("the program starts"))
    }

    /// Builds the image in `source` (as `--image` wants it) for service `web`.
    pub(crate) fn build(&self, source: &str, more: &str) -> Ran {
        self.run(&format!("build {SIMPLE} --image {source} {more}"))
    }
}

/// Everything a build needs besides its image and output.
pub(crate) const SIMPLE: &str =
    "--service web --service-revision r1 --platform linux/amd64 --package-version 1.1.0";

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            status: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8(output.stdout.clone()).expect("text"),
            stderr: String::from_utf8(output.stderr.clone()).expect("text"),
        }
    }

    /// The run succeeded without a word on standard error.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (0, ""),
            "{}",
            self.stdout
        );
        self
    }

    /// The run was refused with this code and exit status.
    #[track_caller]
    pub(crate) fn refused(self, code: &str, status: i32) -> Self {
        assert!(
            self.stderr.starts_with(&format!("error[{code}]: ")),
            "wanted {code}, got {self:?}"
        );
        assert!(self.stderr.contains("\n  next:   "), "{}", self.stderr);
        assert_eq!(self.status, status, "{}", self.stderr);
        self
    }

    /// The one JSON line on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }
}
