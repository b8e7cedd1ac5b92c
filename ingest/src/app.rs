//! What handlers share.

use std::sync::{Arc, OnceLock};

use forebay_log::Log;
use forebay_model::{EventParser, OrderParser, ShardMap, ViewSet};
use forebay_service::limit::{Policy, Rates};
use forebay_service::{BadSetting, Problem, Service, Shutdown};
use metrics::{Counter, counter};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Settings;
use crate::admission::{Admission, EventAdmission, OrderSchema};
use crate::append::Appender;
use crate::keys::Keys;
use crate::memory::Memory;
use crate::metrics::{ACCEPTED_EVENTS, ACCEPTED_ORDERS};
use crate::sender::Sender;

/// What handlers share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    ahead_max_us: i64,
    order_schema: Option<OrderSchema>,
    memory: Memory,
    rates: Arc<Rates>,
    keys: Keys,
    shutdown: Shutdown,
    batch_bytes_max: u64,
    accepted: Counter,
    accepted_events: Counter,
    /// Empty until the log was reached for the first time.
    log: OnceLock<Connected>,
}

struct Connected {
    map: watch::Receiver<Option<Arc<ShardMap>>>,
    appender: Appender,
}

impl App {
    /// # Errors
    /// [`BadSetting`].
    pub(crate) fn new(settings: &Settings, service: &Service) -> Result<Self, BadSetting> {
        let options = &settings.options;
        let ahead_max_us = i64::try_from(options.ahead_max.as_micros()).unwrap_or(i64::MAX);
        let order_schema = options.order_schema.as_deref().map(OrderSchema::in_file).transpose()?;
        Ok(Self(Arc::new(Inner {
            ahead_max_us,
            order_schema,
            memory: Memory::new(options.memory_max.as_u64() as usize),
            rates: Rates::start(
                Policy { unit: "orders", default: options.orders_per_s, own: |client| client.orders_per_s },
                &service.lifecycle,
            ),
            keys: Keys::new(Instant::now()),
            shutdown: service.shutdown().clone(),
            batch_bytes_max: options.batch_bytes_max.as_u64(),
            accepted: counter!(ACCEPTED_ORDERS.name),
            accepted_events: counter!(ACCEPTED_EVENTS.name),
            log: OnceLock::new(),
        })))
    }

    /// Notes that the log was reached.
    pub(crate) fn set_log(&self, log: &Log, appender: Appender) {
        // It is reached for the first time only once.
        let _ = self.0.log.set(Connected { map: log.map(), appender });
    }

    fn log(&self) -> Result<&Connected, Problem> {
        self.0.log.get().ok_or_else(|| Problem::log_unreachable("the log has not been reached yet"))
    }

    /// Reads a sender's orders by the settings of the system, as a map has them, and of this process.
    pub(crate) fn admission(&self, map: &ShardMap, sender: &Sender) -> Admission {
        let settings = map.settings();
        let parser = OrderParser::new(settings.views.in_force().clone(), settings.currency, self.0.ahead_max_us);
        Admission { parser, schema: self.0.order_schema.clone(), sender: sender.clone() }
    }

    /// Reads a sender's events by the settings of the system, as a map has them.
    pub(crate) fn event_admission(&self, map: &ShardMap, sender: &Sender) -> EventAdmission {
        let parser = EventParser::new(map.settings().views.in_force().clone(), self.0.ahead_max_us);
        EventAdmission { parser, sender: sender.clone() }
    }

    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `log_unreachable` or `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        let map = self.log()?.map.borrow().clone();
        map.ok_or_else(|| Problem::not_ready("there is no shard map yet: no writer has been started on this log"))
    }

    /// The views that keys are checked of.
    ///
    /// # Errors
    /// As [`App::map`].
    pub(crate) fn views(&self) -> Result<ViewSet, Problem> {
        Ok(self.map()?.settings().views.in_force().clone())
    }

    /// What logs facts.
    ///
    /// # Errors
    /// The problem `log_unreachable` before the log was reached.
    pub(crate) fn appender(&self) -> Result<&Appender, Problem> {
        Ok(&self.log()?.appender)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    pub(crate) fn batch_bytes_max(&self) -> u64 {
        self.0.batch_bytes_max
    }

    pub(crate) fn count_accepted(&self, orders: u64) {
        self.0.accepted.increment(orders);
    }

    pub(crate) fn count_accepted_events(&self, events: u64) {
        self.0.accepted_events.increment(events);
    }
}
