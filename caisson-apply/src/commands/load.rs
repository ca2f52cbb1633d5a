//! `package plan`, `package load` and `service rollback`: everything up to the
//! first effect, then the update.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::catalog::{Catalog, ServiceEntry};
use crate::cli::{LoadArgs, Promises, RollbackArgs};
use crate::engine::docker::DockerEngine;
use crate::engine::{Engine, EngineInfo};
use crate::error::{Code, Error, Exit, Result};
use crate::guard::Guard;
use crate::import::Import;
use crate::journal::Journal;
use crate::journal::sqlite::SqliteJournal;
use crate::package::{ImportSource, Package, UPDATER_VERSION};
use crate::progress::{Progress, Style};
use crate::update::context::{Device, ImageSource};
use crate::update::plan::{self, Facts, Identity, Options, Plan};
use crate::update::record::UpdateRecord;
use crate::update::recover as recovery;
use crate::update::{self, Finished};

use super::session::{LOCK_PATIENCE, Session};
use super::{Terminal, confirm, show, talk};

/// `package plan`: what a load would do. Needs no lock and changes nothing.
pub(super) fn plan(session: &Session, args: &LoadArgs) -> Result<Exit> {
    let (service, offer, _source) = open(session, args)?;
    let (engine, info) = session.connect()?;
    let journal = session.journal_to_read()?;
    let journal = journal.as_ref().map(|journal| journal as &dyn Journal);
    let planned = plan_load(session, &engine, info, journal, &service, &offer, args)?;
    let mut words = planned.words.clone();
    if planned.installed_already {
        words.push("this very package is installed: a load would do nothing".to_owned());
    }
    if !boot_unit_installed(session, &planned.record.engine) {
        words.push(WITHOUT_BOOT_UNIT.to_owned());
    }
    if let Some(journal) = journal
        && !recovery::open(journal)?.is_empty()
    {
        words.push("an earlier update was interrupted; a load finishes that one first".to_owned());
    }
    let mut value = planned.to_json();
    value["words"] = json!(words);
    show(session, &value, &words);
    Ok(Exit::Done)
}

/// `package load`.
pub(super) fn load(session: &Session, args: &LoadArgs) -> Result<Exit> {
    let (service, offer, source) = open(session, args)?;
    let (engine, info) = session.connect()?;
    let mut journal = session.journal()?;
    let _lock = session.lock(&info, args.promises.no_sync, LOCK_PATIENCE)?;
    recover_first(session, &engine, &mut journal)?;
    let planned = plan_load(
        session,
        &engine,
        info,
        Some(&journal),
        &service,
        &offer,
        args,
    )?;
    if planned.installed_already {
        return Ok(already_installed(session, &planned.record));
    }
    agree(session, &planned, &args.promises)?;
    let mut import = Import {
        progress: Progress::on_stderr(
            &session.host,
            Style::of_stderr(session.global.json),
            "importing",
            source.package.file_bytes,
        ),
        host: &session.host,
        source,
    };
    perform(
        session,
        &engine,
        &mut journal,
        &planned.record,
        Some(&mut import),
    )
}

/// `service rollback`: the parked container serves again.
pub(super) fn rollback(session: &Session, args: &RollbackArgs) -> Result<Exit> {
    let catalog = session.catalog()?;
    let service = known(&catalog, &args.name)?.clone();
    let (engine, info) = session.connect()?;
    let mut journal = session.journal()?;
    let _lock = session.lock(&info, args.promises.no_sync, LOCK_PATIENCE)?;
    recover_first(session, &engine, &mut journal)?;
    let options = Options {
        no_sync: args.promises.no_sync,
        ..Options::default()
    };
    let state = service_state(&journal, &service.name)?;
    let facts = Facts::gather(
        &engine,
        &session.host,
        info,
        &service.docker()?.container_name,
        state,
    )?;
    let planned = plan::rollback(
        &facts,
        &service,
        &|tag| bound(&engine, tag),
        identity(session, &engine),
        options,
    )?;
    agree(session, &planned, &args.promises)?;
    perform(session, &engine, &mut journal, &planned.record, None)
}

/// The checks that need no engine, in the order of the format's specification.
fn open(session: &Session, args: &LoadArgs) -> Result<(ServiceEntry, plan::Offer, ImportSource)> {
    let catalog = session.catalog()?;
    let package = Package::open(&args.file)?;
    updater_fits(&package)?;
    let service = choose(&catalog, &package, args.service.as_deref())?.clone();
    service.docker()?;
    let (offer, source) =
        package.offer(&service.name, &service.service_revision, &service.platform)?;
    Ok((service, offer, source))
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

fn plan_load(
    session: &Session,
    engine: &DockerEngine,
    info: EngineInfo,
    journal: Option<&dyn Journal>,
    service: &ServiceEntry,
    offer: &plan::Offer,
    args: &LoadArgs,
) -> Result<Plan> {
    let docker = service.docker()?;
    let state = match journal {
        Some(journal) => service_state(journal, &service.name)?,
        None => None,
    };
    let facts = Facts::gather(engine, &session.host, info, &docker.container_name, state)?;
    let create_file = match (&facts.current, &docker.create_file) {
        (None, Some(path)) => Some(std::fs::read_to_string(path).map_err(|error| {
            Error::new(
                Code::Catalog,
                format!("the create file can't be read: {error}"),
            )
            .at(path.display().to_string())
            .state("nothing changed")
            .next("correct `create_file` in the catalog")
        })?),
        _ => None,
    };
    let mut image_known = engine.image(&offer.config_digest)?;
    if image_known.is_none() {
        image_known = engine.image(&offer.engine_manifest)?;
    }
    let request = plan::LoadRequest {
        service,
        offer,
        create_file: create_file.as_deref(),
        image_known: image_known.as_ref(),
        identity: identity(session, engine),
        options: Options {
            allow_downgrade: args.allow_downgrade,
            reinstall: args.reinstall,
            keep_old_defaults: args.keep_old_defaults,
            no_sync: args.promises.no_sync,
        },
    };
    plan::load(&facts, request, &|tag| bound(engine, tag))
}

fn service_state(
    journal: &dyn Journal,
    service: &str,
) -> Result<Option<crate::journal::ServiceState>> {
    journal.service(service).map_err(|error| {
        Error::new(Code::JournalInconsistent, "the journal can't be read")
            .found(error.message)
            .state("nothing changed")
    })
}

/// What a tag names now.
fn bound(engine: &dyn Engine, tag: &str) -> Result<Option<String>> {
    Ok(engine.image(tag)?.map(|image| image.id))
}

fn identity(session: &Session, engine: &DockerEngine) -> Identity {
    use crate::host::Host;
    let mut update_id = String::with_capacity(32);
    for byte in session.host.unique() {
        update_id.push_str(&format!("{byte:02x}"));
    }
    Identity {
        update_id,
        engine: engine.address(),
    }
}

const WITHOUT_BOOT_UNIT: &str = "the boot unit is not installed: after a power cut the engine brings the right \
     version back by itself, but nobody finishes the update until the next command; \
     `caisson-apply doctor --install-boot-unit` installs it";

fn boot_unit_installed(session: &Session, engine: &str) -> bool {
    super::doctor::boot_unit_installed(session, engine)
}

/// Shows the plan and asks.
fn agree(session: &Session, planned: &Plan, promises: &Promises) -> Result<()> {
    if !promises.no_boot_unit && !boot_unit_installed(session, &planned.record.engine) {
        return Err(Error::new(Code::BootUnitMissing, WITHOUT_BOOT_UNIT)
            .state("nothing changed")
            .next("install it, or add --no-boot-unit to go on without"));
    }
    for line in &planned.words {
        talk(&format!("- {line}"));
    }
    confirm(session, "Do this now?")
}

/// Finishes what an earlier process left before anything new begins.
fn recover_first(
    session: &Session,
    engine: &DockerEngine,
    journal: &mut SqliteJournal,
) -> Result<()> {
    let mut device = Device {
        engine,
        journal,
        host: &session.host,
        talk: &Terminal,
    };
    for recovered in recovery::recover(&mut device)? {
        talk(&recovered.words);
    }
    Ok(())
}

/// From the first effect to the last row.
fn perform(
    session: &Session,
    engine: &DockerEngine,
    journal: &mut SqliteJournal,
    record: &UpdateRecord,
    source: Option<&mut dyn ImageSource>,
) -> Result<Exit> {
    session.host.catch_signals().map_err(|error| {
        Error::new(Code::Internal, format!("signals can't be caught: {error}"))
            .state("nothing changed")
    })?;
    let guard = start_guard(session, record)?;
    let mut device = Device {
        engine,
        journal,
        host: &session.host,
        talk: &Terminal,
    };
    let outcome = update::execute(&mut device, record, source);
    let unfinished = match &outcome {
        Ok(finished) => finished.cleanup_pending.is_some(),
        Err(error) => error.exit() == Exit::NeedsAPerson,
    };
    // What is left open here stays the guard's: it goes on trying when we are gone.
    match guard {
        Some(guard) if unfinished => drop(guard),
        Some(guard) => guard.good_end(),
        None => {}
    }
    finished(session, record, &outcome?)
}

fn start_guard(session: &Session, record: &UpdateRecord) -> Result<Option<Guard>> {
    if cfg!(feature = "guard-off-for-testing") {
        return Ok(None);
    }
    let flags: [OsString; 6] = [
        "--state-dir".into(),
        session.global.state_dir.clone().into(),
        "--engine".into(),
        record.engine.clone().into(),
        "--services".into(),
        session.global.services.clone().into(),
    ];
    Guard::start(&flags, &session.global.state_dir).map(Some)
}

fn already_installed(session: &Session, record: &UpdateRecord) -> Exit {
    let version = record.version.clone().unwrap_or_default();
    let words = format!(
        "service `{}` has {version} from this very package already; nothing to do (--reinstall does it again)",
        record.service.name
    );
    let value = json!({
        "result": "installed_already", "service": record.service.name, "version": version, "exit": 0,
    });
    show(session, &value, &[words]);
    Exit::Done
}

fn finished(session: &Session, record: &UpdateRecord, finished: &Finished) -> Result<Exit> {
    let version = record
        .version
        .clone()
        .unwrap_or_else(|| "the previous version".to_owned());
    let service = &record.service.name;
    let mut words = vec![if record.starts() {
        format!("service `{service}` runs {version}")
    } else {
        format!("service `{service}` is on {version} and stopped, as before")
    }];
    if let Some(pending) = &finished.cleanup_pending {
        words.push(format!(
            "tidying up is not finished and goes on by itself: {pending}"
        ));
    }
    let value = json!({
        "result": "done",
        "service": service,
        "version": version,
        "update_id": record.update_id,
        "running": record.starts(),
        "cleanup_pending": finished.cleanup_pending.as_ref().map_or(Value::Bool(false), |_| Value::Bool(true)),
        "exit": 0,
    });
    show(session, &value, &words);
    Ok(Exit::Done)
}
