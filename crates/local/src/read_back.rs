//! Reads some of the sample back, as any client would.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use forebay_api::event::Timeline;
use forebay_api::{Order, Page};
use forebay_model::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::sample::{Ends, Sampled};

const HOUR_US: i64 = 3_600_000_000;

/// What was read back.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// The last order's customer, up to that order: newest first.
    pub(super) of_customer: FirstPage,
    /// Everybody's orders of the hour up to the last order: newest first.
    pub(super) of_hour: FirstPage,
    /// What became of the first order.
    pub(super) first: Life,
}

/// What became of an order.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) order_id: String,
    pub(super) status: String,
    /// How its timeline was asked for.
    pub(super) url: String,
    pub(super) events: usize,
}

/// A first page of orders.
#[derive(Debug)]
pub(super) struct FirstPage {
    /// How it was asked for.
    pub(super) url: String,
    pub(super) orders: usize,
    pub(super) has_more: bool,
}

/// Reads the last order's customer, the hour up to that order, and what became of the first one.
///
/// # Errors
/// When query does not answer, or the order is not what it begins with.
pub(super) async fn read_back(query: &str, token: Option<&str>, Ends { first, last }: &Ends) -> Result<ReadBack> {
    let at =
        Timestamp::parse(&last.timestamp).map_err(|error| anyhow!("the sample's last order: timestamp {error}"))?;
    // `to` is exclusive.
    let (from, to) = (at.plus_us(1000 - HOUR_US), at.plus_us(1000));
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let of_customer = format!("{query}/v1/customers/{}/orders?to={to}&limit=5", last.customer_id);
    let of_hour = format!("{query}/v1/orders?from={from}&to={to}&limit=5");
    let of_customer = FirstPage::read(&http, token, of_customer, last).await?;
    let of_hour = FirstPage::read(&http, token, of_hour, last).await?;
    let first = Life::read(&http, token, query, first).await?;
    Ok(ReadBack { of_customer, of_hour, first })
}

async fn get<T: DeserializeOwned>(http: &reqwest::Client, token: Option<&str>, url: &str) -> Result<T> {
    let mut question = http.get(url);
    if let Some(token) = token {
        question = question.bearer_auth(token);
    }
    let answer = question.send().await.with_context(|| format!("query does not answer GET {url}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("query does not finish its answer to GET {url}"))?;
    ensure!(status.is_success(), "query answers GET {url} with {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("query answers GET {url} with something else"))
}

impl Life {
    async fn read(http: &reqwest::Client, token: Option<&str>, query: &str, order: &Sampled) -> Result<Self> {
        let Sampled { order_id, customer_id, .. } = order;
        let url = format!("{query}/v1/customers/{customer_id}/orders/{order_id}");
        let read: Order<IgnoredAny> = get(http, token, &url).await?;
        let url = format!("{url}/events");
        let Timeline { data, .. }: Timeline<IgnoredAny> = get(http, token, &url).await?;
        Ok(Self { order_id: order_id.clone(), status: read.status.unwrap_or_default(), url, events: data.len() })
    }
}

impl FirstPage {
    async fn read(http: &reqwest::Client, token: Option<&str>, url: String, first: &Sampled) -> Result<Self> {
        let Page { data, has_more, .. } = get(http, token, &url).await?;
        let mut orders = data.iter().map(|order: &Order<IgnoredAny>| &order.order_id);
        ensure!(orders.any(|id| *id == first.order_id), "the sample's order {} is not in GET {url}", first.order_id);
        Ok(Self { url, orders: data.len(), has_more })
    }

    /// `5 orders and more`, `1 order`
    pub(super) fn count(&self) -> String {
        let orders = match self.orders {
            1 => "1 order".to_owned(),
            count => format!("{count} orders"),
        };
        if self.has_more { format!("{orders} and more") } else { orders }
    }
}
