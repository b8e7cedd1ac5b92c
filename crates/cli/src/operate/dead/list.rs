//! `forebay dead list`.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_admin::dead::{self, Filters, LetterReport, Listing};
use forebay_terminal::{grouped, note, or_dash, out};

use super::args::List;

pub(super) async fn run(args: List) -> Result<ExitCode> {
    let filters = Filters::from(args.filters);
    let listing = dead::list(&args.system.find().await?, &filters, args.limit).await?;
    out!("{}", if args.json { serde_json::to_string_pretty(&listing)? } else { text(&listing, &filters) })?;
    for sentence in &listing.unread {
        note!("forebay: {sentence}");
    }
    Ok(if listing.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(listing: &Listing, filters: &Filters) -> String {
    if listing.counts.is_empty() {
        let none = if !listing.unread.is_empty() {
            "There are none on the shards that were read."
        } else if filters.is_empty() {
            "There are no dead letters."
        } else {
            "No dead letters match."
        };
        return none.to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["letter", "died", "lane", "reason", "customer", "order", "what was wrong", "requeued"]);
    table.add_rows(listing.letters.iter().map(row));
    let counts = listing.counts.iter().map(|count| {
        let (letters, rows, requeued) = (grouped(count.letters), grouped(count.rows), grouped(count.requeued));
        format!("lane {}, {}: {letters} letters, {rows} rows, {requeued} requeued", count.lane, count.reason)
    });
    format!("{table}\n\n{}", counts.collect::<Vec<_>>().join("\n"))
}

fn row(letter: &LetterReport) -> Vec<String> {
    vec![
        letter.address.to_string(),
        letter.died_at.clone(),
        letter.lane.to_string(),
        letter.reason.to_string(),
        or_dash(letter.customer_id.as_ref()),
        or_dash(letter.order_id.as_ref()),
        letter.detail.lines().next().unwrap_or_default().to_owned(),
        letter.requeued_at.clone().unwrap_or_else(|| "no".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use forebay_admin::dead::Count;
    use forebay_model::Lane;
    use forebay_shard::Reason;

    use super::*;

    #[test]
    fn snapshot_of_letters() {
        let at = "2025-06-30T12:30:00Z";
        let letter = |address: &str, order_id: Option<&str>, requeued_at: Option<&str>| LetterReport {
            address: address.parse().unwrap(),
            lane: Lane::Orders,
            reason: Reason::Conflict,
            detail: "its total is another\nand more".to_owned(),
            sqlstate: None,
            tenant: None,
            customer_id: order_id.map(|_| "CUST789".to_owned()),
            order_id: order_id.map(str::to_owned),
            ordered_at: None,
            differs: BTreeSet::new(),
            content: None,
            stored: None,
            position: "1.460".to_owned(),
            row: 0,
            rows: 1,
            epoch: 1,
            enqueued_at: None,
            died_at: at.to_owned(),
            requeued_at: requeued_at.map(str::to_owned),
            bytes: None,
        };
        let (lane, reason) = (Lane::Orders, Reason::Conflict);
        let listing = Listing {
            letters: vec![letter("1/17", Some("ORD1"), Some(at)), letter("0/4", None, None)],
            counts: vec![Count { lane, reason, letters: 1200, rows: 1200, requeued: 1 }],
            unread: Vec::new(),
        };
        let filters = Filters::default();
        insta::assert_snapshot!(text(&listing, &filters));
        insta::assert_snapshot!(text(&Listing::default(), &filters), @"There are no dead letters.");
    }
}
