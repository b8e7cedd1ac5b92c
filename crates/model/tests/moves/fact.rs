//! Orders, as far as moves need to tell them apart.

use std::fmt;

use forebay_model::Lane;
use forebay_model::ownership::Sums;

/// `x` is an order; `y` has its identity and other content; `z` has its order id and customer and another time; `w` and `v` are other
/// orders. At most one of `x`, `y` and `z` may ever be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fact(u8);

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts(u8);

const LETTERS: &str = "xyzwv";
const ORDER_IDS: [u8; 5] = [1, 1, 1, 2, 3];

impl Fact {
    pub(crate) const X: Self = Self(0);

    pub(crate) fn of(letter: char) -> Self {
        Self(LETTERS.find(letter).expect("a letter of a fact") as u8)
    }

    fn order_id(self) -> u8 {
        ORDER_IDS[usize::from(self.0)]
    }
}

impl Facts {
    pub(crate) fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact.0) != 0
    }

    pub(crate) fn with(self, fact: Fact) -> Self {
        Self(self.0 | (1 << fact.0))
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has_all(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fact> {
        (0..LETTERS.len() as u8).map(Fact).filter(move |&fact| self.has(fact))
    }

    /// The one of them that keeps this one out: the same customer and order id, other content or another time.
    pub(crate) fn rival(self, fact: Fact) -> Option<Fact> {
        self.iter().find(|&row| row != fact && row.order_id() == fact.order_id())
    }

    /// Whether they have one order twice.
    pub(crate) fn has_rivals(self) -> bool {
        self.iter().any(|fact| self.rival(fact).is_some())
    }

    pub(crate) fn sums(self) -> Sums {
        let mut sums = Sums::default();
        self.iter().for_each(|fact| sums.add(Lane::Orders, 1 << (8 * fact.0)));
        sums
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        facts.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(LETTERS.as_bytes()[usize::from(self.0)]))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: Vec<String> = self.iter().map(|fact| fact.to_string()).collect();
        write!(f, "{{{}}}", letters.join(","))
    }
}
