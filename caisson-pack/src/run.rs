//! Runs a command line: the whole program but for its exit.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser as _;
use clap::error::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::build::build;
use crate::cli::{BuildArgs, Cli, Command, asks_for_json};
use crate::compress::Compression;
use crate::describe::PackageFacts;
use crate::description::Description;
use crate::error::{Code, Exit, PackError, Result};
use crate::progress::Watch;
use crate::report::{print_error, print_json, print_result};
use crate::request::{BuildRequest, ImageRequest, ServiceRequest, parse_epoch};
use crate::source::SourceSpec;
use crate::verify::{Depth, check_package};

/// Runs the program with these arguments, its own name first, and gives its
/// exit status.
pub fn run(args: &[OsString]) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse_flags(&error, asks_for_json(args)),
    };
    let as_json = cli.command.json();
    match execute(&cli.command, as_json) {
        Ok(()) => Exit::Done,
        Err(error) => {
            print_error(&error, as_json);
            error.code.exit()
        }
    }
}

fn refuse_flags(error: &clap::Error, as_json: bool) -> Exit {
    let text = error.to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        print_result(&text);
        return Exit::Done;
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph says what is wrong; the rest is usage, which the help
    // has in full.
    let what = text.split("\n\n").next().unwrap_or(text);
    let what: Vec<&str> = what.split_whitespace().collect();
    print_error(&PackError::new(Code::Usage, what.join(" ")), as_json);
    Exit::Usage
}

fn execute(command: &Command, as_json: bool) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Without it the signal ends the program at once, which leaves a part
        // file, and no harm.
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    let mut watch = Watch::new(stop);
    let (event, path, facts) = match command {
        Command::Build(args) => {
            let request = build_request(args)?;
            ("built", &args.output, build(&request, &mut watch)?)
        }
        Command::Inspect(args) => {
            let facts = check_package(&args.package, Depth::Head, &mut watch)?;
            ("inspected", &args.package, facts)
        }
        Command::Verify(args) => {
            let depth = if args.deep {
                Depth::Contents
            } else {
                Depth::File
            };
            let facts = check_package(&args.package, depth, &mut watch)?;
            ("verified", &args.package, facts)
        }
    };
    drop(watch);
    if as_json {
        print_json(&facts.json(event, path));
    } else {
        print_result(&for_people(command, path, &facts));
    }
    Ok(())
}

fn for_people(command: &Command, path: &Path, facts: &PackageFacts) -> String {
    let headline = facts.headline(path);
    let digest = facts.manifest_digest;
    match command {
        Command::Build(_) => format!("{headline}\n{}", facts.services_and_images()),
        Command::Inspect(_) => facts.table(path),
        Command::Verify(args) if args.deep => {
            format!("{headline}: sound, layers and configs too\nmanifest {digest}\n")
        }
        Command::Verify(_) => format!("{headline}: sound\nmanifest {digest}\n"),
    }
}

fn build_request(args: &BuildArgs) -> Result<BuildRequest> {
    let mut description = match &args.file {
        Some(path) => Description::read(path)?,
        None => description_by_flags(args)?,
    };
    description.notes.extend(args.notes());
    let compatibility = &mut description.compatibility;
    if args.min_updater_version.is_some() {
        compatibility
            .min_updater_version
            .clone_from(&args.min_updater_version);
    }
    if args.engine_api_min.is_some() {
        compatibility
            .engine_api_min
            .clone_from(&args.engine_api_min);
    }
    let package_version = args.package_version.clone().or(description.package_version);
    let epoch = match env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) => Some(parse_epoch(&text.to_string_lossy())?),
        None => None,
    };
    Ok(BuildRequest {
        images: description.images,
        services: description.services,
        package_version: package_version.ok_or_else(|| {
            PackError::new(Code::Usage, "the package has no version")
                .wanted("--package-version, or `package_version` in caisson.toml")
        })?,
        release: args.release.or(description.release),
        compatibility: description.compatibility,
        notes: description.notes,
        live_names: args.live_names || description.live_names,
        compression: Compression::at_level(args.level.or(description.level), args.threads)?,
        epoch,
        output: args.output.clone(),
        force: args.force,
    })
}

fn description_by_flags(args: &BuildArgs) -> Result<Description> {
    if args.platform.len() != args.image.len() {
        return Err(PackError::new(
            Code::Usage,
            "every --image needs its --platform, in the same order",
        )
        .found(format!("{} --platform", args.platform.len()))
        .wanted(format!("{} --platform", args.image.len())));
    }
    let images: Result<Vec<_>> = args
        .image
        .iter()
        .zip(&args.platform)
        .map(|(source, platform)| {
            Ok(ImageRequest {
                source: SourceSpec::parse(source, Path::new(""))?,
                reference: args.reference.clone(),
                platform: platform.clone(),
            })
        })
        .collect();
    let service = ServiceRequest {
        service: args.service.clone().unwrap_or_default(),
        service_revision: args.service_revision.clone().unwrap_or_default(),
        image: None,
    };
    Ok(Description {
        images: images?,
        services: vec![service],
        ..Description::default()
    })
}
