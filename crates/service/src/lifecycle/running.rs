//! Which tasks run, by name, and whether one has failed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::settings::command_line::BadSetting;

#[derive(Debug, Default)]
pub(super) struct RunningTasks(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    running: BTreeMap<String, usize>,
    has_failed: bool,
    bad_setting: Option<BadSetting>,
}

/// One of them; dropping it removes it, however the task ends.
pub(super) struct RunningTask<'a> {
    tasks: &'a RunningTasks,
    name: &'a str,
}

impl RunningTasks {
    pub(super) fn enter<'a>(&'a self, name: &'a str) -> RunningTask<'a> {
        *self.content().running.entry(name.to_owned()).or_default() += 1;
        RunningTask { tasks: self, name }
    }

    pub(super) fn fail(&self) {
        self.content().has_failed = true;
    }

    /// Because of a setting. The first one is told.
    pub(super) fn fail_for(&self, bad: BadSetting) {
        let mut content = self.content();
        content.has_failed = true;
        content.bad_setting.get_or_insert(bad);
    }

    pub(super) fn bad_setting(&self) -> Option<BadSetting> {
        self.content().bad_setting.clone()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.content().has_failed
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.content().running.keys().cloned().collect()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningTask<'_> {
    fn drop(&mut self) {
        let mut content = self.tasks.content();
        if let Some(count) = content.running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                content.running.remove(self.name);
            }
        }
    }
}
