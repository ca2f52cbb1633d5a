//! `package validate`: the whole file, byte by byte, without an engine.

use serde_json::json;

use crate::catalog::Catalog;
use crate::cli::ValidateArgs;
use crate::error::{Error, Exit, Result};
use crate::package::Package;
use crate::progress::{Progress, Style};

use super::choose::{choose, updater_fits};
use super::session::Session;
use super::show;

/// Verifies the file, then, where there is a catalog, that it fits this device.
pub(super) fn validate(session: &Session, args: &ValidateArgs) -> Result<Exit> {
    let catalog = session.catalog_if_any()?;
    let mut package = Package::open(&args.file)?;
    let mut progress = Progress::on_stderr(
        &session.host,
        Style::of_stderr(session.global.json),
        "checking",
        package.file_bytes,
    );
    if args.deep {
        package.verify_deep(&mut |done| progress.reach(done))?;
    } else {
        package.verify_rest(&mut |done| progress.reach(done))?;
    }
    progress.finish();
    let device = match &catalog {
        Some(catalog) => Some(fits(catalog, &package)?),
        None => None,
    };
    let manifest = package.manifest();
    let services: Vec<&str> = manifest
        .services
        .iter()
        .map(|row| row.service.as_str())
        .collect();
    let value = json!({
        "result": "valid",
        "file": args.file.display().to_string(),
        "bytes": package.file_bytes,
        "package_version": manifest.package_version,
        "release": manifest.release,
        "manifest_digest": package.manifest_digest(),
        "services": services,
        "fits_this_device": device,
        "signatures": "not verified: no keys are known to this version",
        "exit": 0,
    });
    let mut words = vec![format!(
        "{} is whole: version {} of {}",
        args.file.display(),
        manifest.package_version,
        services.join(", ")
    )];
    words.push(match device {
        Some(service) => format!("it fits service `{service}` of this device"),
        None => {
            "there is no service catalog here, so only the package itself was checked".to_owned()
        }
    });
    words.push("nobody's signature was verified".to_owned());
    show(session, &value, &words);
    Ok(Exit::Done)
}

/// The name of the service that the package fits.
fn fits(catalog: &Catalog, package: &Package) -> Result<String> {
    updater_fits(package)?;
    let mut refusal: Option<Error> = None;
    for service in &catalog.services {
        if !package
            .manifest()
            .services
            .iter()
            .any(|row| row.service == service.name)
        {
            continue;
        }
        match package.fits(&service.name, &service.service_revision, &service.platform) {
            Ok(()) => return Ok(service.name.clone()),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        Some(error) => Err(error),
        None => choose(catalog, package, None).map(|service| service.name.clone()),
    }
}
