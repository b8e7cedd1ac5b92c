//! What a service depends on, and how that is: the answer of `/readyz`, and a member of its problems.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer of a service that is ready. One that is not answers with a problem that has the member `dependencies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Health {
    /// `true`.
    pub ready: bool,
    /// Whether something is down all the same, which the service can do without: a shard of several, the cache.
    pub degraded: bool,
    /// By name.
    pub dependencies: BTreeMap<String, Dependency>,
}

/// The members of the problems `not_ready` and `shutting_down`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dependencies {
    /// By name.
    pub dependencies: BTreeMap<String, Dependency>,
}

/// Something that a service depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dependency {
    /// How it is.
    pub state: State,
    /// Whether the service is not ready without it.
    pub required: bool,
    /// Why it is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It is down until somebody decides how to go on: neither time nor another start brings it up. The service is not ready then,
    /// required or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halted: bool,
}

/// How a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was seen of it yet; counts as down.
    Unknown,
    /// It works.
    Up,
    /// It does not.
    Down,
}

impl Dependencies {
    /// Those without which the service is not ready: what is required and not up, and whatever waits for somebody's decision.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &Dependency)> {
        let is_missing = |found: &Dependency| found.halted || found.required && found.state != State::Up;
        let missing = self.dependencies.iter().filter(move |(_, found)| is_missing(found));
        missing.map(|(name, found)| (name.as_str(), found))
    }

    /// Whether all that is missing waits for somebody's decision. Such a service does what it can, and would do no more if it
    /// were started again.
    pub fn are_only_halted(&self) -> bool {
        self.missing().next().is_some() && self.missing().all(|(_, found)| found.halted)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_that_misses_anything_but_what_is_halted_is_not_up_yet() {
        let only_halted = |nats: &str, log: &str, halted: bool| {
            let dependencies = json!({"dependencies": {
                "nats": {"state": nats, "required": true},
                "log logged-0": {"state": log, "required": true, "reason": "made anew", "halted": halted},
                "shard 1": {"state": "down", "required": false},
            }});
            serde_json::from_value::<Dependencies>(dependencies).unwrap().are_only_halted()
        };
        assert!(only_halted("up", "down", true));
        for (nats, log, halted) in
            [("up", "up", false), ("down", "down", true), ("unknown", "down", true), ("up", "down", false)]
        {
            assert!(!only_halted(nats, log, halted), "{nats} {log} {halted}");
        }
        assert!(!Dependencies::default().are_only_halted());
    }
}
