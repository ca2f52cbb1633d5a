//! `package plan`, `package load` and `service rollback`: everything up to the
//! yes of the person.

use std::fmt::Write as _;

use serde_json::json;

use crate::catalog::ServiceEntry;
use crate::cli::{LoadArgs, RollbackArgs};
use crate::engine::docker::DockerEngine;
use crate::engine::{Engine, EngineInfo};
use crate::error::{Code, Error, Exit, Result};
use crate::host::Host;
use crate::import::Import;
use crate::journal::Journal;
use crate::package::{ImportSource, Package};
use crate::progress::{Progress, Style};
use crate::update::plan::{self, Facts, Identity, Options, Plan};
use crate::update::record::UpdateRecord;
use crate::update::recover as recovery;

use super::choose::{choose, known, updater_fits};
use super::doctor::boot_unit_installed;
use super::perform::{WITHOUT_BOOT_UNIT, agree, perform};
use super::recover::recover_first;
use super::session::{LOCK_PATIENCE, Session};
use super::show;

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
    recover_first(session)?;
    let (engine, info) = session.connect()?;
    // The lock first: opening the journal may move a damaged one aside.
    let _lock = session.lock(&info, args.promises.no_sync, LOCK_PATIENCE)?;
    let mut journal = session.journal()?;
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
    recover_first(session)?;
    let (engine, info) = session.connect()?;
    // The lock first: opening the journal may move a damaged one aside.
    let _lock = session.lock(&info, args.promises.no_sync, LOCK_PATIENCE)?;
    let mut journal = session.journal()?;
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
    let mut update_id = String::with_capacity(32);
    for byte in session.host.unique() {
        let _ = write!(update_id, "{byte:02x}");
    }
    Identity {
        update_id,
        engine: engine.address(),
    }
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
