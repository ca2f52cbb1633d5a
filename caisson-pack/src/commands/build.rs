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
use crate::source::{EngineWish, SourceSpec, Version1};

pub(crate) const HELP: &str = "\
Examples:
  docker save -o web.tar web:1.1.0
  caisson-pack build --image docker-archive:web.tar --service web \\
      --service-revision r1 --platform linux/amd64 --package-version 1.1.0 \\
      -o web-1.1.0.edgepkg

  caisson-pack build --image oci:out --platform linux/amd64 --platform linux/arm64 \\
      -o web.edgepkg --service web --service-revision r1 --package-version 1.1.0

  caisson-pack build -f caisson.toml --package-version 1.1.0 -o site.edgepkg

Sources of images:
  docker-archive:FILE    what `docker save` writes, plain or compressed
  oci-archive:FILE       an OCI image layout in one file, plain or compressed
  oci:FOLDER             an OCI image layout; buildx writes both with --output
  docker-daemon:IMAGE    an image of a running engine, by name or id
  v1:FILE                a package of format version 1, to be built again; it
                         names service, revision, platform and version itself
Where a file or folder has several images, :REFERENCE or :@NUMBER behind it says
which. Attestations and other manifests that are no image are passed over, with
a note.

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

  [[images]]                           # one per source
  source = \"docker-archive:out/web-amd64.tar\"   # or any other kind
  reference = \"docker.io/library/web:1.1.0\"   # default: its name in the source
  platform = \"linux/amd64\"           # or platforms = [\"linux/amd64\", ...]

  [[services]]
  service = \"web\"
  service_revision = \"r1\"
  image = \"docker.io/library/web:1.1.0\"       # default: the only reference

Names are written out in full, as Docker means them: `web` becomes
`docker.io/library/web:latest`.

The package's bytes depend on the images, these settings and the version of
caisson-pack, and on nothing else. Its date is SOURCE_DATE_EPOCH, else that of
the newest image. While it runs, a build needs twice the package's size beside
the output, and for docker-daemon: and compressed archives the unpacked image's
size as well. Parts of a split package lie in one folder and are read by the name of
the first; `cat` joins them too.";

/// Flags of `build`.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// Describe the build in this file instead of by flags
    #[arg(short = 'f', long = "file", value_name = "CAISSON.TOML",
          conflicts_with_all = ["image", "service", "service_revision", "platform", "reference"],
          required_unless_present = "image")]
    pub file: Option<PathBuf>,

    /// An image: docker-archive:FILE, oci-archive:FILE or oci:FOLDER, each with
    /// :REFERENCE or :@NUMBER behind it where there are several, docker-daemon:IMAGE,
    /// or v1:FILE; may be given once per platform
    #[arg(long, value_name = "SOURCE")]
    pub image: Vec<String>,

    /// The platform to take of the --image, such as linux/arm64: one for each
    /// --image in the same order, or several of a single --image
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

    /// The engine of docker-daemon: sources, as a socket's path; default: `DOCKER_HOST`,
    /// else the usual sockets
    #[arg(long, value_name = "SOCKET")]
    pub engine: Option<String>,

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
        let mut object = facts.json("built", path);
        object["remarks"] = watch.take_notes().into();
        print(self.json, &object, || {
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
        engine: EngineWish {
            engine: args.engine.clone(),
            // Under sudo it belongs to another user.
            docker_host: env::var("DOCKER_HOST")
                .ok()
                .filter(|_| env::var_os("SUDO_UID").is_none()),
            runtime_dir: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        },
        split: match &args.split {
            Some(size) => Some(size.parse()?),
            None => description.split,
        },
        output: args.output.clone(),
        force: args.force,
    })
}

fn description_by_flags(args: &BuildArgs) -> Result<Description> {
    let mut sources = Vec::with_capacity(args.image.len());
    for image in &args.image {
        sources.push(SourceSpec::parse(image, Path::new(""))?);
    }
    let old = version_1(&sources)?;
    let images: Vec<ImageRequest> = platforms_of_each(args, &sources)?
        .into_iter()
        .zip(sources)
        .map(|(platforms, source)| ImageRequest {
            source,
            reference: args.reference.clone(),
            platforms,
        })
        .collect();
    let needed =
        |given: &Option<String>, old: Option<&String>, flag: &str| {
            given.as_ref().or(old).cloned().ok_or_else(|| {
                PackError::new(Code::Usage, format!("--image needs {flag} beside it"))
            })
        };
    let old = old.as_ref();
    let service = ServiceRequest {
        service: needed(&args.service, old.map(|old| &old.service), "--service")?,
        service_revision: needed(
            &args.service_revision,
            old.map(|old| &old.service_revision),
            "--service-revision",
        )?,
        image: None,
    };
    Ok(Description {
        images,
        services: vec![service],
        package_version: old.map(|old| old.package_version.clone()),
        ..Description::default()
    })
}

/// What a single source of format version 1 says of the service, so that nobody
/// need repeat it.
fn version_1(sources: &[SourceSpec]) -> Result<Option<Version1>> {
    match sources {
        [SourceSpec::Version1 { path }] => Version1::read(path).map(Some),
        _ => Ok(None),
    }
}

/// The platforms that are taken of each source.
fn platforms_of_each(args: &BuildArgs, sources: &[SourceSpec]) -> Result<Vec<Vec<String>>> {
    let platforms = &args.platform;
    match sources {
        [only] if !platforms.is_empty() || only.names_its_platform() => Ok(vec![platforms.clone()]),
        _ if platforms.len() == sources.len() => Ok(platforms
            .iter()
            .map(|platform| vec![platform.clone()])
            .collect()),
        _ => Err(PackError::new(
            Code::Usage,
            "every --image needs its --platform, in the same order",
        )
        .found(format!("{} --platform", platforms.len()))
        .wanted(format!("{} --platform", sources.len()))),
    }
}

fn parse_note(text: &str) -> std::result::Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "wanted KEY=TEXT".to_owned())
}
