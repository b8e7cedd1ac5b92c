//! Sends very many facts through a system of its own, and compares what comes of them with a model.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use forebay_e2e::soak::{self, History};

/// Sends very many facts through a system of its own, and compares what comes of them with a model
#[derive(Debug, Parser)]
#[command(name = "./dev soak")]
struct Settings {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Orders and three times as many events in any order of arrival, some twice and some late: statuses, lists and totals
    Events {
        /// How many orders
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..10_000_000))]
        orders: u64,

        /// By which everything random is chosen; printed, so that it can be given again
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    let What::Events { orders, seed } = Settings::parse().what;
    let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
    println!("seed {seed}, {orders} orders");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let history = History { seed, orders };
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(unless_interrupted(history))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("failed: ./dev soak events --orders {orders} --seed {seed}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(64)
        }
    }
}

/// Where it is interrupted, servers and services go with it.
async fn unless_interrupted(history: History) -> Result<bool> {
    tokio::select! {
        is_right = soak::events(history) => is_right,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}
