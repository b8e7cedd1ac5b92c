//! Random numbers that are the same for the same seed, in every version of Forebay and of its dependencies.

/// The generator `SplitMix64` (Steele, Lea, Flood 2014): 64 bits of state, and good enough to make orders look plausible.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is not 0. The bias, at most `bound` in 2^32, does not matter here.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let wide = u64::from(self.next_u32()) * u64::from(bound);
        (wide >> 32) as u32
    }

    /// 32 random bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// A number in 0.0..1.0.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Spreads the bits of a number over all 64 bits: neighbours become strangers.
pub(super) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn no_number_is_drawn_beyond_its_bound() {
        let mut random = Random::new(0);
        assert!((0..10_000).all(|_| random.below(7) < 7));
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&random.fraction())));
    }
}
