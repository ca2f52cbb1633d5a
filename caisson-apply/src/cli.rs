//! The command line: flags into commands, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Updates a service's container from a package file, on a machine without a network.
///
/// Every update can be undone: if the new version does not serve, the old
/// container starts again by itself, also after a power cut.
#[derive(Debug, Parser)]
#[command(name = "caisson-apply", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 internal, 2 usage or configuration, 3 declined or stopped
with nothing changed, 10 package rejected, 11 not trusted, 12 not for this
device, 13 not enough space, 20 engine, 21 own state, 30 the old version runs,
31 needs a person, 40 another instance is running.

Example: caisson-apply package load /media/usb/frontend-1.1.0.edgepkg";

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The service catalog.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_SERVICES)]
    pub services: PathBuf,
    /// Where the journal is kept.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/var/lib/caisson"
    )]
    pub state_dir: PathBuf,
    /// The container engine's Unix socket; found by itself if not given.
    #[arg(long, global = true, value_name = "SOCKET")]
    pub engine: Option<String>,
    /// One JSON object per line on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Don't ask, do it.
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
}

/// Where the catalog is looked for.
pub const DEFAULT_SERVICES: &str = "/etc/caisson/services.toml";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check, plan and load package files.
    #[command(subcommand)]
    Package(PackageCommand),
    /// The services of this device, and going back to the previous version.
    #[command(subcommand)]
    Service(ServiceCommand),
    /// What was updated when, and how it went.
    #[command(subcommand)]
    History(HistoryCommand),
    /// Finish what an interrupted update left; does nothing if nothing is open.
    Recover(RecoverArgs),
    /// Look after the installation on this device.
    Doctor(DoctorArgs),
    /// Started by an update to repair the device if the update dies.
    #[command(hide = true)]
    Guard,
}

#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Read the whole file and check every byte; needs no engine and no root.
    Validate(ValidateArgs),
    /// Show what a load would do; changes nothing.
    Plan(LoadArgs),
    /// Import the image and swap the service's container.
    Load(LoadArgs),
}

#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// The package file; of a split one the first part (`site.edgepkg.001`).
    pub file: PathBuf,
    /// Unpack the layers too and check their digests.
    #[arg(long)]
    pub deep: bool,
}

#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The package file; of a split one the first part (`site.edgepkg.001`).
    pub file: PathBuf,
    /// The service to update, if the package has several of this device's.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Install an older version, or the same one with other content.
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Install again what is installed already.
    #[arg(long)]
    pub reinstall: bool,
    /// Go on where the engine no longer knows the old image, keeping its defaults as if they were yours.
    #[arg(long)]
    pub keep_old_defaults: bool,
    #[command(flatten)]
    pub promises: Promises,
}

/// Promises a person can do without.
#[derive(Debug, Clone, Args)]
pub struct Promises {
    /// Go on without the boot unit: after a power cut nobody tidies up until the next command.
    #[arg(long)]
    pub no_boot_unit: bool,
    /// Go on where the engine's data directory can't be opened: a power cut may then lose the service.
    #[arg(long)]
    pub no_sync: bool,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// The services of the catalog and what runs of them.
    List,
    /// One service: current and previous version, and what a rollback would do.
    Show {
        /// Name in the catalog.
        name: String,
    },
    /// Start the previous version's container again.
    Rollback(RollbackArgs),
}

#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Name in the catalog.
    pub name: String,
    #[command(flatten)]
    pub promises: Promises,
}

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// The newest updates first.
    List {
        /// Only of this service.
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
    },
    /// One update, step by step.
    Show {
        /// Its id, or the first characters of it.
        id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// Wait up to this many seconds until the engine answers.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Write and enable the unit that recovers at boot; shows it first.
    #[arg(long)]
    pub install_boot_unit: bool,
}
