//! What an order is in the end, as a list shows it: a model that has all of its events, and sorts them first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::{Event, Item, STATES, Sold, sku, time};

/// Whose orders a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum List {
    All,
    Customer(u32),
    Seller(u32),
    Warehouse(u32),
}

/// An order at some time: as it was placed, or as an amendment has left it.
#[derive(Clone, Copy)]
struct Version<'s> {
    /// How many of the sorted events lie before it.
    behind: usize,
    items: &'s [Item],
    warehouse: Option<u32>,
}

/// What a list has of an order in the end.
pub(super) struct Share<'s> {
    list: List,
    sold: &'s Sold,
    /// The items that are left; none where all were taken away.
    items: Vec<&'s Item>,
    /// What the list is told of: nothing that happens when the order is another's.
    told: Vec<&'s Event>,
    /// How many of each SKU it can have back at most, where it is not the whole order.
    most: BTreeMap<u32, i64>,
}

/// What the events of a share come to.
struct Life {
    status: &'static str,
    status_at: i64,
    /// How many of which SKU came back.
    back: BTreeMap<u32, i64>,
}

impl List {
    /// The list, as a path.
    pub(super) fn path(self) -> String {
        match self {
            Self::All => "/v1/orders".to_owned(),
            _ => format!("{}/orders", self.key()),
        }
    }

    /// Its totals.
    pub(super) fn totals(self) -> String {
        match self {
            Self::All => "/v1/orders/totals".to_owned(),
            _ => format!("{}/totals", self.key()),
        }
    }

    fn key(self) -> String {
        match self {
            Self::All => String::new(),
            Self::Customer(number) => format!("/v1/customers/C{number}"),
            Self::Seller(number) => format!("/v1/sellers/S{number}"),
            Self::Warehouse(number) => format!("/v1/warehouses/W{number}"),
        }
    }

    const fn is_view(self) -> bool {
        matches!(self, Self::Seller(_) | Self::Warehouse(_))
    }
}

impl<'s> Version<'s> {
    fn items_of(&self, list: List) -> Vec<&'s Item> {
        let is_of = |item: &&Item| match list {
            List::All | List::Customer(_) => true,
            List::Seller(seller) => item.seller == Some(seller),
            List::Warehouse(warehouse) => self.warehouse == Some(warehouse),
        };
        self.items.iter().filter(is_of).collect()
    }
}

impl Sold {
    /// By their own times; of one instant, states come last, each behind those that it follows on.
    fn sorted(&self) -> Vec<&Event> {
        let mut sorted: Vec<&Event> = self.events.iter().collect();
        let rank = |event: &Event| STATES.iter().position(|state| *state == event.kind);
        sorted.sort_by_key(|event| (event.at_us, rank(event), event.number));
        sorted
    }

    fn versions<'s>(&'s self, sorted: &[&'s Event]) -> Vec<Version<'s>> {
        let mut versions = vec![Version { behind: 0, items: &self.items, warehouse: self.warehouse }];
        let mut now = versions[0];
        for (place, &event) in sorted.iter().enumerate().filter(|(_, event)| event.kind == "amended") {
            now.behind = place + 1;
            now.items = self.items_anew(event).unwrap_or(now.items);
            now.warehouse = event.warehouse.unwrap_or(now.warehouse);
            versions.push(now);
        }
        versions
    }

    /// Those that an amendment gives, unless they are of the wrong kind.
    fn items_anew<'s>(&self, event: &'s Event) -> Option<&'s [Item]> {
        event.items.as_deref().filter(|items| items.iter().all(|item| (item.quantity < 0) == self.is_return))
    }

    /// Every list that has it, or has had it.
    pub(super) fn lists(&self) -> Vec<List> {
        let mut keys: Vec<List> = Vec::new();
        for version in self.versions(&self.sorted()) {
            let sellers = version.items.iter().filter_map(|item| item.seller).map(List::Seller);
            for key in sellers.chain(version.warehouse.map(List::Warehouse)) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys.extend([List::All, List::Customer(self.customer)]);
        keys
    }

    /// What a list has of it; nothing where it never had it.
    pub(super) fn share(&self, list: List) -> Option<Share<'_>> {
        if matches!(list, List::Customer(customer) if customer != self.customer) {
            return None;
        }
        let sorted = self.sorted();
        let versions = self.versions(&sorted);
        let last_had = versions.iter().rposition(|version| !version.items_of(list).is_empty())?;
        let end = versions.get(last_had + 1).map_or(sorted.len(), |gone| gone.behind);
        let mut most = BTreeMap::new();
        for version in versions.iter().filter(|version| version.behind <= end) {
            // A warehouse that an order comes to knows all that it has had.
            let known = if matches!(list, List::Warehouse(_)) { List::All } else { list };
            for (sku, quantity) in quantities(&version.items_of(known)) {
                let had = most.entry(sku).or_insert(0);
                *had = quantity.max(*had);
            }
        }
        let items = versions.last().map(|now| now.items_of(list)).unwrap_or_default();
        Some(Share { list, sold: self, items, told: sorted[..end].to_vec(), most })
    }
}

fn quantities(items: &[&Item]) -> BTreeMap<u32, i64> {
    let mut quantities = BTreeMap::new();
    for item in items {
        *quantities.entry(item.sku).or_insert(0) += item.quantity;
    }
    quantities
}

impl Share<'_> {
    /// Its status.
    pub(super) fn status(&self) -> &'static str {
        self.life().status
    }

    /// What its items come to, in minor units; nothing where none are left.
    pub(super) fn sum(&self) -> Option<i64> {
        (!self.items.is_empty()).then(|| self.items.iter().map(|item| item.sum()).sum())
    }

    fn ordered(&self) -> BTreeMap<u32, i64> {
        let mut ordered = quantities(&self.items);
        ordered.retain(|_, quantity| *quantity > 0);
        ordered
    }

    fn life(&self) -> Life {
        let ordered = self.ordered();
        let mut left = self.most.clone();
        let mut life = Life { status: "placed", status_at: self.sold.at_us, back: BTreeMap::new() };
        for event in &self.told {
            let mut is_state = STATES.contains(&event.kind);
            if event.kind == "returned" {
                if !self.give_back(event, &ordered, &mut left, &mut life.back) {
                    continue;
                }
                let is_back = |(sku, quantity): (&u32, &i64)| life.back.get(sku).is_some_and(|back| back >= quantity);
                is_state = !ordered.is_empty() && ordered.iter().all(is_back);
            }
            if is_state {
                (life.status, life.status_at) = (event.kind, event.at_us);
            }
        }
        life
    }

    /// Whether the list is told of it at all.
    fn give_back(
        &self,
        event: &Event,
        ordered: &BTreeMap<u32, i64>,
        left: &mut BTreeMap<u32, i64>,
        back: &mut BTreeMap<u32, i64>,
    ) -> bool {
        let Some(items) = &event.items else {
            for (sku, quantity) in ordered {
                let back = back.entry(*sku).or_insert(0);
                *back = (*back).max(*quantity);
            }
            return true;
        };
        let mut is_told = !self.list.is_view();
        for item in items {
            let left = left.entry(item.sku).or_insert(0);
            let quantity = if self.list.is_view() { item.quantity.min(*left) } else { item.quantity };
            if quantity > 0 {
                *left -= quantity;
                *back.entry(item.sku).or_insert(0) += quantity;
                is_told = true;
            }
        }
        is_told
    }

    /// The order as the list must show it.
    pub(super) fn json(&self) -> Value {
        let (sold, life, ordered) = (self.sold, self.life(), self.ordered());
        let mut json = json!({
            "order_id": sold.order_id(), "customer_id": sold.customer_id(), "timestamp": time(sold.at_us), "kind": sold.kind(),
            "currency": sold.currency, "items": self.items.iter().map(|item| item.json()).collect::<Value>(),
            "status": life.status, "status_at": time(life.status_at),
        });
        json[if self.list.is_view() { "subtotal" } else { "total" }] = self.sum().unwrap_or_default().into();
        if let Some(amended) = self.told.iter().rfind(|event| self.is_amended_by(event)) {
            json["amended_at"] = time(amended.at_us).into();
        }
        let mut returned = life.back;
        if self.list.is_view() {
            for (sku, back) in &mut returned {
                *back = (*back).min(ordered.get(sku).copied().unwrap_or_default());
            }
            returned.retain(|_, back| *back > 0);
            if self.items.is_empty() {
                json["withdrawn"] = true.into();
            }
        } else {
            let beyond = |(sku, back): (&u32, &i64)| (*sku, back - ordered.get(sku).copied().unwrap_or_default());
            tell(&mut json, "returned_beyond", returned.iter().map(beyond).filter(|(_, beyond)| *beyond > 0).collect());
            self.tell_fields(&mut json);
        }
        tell(&mut json, "returned", returned);
        json
    }

    /// Whether an amendment says something to the list.
    fn is_amended_by(&self, event: &Event) -> bool {
        let has_items = self.sold.items_anew(event).is_some();
        event.kind == "amended"
            && match self.list {
                List::All | List::Customer(_) => true,
                List::Seller(_) => has_items,
                List::Warehouse(_) => has_items || event.warehouse.is_some(),
            }
    }

    /// What only the whole order has.
    fn tell_fields(&self, json: &mut Value) {
        if let Some(warehouse) = self.sold.order_json().get("warehouse_id") {
            json["warehouse_id"] = warehouse.clone();
        }
        for event in &self.told {
            for (field, value) in event.set() {
                json[field] = value;
            }
            if let Some(amount) = event.amount {
                json[event.kind] = (json[event.kind].as_i64().unwrap_or_default() + amount).into();
            }
        }
    }
}

fn tell(json: &mut Value, name: &str, quantities: BTreeMap<u32, i64>) {
    if !quantities.is_empty() {
        json[name] = quantities.into_iter().map(|(number, quantity)| (sku(number), Value::from(quantity))).collect();
    }
}
