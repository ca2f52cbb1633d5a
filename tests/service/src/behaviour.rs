//! The settings of the service and what follows from them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::HEALTHCHECK_ARGUMENT;
use crate::answer::Answer;

/// What `GET /health` says while the service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Good,
    Bad,
}

/// Everything the service can be told to do. Settings are environment
/// variables; an argument `KEY=VALUE` overrides the variable of that name.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `VERSION` | what `GET /` answers as `version=` | `unknown` |
/// | `PORT` | TCP port, all addresses | 8080 |
/// | `START_DELAY_MS` | listens only after this time | 0 |
/// | `CRASH_AFTER_MS` | exits this long after the start | never |
/// | `EXIT_CODE` | exit code of that crash | 1 |
/// | `HEALTH` | `good` or `bad`: 200 or 503 at `/health` | `good` |
/// | `DEAF` | `1`: never listens | 0 |
/// | `IGNORE_TERM` | `1`: SIGTERM changes nothing | 0 |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    pub version: String,
    pub port: u16,
    pub start_delay: Duration,
    /// `None`: never ends by itself.
    pub crash_after: Option<Duration>,
    pub exit_code: u8,
    pub health: Health,
    pub deaf: bool,
    pub ignore_term: bool,
    /// Started as its own health check: asks the port and ends.
    pub healthcheck: bool,
    /// The whole environment, for the facts in the answer.
    environment: BTreeMap<String, String>,
}

/// Variables that engines set by themselves and differently: not facts of the image.
const ENGINE_VARIABLES: &[&str] = &["HOME", "HOSTNAME", "PATH", "TERM", "container"];

impl Behaviour {
    /// Reads the settings. `environment` is `(name, value)`; `arguments` are those
    /// after the program's name. The error names the setting and what it wants.
    pub fn from<E, A>(environment: E, arguments: A) -> Result<Self, String>
    where
        E: IntoIterator<Item = (String, String)>,
        A: IntoIterator<Item = String>,
    {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let mut settings = environment.clone();
        let mut healthcheck = false;
        for argument in arguments {
            match argument.split_once('=') {
                Some((key, value)) => {
                    settings.insert(key.to_owned(), value.to_owned());
                }
                None if argument == HEALTHCHECK_ARGUMENT => healthcheck = true,
                None => {
                    return Err(format!(
                        "argument `{argument}`: wanted `{HEALTHCHECK_ARGUMENT}` or KEY=VALUE"
                    ));
                }
            }
        }
        Ok(Self {
            version: settings
                .get("VERSION")
                .cloned()
                .unwrap_or_else(|| "unknown".to_owned()),
            port: number(&settings, "PORT")?.unwrap_or(8080),
            start_delay: millis(&settings, "START_DELAY_MS")?.unwrap_or_default(),
            crash_after: millis(&settings, "CRASH_AFTER_MS")?,
            exit_code: number(&settings, "EXIT_CODE")?.unwrap_or(1),
            health: match settings.get("HEALTH").map(String::as_str) {
                None | Some("good") => Health::Good,
                Some("bad") => Health::Bad,
                Some(other) => return Err(format!("HEALTH=`{other}`: wanted `good` or `bad`")),
            },
            deaf: switch(&settings, "DEAF")?,
            ignore_term: switch(&settings, "IGNORE_TERM")?,
            healthcheck,
            environment,
        })
    }

    /// Is the port open this long after the start?
    pub fn listens_at(&self, since_start: Duration) -> bool {
        !self.deaf && since_start >= self.start_delay
    }

    /// Would the health check succeed this long after the start?
    pub fn healthy_at(&self, since_start: Duration) -> bool {
        self.listens_at(since_start) && self.health == Health::Good
    }

    /// What a request for `path` gets once the port is open. `None` is a head
    /// that was no `GET` of HTTP.
    pub fn answer(&self, path: Option<&str>) -> Answer {
        match path {
            None => Answer {
                status: 400,
                body: "wanted GET\n".to_owned(),
            },
            Some("/") => Answer {
                status: 200,
                body: self.facts(),
            },
            Some("/health") if self.health == Health::Good => Answer {
                status: 200,
                body: "good\n".to_owned(),
            },
            Some("/health") => Answer {
                status: 503,
                body: "bad\n".to_owned(),
            },
            Some(_) => Answer {
                status: 404,
                body: "not found\n".to_owned(),
            },
        }
    }

    /// The line on standard output when the program starts.
    pub fn start_line(&self) -> String {
        format!("service {} starts", self.version)
    }

    /// The line on standard output when the port is open.
    pub fn listen_line(&self) -> String {
        format!("service {} listens on port {}", self.version, self.port)
    }

    /// The line on standard error when it crashes.
    pub fn crash_line(&self) -> String {
        format!(
            "service {} ends with exit code {}, as told",
            self.version, self.exit_code
        )
    }

    /// One `key=value` a line; the version first, then the environment by name.
    fn facts(&self) -> String {
        let health = if self.health == Health::Good {
            "good"
        } else {
            "bad"
        };
        let mut lines = vec![
            format!("version={}", self.version),
            format!("port={}", self.port),
            format!("health={health}"),
        ];
        lines.extend(
            self.environment
                .iter()
                .filter(|(name, _)| !ENGINE_VARIABLES.contains(&name.as_str()))
                .map(|(name, value)| format!("env.{name}={value}")),
        );
        lines.push(String::new());
        lines.join("\n")
    }
}

fn number<N: std::str::FromStr>(
    settings: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<N>, String> {
    let Some(text) = settings.get(key) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(format!("{key}=`{text}`: wanted a whole number in range")),
    }
}

fn millis(settings: &BTreeMap<String, String>, key: &str) -> Result<Option<Duration>, String> {
    Ok(number(settings, key)?.map(Duration::from_millis))
}

fn switch(settings: &BTreeMap<String, String>, key: &str) -> Result<bool, String> {
    match settings.get(key).map(String::as_str) {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(format!("{key}=`{other}`: wanted `0` or `1`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviour(environment: &[(&str, &str)], arguments: &[&str]) -> Result<Behaviour, String> {
        let owned = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Behaviour::from(owned, arguments.iter().map(|a| (*a).to_owned()))
    }

    /// A wrong precedence would make every image look like its base.
    #[test]
    fn arguments_override_the_environment() {
        let told = behaviour(&[("VERSION", "1"), ("PORT", "81")], &["VERSION=2"]).unwrap();
        assert_eq!((told.version.as_str(), told.port), ("2", 81));
        assert!(
            told.answer(Some("/"))
                .body
                .starts_with("version=2\nport=81\nhealth=good\n")
        );
    }

    /// A typing error in a test must not become a service that silently behaves well.
    #[test]
    fn nonsense_is_refused_by_name() {
        let cases: &[(&str, &str)] = &[
            ("PORT", "70000"),
            ("CRASH_AFTER_MS", "-1"),
            ("EXIT_CODE", "256"),
            ("HEALTH", "ill"),
            ("DEAF", "yes"),
            ("IGNORE_TERM", ""),
        ];
        for (key, value) in cases {
            let error = behaviour(&[(key, value)], &[]).unwrap_err();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
        assert!(
            behaviour(&[], &["helthcheck"])
                .unwrap_err()
                .contains("helthcheck")
        );
    }

    /// Slow start and deafness decide when the port opens; health only matters after.
    #[test]
    fn time_decides_what_listens() {
        let slow = behaviour(&[("START_DELAY_MS", "500")], &[]).unwrap();
        assert!(!slow.listens_at(Duration::from_millis(499)));
        assert!(slow.healthy_at(Duration::from_millis(500)));
        let deaf = behaviour(&[("DEAF", "1")], &[]).unwrap();
        assert!(!deaf.listens_at(Duration::from_hours(1)));
        let ill = behaviour(&[("HEALTH", "bad")], &[]).unwrap();
        assert!(ill.listens_at(Duration::ZERO) && !ill.healthy_at(Duration::ZERO));
        assert_eq!(ill.answer(Some("/health")).status, 503);
    }
}
