//! Errors as people and scripts see them: a stable code, what happened, where,
//! what was found and wanted, what state the device is in, what to do next.
//!
//! A code decides the exit status; the match has no wild arm, so a new code
//! can't be added without deciding both.

use std::fmt;

/// A stable `area.snake_name` code. The strings are frozen: scripts match them.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident => $text:literal, $exit:ident;)*) => {
        /// Codes of this program's own errors. A rejected package carries the code of
        /// `edgepkg` instead ([`Code::Package`]).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            /// A code of the package format, such as `pkg.chunk_mismatch`.
            Package(&'static str),
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code that this program has besides the format's own.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The frozen text.
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::Package(code) => code,
                    $(Self::$variant => $text,)*
                }
            }

            /// The exit status this code ends the program with.
            pub fn exit(self) -> Exit {
                match self {
                    Self::Package(_) => Exit::PackageRejected,
                    $(Self::$variant => Exit::$exit,)*
                }
            }
        }
    };
}

codes! {
    /// A bug in this program.
    Internal => "internal.bug", Internal;
    /// A flag or argument is missing, unknown or makes no sense.
    Usage => "usage.invalid", Usage;
    /// The service catalog can't be read or breaks its rules.
    Catalog => "catalog.invalid", Usage;
    /// A catalog of version 1 uses keys that only version 2 has.
    CatalogVersion => "catalog.version", Usage;
    /// The person at the device said no.
    Declined => "usage.declined", Declined;
    /// INT or TERM arrived before the commit; everything was unwound.
    Interrupted => "update.interrupted", Declined;
    /// The boot unit is not installed and `--no-boot-unit` was not given.
    BootUnitMissing => "update.boot_unit_missing", Declined;
    /// The boot unit could not be written.
    BootUnitWrite => "doctor.boot_unit_write", OwnState;
    /// The package file can't be opened or read.
    PackageUnreadable => "pkg.unreadable", PackageRejected;
    /// The service is not in the catalog, or the package has none that is.
    ServiceUnknown => "device.service_unknown", NotForThisDevice;
    /// More than one service of the package is in the catalog and none was chosen.
    ServiceAmbiguous => "device.service_ambiguous", Usage;
    /// The catalog's service revision is not the package's.
    RevisionMismatch => "device.revision_mismatch", NotForThisDevice;
    /// The package has nothing for the platform of this device.
    PlatformMismatch => "device.platform_mismatch", NotForThisDevice;
    /// The package needs a newer updater.
    UpdaterTooOld => "device.updater_too_old", NotForThisDevice;
    /// The package needs a newer engine API.
    EngineTooOld => "device.engine_too_old", NotForThisDevice;
    /// An older version than the installed one.
    Downgrade => "device.downgrade", NotForThisDevice;
    /// The same version with other content.
    SameVersion => "device.same_version", NotForThisDevice;
    /// The release counter jumps too far.
    ReleaseJump => "device.release_jump", NotForThisDevice;
    /// No container of that name, and no `create_file`.
    ContainerMissing => "device.container_missing", NotForThisDevice;
    /// The container can't be recreated faithfully.
    NotReproducible => "device.not_reproducible", NotForThisDevice;
    /// The service runs in a mode that this version does not drive.
    ModeUnsupported => "device.mode_unsupported", NotForThisDevice;
    /// Another container has a name that the update needs.
    NameTaken => "device.name_taken", NotForThisDevice;
    /// The container is not what it was when the plan was made.
    ChangedMeanwhile => "device.changed_meanwhile", NotForThisDevice;
    /// The old image is gone from the engine, so its defaults are unknown.
    OldImageUnknown => "device.old_image_unknown", NotForThisDevice;
    /// There is no previous version to go back to.
    NoPrevious => "device.no_previous", NotForThisDevice;
    /// Too little room for the image.
    NoSpace => "device.no_space", NoSpace;
    /// Too few inodes for the image.
    NoInodes => "device.no_inodes", NoSpace;
    /// No engine answers.
    EngineUnreachable => "engine.unreachable", Engine;
    /// The engine refused a call.
    EngineRefused => "engine.refused", Engine;
    /// The engine's answer did not come or made no sense.
    EngineAnswer => "engine.answer", Engine;
    /// The engine can't do what an update needs.
    EngineUnsupported => "engine.unsupported", Engine;
    /// What the engine holds after the import is not what the package names.
    ImportMismatch => "engine.import_mismatch", Engine;
    /// The data root can't be opened: no lock and no `syncfs`.
    DataRoot => "engine.data_root", Engine;
    /// The engine's file system reported an error while syncing.
    Sync => "engine.sync", Engine;
    /// The state directory or its database can't be used.
    StateUnusable => "state.unusable", OwnState;
    /// A journal row could not be written.
    JournalWrite => "journal.write", OwnState;
    /// Rows of the journal contradict each other.
    JournalInconsistent => "journal.inconsistent", OwnState;
    /// No such update in the history.
    HistoryUnknown => "history.unknown", Usage;
    /// The guard did not come up.
    GuardFailed => "update.guard_failed", OwnState;
    /// The new version did not pass its probes.
    ProbeFailed => "probe.failed", RolledBack;
    /// The new version did not start.
    CandidateStart => "update.candidate_start", RolledBack;
    /// An interrupted update was unwound by `recover`.
    RolledBack => "update.rolled_back", RolledBack;
    /// The committed version could not be started; the old one was.
    Superseded => "update.superseded", RolledBack;
    /// Undoing failed; a person has to look.
    Stuck => "update.stuck", NeedsAPerson;
    /// The container that the update would go back to was removed by somebody else.
    OldContainerGone => "update.old_container_gone", NeedsAPerson;
    /// Another instance works on this engine.
    Locked => "update.locked", Locked;
}

/// Exit statuses (README, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Internal = 1,
    Usage = 2,
    Declined = 3,
    PackageRejected = 10,
    NotTrusted = 11,
    NotForThisDevice = 12,
    NoSpace = 13,
    Engine = 20,
    OwnState = 21,
    RolledBack = 30,
    NeedsAPerson = 31,
    Locked = 40,
}

/// What runs of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// `null` in JSON.
    NotInstalled,
    /// `false` in JSON.
    Stopped,
    /// The version, as far as it is known.
    Version(Option<String>),
}

/// One error, whole: [`crate::report`] prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    /// One line, lower case, no full stop.
    pub what: String,
    /// File, container, step.
    pub place: Option<String>,
    pub found: Option<String>,
    pub wanted: Option<String>,
    /// What state the device is in now.
    pub state: Option<String>,
    /// What the person does next.
    pub next: Option<String>,
    /// What went wrong besides, never instead: failures while cleaning up.
    pub also: Vec<String>,
    /// What was seen, for the history: probe rounds, log lines. Not printed with the error.
    pub evidence: Option<serde_json::Value>,
    /// Where the state of the device weighs more than the cause: 30 or 31.
    pub exit: Option<Exit>,
    /// What runs of the service now, where an update was taken back. For scripts.
    pub running: Option<Running>,
    /// An update is still open: whoever watches over it goes on.
    pub open: bool,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            place: None,
            found: None,
            wanted: None,
            state: None,
            next: None,
            also: Vec::new(),
            evidence: None,
            exit: None,
            running: None,
            open: false,
        }
    }

    /// The exit status the program ends with.
    pub fn exit(&self) -> Exit {
        self.exit.unwrap_or_else(|| self.code.exit())
    }

    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    #[must_use]
    pub fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = Some(wanted.into());
        self
    }

    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code.as_str(), self.what)
    }
}

impl std::error::Error for Error {}
