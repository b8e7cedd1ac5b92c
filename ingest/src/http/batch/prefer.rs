//! How long a client is prepared to wait (RFC 7240).

use std::time::Duration;

use forebay_api::header::PREFER;
use http::HeaderMap;

/// What the preference `wait` says. One that cannot be read is passed over, as all preferences are.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let pairs = preferences.filter_map(|preference| preference.split(';').next()?.split_once('='));
    let mut waits = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"));
    waits.next().and_then(|(_, seconds)| seconds.trim().parse().ok()).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_counts_among_other_preferences() {
        let wait_of = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (http::HeaderName::from_static(PREFER), value.parse().unwrap()));
            wait(&headers.collect())
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait_of(&["wait=5"]), seconds(5));
        assert_eq!(wait_of(&["respond-async, Wait = 10 ; x=y, wait=7"]), seconds(10));
        assert_eq!(wait_of(&["return=minimal", "wait=0"]), seconds(0));
        assert_eq!([wait_of(&[]), wait_of(&["wait"]), wait_of(&["wait=soon"]), wait_of(&["wait=-1"])], [None; 4]);
    }
}
