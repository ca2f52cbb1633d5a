//! Images for tests, made from nothing: no registry, no Dockerfile, no engine.
//!
//! [`ImageRecipe`] says what the image is; [`ImageRecipe::write_docker_archive`]
//! streams it as `docker save` of Docker 20.10 would (uncompressed layers,
//! naming files last) with flat memory, and the same recipe always gives the
//! same bytes. [`service_binary`] builds the program inside.
//!
//! It makes good images only; damaged archives are made by cutting or flipping
//! bytes of these, in the tests that need them.

mod archive;
mod layer;
mod service_binary;

use std::collections::BTreeMap;
use std::path::PathBuf;

use caisson_test_service::{HEALTHCHECK_ARGUMENT, PROGRAM_PATH};
use serde_json::{Map, Value, json};

pub use archive::ImageFacts;
pub use service_binary::service_binary;

/// The platform this test runs on, as image configs spell it.
pub fn host_platform() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", ""),
        "aarch64" => ("arm64", ""),
        "arm" => ("arm", "v7"),
        other => (other, ""),
    };
    Platform::new("linux", architecture, variant)
}

/// A platform as an image config spells it. An empty variant is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

impl Platform {
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }
}

/// What stands at `/service` in the first layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A few bytes that no engine can run; enough for tests that never start it
    /// and for the simulated engine.
    StandIn,
    /// This file, usually [`service_binary`].
    File(PathBuf),
}

/// A further layer that holds one file of random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    pub bytes: u64,
    /// The same seed and size give the same layer, in every image.
    pub seed: u64,
}

/// A health check of an image config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// As in the config: `["CMD", ...]` or `["NONE"]`.
    pub test: Vec<String>,
    pub interval_ms: u64,
    pub timeout_ms: u64,
    pub start_period_ms: u64,
    pub retries: u64,
}

impl Healthcheck {
    /// The service asks its own port every `interval_ms`; `retries` failures make it unhealthy.
    pub fn service(interval_ms: u64, retries: u64) -> Self {
        Self {
            test: ["CMD", PROGRAM_PATH, HEALTHCHECK_ARGUMENT]
                .map(str::to_owned)
                .to_vec(),
            interval_ms,
            timeout_ms: 5_000,
            start_period_ms: 0,
            retries,
        }
    }

    fn to_json(&self) -> Value {
        // Nanoseconds, as Docker counts.
        let nanos = |millis: u64| millis.saturating_mul(1_000_000);
        json!({
            "Test": self.test,
            "Interval": nanos(self.interval_ms),
            "Timeout": nanos(self.timeout_ms),
            "StartPeriod": nanos(self.start_period_ms),
            "Retries": self.retries,
        })
    }
}

/// What an image is to contain. Start with [`ImageRecipe::new`] and change fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecipe {
    /// `registry/name:tag`; `None` makes an archive without a name.
    pub reference: Option<String>,
    /// Becomes `VERSION` in the environment, before `env`.
    pub version: String,
    pub env: Vec<(String, String)>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub healthcheck: Option<Healthcheck>,
    pub labels: BTreeMap<String, String>,
    /// Such as `8080/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths that become anonymous volumes.
    pub volumes: Vec<String>,
    pub stop_signal: Option<String>,
    pub platform: Platform,
    /// Seconds since 1970; the image's `created`.
    pub created: u64,
    pub program: Program,
    pub padding: Vec<Padding>,
}

impl ImageRecipe {
    /// A stand-in image for this machine's platform: port 8080, no health check.
    pub fn new(reference: &str, version: &str) -> Self {
        Self {
            reference: Some(reference.to_owned()),
            version: version.to_owned(),
            env: Vec::new(),
            entrypoint: vec![PROGRAM_PATH.to_owned()],
            cmd: Vec::new(),
            healthcheck: None,
            labels: BTreeMap::new(),
            exposed_ports: vec!["8080/tcp".to_owned()],
            volumes: Vec::new(),
            stop_signal: None,
            platform: host_platform(),
            created: 1_767_225_600,
            program: Program::StandIn,
            padding: Vec::new(),
        }
    }

    /// The same with a program that engines can run.
    #[must_use]
    pub fn runnable(mut self) -> Self {
        self.program = Program::File(service_binary());
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with the service's own health check.
    #[must_use]
    pub fn with_healthcheck(mut self, interval_ms: u64, retries: u64) -> Self {
        self.healthcheck = Some(Healthcheck::service(interval_ms, retries));
        self
    }

    /// The same with one more layer of `bytes` random bytes.
    #[must_use]
    pub fn with_padding(mut self, bytes: u64, seed: u64) -> Self {
        self.padding.push(Padding { bytes, seed });
        self
    }

    /// The image config, given the digests of its layers (`sha256:...`, base first).
    fn config(&self, diff_ids: &[String]) -> Value {
        let created = crate::time::rfc3339_seconds(self.created);
        let mut env = vec![format!("VERSION={}", self.version)];
        env.extend(
            self.env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let mut config = Map::new();
        config.insert("Env".to_owned(), json!(env));
        config.insert("Entrypoint".to_owned(), json!(self.entrypoint));
        if !self.cmd.is_empty() {
            config.insert("Cmd".to_owned(), json!(self.cmd));
        }
        if let Some(healthcheck) = &self.healthcheck {
            config.insert("Healthcheck".to_owned(), healthcheck.to_json());
        }
        if !self.labels.is_empty() {
            config.insert("Labels".to_owned(), json!(self.labels));
        }
        if !self.exposed_ports.is_empty() {
            config.insert("ExposedPorts".to_owned(), keys(&self.exposed_ports));
        }
        if !self.volumes.is_empty() {
            config.insert("Volumes".to_owned(), keys(&self.volumes));
        }
        if let Some(signal) = &self.stop_signal {
            config.insert("StopSignal".to_owned(), json!(signal));
        }
        let history: Vec<Value> = diff_ids
            .iter()
            .map(|_| json!({"created": created, "created_by": "caisson-tests"}))
            .collect();
        let mut image = json!({
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "created": created,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        if !self.platform.variant.is_empty() {
            image["variant"] = json!(self.platform.variant);
        }
        image
    }
}

/// The Go idiom for sets: an object with empty objects.
fn keys(names: &[String]) -> Value {
    Value::Object(names.iter().map(|name| (name.clone(), json!({}))).collect())
}
