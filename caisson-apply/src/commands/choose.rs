//! Which service of this device a package is for.

use crate::catalog::{Catalog, ServiceEntry};
use crate::error::{Code, Error, Result};
use crate::package::{Package, UPDATER_VERSION};

/// The one service that is meant.
///
/// # Errors
/// `device.service_unknown`, `device.service_ambiguous`.
pub(super) fn choose<'c>(
    catalog: &'c Catalog,
    package: &Package,
    wanted: Option<&str>,
) -> Result<&'c ServiceEntry> {
    if let Some(name) = wanted {
        return known(catalog, name);
    }
    let mut both: Vec<&ServiceEntry> = catalog
        .services
        .iter()
        .filter(|service| {
            package
                .manifest()
                .services
                .iter()
                .any(|row| row.service == service.name)
        })
        .collect();
    both.dedup_by(|a, b| a.name == b.name);
    match both.as_slice() {
        [one] => Ok(one),
        [] => {
            let has: Vec<_> = package
                .manifest()
                .services
                .iter()
                .map(|row| row.service.as_str())
                .collect();
            let ours: Vec<_> = catalog
                .services
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            Err(Error::new(
                Code::ServiceUnknown,
                "the package has no service of this device",
            )
            .at(package.path.display().to_string())
            .found(has.join(", "))
            .wanted(ours.join(", "))
            .state("nothing changed")
            .next("take the package that was built for this device"))
        }
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            Err(Error::new(
                Code::ServiceAmbiguous,
                "the package has several services of this device",
            )
            .found(names.join(", "))
            .state("nothing changed")
            .next("say which one with --service; load the others one by one"))
        }
    }
}

/// # Errors
/// `device.service_unknown`.
pub(super) fn known<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c ServiceEntry> {
    catalog.service(name).ok_or_else(|| {
        let ours: Vec<_> = catalog
            .services
            .iter()
            .map(|service| service.name.as_str())
            .collect();
        Error::new(
            Code::ServiceUnknown,
            format!("the catalog has no service `{name}`"),
        )
        .at(catalog.path.display().to_string())
        .found(ours.join(", "))
        .state("nothing changed")
        .next("`caisson-apply service list` shows the names")
    })
}

/// # Errors
/// `device.updater_too_old`.
pub(super) fn updater_fits(package: &Package) -> Result<()> {
    let Some(min) = &package.manifest().compatibility.min_updater_version else {
        return Ok(());
    };
    let parse = |text: &str| semver::Version::parse(text).ok();
    if parse(min).is_none_or(|min| parse(UPDATER_VERSION).is_some_and(|ours| ours >= min)) {
        return Ok(());
    }
    Err(Error::new(
        Code::UpdaterTooOld,
        "the package needs a newer caisson-apply",
    )
    .at(package.path.display().to_string())
    .found(UPDATER_VERSION)
    .wanted(format!("{min} or newer"))
    .state("nothing changed")
    .next("install the newer caisson-apply first"))
}
