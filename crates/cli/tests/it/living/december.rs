//! Totals of a real shop's month are what a few lines of awk add up straight from its files. They stand beside a checkout, in
//! `shared/data/online-retail`; where they do not, there is nothing to check.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::replaying::system::System;

/// Of every day, and of all: how many invoices, what sales come to and what returns give back, in pence. Lines of an invoice stand together;
/// one of which all goes back is a return, and nothing where it comes to nothing.
const AWK: &str = r#"
    function pence(price,   parts) { split(price, parts, "."); return parts[1] * 100 + substr(parts[2] "00", 1, 2) }
    function close_invoice() {
        if (invoice == "" || (negative == lines && total == 0)) return
        for (n = 1; n <= 2; n++) {
            of = n == 1 ? day : "all"
            count[of]++
            if (negative == lines && total < 0) returned[of] -= total; else gross[of] += total
        }
    }
    FNR > 1 {
        quantity = $(NF - 4)
        if ($1 != invoice) { close_invoice(); invoice = $1; day = substr($(NF - 3), 1, 10); total = lines = negative = 0 }
        lines++; negative += quantity < 0; total += quantity * pence($(NF - 2))
    }
    END { close_invoice(); for (of in count) printf "%s %d %d %d\n", of, count[of], gross[of], returned[of] }
"#;

fn december() -> Option<Vec<PathBuf>> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|place| place.join("shared/data/online-retail"));
    let place = places.into_iter().find(|place| place.is_dir())?;
    let files = std::fs::read_dir(place).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "csv")).collect();
    files.sort();
    Some(files)
}

/// What awk adds up of a day, or of all.
fn added_up(lines: &str, of: &str, period: Option<String>) -> Value {
    let line = lines.lines().find_map(|line| line.strip_prefix(of)).unwrap();
    let figures: Vec<i64> = line.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [count, gross, returned] = figures[..] else { panic!("{line}") };
    let mut total =
        json!({"currency": "GBP", "count": count, "gross": gross, "returned": returned, "net": gross - returned});
    if let Some(period) = period {
        total["period"] = period.into();
    }
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_of_a_real_month_are_what_awk_adds_up() {
    let Some(files) = december() else { return };
    let awk = Command::new("awk").args(["-F", ",", AWK]).args(&files).output().unwrap();
    assert!(awk.status.success(), "{}", String::from_utf8_lossy(&awk.stderr));
    let lines = String::from_utf8(awk.stdout).unwrap();
    let system = System::new("december").await;
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    // Some lines of some invoices are refused as write-offs.
    let ran = system.replay(&[&["--map", "online-retail"][..], &files[..]].concat()).await;
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    system.operated.drained().await;
    let told = async |path: &str| system.query.get(path).await.ok()["data"].take();
    let all = told("/v1/orders/totals").await;
    assert_eq!(all, json!([added_up(&lines, "all", None)]), "{lines}");
    let mut days: Vec<&str> =
        lines.lines().map(|line| line.split(' ').next().unwrap()).filter(|&day| day != "all").collect();
    days.sort_unstable();
    let expected: Vec<_> = days.iter().map(|day| added_up(&lines, day, Some(format!("{day}T00:00:00Z")))).collect();
    assert_eq!(told("/v1/orders/totals?by=day").await, json!(expected));
}
