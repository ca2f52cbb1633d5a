//! The same image gives the same package: whatever source it comes from, and
//! wherever, when and by whom the package is built.
//!
//! Each cell of the matrix is one run of the real program in one surrounding on one
//! kind of source; all digests are compared with the first. Two rows set
//! `SOURCE_DATE_EPOCH`: they are equal to each other and differ from the rest, which
//! shows that the comparison can fail.

mod forms;
mod surroundings;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use caisson_tests::digest;
use caisson_tests::engines::{TestEngine, engine_for_tests};
use caisson_tests::images::{ImageRecipe, Platform, host_platform};
use caisson_tests::programs::{caisson_pack, report};
use caisson_tests::proxy::Proxy;
use tempfile::TempDir;

use forms::{Archives, Form, Image};
use surroundings::{Surrounding, all, open_to_all};

const REFERENCE: &str = "caisson.test/web:1.0.0";
const KINDS: [&str; 5] = [
    "docker-archive",
    "oci-archive",
    "oci",
    "docker-daemon",
    "v1",
];

/// Everything that is packed from.
struct Sources<'a> {
    folder: &'a Path,
    image: Image,
    engine: &'a TestEngine,
    /// For users that can't reach the engine's own socket.
    proxy: Proxy,
    /// The program where every user can run it.
    program: PathBuf,
}

impl Sources<'_> {
    /// The image's archives in one form, made once.
    fn archives(&self, form: Form) -> Result<Archives> {
        let folder = self
            .folder
            .join(format!("{form:?}").replace([' ', '{', '}', ':', '(', ')'], ""));
        if folder.exists() {
            return Ok(Archives::below(&folder));
        }
        self.image.write(form, &folder)
    }

    /// Runs one build and gives the digest of the package. `None`: this form says
    /// nothing about this source.
    fn cell(&self, kind: &str, surrounding: &Surrounding) -> Result<Option<String>> {
        let archives = self.archives(surrounding.form)?;
        let path = match kind {
            "docker-archive" => &archives.docker_archive,
            "oci-archive" => &archives.oci_archive,
            "oci" => &archives.oci,
            "v1" => &archives.v1,
            _ if surrounding.form == Form::USUAL => {
                return self
                    .build(kind, Path::new(REFERENCE), surrounding)
                    .map(Some);
            }
            _ => return Ok(None),
        };
        let path = match &surrounding.inside {
            Some(inside) => path.strip_prefix(inside)?,
            None => path,
        };
        self.build(kind, path, surrounding).map(Some)
    }

    fn build(&self, kind: &str, source: &Path, surrounding: &Surrounding) -> Result<String> {
        let folder = surrounding.output.as_deref().unwrap_or(self.folder);
        let name = format!("{}-{kind}.edgepkg", surrounding.title.len());
        let output = folder.join(&name);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &surrounding.shell]).arg(&self.program);
        if surrounding.no_environment {
            command.env_clear();
        }
        command.env_remove("SOURCE_DATE_EPOCH");
        command.envs(
            surrounding
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command.args(["build", "--image", &format!("{kind}:{}", source.display())]);
        command.args(["--service", "web", "--service-revision", "r1"]);
        command.args(["--platform", &platform(), "--package-version", "1.0.0"]);
        command.args(["--reference", REFERENCE, "--level", "3"]);
        command.args(surrounding.flags);
        if kind == "docker-daemon" {
            let socket = if surrounding.other_user {
                self.proxy.socket().to_owned()
            } else {
                self.engine.socket()
            };
            command.arg("--engine").arg(socket);
        }
        match &surrounding.inside {
            Some(inside) => command.current_dir(inside).arg("-o").arg(&name),
            None => command.current_dir("/").arg("-o").arg(&output),
        };
        let said = command.output()?;
        ensure!(
            said.status.success(),
            "{kind}, {}: {}",
            surrounding.title,
            String::from_utf8_lossy(&said.stderr)
        );
        let digest = digest::of(&fs::read(&output)?);
        fs::remove_file(&output)?;
        Ok(digest)
    }
}

fn platform() -> String {
    let platform = host_platform();
    let text = format!(
        "{}/{}/{}",
        platform.os, platform.architecture, platform.variant
    );
    text.trim_end_matches('/').to_owned()
}

/// A stand-in of three layers, one of them of several pieces for the compressor.
fn recipe() -> ImageRecipe {
    ImageRecipe::new(REFERENCE, "1.0.0")
        .with_healthcheck(1000, 3)
        .with_padding(12_000_000, 5)
        .with_padding(70_000, 6)
}

/// The first promise of the build side: nothing but the inputs counts.
#[test]
fn one_image_is_one_package_in_every_surrounding_from_every_source() {
    let Some(engine) = engine_for_tests() else {
        return;
    };
    let folder = TempDir::with_prefix("caisson-matrix-").unwrap();
    let memory = TempDir::with_prefix_in("caisson-matrix-", "/dev/shm").unwrap();
    for folder in [folder.path(), memory.path()] {
        open_to_all(folder).unwrap();
    }
    let sources = sources(folder.path(), engine).unwrap();
    let mut table = format!(
        "{:<31}{}\n",
        "surrounding",
        KINDS.map(|kind| format!("{kind:<15}")).concat()
    );
    let (mut usual, mut dated) = (BTreeSet::new(), BTreeSet::new());
    let surroundings = all(folder.path(), memory.path()).unwrap();
    for surrounding in &surroundings {
        write!(table, "{:<31}", surrounding.title).unwrap();
        for kind in KINDS {
            let cell = sources.cell(kind, surrounding).unwrap();
            let short = cell.as_deref().map_or("-", |digest| &digest[7..19]);
            write!(table, "{short:<15}").unwrap();
            let into = if surrounding.dated {
                &mut dated
            } else {
                &mut usual
            };
            into.extend(cell);
        }
        table.push('\n');
    }
    report(
        "reproducible",
        &format!("{table}{} surroundings", surroundings.len()),
    );
    assert_eq!((usual.len(), dated.len()), (1, 1), "{usual:?} {dated:?}");
    assert!(usual.is_disjoint(&dated));
    let removed = engine
        .api()
        .delete(&format!("/images/{REFERENCE}"))
        .unwrap();
    assert_eq!(removed.status, 200, "{}", removed.text());
}

fn sources<'a>(folder: &'a Path, engine: &'a TestEngine) -> Result<Sources<'a>> {
    let image = Image::of(&recipe(), folder)?;
    let archives = image.write(Form::USUAL, &folder.join("first"))?;
    engine
        .api()
        .load(&mut File::open(&archives.docker_archive)?)?;
    let program = folder.join("caisson-pack");
    fs::copy(caisson_pack(), &program)?;
    let socket = folder.join("engine.sock");
    let proxy = Proxy::start(&socket, &engine.socket())?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
    Ok(Sources {
        folder,
        image,
        engine,
        proxy,
        program,
    })
}

/// Two services for two platforms, written in every order.
#[test]
fn the_order_of_images_and_services_does_not_count() {
    let folder = TempDir::with_prefix("caisson-order-").unwrap();
    let folder = folder.path();
    let mut images = Vec::new();
    for (index, (service, architecture)) in [
        ("web", "amd64"),
        ("web", "arm64"),
        ("base", "amd64"),
        ("base", "arm64"),
    ]
    .iter()
    .enumerate()
    {
        let reference = format!("caisson.test/{service}:1.0.0");
        let recipe = ImageRecipe {
            platform: Platform::new("linux", architecture, ""),
            ..ImageRecipe::new(&reference, "1.0.0").with_padding(90_000, index as u64 % 2)
        };
        let path = folder.join(format!("{index}.tar"));
        recipe.write_docker_archive(&path).unwrap();
        images.push((path, reference, format!("linux/{architecture}")));
    }
    let services = ["web", "base"].map(|service| {
        format!(
            "[[services]]\nservice = \"{service}\"\nservice_revision = \"r1\"\nimage = \"caisson.test/{service}:1.0.0\"\n"
        )
    });
    let mut of_files = BTreeSet::new();
    let mut of_flags = BTreeSet::new();
    for turn in 0..4 {
        images.rotate_left(1);
        let mut tables: Vec<String> = images.iter().map(|(path, reference, platform)| {
            format!(
                "[[images]]\nsource = \"docker-archive:{}\"\nreference = \"{reference}\"\nplatform = \"{platform}\"\n",
                path.display()
            )
        }).collect();
        tables.extend(services.clone());
        if turn % 2 == 1 {
            tables.reverse();
        }
        let description = folder.join("caisson.toml");
        fs::write(&description, tables.concat()).unwrap();
        let arguments = ["-f".into(), description.display().to_string()];
        of_files.insert(built(folder, &arguments).unwrap());

        let mut arguments = ["--service", "web", "--service-revision", "r1"]
            .map(str::to_owned)
            .to_vec();
        for (path, _, platform) in images.iter().filter(|image| image.1.contains("web")) {
            arguments.extend([
                "--image".to_owned(),
                format!("docker-archive:{}", path.display()),
            ]);
            arguments.extend(["--platform".to_owned(), platform.clone()]);
        }
        of_flags.insert(built(folder, &arguments).unwrap());
    }
    assert_eq!((of_files.len(), of_flags.len()), (1, 1));
    assert!(of_files.is_disjoint(&of_flags));
}

/// The digest of a package built with these arguments.
fn built(folder: &Path, arguments: &[String]) -> Result<String> {
    let output = folder.join("order.edgepkg");
    let said = Command::new(caisson_pack())
        .args(["build", "--package-version", "1.0.0", "--force", "-o"])
        .arg(&output)
        .args(arguments)
        .output()?;
    ensure!(
        said.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(digest::of(&fs::read(&output)?))
}
