//! `caisson-pack extract`: images out of a package, for engines that can't read
//! the package itself.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use crate::describe::for_terminal;
use crate::error::{Code, PackError, Result};
use crate::extract::{Destination, ExtractRequest, Extracted, Form, extract};
use crate::progress::{Watch, size};
use crate::report::print;

pub(crate) const HELP: &str = "\
Examples:
  caisson-pack extract web-1.1.0.edgepkg --docker-archive web.tar
  caisson-pack extract web-1.1.0.edgepkg --docker-archive - | docker load
  caisson-pack extract site.edgepkg --docker-archive web.tar --image web:1.1.0 \\
      --platform linux/arm64
  caisson-pack extract site.edgepkg --oci site

Layers are unpacked, so every engine reads the result. Images have the names they
were built with: `docker load` gives them these names, and takes them away from
other images that have them. The whole package is checked while it is read. A
file or folder appears only when it is complete; what goes into a pipe is checked
piece by piece, and if one is wrong the stream ends before anything has a name.
Equal packages give equal archives.";

/// Flags of `extract`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("form").required(true)))]
pub struct ExtractArgs {
    /// The package
    #[arg(value_name = "FILE")]
    pub package: PathBuf,

    /// Write what `docker save` writes: Docker and Podman load it, old ones too.
    /// `-` is standard output
    #[arg(long, value_name = "OUT", group = "form")]
    pub docker_archive: Option<PathBuf>,

    /// Write an OCI image layout as a folder, which must not be there or be empty
    #[arg(long, value_name = "DIR", group = "form")]
    pub oci: Option<PathBuf>,

    /// Write an OCI image layout as one tar. `-` is standard output
    #[arg(long, value_name = "OUT", group = "form")]
    pub oci_archive: Option<PathBuf>,

    /// Only the image of this name; default: all
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,

    /// Only images for this platform; a docker archive has room for one platform
    /// of each name
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// Replace the archive if it exists
    #[arg(long, conflicts_with = "oci")]
    pub force: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl ExtractArgs {
    /// Runs the command.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<()> {
        let request = self.request()?;
        let extracted = extract(&request, watch)?;
        if request.destination == Destination::StandardOutput {
            // Standard output is taken; a terminal that is gone is no failure.
            let words = words(&request, &extracted);
            let _ = io::stderr().lock().write_all(words.as_bytes());
            return Ok(());
        }
        print(self.json, &facts(&request, &extracted), || {
            words(&request, &extracted)
        });
        Ok(())
    }

    fn request(&self) -> Result<ExtractRequest> {
        let archive = |path: &Path| {
            if path == Path::new("-") {
                return Destination::StandardOutput;
            }
            Destination::Archive {
                path: path.to_owned(),
                replace: self.force,
            }
        };
        let (form, destination) = match (&self.docker_archive, &self.oci_archive, &self.oci) {
            (Some(path), _, _) => (Form::DockerArchive, archive(path)),
            (_, Some(path), _) => (Form::Oci, archive(path)),
            (_, _, Some(path)) => (Form::Oci, Destination::Folder(path.clone())),
            (None, None, None) => {
                let what = "the command line names no output";
                return Err(PackError::new(Code::Internal, what));
            }
        };
        if self.json && destination == Destination::StandardOutput {
            let what = "--json and an archive can't both go to standard output";
            return Err(PackError::new(Code::Usage, what));
        }
        Ok(ExtractRequest {
            package: self.package.clone(),
            form,
            destination,
            reference: self.image.clone(),
            platform: self.platform.clone(),
        })
    }
}

fn form_word(request: &ExtractRequest) -> &'static str {
    match (request.form, &request.destination) {
        (Form::DockerArchive, _) => "docker-archive",
        (Form::Oci, Destination::Folder(_)) => "oci",
        (Form::Oci, _) => "oci-archive",
    }
}

fn place(request: &ExtractRequest) -> &Path {
    match &request.destination {
        Destination::Archive { path, .. } | Destination::Folder(path) => path,
        Destination::StandardOutput => Path::new("standard output"),
    }
}

fn facts(request: &ExtractRequest, extracted: &Extracted) -> Value {
    let images: Vec<Value> = extracted
        .images
        .iter()
        .map(|one| {
            json!({
                "reference": one.image.reference,
                "platform": one.image.platform,
                "config": one.image.config,
                "manifest": one.manifest,
            })
        })
        .collect();
    json!({
        "event": "extracted",
        "package": request.package.display().to_string(),
        "path": place(request).display().to_string(),
        "form": form_word(request),
        "size": extracted.bytes,
        "images": images,
    })
}

fn words(request: &ExtractRequest, extracted: &Extracted) -> String {
    let mut text = format!(
        "{}: {}, {}\n",
        for_terminal(&place(request).display().to_string()),
        form_word(request),
        size(extracted.bytes)
    );
    for one in &extracted.images {
        let _ = writeln!(
            text,
            "image {} for {}\n  config   {}\n  manifest {}",
            one.image.reference, one.image.platform, one.image.config, one.manifest
        );
    }
    text
}
