//! A window: a part of time, and the statements over it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use forebay_model::Timestamp;

use super::filter::Filter;
use super::key::{Direction, Key, KeyRef, Span};
use super::sql::{Bounds, Kind, text};

/// A part of time, and the statements over it.
#[derive(Debug)]
pub struct Window {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    /// Those that were asked for: few of them ever are.
    texts: RwLock<HashMap<(Kind, Bounds, Filter), Arc<str>>>,
}

impl Window {
    pub(super) fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self { from, to, texts: RwLock::default() }
    }

    /// Whether an instant lies in it.
    pub fn holds(&self, instant: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= instant) && self.to.is_none_or(|to| instant < to)
    }

    /// Whether nothing of the other lies outside.
    pub fn covers(&self, other: &Self) -> bool {
        self.from.is_none_or(|from| other.from.is_some_and(|begin| from <= begin))
            && self.to.is_none_or(|to| other.to.is_some_and(|end| end <= to))
    }

    /// The place in a list behind everything in it; nothing where it is open there.
    pub fn end(&self, direction: Direction) -> Option<Key> {
        match direction {
            Direction::NewestFirst => self.from,
            Direction::OldestFirst => self.to,
        }
        .map(Key::before_all_at)
    }

    /// The text of a statement over this window.
    pub(super) fn text(&self, kind: Kind, bounds: Bounds, filter: Filter) -> Arc<str> {
        let wanted = (kind, bounds, filter);
        if let Some(known) = self.texts.read().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
            return Arc::clone(known);
        }
        let made = || text(kind, &self.condition(), bounds, filter).into();
        Arc::clone(self.texts.write().unwrap_or_else(PoisonError::into_inner).entry(wanted).or_insert_with(made))
    }

    /// What a statement has to compare rows with, besides the window: nothing in most windows of a long list.
    pub(super) fn bounds(&self, last: KeyRef<'_>, span: Span, direction: Direction) -> Bounds {
        let from = self.from.unwrap_or(Span::ALL.from);
        let to = self.to.unwrap_or(Span::ALL.to);
        match direction {
            Direction::NewestFirst => Bounds { last: last.ordered_at < to, end: span.from > from },
            Direction::OldestFirst => Bounds { last: last > Key::before_all_at(from).borrowed(), end: span.to < to },
        }
    }

    /// The window as a condition in SQL. Its literals are instants that were written here.
    pub(super) fn condition(&self) -> String {
        match (self.from, self.to) {
            (Some(from), Some(to)) => format!("ordered_at >= '{from}' and ordered_at < '{to}'"),
            (Some(from), None) => format!("ordered_at >= '{from}'"),
            (None, Some(to)) => format!("ordered_at < '{to}'"),
            (None, None) => "true".to_owned(),
        }
    }
}
