//! What each client has left. A client has a bucket of one second's worth (GCRA, by governor), in which time is kept: a client that may take 100 a
//! second pays 10 ms for each. So those who have one name share one bucket, whatever number each comes with.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_api::header;
use futures::{Stream, StreamExt};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::MissedTickBehavior;

use super::takings::{FULL, TELL, Takings, Telling};
use crate::auth::Client;
use crate::http::peer::ClientName;
use crate::lifecycle::Lifecycle;
use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// How often clients that have been quiet are forgotten. A bucket is full again within a second, and a client that sends from
/// a million addresses must not fill the memory meanwhile.
const FORGET: Duration = Duration::from_secs(2);

/// The shortest wait of a stream that is slowed down.
const SLOW_STEP: Duration = Duration::from_millis(10);

/// See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>.
const RATE_LIMIT: HeaderName = HeaderName::from_static(header::RATE_LIMIT);
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static(header::RATE_LIMIT_POLICY);

type Buckets = RateLimiter<ClientName, DashMapStateStore<ClientName>, DefaultClock, StateInformationMiddleware>;

/// What is limited, and how much of it a client may have.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What is counted, as answers say it: `orders`.
    pub unit: &'static str,
    /// How many per second, where a client has no limit of its own.
    pub default: NonZeroU32,
    /// A client's own limit.
    pub own: fn(&Client) -> Option<NonZeroU32>,
}

/// The limits of all clients.
#[derive(Debug)]
pub struct Rates {
    policy: Policy,
    buckets: Buckets,
    clock: DefaultClock,
    takings: Takings,
}

/// What a client has left, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    unit: &'static str,
    rate: NonZeroU32,
    count: u32,
    full_in: Duration,
}

impl Rates {
    /// Limits by that policy, in which nobody has taken anything.
    fn new(policy: Policy) -> Self {
        let buckets = RateLimiter::dashmap(Quota::per_second(FULL)).with_middleware();
        Self { policy, buckets, clock: DefaultClock::default(), takings: Takings::default() }
    }

    /// The limits of a service, which forget who has been quiet.
    pub fn start(policy: Policy, lifecycle: &Lifecycle) -> Arc<Self> {
        let rates = Arc::new(Self::new(policy));
        let (forgetting, shutdown) = (Arc::clone(&rates), lifecycle.shutdown().clone());
        lifecycle.spawn("rate limits", async move {
            forgetting.forget_quiet_clients(&shutdown).await;
            Ok(())
        });
        rates
    }

    /// Takes one from the client's bucket.
    ///
    /// # Errors
    /// The problem `rate_limited` where the bucket is empty.
    pub fn take_one(&self, client: &Client) -> Result<Left, Problem> {
        self.try_take(client, NonZeroU32::MIN).map_err(|wait| self.refusal(client, wait))
    }

    /// The problem `rate_limited` of a client that may come again after that time.
    pub fn refusal(&self, client: &Client, wait: Duration) -> Problem {
        let (rate, unit) = (self.rate_of(client), self.policy.unit);
        let left = Left { unit, rate, count: 0, full_in: wait };
        let mut headers = HeaderMap::new();
        left.write(&mut headers);
        let problem = Problem::rate_limited(format!("the limit is {rate} {unit} per second")).retry_after(wait);
        headers.into_iter().fold(problem, |problem, (name, value)| match name {
            Some(name) => problem.header(name, value),
            None => problem,
        })
    }

    /// Takes that many from the client's bucket, if it holds them now.
    pub fn try_take_all(&self, client: &Client, count: u32) -> bool {
        let rate = self.rate_of(client);
        NonZeroU32::new(count).is_none_or(|count| count <= rate && self.try_take(client, count).is_ok())
    }

    /// Takes that many from the client's bucket, waiting for the bucket to fill: a stream that is faster than
    /// its limit is slowed down. It takes them in pieces, down to single ones, so that others who take from the same
    /// bucket cannot keep it from ever holding enough.
    ///
    /// # Errors
    /// The problem `shutting_down`, where that begins while it waits.
    pub async fn take_slowly(&self, client: &Client, count: u32, shutdown: &Shutdown) -> Result<(), Problem> {
        let rate = self.rate_of(client);
        let (mut rest, mut piece) = (count, rate.get());
        while let Some(count) = NonZeroU32::new(rest.min(piece)) {
            match self.try_take(client, count) {
                Ok(_) => {
                    rest -= count.get();
                    piece = piece.saturating_mul(2).min(rate.get());
                }
                Err(_) if piece > 1 => piece /= 2,
                Err(wait) => tokio::select! {
                    () = tokio::time::sleep(wait.max(SLOW_STEP)) => {}
                    () = shutdown.soft().cancelled() => return Err(Problem::shutting_down("the service is stopping")),
                },
            }
        }
        Ok(())
    }

    /// Forgets clients that have been quiet long enough for their bucket to be full.
    async fn forget_quiet_clients(&self, shutdown: &Shutdown) {
        while shutdown.soft().run_until_cancelled(tokio::time::sleep(FORGET)).await.is_some() {
            self.forget();
        }
    }

    /// Lets the limits hold over all processes that tell each other: `tell` says something to all of them, and `heard` is what they
    /// say. Ends with `heard`.
    pub async fn share<F>(&self, tell: impl Fn(Vec<u8>) -> F, heard: impl Stream<Item = Bytes>)
    where
        F: Future<Output = ()>,
    {
        let (mut heard, mut telling) = (std::pin::pin!(heard), Telling::default());
        let mut ticks = tokio::time::interval(TELL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(told) = self.takings.told(&mut telling) {
                        tell(told).await;
                    }
                }
                text = heard.next() => {
                    let Some(text) = text else { return };
                    self.takings.hear(&text, &mut telling, |name, share| self.take_here(name, share).map(drop));
                }
            }
        }
    }

    fn forget(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
        self.takings.forget();
    }

    fn rate_of(&self, client: &Client) -> NonZeroU32 {
        (self.policy.own)(client).unwrap_or(self.policy.default)
    }

    /// `count` is never more than the bucket holds. The error is how long to wait.
    fn try_take(&self, client: &Client, count: NonZeroU32) -> Result<Left, Duration> {
        let (unit, rate) = (self.policy.unit, self.rate_of(client));
        let left = self.takings.take(&client.name, share(count, rate), |share| self.take_here(&client.name, share))?;
        let count = u64::from(left) * u64::from(rate.get()) / u64::from(FULL.get());
        Ok(Left { unit, rate, count: count as u32, full_in: Duration::from_nanos(u64::from(FULL.get() - left)) })
    }

    /// Takes a share of a bucket, and says what is left in it.
    fn take_here(&self, name: &ClientName, share: NonZeroU32) -> Result<u32, Duration> {
        match self.buckets.check_key_n(name, share) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Err(_beyond_the_bucket) => Err(Duration::from_secs(1)),
        }
    }
}

/// What a number of them takes of a bucket that holds a second's worth: the time in which it fills again. Less than one nanosecond is one.
fn share(count: NonZeroU32, rate: NonZeroU32) -> NonZeroU32 {
    let share = u64::from(count.get()) * u64::from(FULL.get()) / u64::from(rate.get());
    NonZeroU32::new(share.min(u64::from(FULL.get())) as u32).unwrap_or(NonZeroU32::MIN)
}

impl Left {
    /// Writes `RateLimit` and `RateLimit-Policy`.
    pub fn write(self, headers: &mut HeaderMap) {
        let Self { unit, rate, count, full_in } = self;
        let reset_s = full_in.as_secs() + u64::from(full_in.subsec_nanos() > 0);
        let policy = format!("\"{unit}\";q={rate};w=1");
        let left = format!("\"{unit}\";r={count};t={reset_s}");
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc;

    use forebay_model::Tenant;

    use super::*;
    use crate::auth::Rights;

    fn client(name: &str, orders_per_s: Option<u32>) -> Client {
        let orders_per_s = orders_per_s.and_then(NonZeroU32::new);
        Client {
            name: name.into(),
            rights: Rights::ALL,
            orders_per_s,
            requests_per_s: None,
            tenant_only: None,
            tenant: Tenant::default(),
            binding: None,
            unlisted: Arc::default(),
        }
    }

    fn rates(default: u32) -> Rates {
        let default = NonZeroU32::new(default).unwrap();
        Rates::new(Policy { unit: "orders", default, own: |client| client.orders_per_s })
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let rates = rates(2);
        let left: Vec<u32> = (0..2).map(|_| rates.take_one(&client("a", None)).unwrap().count).collect();
        assert_eq!(left, [1, 0]);
        let problem = rates.take_one(&client("a", None)).unwrap_err();
        assert_eq!(problem.code(), crate::problem::Code::RateLimited);
        assert!(rates.take_one(&client("b", None)).is_ok());
        assert_eq!(rates.take_one(&client("own", Some(50))).unwrap().count, 49);
    }

    #[test]
    fn who_has_one_name_has_one_bucket_whatever_the_number() {
        let rates = rates(2);
        let taken = |own| (0..1000).take_while(|_| rates.take_one(&client("a", own)).is_ok()).count();
        let (slow, fast) = (taken(Some(10)), taken(Some(1000)));
        assert!((10..15).contains(&slow) && fast < 500, "{slow} of 10, then {fast} of 1000");
        assert!(rates.take_one(&client("a", None)).is_err(), "nothing is left, by no number");
    }

    #[test]
    fn a_bucket_holds_what_the_rate_says_to_the_last_one() {
        for rate in [1, 3, 7, 999, 300_007, 1_000_000, 3_000_000, u32::MAX] {
            let (rates, client) = (rates(1), client("a", Some(rate)));
            assert!(rates.try_take_all(&client, rate), "{rate}");
            let wait = rates.try_take(&client, NonZeroU32::new(rate).unwrap()).unwrap_err();
            assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{rate}: {wait:?}");
        }
    }

    #[test]
    fn a_million_addresses_are_forgotten_and_the_busy_one_is_not() {
        const ADDRESSES: u32 = 1_000_000;
        let rates = rates(1_000_000);
        let remembered = || rates.buckets.len();
        let busy = client("busy", Some(2));
        let before = resident_bytes();
        for address in 0..ADDRESSES {
            rates.take_one(&client(&std::net::Ipv4Addr::from(address).to_string(), None)).unwrap();
        }
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 400 << 20, "{grown} bytes for {ADDRESSES} addresses");
        rates.forget();
        assert!(remembered() < 1000, "{} clients are remembered", remembered());
        // A bucket fills while a million are being forgotten, so the busy one is looked at afterwards.
        while rates.take_one(&busy).is_ok() {}
        rates.forget();
        assert!(rates.take_one(&busy).is_err(), "the busy client was forgotten");
        let left = resident_bytes().saturating_sub(before);
        assert!(left < grown, "{left} bytes of {grown} are still held");
    }

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    #[tokio::test]
    async fn more_orders_than_the_bucket_holds_are_slowed_down_and_not_refused() {
        let rates = rates(1000);
        let shutdown = Shutdown::new();
        let begin = std::time::Instant::now();
        assert!(!rates.try_take_all(&client("a", None), 1300));
        rates.take_slowly(&client("a", None), 1300, &shutdown).await.unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(250), "took only {:?}", begin.elapsed());
        shutdown.start();
        assert!(rates.take_slowly(&client("a", None), 1300, &shutdown).await.is_err());
    }

    #[tokio::test]
    async fn single_orders_of_the_same_client_do_not_starve_a_stream() {
        let rates = rates(200);
        let (shutdown, client) = (Shutdown::new(), client("a", None));
        let stream = rates.take_slowly(&client, 300, &shutdown);
        // Somebody else takes whatever there is, all the time.
        let greedy = async {
            loop {
                let _ = rates.take_one(&client);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(Duration::from_secs(20), stream) => done.unwrap().unwrap(),
            () = greedy => {}
        }
    }

    /// Lets a client take what it can from all of them for so long, and says how much that was.
    async fn taken_from(all: &[Rates], client: &Client, seconds: u64) -> u32 {
        let (mut taken, end) = (0, tokio::time::Instant::now() + Duration::from_secs(seconds));
        while tokio::time::Instant::now() < end {
            taken += all.iter().map(|rates| u32::from(rates.take_one(client).is_ok())).sum::<u32>();
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        taken
    }

    #[tokio::test]
    async fn processes_that_hear_each_other_give_what_one_would_give() {
        const RATE: u32 = 400;
        let all = [rates(RATE), rates(RATE), rates(RATE)];
        let (tell, heard): (Vec<_>, Vec<_>) = all.iter().map(|_| mpsc::unbounded::<Bytes>()).unzip();
        let to_all = |text: Vec<u8>| {
            for tell in &tell {
                let _ = tell.unbounded_send(text.clone().into());
            }
            std::future::ready(())
        };
        let mut heard = heard.into_iter();
        let mut shared = |rates| Rates::share(rates, to_all, heard.next().unwrap());
        let sharing = futures::future::join3(shared(&all[0]), shared(&all[1]), shared(&all[2]));
        let client = client("a", None);
        let taking = async {
            // The buckets that they are full of, and what is paid for it.
            taken_from(&all, &client, 4).await;
            taken_from(&all, &client, 5).await
        };
        let taken = tokio::select! {
            _ = sharing => panic!("it ended"),
            taken = taking => taken,
        };
        assert!((1800..=2200).contains(&taken), "{taken} in five seconds, of {RATE} a second");
        let alone = taken_from(&[rates(RATE), rates(RATE), rates(RATE)], &client, 1).await;
        assert!(alone > 2 * RATE, "each by itself: {alone}");
    }
}
