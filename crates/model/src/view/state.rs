//! The views of a system, and how they come and go.
//!
//! A view that is added is *building*: facts are derived with it from now on, and those of orders that are stored already are on
//! their way. It becomes *ready* when they are through. One that is dropped is *dropping* until its rows are gone; then so is its
//! entry. Ids are never given again, so rows of one that is gone are never taken for those of another.

use serde::{Deserialize, Serialize};

use crate::view::{View, ViewError, ViewId, ViewSet, ViewSpec};

/// How a view stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewState {
    /// Its facts of orders that were there before it are on their way.
    Building,
    /// It has what stored orders make.
    Ready,
    /// Nobody reads it, and its rows are being deleted.
    Dropping,
}

/// A view and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemView {
    /// Which.
    #[serde(flatten)]
    pub view: View,
    /// How it stands.
    pub state: ViewState,
}

/// Every view of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct SystemViews {
    last_id: u16,
    entries: Vec<SystemView>,
    /// Those of them that are not being dropped.
    in_force: ViewSet,
}

/// Why a view cannot be added or dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewChangeError {
    /// It cannot be a view beside those that there are.
    #[error(transparent)]
    View(#[from] ViewError),
    /// One of its name is there, and is another one.
    #[error("there is a view `{name}` already: {there}")]
    Other {
        /// The name.
        name: String,
        /// What is there.
        there: String,
    },
    /// One of its name is being dropped.
    #[error("a view `{0}` is being dropped: run `forebay views drop {0}` to its end first")]
    Dropping(String),
    /// There is none of that name.
    #[error("there is no view `{0}`")]
    Unknown(String),
    /// Every id was given once.
    #[error("this system has had 32767 views, and no id is left")]
    NoIdLeft,
}

impl SystemViews {
    /// The first views of a system, which has no orders yet.
    pub fn first(views: &ViewSet) -> Self {
        let last_id = views.iter().map(|view| view.id.number()).max().unwrap_or_default();
        let ready = |view: &View| SystemView { view: view.clone(), state: ViewState::Ready };
        Self { last_id, entries: views.iter().map(ready).collect(), in_force: views.clone() }
    }

    /// Every view, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &SystemView> {
        self.entries.iter()
    }

    /// The views that facts are derived with and keys are checked of: all but those that are being dropped.
    pub fn in_force(&self) -> &ViewSet {
        &self.in_force
    }

    /// The views that have what stored orders make.
    pub fn ready(&self) -> ViewSet {
        self.of(|state| state == ViewState::Ready)
    }

    /// The view with that id, where there still is one.
    pub fn get(&self, id: ViewId) -> Option<&SystemView> {
        self.entries.iter().find(|entry| entry.view.id == id)
    }

    /// The view that is read under a path, such as `sellers`.
    pub fn read_under(&self, plural: &str) -> Option<&SystemView> {
        self.entries.iter().find(|entry| entry.state != ViewState::Dropping && entry.view.spec.plural() == plural)
    }

    /// Adds a view, which is building. One that is there as it is asked for stays as it is.
    ///
    /// # Errors
    /// Why there cannot be one. Then nothing has changed.
    pub fn add(&mut self, spec: ViewSpec) -> Result<ViewId, ViewChangeError> {
        if let Some(there) = self.entries.iter().find(|entry| entry.view.spec.name() == spec.name()) {
            let (name, view) = (spec.name().to_string(), &there.view);
            return match there.state {
                ViewState::Dropping => Err(ViewChangeError::Dropping(name)),
                _ if view.spec == spec => Ok(view.id),
                _ => Err(ViewChangeError::Other { name, there: view.spec.to_string() }),
            };
        }
        for view in self.in_force.iter() {
            spec.check_beside(&view.spec)?;
        }
        let id = ViewId::new(self.last_id.saturating_add(1)).map_err(|_| ViewChangeError::NoIdLeft)?;
        self.last_id = id.number();
        self.entries.push(SystemView { view: View { id, spec }, state: ViewState::Building });
        self.renew();
        Ok(id)
    }

    /// The facts of orders that were there before a view are through. `false` where it is not building.
    pub fn set_ready(&mut self, id: ViewId) -> bool {
        let building = self.entries.iter_mut().find(|entry| entry.view.id == id && entry.state == ViewState::Building);
        building.map(|entry| entry.state = ViewState::Ready).is_some()
    }

    /// Begins to drop a view. One that is being dropped stays as it is.
    ///
    /// # Errors
    /// [`ViewChangeError::Unknown`].
    pub fn begin_drop(&mut self, name: &str) -> Result<View, ViewChangeError> {
        let entry = self.entries.iter_mut().find(|entry| **entry.view.spec.name() == *name);
        let entry = entry.ok_or_else(|| ViewChangeError::Unknown(name.to_owned()))?;
        entry.state = ViewState::Dropping;
        let view = entry.view.clone();
        self.renew();
        Ok(view)
    }

    /// The rows of a view that is being dropped are gone. `false` where it is not being dropped.
    pub fn forget(&mut self, id: ViewId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.view.id != id || entry.state != ViewState::Dropping);
        self.entries.len() < before
    }

    fn renew(&mut self) {
        self.in_force = self.of(|state| state != ViewState::Dropping);
    }

    /// What is added is checked beside those that are in force, so these always make a set.
    fn of(&self, wanted: impl Fn(ViewState) -> bool) -> ViewSet {
        let views = self.entries.iter().filter(|entry| wanted(entry.state)).map(|entry| entry.view.clone());
        ViewSet::try_from(views.collect::<Vec<_>>()).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
struct Unchecked {
    last_id: u16,
    entries: Vec<SystemView>,
}

/// What is wrong with the JSON of a system's views.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SystemViewsError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("view {0} has an id that was not given yet, or stands there twice")]
    Id(ViewId),
}

impl TryFrom<Unchecked> for SystemViews {
    type Error = SystemViewsError;

    fn try_from(Unchecked { last_id, entries }: Unchecked) -> Result<Self, SystemViewsError> {
        for (i, entry) in entries.iter().enumerate() {
            let id = entry.view.id;
            if id.number() > last_id || entries[..i].iter().any(|other| other.view.id == id) {
                return Err(SystemViewsError::Id(id));
            }
        }
        let in_force =
            entries.iter().filter(|entry| entry.state != ViewState::Dropping).map(|entry| entry.view.clone());
        let in_force = ViewSet::try_from(in_force.collect::<Vec<_>>())?;
        Ok(Self { last_id, entries, in_force })
    }
}

impl From<SystemViews> for Unchecked {
    fn from(SystemViews { last_id, entries, .. }: SystemViews) -> Self {
        Self { last_id, entries }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What somebody does to the views of a system.
    #[derive(Clone, Debug)]
    enum Act {
        Add(&'static str),
        Ready(u16),
        Drop(&'static str),
        Forget(u16),
    }

    fn acts() -> impl Strategy<Value = Act> {
        const SPECS: [&str; 6] =
            ["seller=items[].seller_id", "seller=items[].s", "depot=d", "depo=d", "depots=x", "shop=items[].d"];
        prop_oneof![
            3 => prop::sample::select(SPECS.to_vec()).prop_map(Act::Add),
            2 => (1u16..12).prop_map(Act::Ready),
            2 => prop::sample::select(vec!["seller", "depot", "shop", "nobody"]).prop_map(Act::Drop),
            1 => (1u16..12).prop_map(Act::Forget),
        ]
    }

    proptest! {
        #[test]
        fn no_id_is_given_twice_and_what_is_in_force_is_always_a_set(acts in prop::collection::vec(acts(), 0..40)) {
            let mut views = SystemViews::first(&"seller=items[].seller_id".parse().unwrap());
            let mut given = BTreeSet::from([ViewId::new(1).unwrap()]);
            for act in acts {
                let before = views.clone();
                match act {
                    Act::Add(spec) => match views.add(spec.parse().unwrap()) {
                        Ok(id) if before.get(id).is_some() => prop_assert_eq!(&views, &before),
                        Ok(id) => {
                            prop_assert!(given.insert(id), "{} was given before", id);
                            prop_assert_eq!(views.get(id).unwrap().state, ViewState::Building);
                        }
                        Err(_) => prop_assert_eq!(&views, &before),
                    },
                    Act::Ready(id) => {
                        views.set_ready(ViewId::new(id).unwrap());
                    }
                    Act::Drop(name) => {
                        if let Ok(view) = views.begin_drop(name) {
                            prop_assert!(views.in_force().get(view.id).is_none());
                            prop_assert!(views.read_under(&view.spec.plural()).is_none());
                        }
                    }
                    Act::Forget(id) => {
                        let id = ViewId::new(id).unwrap();
                        if views.forget(id) {
                            prop_assert_eq!(before.get(id).unwrap().state, ViewState::Dropping);
                        }
                    }
                }
                let in_force: Vec<_> = views.iter().filter(|entry| entry.state != ViewState::Dropping).map(|entry| &entry.view).collect();
                prop_assert_eq!(views.in_force().iter().collect::<Vec<_>>(), in_force);
                let json = serde_json::to_string(&views).unwrap();
                prop_assert_eq!(&serde_json::from_str::<SystemViews>(&json).unwrap(), &views);
            }
        }
    }

    #[test]
    fn json_with_an_id_that_was_not_given_is_refused() {
        let json = |last: u16, ids: [u16; 2]| {
            let entry = |(id, name)| serde_json::json!({"id": id, "name": name, "path": name, "state": "ready"});
            serde_json::json!({"last_id": last, "entries": ids.into_iter().zip(["a", "b"]).map(entry).collect::<Vec<_>>()})
        };
        assert!(serde_json::from_value::<SystemViews>(json(2, [1, 2])).is_ok());
        assert!(serde_json::from_value::<SystemViews>(json(1, [1, 2])).is_err());
        assert!(serde_json::from_value::<SystemViews>(json(2, [2, 2])).is_err());
    }
}
