//! What the engine's answers mean: from [`types`] to what the update reads.
//!
//! An answer without the one thing that makes it an answer (an id, a data root)
//! is an error here. It would otherwise pass for an empty container, and an
//! empty JSON list for an empty object. Errors are for people.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::differences::{self, ApiVersion};
use super::words::printable;
use super::{Container, ContainerRow, EngineInfo, ImageInfo, RestartPolicy, types};

/// A container that may take for ever to stop (stop timeout -1) is given a day.
pub const STOP_WITHOUT_LIMIT_SECS: u64 = 24 * 3600;

/// Longest name, version or driver of an engine, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// The facts of the engine. `podman`: its answers' header fields say so.
pub(super) fn engine_info(
    podman: bool,
    api_version: ApiVersion,
    version: &types::Version,
    info: types::Info,
) -> Result<EngineInfo, String> {
    let podman = podman
        || version
            .components
            .iter()
            .any(|component| component.name == "Podman Engine");
    let data_root = PathBuf::from(info.data_root);
    if !data_root.is_absolute() {
        return Err(format!(
            "DockerRootDir `{}` is not an absolute path",
            data_root.display()
        ));
    }
    let os = if version.os.is_empty() {
        &info.os_type
    } else {
        &version.os
    };
    let platform = differences::machine_platform(os, &version.architecture, &info.architecture);
    if platform.is_empty() {
        return Err("it names no architecture".to_owned());
    }
    let product = if podman { "Podman" } else { "Docker Engine" };
    let version = printable(&version.version, NAME_BYTES_MAX);
    Ok(EngineInfo {
        name: format!("{product} {version}"),
        version,
        api_version: api_version.to_string(),
        store: differences::store_kind(podman, &info.driver_status),
        driver: printable(&info.driver, NAME_BYTES_MAX),
        platform,
        data_root,
        live_restore: info.live_restore,
    })
}

/// One image, whole.
pub(super) fn image_info(image: types::Image) -> Result<ImageInfo, String> {
    Ok(ImageInfo {
        id: differences::image_id(&has_id(image.id)?),
        tags: differences::real_tags(image.tags),
        diff_ids: image.root_fs.layers,
        platform: differences::platform(&image.os, &image.architecture, &image.variant),
        config: image.config,
        size: u64::try_from(image.size).unwrap_or(0),
    })
}

/// One image of a list, which tells less.
pub(super) fn image_row(row: types::ImageRow) -> Result<ImageInfo, String> {
    Ok(ImageInfo {
        id: differences::image_id(&has_id(row.id)?),
        tags: differences::real_tags(row.tags),
        diff_ids: Vec::new(),
        platform: String::new(),
        config: Value::Null,
        size: u64::try_from(row.size).unwrap_or(0),
    })
}

/// One container of a list.
pub(super) fn container_row(row: types::ContainerRow) -> Result<ContainerRow, String> {
    Ok(ContainerRow {
        id: has_id(row.id)?,
        names: differences::own_name_first(&row.names),
        image_id: differences::image_id(&row.image_id),
        state: row.state,
        labels: row.labels,
    })
}

/// One container, whole.
pub(super) fn container(raw: Value) -> Result<Container, String> {
    let typed = types::Container::deserialize(&raw).map_err(|error| error.to_string())?;
    let types::Container {
        state,
        config,
        host_config,
        ..
    } = typed;
    let name = typed.name.strip_prefix('/').unwrap_or(&typed.name);
    Ok(Container {
        id: has_id(typed.id)?,
        name: name.to_owned(),
        image_id: differences::image_id(&typed.image_id),
        running: state.running,
        restarting: state.restarting,
        paused: state.paused,
        status: state.status,
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        error: state.error,
        started_at: state.started_at,
        restart_count: u64::try_from(typed.restart_count).unwrap_or(0),
        health: differences::health_status(state.health.status),
        health_log: state
            .health
            .log
            .into_iter()
            .next_back()
            .map(|run| run.output),
        restart_policy: restart_policy(host_config.restart_policy),
        auto_remove: host_config.auto_remove,
        labels: config.labels,
        stop_timeout_secs: config
            .stop_timeout
            .map(|secs| u64::try_from(secs).unwrap_or(STOP_WITHOUT_LIMIT_SECS)),
        raw,
    })
}

/// The engine's empty policy name means `no`.
fn restart_policy(policy: types::RestartPolicy) -> RestartPolicy {
    let name = if policy.name.is_empty() {
        "no".to_owned()
    } else {
        policy.name
    };
    let maximum_retry_count = u64::try_from(policy.maximum_retry_count).unwrap_or(0);
    RestartPolicy {
        name,
        maximum_retry_count,
    }
}

fn has_id(id: String) -> Result<String, String> {
    if id.is_empty() {
        Err("an answer without an id".to_owned())
    } else {
        Ok(id)
    }
}
