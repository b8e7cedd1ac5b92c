//! `forebay generate`: NDJSON of plausible orders, or of what happened to them, the same for the same seed.

use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::{Context, Result};
use forebay_model::Timestamp;
use forebay_replay::generate::{Events, Orders, Recipe, write};
use forebay_service::BadSetting;

const DAY_MS: u64 = 86_400_000;

/// What `forebay generate` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How many orders
    #[arg(long, value_name = "N")]
    pub orders: u64,

    /// How many customers order
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub customers: u32,

    /// How many sellers sell
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub sellers: u32,

    /// How unevenly customers order: 0 evenly, 1 as in Zipf's law, up to 3
    #[arg(long, value_name = "S", default_value_t = 0.8, value_parser = skew)]
    pub skew: f64,

    /// Another seed makes other orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Whether orders carry an id, or leave it to Forebay to assign one
    #[arg(long, value_name = "WHOSE", default_value = "client")]
    pub ids: Ids,

    /// The day (or RFC 3339 time) from which on orders come; `now` lets the last one come now, and is therefore the one
    /// setting by which the same seed makes other orders tomorrow
    #[arg(long, value_name = "WHEN", default_value = "2025-06-01", value_parser = first_order)]
    pub from: FirstOrder,

    /// Over how many days the orders are spread
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,

    /// Which share of the orders are returns of what was sold before, such as 0.15
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub returns: f64,

    /// Write what happened to these orders instead of the orders: confirmed, paid, sometimes amended or cancelled, packed, shipped,
    /// delivered and, with --returns, returned and refunded
    #[arg(long)]
    pub events: bool,
}

/// Who gives orders their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ids {
    /// Nobody yet: orders have a time and no id
    None,
    /// The client: every order has an id
    Client,
}

/// When the first order may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstOrder {
    /// At that time.
    At(Timestamp),
    /// So that the last one comes now.
    UntilNow,
}

impl Args {
    /// The recipe that these arguments mean at the time `now`.
    pub fn recipe(&self, now: Timestamp) -> Recipe {
        let span_ms = u64::from(self.days) * DAY_MS;
        let from = match self.from {
            FirstOrder::At(from) => from,
            FirstOrder::UntilNow => {
                Timestamp::from_unix_us(now.unix_us() - i64::from(self.days) * DAY_MS as i64 * 1000)
            }
        };
        Recipe {
            orders: self.orders,
            customers: self.customers,
            sellers: self.sellers,
            skew: self.skew,
            seed: self.seed,
            with_ids: self.ids == Ids::Client,
            from,
            span_ms,
            returns: self.returns,
        }
    }
}

/// Writes the orders, or what happened to them, to standard output.
///
/// # Errors
/// When they cannot be written; a reader that has had enough is no error. [`BadSetting`] where events would not know their orders.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.events && args.ids == Ids::None {
        return Err(BadSetting::new("events name their orders by id: leave out --ids none").into());
    }
    let (recipe, out) = (args.recipe(Timestamp::now()), std::io::stdout().lock());
    let written = if args.events { write(Events::new(recipe), out) } else { write(Orders::new(recipe), out) };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn skew(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(skew) if (0.0..=3.0).contains(&skew) => Ok(skew),
        _ => Err("expected a number from 0 to 3".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to below 1".to_owned()),
    }
}

fn first_order(text: &str) -> Result<FirstOrder, String> {
    if text == "now" {
        return Ok(FirstOrder::UntilNow);
    }
    let at = Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")));
    at.map(FirstOrder::At).map_err(|_| "expected a day such as 2025-06-01, an RFC 3339 time, or now".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let june = Timestamp::parse("2025-06-01T00:00:00Z").unwrap();
        assert_eq!(first_order("2025-06-01"), Ok(FirstOrder::At(june)));
        assert_eq!(first_order("2025-06-01T02:00:00+02:00"), Ok(FirstOrder::At(june)));
        assert_eq!(first_order("now"), Ok(FirstOrder::UntilNow));
        assert!(first_order("yesterday").is_err() && skew("-1").is_err() && skew("NaN").is_err());
        assert!(share("1").is_err() && share("-0.1").is_err() && share("0.15") == Ok(0.15));
    }
}
