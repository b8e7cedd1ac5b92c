//! How large batches may be: a shard that cannot commit a batch in time gets smaller ones, until it can.

/// The part of a full batch that is committed together. Without it, a shard that is slow enough would be sent the same batch for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    divisor: usize,
    /// How many batches were committed since the divisor last changed.
    streak: u32,
}

const DIVISOR_MAX: usize = 256;
/// After this number of batches in time they may be twice as large.
const STREAK: u32 = 16;

impl Default for BatchSize {
    fn default() -> Self {
        Self { divisor: 1, streak: 0 }
    }
}

impl BatchSize {
    /// The bound for a batch, of the bound for a full one.
    pub(crate) fn of(self, full: usize) -> usize {
        (full / self.divisor).max(1)
    }

    /// A batch was committed in time.
    pub(crate) fn in_time(&mut self) {
        self.streak += 1;
        if self.streak == STREAK {
            *self = Self { divisor: (self.divisor / 2).max(1), streak: 0 };
        }
    }

    /// The shard did not answer in time.
    pub(crate) fn late(&mut self) {
        *self = Self { divisor: (self.divisor * 4).min(DIVISOR_MAX), streak: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_quickly_and_grow_back() {
        let mut batch_size = BatchSize::default();
        assert_eq!(batch_size.of(10_000), 10_000);
        batch_size.late();
        assert_eq!(batch_size.of(10_000), 2_500);
        for _ in 0..10 {
            batch_size.late();
        }
        assert_eq!((batch_size.of(10_000), batch_size.of(3)), (39, 1));
        for _ in 0..STREAK {
            batch_size.in_time();
        }
        assert_eq!(batch_size.of(10_000), 78);
        for _ in 0..STREAK * 10 {
            batch_size.in_time();
        }
        assert_eq!(batch_size.of(10_000), 10_000);
    }
}
