//! Orders without an id: what tells their files apart.

use std::io::Write;

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const MAP: &str = r#"
customer_id = "customer"
timestamp = { column = "date", format = "%Y%m%d", zone = "UTC" }
[item]
sku = { constant = "CD" }
quantity = "qty"
price = { column = "dollars", scale = 2, of = "line" }
"#;
const HEADER: &str = "customer,date,qty,dollars\n";
const LINES: &str = "00001,20210101,1,11.77\n00002,20210112,1,12.00\n00002,20210112,5,77.00\n";

struct Shop {
    forebay: Forebay,
    ingest: Ingest,
}

impl Shop {
    async fn new(name: &str) -> Self {
        let (forebay, ingest) = (Forebay::new(), Ingest::start(name, &[]).await);
        forebay.write("map.toml", MAP);
        Self { forebay, ingest }
    }

    /// Sends a file, and gives how many orders there are now, and what was said.
    async fn replay(&self, file: &str, more: &[&str]) -> (usize, String) {
        let to = self.ingest.url();
        let ran = self.forebay.run(&[&["replay", file, "--map", "map.toml", "--to", &to], more].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        (self.ingest.logged().await.len(), ran.stderr)
    }
}

#[tokio::test]
async fn a_file_that_is_sent_again_copied_compressed_or_grown_brings_the_same_ids() {
    let shop = Shop::new("copies").await;
    let text = format!("{HEADER}{LINES}");
    shop.forebay.write("a.csv", &text);
    assert_eq!(shop.replay("a.csv", &[]).await.0, 3);
    assert_eq!(shop.replay("a.csv", &[]).await.0, 3);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    shop.forebay.write("copy.csv.gz", gzip.finish().unwrap());
    assert_eq!(shop.replay("copy.csv.gz", &[]).await.0, 3);
    shop.forebay.write("a.csv", text + "00003,20210113,1,1.00\n");
    let (orders, said) = shop.replay("a.csv", &[]).await;
    assert!(orders == 4 && !said.contains("grown"), "{said}");
}

#[tokio::test]
async fn equal_lines_of_files_that_share_a_header_are_orders_of_their_own() {
    let shop = Shop::new("headers").await;
    shop.forebay.write("one.csv", format!("{HEADER}{LINES}"));
    shop.forebay.write("two.csv", format!("{HEADER}{}", LINES.replace("77.00", "78.00")));
    assert_eq!(shop.replay("one.csv", &[]).await.0, 3);
    assert_eq!(shop.replay("two.csv", &[]).await.0, 6);
    // What begins with all of another file has grown from it, and that is said; a name tells them apart.
    shop.forebay.write("three.csv", format!("{HEADER}{LINES}00009,20210113,1,1.00\n"));
    let (orders, said) = shop.replay("three.csv", &[]).await;
    assert!(orders == 7 && said.contains("three.csv begins with all of one.csv"), "{said}");
    assert_eq!(shop.replay("three.csv", &["--source", "third shop"]).await.0, 11);
}

#[tokio::test]
async fn a_directory_and_a_pattern_are_their_files() {
    let shop = Shop::new("directory").await;
    std::fs::create_dir(shop.forebay.path("in")).unwrap();
    for number in 0..3 {
        shop.forebay.write(&format!("in/{number}.csv"), format!("{HEADER}0000{number},20210101,1,11.77\n"));
    }
    assert_eq!(shop.replay("in/[01].csv", &[]).await.0, 2);
    assert_eq!(shop.replay("in", &[]).await.0, 3);
}
