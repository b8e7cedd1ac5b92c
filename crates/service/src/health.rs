//! Dependencies and their states, `/livez` and `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::response::{IntoResponse, Response};
use forebay_api::health::{self as api, Dependencies};
use http::header;
use metrics::gauge;
use tracing::{info, warn};

use crate::problem::Problem;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::DEPENDENCY_UP;

/// What a service depends on, and how that is. Cloning it is cheap; all clones are the same registry.
#[derive(Debug, Clone)]
pub struct Health {
    shutdown: Shutdown,
    /// What stands before the names of dependencies: whose they are, where several services are one.
    of: &'static str,
    dependencies: Arc<RwLock<BTreeMap<String, DependencyEntry>>>,
}

/// Whether a service can do anything useful without a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// While it is down the service is not ready.
    Required,
    /// While it is down the service goes on with what it can; the cache, say.
    Optional,
    /// The same, and a service that starts is not ready before it was looked at; a shard of several, say.
    OptionalOnceSeen,
}

/// The handle by which the user of a dependency reports its state.
#[derive(Debug, Clone)]
pub struct Dependency {
    name: String,
    need: Need,
    health: Health,
}

#[derive(Debug)]
struct DependencyEntry {
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
        /// Whether only somebody's decision brings it up again.
        halted: bool,
    },
}

impl Health {
    /// A registry without dependencies: ready until `shutdown` starts.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, of: "", dependencies: Arc::default() }
    }

    /// The same registry, for one of the services that share it: its dependencies are named after it.
    #[must_use]
    pub(crate) fn of(&self, service: &'static str) -> Self {
        Self { of: service, ..self.clone() }
    }

    /// Registers a dependency, down until it is reported up. The same name again gives another handle to the same.
    pub fn dependency(&self, name: impl Into<String>, need: Need) -> Dependency {
        let need = match need {
            // A service that runs is no less ready because something has come to it.
            Need::OptionalOnceSeen if self.is_ready() => Need::Optional,
            need => need,
        };
        let name = if self.of.is_empty() { name.into() } else { format!("{} {}", self.of, name.into()) };
        let mut dependencies = self.dependencies.write().unwrap_or_else(PoisonError::into_inner);
        dependencies.entry(name.clone()).or_insert_with(|| {
            gauge!(DEPENDENCY_UP.name, "dependency" => name.clone()).set(0.0);
            DependencyEntry { need, state: State::Unknown }
        });
        Dependency { name, need, health: self.clone() }
    }

    /// Whether the service is not stopping and everything required is up.
    pub fn is_ready(&self) -> bool {
        !self.shutdown.is_started() && self.states().missing().next().is_none()
    }

    /// The answer of `/readyz`: 200, or the problem `not_ready` or `shutting_down`; each dependency's state in all of them.
    pub fn readyz(&self) -> Response {
        let dependencies = self.states();
        if self.shutdown.is_started() {
            return Problem::shutting_down("the service finishes what it has begun and takes nothing new")
                .with_members(&dependencies)
                .into_response();
        }
        let missing: Vec<&str> = dependencies.missing().map(|(name, _)| name).collect();
        if !missing.is_empty() {
            let detail = format!("not up: {}", missing.join(", "));
            return Problem::not_ready(detail).with_members(&dependencies).into_response();
        }
        let Dependencies { dependencies } = dependencies;
        let degraded = dependencies.values().any(|found| found.state != api::State::Up);
        match serde_json::to_vec(&api::Health { ready: true, degraded, dependencies }) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(format!("the answer cannot be written: {error}")).into_response(),
        }
    }

    fn states(&self) -> Dependencies {
        let dependencies = self.dependencies.read().unwrap_or_else(PoisonError::into_inner);
        Dependencies { dependencies: dependencies.iter().map(|(name, entry)| (name.clone(), entry.answer())).collect() }
    }

    fn report(&self, name: &str, need: Need, state: State) {
        let mut dependencies = self.dependencies.write().unwrap_or_else(PoisonError::into_inner);
        let entry = dependencies.entry(name.to_owned()).or_insert(DependencyEntry { need, state: State::Unknown });
        let before = std::mem::replace(&mut entry.state, state.clone());
        // Only a change of the kind is news; a reason may read differently at every attempt.
        if std::mem::discriminant(&before) == std::mem::discriminant(&state) {
            return;
        }
        let up = state == State::Up;
        gauge!(DEPENDENCY_UP.name, "dependency" => name.to_owned()).set(f64::from(u8::from(up)));
        match state {
            State::Down { reason, .. } => warn!(dependency = name, reason, "dependency is down"),
            State::Up | State::Unknown => info!(dependency = name, "dependency is up"),
        }
    }
}

impl Dependency {
    /// Reports that the dependency works. Cheap enough for every success, but meant for changes.
    pub fn up(&self) {
        self.health.report(&self.name, self.need, State::Up);
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
        self.health.report(&self.name, self.need, State::Down { reason: reason.into(), halted: false });
    }

    /// Reports that the dependency does not work until somebody has decided how to go on, and why.
    pub fn halted(&self, reason: impl Into<String>) {
        self.health.report(&self.name, self.need, State::Down { reason: reason.into(), halted: true });
    }

    /// Nothing depends on it any more; a report after that brings it back.
    pub fn forget(self) {
        let mut dependencies = self.health.dependencies.write().unwrap_or_else(PoisonError::into_inner);
        dependencies.remove(&self.name);
        gauge!(DEPENDENCY_UP.name, "dependency" => self.name.clone()).set(0.0);
    }
}

impl DependencyEntry {
    fn answer(&self) -> api::Dependency {
        let (state, reason, halted) = match &self.state {
            State::Unknown => (api::State::Unknown, None, false),
            State::Up => (api::State::Up, None, false),
            State::Down { reason, halted } => (api::State::Down, Some(reason.clone()), *halted),
        };
        let required = match self.need {
            Need::Required => true,
            Need::Optional => false,
            Need::OptionalOnceSeen => state == api::State::Unknown,
        };
        api::Dependency { state, required, reason, halted }
    }
}
