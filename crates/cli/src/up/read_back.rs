//! Reads some of the sample back, as any client would.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use forebay_api::{Order, Page};
use forebay_model::Timestamp;
use serde::de::IgnoredAny;

use super::sample::Last;

const HOUR_US: i64 = 3_600_000_000;

/// What was read back.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// The last order's customer, up to that order: newest first.
    pub(super) of_customer: FirstPage,
    /// Everybody's orders of the hour up to the last order: newest first.
    pub(super) of_hour: FirstPage,
}

/// A first page of orders.
#[derive(Debug)]
pub(super) struct FirstPage {
    /// How it was asked for.
    pub(super) url: String,
    pub(super) orders: usize,
    pub(super) has_more: bool,
}

/// Reads the last order's customer, and the hour up to that order.
///
/// # Errors
/// When query does not answer, or the order is not what it begins with.
pub(super) async fn read_back(query: &str, token: Option<&str>, last: &Last) -> Result<ReadBack> {
    let at =
        Timestamp::parse(&last.timestamp).map_err(|error| anyhow!("the sample's last order: timestamp {error}"))?;
    // `to` is exclusive.
    let (from, to) = (at.plus_us(1000 - HOUR_US), at.plus_us(1000));
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let of_customer = format!("{query}/v1/customers/{}/orders?to={to}&limit=5", last.customer_id);
    let of_hour = format!("{query}/v1/orders?from={from}&to={to}&limit=5");
    let of_customer = FirstPage::read(&http, token, of_customer, last).await?;
    let of_hour = FirstPage::read(&http, token, of_hour, last).await?;
    Ok(ReadBack { of_customer, of_hour })
}

impl FirstPage {
    async fn read(http: &reqwest::Client, token: Option<&str>, url: String, first: &Last) -> Result<Self> {
        let mut question = http.get(&url);
        if let Some(token) = token {
            question = question.bearer_auth(token);
        }
        let answer = question.send().await.with_context(|| format!("query does not answer GET {url}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("query does not finish its answer to GET {url}"))?;
        ensure!(status.is_success(), "query answers GET {url} with {status}: {text}");
        let Page { data, has_more, .. } =
            serde_json::from_str(&text).with_context(|| format!("query answers GET {url} with no page"))?;
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
