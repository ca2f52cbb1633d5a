//! `caisson-pack build`: flags and `caisson.toml` to a [`BuildRequest`], then the build.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::build::build;
use crate::compress::{Compression, LEVEL_DEFAULT, LEVEL_MAX, LEVEL_MIN};
use crate::description::Description;
use crate::error::{Code, PackError, Result};
use crate::progress::Watch;
use crate::report::print;
use crate::request::{BuildRequest, ImageRequest, ServiceRequest, parse_epoch};
use crate::source::SourceSpec;

pub(crate) const HELP: &str = "\
Examples:
  docker save -o web.tar web:1.1.0
  caisson-pack build --image docker-archive:web.tar --service web \\
      --service-revision r1 --platform linux/amd64 --package-version 1.1.0 \\
      -o web-1.1.0.edgepkg

  caisson-pack build -f caisson.toml --package-version 1.1.0 -o site.edgepkg

A caisson.toml (paths are relative to it, unknown keys are refused):
  package_version = \"1.1.0\"            # or --package-version
  release = 7                          # optional counter
  level = 9                            # optional
  split = \"fat32\"                      # optional, as --split
  live_names = false                   # optional

  [compatibility]                      # optional
  min_updater_version = \"0.2.0\"
  engine_api_min = \"1.41\"

  [notes]                              # optional, shown to people
  changelog = \"faster start\"

  [[images]]                           # one per reference and platform
  source = \"docker-archive:out/web-amd64.tar\"
  reference = \"docker.io/library/web:1.1.0\"   # default: its name in the archive
  platform = \"linux/amd64\"

  [[services]]
  service = \"web\"
  service_revision = \"r1\"
  image = \"docker.io/library/web:1.1.0\"       # default: the only reference

Names are written out in full, as Docker means them: `web` becomes
`docker.io/library/web:latest`.

The package's bytes depend on the images, these settings and the version of
caisson-pack, and on nothing else. Its date is SOURCE_DATE_EPOCH, else that of
the newest image. While it runs, a build needs twice the package's size beside
the output. Parts of a split package lie in one folder and are read by the name of
the first; `cat` joins them too.";

/// Flags of `build`.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// Describe the build in this file instead of by flags
    #[arg(short = 'f', long = "file", value_name = "CAISSON.TOML",
          conflicts_with_all = ["image", "service", "service_revision", "platform", "reference"],
          required_unless_present = "image")]
    pub file: Option<PathBuf>,

    /// An image, as docker-archive:FILE, docker-archive:FILE:REFERENCE or
    /// docker-archive:FILE:@NUMBER; may be given once per platform
    #[arg(long, value_name = "SOURCE", requires_all = ["service", "service_revision", "platform", "package_version"])]
    pub image: Vec<String>,

    /// The platform each --image must be for, in the same order, such as linux/arm64
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<String>,

    /// The image's name in the package; default: its name in the source
    #[arg(long, value_name = "REFERENCE")]
    pub reference: Option<String>,

    /// The service that runs the image, as the device's catalog calls it
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,

    /// The service's revision, which must equal the one in the device's catalog
    #[arg(long, value_name = "REVISION")]
    pub service_revision: Option<String>,

    /// Semantic version of what is delivered, such as 1.1.0
    #[arg(long, value_name = "VERSION")]
    pub package_version: Option<String>,

    /// Counter that orders releases: a device refuses a lower one
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<u64>,

    /// Lowest version of caisson-apply that may install the package
    #[arg(long, value_name = "VERSION")]
    pub min_updater_version: Option<String>,

    /// Lowest engine API that may run it, such as 1.41
    #[arg(long, value_name = "VERSION")]
    pub engine_api_min: Option<String>,

    /// A note that is shown to people, as key=text; may be repeated
    #[arg(long, value_name = "KEY=TEXT", value_parser = parse_note)]
    pub note: Vec<(String, String)>,

    /// Let `docker load` of the package file itself use the images' own names. It
    /// then moves tags that may be in use, and verifies nothing
    #[arg(long)]
    pub live_names: bool,

    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true,
          help = format!("Compression, {LEVEL_MIN} (fast) to {LEVEL_MAX} (small); default {LEVEL_DEFAULT}"))]
    pub level: Option<i32>,

    /// Compressing threads; default: one per processor. The bytes don't depend on it
    #[arg(long, value_name = "NUMBER")]
    pub threads: Option<u32>,

    /// Cut the package into parts of this size, FILE.001, FILE.002, ...: a number of
    /// B, kB, KiB, MB, MiB, GB or GiB, such as 700MiB, or fat32, the most that
    /// FAT32 holds
    #[arg(long, value_name = "SIZE")]
    pub split: Option<String>,

    /// The package file to write
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the package file if it exists
    #[arg(long)]
    pub force: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

impl BuildArgs {
    /// The notes by key; a later one of the same key wins, as flags do.
    pub fn notes(&self) -> BTreeMap<String, String> {
        self.note.iter().cloned().collect()
    }

    /// Runs the command.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<()> {
        let facts = build(&build_request(self)?, watch)?;
        // A split package is named by its first part.
        let path = facts.parts.first().map_or(&self.output, |(path, _)| path);
        print(self.json, &facts.json("built", path), || {
            let headline = facts.headline(path);
            let parts = facts.parts_in_words();
            format!("{headline}\n{parts}{}", facts.services_and_images())
        });
        Ok(())
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
        split: match &args.split {
            Some(size) => Some(size.parse()?),
            None => description.split,
        },
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

fn parse_note(text: &str) -> std::result::Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "wanted KEY=TEXT".to_owned())
}
