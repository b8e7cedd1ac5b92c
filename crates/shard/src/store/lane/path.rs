//! Which way a batch goes: straight into the table, or through the staging table, which takes duplicates but costs more.

/// Remembers for one lane how much trouble there was lately. Straight is the way until a batch is refused there; then the
/// next batches go through staging until enough of them in a row were clean. Each refusal soon after a return makes that
/// wait longer, because a refused COPY was for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// How many clean batches are still wanted; 0 is the straight way.
    wanted: u32,
    /// How many clean batches in a row lead back.
    needed: u32,
    /// How many will be needed after the next refusal.
    patience: u32,
    /// How many batches went straight since the patience last changed.
    streak: u32,
}

const PATIENCE_MAX: u32 = 64;
/// How many batches that went straight make up for a refusal.
const STREAK: u32 = 16;

impl Default for Path {
    fn default() -> Self {
        Self { wanted: 0, needed: 1, patience: 1, streak: 0 }
    }
}

impl Path {
    pub(crate) fn is_straight(self) -> bool {
        self.wanted == 0
    }

    /// A batch that went straight was refused.
    pub(crate) fn refused(&mut self) {
        self.needed = self.patience;
        self.wanted = self.needed;
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        self.streak = 0;
    }

    /// A batch was committed; `is_clean` if it would have passed straight.
    pub(crate) fn committed(&mut self, is_clean: bool) {
        if self.is_straight() {
            self.streak += 1;
            if self.streak == STREAK {
                self.streak = 0;
                self.patience = (self.patience / 2).max(1);
            }
        } else {
            self.wanted = if is_clean { self.wanted - 1 } else { self.needed };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_keep_a_lane_on_the_staging_way_until_they_end() {
        let mut path = Path::default();
        assert!(path.is_straight());
        path.refused();
        for _ in 0..100 {
            path.committed(false);
            assert!(!path.is_straight());
        }
        path.committed(true);
        assert!(path.is_straight());
    }

    #[test]
    fn a_refusal_in_every_few_batches_is_not_tried_every_few_batches() {
        let mut path = Path::default();
        let mut refused = 0;
        for batch in 0..1000 {
            let is_clean = batch % 3 != 0;
            if path.is_straight() && !is_clean {
                path.refused();
                refused += 1;
            }
            path.committed(is_clean);
        }
        assert!(refused < 5, "{refused} of 334 were tried in vain");
        for _ in 0..PATIENCE_MAX {
            path.committed(true);
        }
        assert!(path.is_straight());
    }
}
