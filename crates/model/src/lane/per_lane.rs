//! Something for each lane.

use std::ops::{Index, IndexMut};

use super::Lane;

/// One value for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerLane<T>([T; Lane::ALL.len()]);

impl<T> PerLane<T> {
    /// Made lane by lane.
    pub fn from_fn(mut value: impl FnMut(Lane) -> T) -> Self {
        Self(std::array::from_fn(|place| value(super::table::TABLE[place].lane)))
    }

    /// Every lane with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        super::table::TABLE.iter().map(|spec| spec.lane).zip(&self.0)
    }
}

impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        &self.0[lane as usize]
    }
}

impl<T> IndexMut<Lane> for PerLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[lane as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_its_own_value() {
        let mut names = PerLane::from_fn(Lane::as_str);
        assert!(Lane::ALL.iter().all(|&lane| names[lane] == lane.as_str()));
        assert!(names.iter().all(|(lane, name)| *name == lane.as_str()) && names.iter().count() == Lane::ALL.len());
        names[Lane::Views] = "other";
        assert_eq!((names[Lane::Views], names[Lane::Orders]), ("other", "orders"));
    }
}
