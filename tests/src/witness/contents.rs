//! All that an engine holds: containers, images, tags, volumes, and how much
//! room its layers take. Two of these are compared to prove that nothing was left.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde_json::Value;

use crate::engines::EngineApi;

/// The engine's complete lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    lines: BTreeSet<String>,
}

impl Contents {
    /// Asks the engine.
    pub fn of(api: &EngineApi) -> Result<Self> {
        let mut lines = BTreeSet::new();
        for row in list(&api.get_json("/containers/json?all=1")?) {
            let names = texts(&row["Names"]).join(" ");
            // The policy is not in the list.
            let id = row["Id"].as_str().unwrap_or_default();
            let whole = api.get_json(&format!("/containers/{id}/json"))?;
            lines.insert(format!(
                "container {names} {id} {} policy {} image {}",
                whole["State"]["Status"], whole["HostConfig"]["RestartPolicy"], whole["Image"]
            ));
        }
        // Those without a name too.
        for row in list(&api.get_json("/images/json?all=1")?) {
            let id = row["Id"].as_str().unwrap_or_default();
            lines.insert(format!("image {id}"));
            for tag in texts(&row["RepoTags"]) {
                lines.insert(format!("tag {tag} {id}"));
            }
        }
        for row in list(&api.get_json("/volumes")?["Volumes"]) {
            lines.insert(format!("volume {}", row["Name"]));
        }
        for row in list(&api.get_json("/networks")?) {
            lines.insert(format!("network {}", row["Name"]));
        }
        let usage = api.get_json("/system/df")?;
        lines.insert(format!("layers {} bytes", usage["LayersSize"]));
        Ok(Self { lines })
    }

    /// What is here and not there, and the other way round; empty if they are equal.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let more = self.lines.difference(&before.lines);
        let less = before.lines.difference(&self.lines);
        more.map(|line| format!("+ {line}"))
            .chain(less.map(|line| format!("- {line}")))
            .collect()
    }

    /// The lines that begin with this word.
    pub fn kind(&self, word: &str) -> Vec<&str> {
        let of_kind = |line: &&str| line.split(' ').next() == Some(word);
        self.lines
            .iter()
            .map(String::as_str)
            .filter(of_kind)
            .collect()
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}
