//! Asking for exports, and reading them.

mod exports;
mod torn;

use bytes::Bytes;
use forebay_parquet::Table;
use reqwest::Response;
use serde_json::Value;

use crate::scene::Scene;

pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const CSV: &str = "text/csv";
pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";

pub(crate) fn accepting(scene: &Scene, path: &str, form: &str) -> reqwest::RequestBuilder {
    scene.query.request(path).header("accept", form)
}

pub(crate) async fn export(scene: &Scene, path: &str, form: &str) -> Response {
    let answer = accepting(scene, path, form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer
}

/// The orders of an export, as pages have them.
pub(crate) fn read(form: &str, body: &Bytes) -> Vec<Value> {
    match form {
        NDJSON => body.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(parsed).collect(),
        CSV => {
            let mut reader = csv::Reader::from_reader(&body[..]);
            let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
            let rows = reader.byte_records().map(Result::unwrap);
            rows.map(|row| order(names.iter().map(String::as_str).zip(row.iter()))).collect()
        }
        _ => {
            let mut table = Table::open(body.clone()).unwrap();
            let mut orders = Vec::new();
            while table.next_row().unwrap() {
                let cells = table.names().iter().enumerate();
                orders.push(order(cells.map(|(place, name)| (name.as_str(), table.cell(place).unwrap()))));
            }
            orders
        }
    }
}

fn order<'a>(cells: impl Iterator<Item = (&'a str, &'a [u8])>) -> Value {
    let mut order = serde_json::Map::new();
    for (name, cell) in cells {
        match name {
            "attributes" => order.extend(parsed(cell).as_object().unwrap().clone()),
            "total" | "subtotal" | "items" => drop(order.insert(name.to_owned(), parsed(cell))),
            _ => drop(order.insert(name.to_owned(), String::from_utf8(cell.to_vec()).unwrap().into())),
        }
    }
    order.into()
}

pub(crate) fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}
