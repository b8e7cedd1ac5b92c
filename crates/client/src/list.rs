//! Lists, page by page.

use forebay_api::{Page, Parameter};

use crate::Order;
use crate::answer::{Answer, Error};
use crate::client::{ANSWER_MAX, Client};
use crate::patience::Patience;

/// A list of orders, the newest first.
#[derive(Clone, Debug)]
pub struct List {
    path: Vec<String>,
    parameters: Vec<(Parameter, String)>,
}

/// A walk over a list.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    list: List,
    cursor: Option<String>,
    is_over: bool,
}

impl List {
    /// The orders of everybody.
    pub fn of_all() -> Self {
        Self::at(&["orders"])
    }

    /// A customer's orders.
    pub fn of_customer(customer_id: &str) -> Self {
        Self::at(&["customers", customer_id, "orders"])
    }

    /// What a key of a view sees: `of_view("sellers", "S7")`. The view goes by its plural.
    pub fn of_view(view: &str, key: &str) -> Self {
        Self::at(&[view, key, "orders"])
    }

    fn at(path: &[&str]) -> Self {
        let path = ["v1"].iter().chain(path).map(|&segment| segment.to_owned());
        Self { path: path.collect(), parameters: Vec::new() }
    }

    /// The same, with that parameter: `List::of_all().with(Parameter::Earliest, "2025-06-30T00:00:00Z")`.
    #[must_use]
    pub fn with(mut self, parameter: Parameter, value: impl Into<String>) -> Self {
        self.parameters.push((parameter, value.into()));
        self
    }
}

impl Client {
    /// Walks over a list from its beginning.
    pub fn pages(&self, list: List) -> Pages {
        Pages { client: self.clone(), list, cursor: None, is_over: false }
    }
}

impl Pages {
    /// The next page; `None` behind the last one. It may be called again after an error.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Result<Option<Vec<Order>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let mut patience = Patience::new(self.client.patience);
        loop {
            if let Some(page) = patience.judge(self.ask().await).await? {
                self.is_over = !page.has_more;
                self.cursor = page.next_cursor;
                return Ok(Some(page.data));
            }
        }
    }

    async fn ask(&self) -> Answer<Page<Order>> {
        let Self { client, list, cursor, .. } = self;
        let cursor = cursor.as_ref().map(|cursor| (Parameter::Cursor, cursor));
        let parameters = list.parameters.iter().map(|(parameter, value)| (*parameter, value)).chain(cursor);
        let parameters = parameters.map(|(parameter, value)| (parameter, value.as_str()));
        let request = client.query.get(list.path.iter().map(String::as_str), parameters);
        Answer::of(client.query.response(request.timeout(ANSWER_MAX)).await)
    }
}
