//! Dependencies and their states, `/livez` and `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::response::{IntoResponse, Response};
use http::header;
use metrics::gauge;
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// What a service depends on, and how that is. Cloning it is cheap; all clones are the same registry.
#[derive(Debug, Clone)]
pub struct Health {
    shutdown: Shutdown,
    dependencies: Arc<RwLock<BTreeMap<String, Entry>>>,
}

/// Whether a service can do anything useful without a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// While it is down the service is not ready.
    Required,
    /// While it is down the service goes on with what it can; a shard of several, say.
    Optional,
}

/// The handle by which whoever uses a dependency reports its state.
#[derive(Debug, Clone)]
pub struct Dependency {
    name: String,
    health: Health,
}

#[derive(Debug)]
struct Entry {
    need: Need,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing was reported yet; counts as down.
    Unknown,
    Up,
    Down {
        reason: String,
    },
}

impl Health {
    /// A registry without dependencies: ready until `shutdown` starts.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, dependencies: Arc::default() }
    }

    /// Registers a dependency, down until it is reported up. The same name again gives another handle to the same.
    pub fn dependency(&self, name: impl Into<String>, need: Need) -> Dependency {
        let name = name.into();
        let mut dependencies = self.dependencies.write().unwrap_or_else(PoisonError::into_inner);
        dependencies.entry(name.clone()).or_insert_with(|| {
            gauge!("forebay_dependency_up", "dependency" => name.clone()).set(0.0);
            Entry { need, state: State::Unknown }
        });
        Dependency { name, health: self.clone() }
    }

    /// Whether the service is not stopping and everything required is up.
    pub fn is_ready(&self) -> bool {
        !self.shutdown.is_started() && self.missing().is_empty()
    }

    /// The answer of `/readyz`: 200, or the problem `not_ready` or `shutting_down`; each dependency's state in all of them.
    pub fn readyz(&self) -> Response {
        let dependencies = self.states();
        if self.shutdown.is_started() {
            return Problem::shutting_down("the service finishes what it has begun and takes nothing new")
                .with("dependencies", dependencies)
                .into_response();
        }
        let missing = self.missing();
        if missing.is_empty() {
            let body = json!({ "ready": true, "dependencies": dependencies }).to_string();
            return ([(header::CONTENT_TYPE, "application/json")], body).into_response();
        }
        Problem::not_ready(format!("not up: {}", missing.join(", "))).with("dependencies", dependencies).into_response()
    }

    fn missing(&self) -> Vec<String> {
        let dependencies = self.dependencies.read().unwrap_or_else(PoisonError::into_inner);
        let missing = dependencies.iter().filter(|(_, entry)| entry.need == Need::Required && entry.state != State::Up);
        missing.map(|(name, _)| name.clone()).collect()
    }

    fn states(&self) -> Map<String, Value> {
        let dependencies = self.dependencies.read().unwrap_or_else(PoisonError::into_inner);
        dependencies.iter().map(|(name, entry)| (name.clone(), entry.to_json())).collect()
    }

    fn report(&self, name: &str, state: State) {
        let mut dependencies = self.dependencies.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = dependencies.get_mut(name) else { return };
        let before = std::mem::replace(&mut entry.state, state.clone());
        // Only a change of the kind is news; a reason may read differently at every attempt.
        if std::mem::discriminant(&before) == std::mem::discriminant(&state) {
            return;
        }
        let up = state == State::Up;
        gauge!("forebay_dependency_up", "dependency" => name.to_owned()).set(f64::from(u8::from(up)));
        match state {
            State::Down { reason } => warn!(dependency = name, reason, "dependency is down"),
            State::Up | State::Unknown => info!(dependency = name, "dependency is up"),
        }
    }
}

impl Dependency {
    /// Reports that the dependency works. Cheap enough for every success, but meant for changes.
    pub fn up(&self) {
        self.health.report(&self.name, State::Up);
    }

    /// Reports that the dependency works, or why it does not.
    pub fn set(&self, state: Result<(), impl Into<String>>) {
        match state {
            Ok(()) => self.up(),
            Err(reason) => self.down(reason),
        }
    }

    /// Reports that the dependency does not work, and why. Only the change is logged, so callers need not.
    pub fn down(&self, reason: impl Into<String>) {
        self.health.report(&self.name, State::Down { reason: reason.into() });
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let required = self.need == Need::Required;
        match &self.state {
            State::Unknown => json!({ "state": "unknown", "required": required }),
            State::Up => json!({ "state": "up", "required": required }),
            State::Down { reason } => json!({ "state": "down", "required": required, "reason": reason }),
        }
    }
}
