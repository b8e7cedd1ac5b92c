//! Buckets and weights, as they are written in commands.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use forebay_admin::moves::plan::Buckets;
use forebay_model::{Bucket, ShardId, Shares};

/// `100`: how many. `17-17`, `0-99`, `1,5,9-12`: which.
pub(crate) fn buckets(text: &str) -> Result<Buckets, String> {
    match text.parse() {
        Ok(0) => Err("none are to move".to_owned()),
        Ok(count) => Ok(Buckets::Count(count)),
        Err(_) => these(text).map(|These(these)| Buckets::These(these)),
    }
}

/// Buckets by their numbers.
#[derive(Debug, Clone)]
pub(crate) struct These(pub(crate) BTreeSet<Bucket>);

/// `17`, `0-99`, `1,5,9-12`.
pub(crate) fn these(text: &str) -> Result<These, String> {
    let number = |text: &str| -> Result<u16, String> {
        text.trim().parse().map_err(|_| format!("`{text}` is no bucket: they are 0 to 4095"))
    };
    let mut these = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("`{part}` ends before it begins"));
        }
        for number in first..=last {
            these.insert(Bucket::try_from(number).map_err(|error| error.to_string())?);
        }
    }
    if these.is_empty() { Err("there is no bucket in it".to_owned()) } else { Ok(These(these)) }
}

/// What each shard is to have, in proportion.
#[derive(Debug, Clone)]
pub(crate) struct Weights(pub(crate) Shares);

/// `0=1,1=1,2=2`.
pub(crate) fn weights(text: &str) -> Result<Weights, String> {
    let mut shares = Shares::new();
    for part in text.split(',') {
        let read = part.split_once('=').and_then(|(shard, share)| {
            Some((ShardId(shard.trim().parse().ok()?), share.trim().parse::<NonZeroU32>().ok()?))
        });
        let Some((shard, share)) = read else {
            return Err(format!(
                "`{part}` is not SHARD=WEIGHT, such as 2=3; a shard that is to have nothing is drained"
            ));
        };
        if shares.insert(shard, share).is_some() {
            return Err(format!("shard {shard} is there twice"));
        }
    }
    Ok(Weights(shares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_counted_or_named() {
        assert_eq!(buckets("100"), Ok(Buckets::Count(100)));
        let numbers = |text: &str| match buckets(text) {
            Ok(Buckets::These(these)) => these.into_iter().map(Bucket::number).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(numbers("17-17"), [17]);
        assert_eq!(numbers("1,5,9-12,5"), [1, 5, 9, 10, 11, 12]);
        assert_eq!(numbers("17,"), [17]);
        for wrong in ["", "0", "x", "5-1", "4096-4096", "1,,-", "-1"] {
            assert!(buckets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn weights_are_of_shards() {
        let Ok(Weights(shares)) = weights("0=1, 2=3") else { panic!() };
        assert_eq!(
            shares.into_iter().map(|(shard, share)| (shard.0, share.get())).collect::<Vec<_>>(),
            [(0, 1), (2, 3)]
        );
        for wrong in ["", "0", "0=0", "a=1", "0=1,0=2", "0=1,"] {
            assert!(weights(wrong).is_err(), "{wrong}");
        }
    }
}
