//! Orders are read.

use std::time::Duration;

use forebay_api::{Code, Parameter};

use crate::Order;
use crate::answer::{Answer, Error};
use crate::client::{ANSWER_MAX, Client};
use crate::patience::Patience;

/// How long the service may wait for what a receipt names.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

impl Client {
    /// Reads an order; `None` where there is none. With the receipt of a request, all that it has accepted is there.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn order(&self, customer_id: &str, order_id: &str, after: Option<&str>) -> Result<Option<Order>, Error> {
        let wait_ms = VISIBLE_WITHIN.as_millis().to_string();
        let parameters = after.map(|after| [(Parameter::After, after), (Parameter::WaitMs, wait_ms.as_str())]);
        let path = ["v1", "customers", customer_id, "orders", order_id];
        let mut patience = Patience::new(self.patience);
        loop {
            let request = self.query.get(path, parameters.into_iter().flatten());
            let answer = Answer::of(self.query.response(request.timeout(ANSWER_MAX + VISIBLE_WITHIN)).await);
            match patience.judge(answer).await {
                Ok(None) => {}
                Err(Error::Refused(refusal)) if refusal.code() == Some(Code::NotFound) => return Ok(None),
                order => return order,
            }
        }
    }
}
