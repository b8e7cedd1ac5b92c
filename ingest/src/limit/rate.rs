//! Rate limits per client, counted in orders. A client has a bucket of one second's worth of orders (GCRA, by governor).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_api::header;
use forebay_service::auth::ClientName;
use forebay_service::{Client, Problem, Shutdown};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How often clients that have been quiet are forgotten. A bucket is full again within a second, and whoever sends from
/// a million addresses must not fill the memory meanwhile.
const FORGET: Duration = Duration::from_secs(2);

/// The shortest wait of a stream that is slowed down.
const SLOW_STEP: Duration = Duration::from_millis(10);

/// See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>.
const RATE_LIMIT: HeaderName = HeaderName::from_static(header::RATE_LIMIT);
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static(header::RATE_LIMIT_POLICY);

type Limiter = RateLimiter<ClientName, DashMapStateStore<ClientName>, DefaultClock, StateInformationMiddleware>;

/// The limits of all clients. Clients with the same rate share a limiter, in which each has its own bucket.
pub(crate) struct Rates {
    default: NonZeroU32,
    limiters: RwLock<HashMap<NonZeroU32, Arc<Limiter>>>,
    clock: DefaultClock,
}

/// What a client has left, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    rate: NonZeroU32,
    orders: u32,
    full_in: Duration,
}

impl Rates {
    pub(crate) fn new(default: NonZeroU32) -> Self {
        Self { default, limiters: RwLock::default(), clock: DefaultClock::default() }
    }

    /// Takes one order from the client's bucket.
    ///
    /// # Errors
    /// The problem `rate_limited` where the bucket is empty.
    pub(crate) fn take_one(&self, client: &Client) -> Result<Left, Problem> {
        let rate = self.rate_of(client);
        self.try_take(rate, &client.name, NonZeroU32::MIN).map_err(|wait| {
            let detail = format!("the limit is {rate} orders per second");
            let left = Left { rate, orders: 0, full_in: wait };
            let mut headers = HeaderMap::new();
            left.write(&mut headers);
            let problem = Problem::rate_limited(detail).retry_after(wait);
            headers.into_iter().fold(problem, |problem, (name, value)| match name {
                Some(name) => problem.header(name, value),
                None => problem,
            })
        })
    }

    /// Takes that many orders from the client's bucket, if it holds them now.
    pub(crate) fn try_take_all(&self, client: &Client, orders: u32) -> bool {
        let rate = self.rate_of(client);
        NonZeroU32::new(orders).is_none_or(|orders| orders <= rate && self.try_take(rate, &client.name, orders).is_ok())
    }

    /// Takes that many orders from the client's bucket, waiting for the bucket to fill: a stream that is faster than
    /// its limit is slowed down. It takes them in pieces, down to single orders, so that others who take from the same
    /// bucket cannot keep it from ever holding enough.
    ///
    /// # Errors
    /// The problem `shutting_down`, where that begins while it waits.
    pub(crate) async fn take_slowly(&self, client: &Client, orders: u32, shutdown: &Shutdown) -> Result<(), Problem> {
        let rate = self.rate_of(client);
        let (mut rest, mut piece) = (orders, rate.get());
        while let Some(orders) = NonZeroU32::new(rest.min(piece)) {
            match self.try_take(rate, &client.name, orders) {
                Ok(_) => {
                    rest -= orders.get();
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
    pub(crate) async fn forget_quiet_clients(&self, shutdown: &Shutdown) {
        while shutdown.soft().run_until_cancelled(tokio::time::sleep(FORGET)).await.is_some() {
            self.forget();
        }
    }

    fn forget(&self) {
        for limiter in self.limiters.read().unwrap_or_else(PoisonError::into_inner).values() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn rate_of(&self, client: &Client) -> NonZeroU32 {
        client.orders_per_s.unwrap_or(self.default)
    }

    /// `orders` are never more than the bucket holds. The error is how long to wait.
    fn try_take(&self, rate: NonZeroU32, name: &ClientName, orders: NonZeroU32) -> Result<Left, Duration> {
        match self.limiter(rate).check_key_n(name, orders) {
            Ok(Ok(state)) => {
                let orders = state.remaining_burst_capacity();
                let missing = f64::from(rate.get().saturating_sub(orders));
                Ok(Left { rate, orders, full_in: Duration::from_secs_f64(missing / f64::from(rate.get())) })
            }
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Err(_beyond_the_bucket) => Err(Duration::from_secs(1)),
        }
    }

    fn limiter(&self, rate: NonZeroU32) -> Arc<Limiter> {
        let limiters = self.limiters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = limiters.get(&rate) {
            return limiter.clone();
        }
        drop(limiters);
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(RateLimiter::dashmap(Quota::per_second(rate)).with_middleware());
        limiters.entry(rate).or_insert_with(new).clone()
    }
}

impl Left {
    /// Writes `RateLimit` and `RateLimit-Policy`.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let reset_s = self.full_in.as_secs() + u64::from(self.full_in.subsec_nanos() > 0);
        let policy = format!("\"orders\";q={};w=1", self.rate);
        let left = format!("\"orders\";r={};t={reset_s}", self.orders);
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_service::auth::Rights;

    fn client(name: &str, orders_per_s: Option<u32>) -> Client {
        Client {
            name: name.into(),
            rights: Rights::ALL,
            orders_per_s: orders_per_s.and_then(NonZeroU32::new),
            binding: None,
        }
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let rates = Rates::new(NonZeroU32::new(2).unwrap());
        let left: Vec<u32> = (0..2).map(|_| rates.take_one(&client("a", None)).unwrap().orders).collect();
        assert_eq!(left, [1, 0]);
        let problem = rates.take_one(&client("a", None)).unwrap_err();
        assert_eq!(problem.code(), forebay_service::problem::Code::RateLimited);
        assert!(rates.take_one(&client("b", None)).is_ok());
        assert_eq!(rates.take_one(&client("own", Some(50))).unwrap().orders, 49);
    }

    #[test]
    fn a_million_addresses_are_forgotten_and_the_busy_one_is_not() {
        const ADDRESSES: u32 = 1_000_000;
        let rates = Rates::new(NonZeroU32::new(1_000_000).unwrap());
        let remembered = || rates.limiters.read().unwrap().values().map(|limiter| limiter.len()).sum::<usize>();
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
        let rates = Rates::new(NonZeroU32::new(1000).unwrap());
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
        let rates = Rates::new(NonZeroU32::new(200).unwrap());
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
}
