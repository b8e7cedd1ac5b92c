//! Orders as a file, and as the tuples that they become.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use forebay_model::fact::FramePart;
use forebay_model::tuple::Tuples;
use forebay_model::{
    Currency, Deriver, Facts, Hash, Lane, OrderParser, ShardMap, StoredOrder, Tenant, Timestamp, ViewSet,
};
use forebay_stack::program;

use crate::servers::SERVERS;

/// The views of a system that has none but the usual one.
pub const SELLER_VIEW: &str = "seller=items[].seller_id";
/// How many rows a transaction of a limit has.
pub const TRANSACTION_ROWS: u64 = 10_000;
/// How much is read and written at one time.
const BUFFER_BYTES: usize = 1 << 20;

/// Which orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recipe {
    /// How many.
    pub orders: u64,
    /// Of how many customers, who all order as often.
    pub customers: u32,
    /// From 2025-01-01 on, over how many days.
    pub days: u32,
    /// Whether they go to all lanes: with ids of the client and the seller view. Otherwise Forebay assigns the ids, and
    /// there is no view, so that they go to lane `orders` only.
    pub all_lanes: bool,
    /// Another seed makes other orders.
    pub seed: u64,
}

/// Orders as a file, and as the tuples that they become.
pub struct Dataset {
    /// What was asked for.
    pub recipe: Recipe,
    /// NDJSON.
    pub file: PathBuf,
    /// Of how many rows they are in all lanes.
    pub rows: u64,
    /// For each shard the transactions of its limit, in order.
    pub shards: Vec<Vec<Batch>>,
}

/// What happened to orders, as a file.
pub struct EventsFile {
    /// NDJSON.
    pub file: PathBuf,
    /// How many.
    pub lines: u64,
}

/// Some rows of a lane, as one transaction copies them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they go.
    pub lane: Lane,
    /// How many they are.
    pub rows: u64,
    /// COPY tuples.
    pub tuples: Bytes,
}

impl Recipe {
    /// The views of a system for these orders, as its setting has them.
    pub fn views(&self) -> &'static str {
        if self.all_lanes { SELLER_VIEW } else { "" }
    }

    /// An order a day, for the partitions that the recipe's orders need. All such recipes of as many days are equal.
    #[must_use]
    pub fn days_only(&self) -> Self {
        Self { orders: u64::from(self.days), customers: 1, seed: 0, all_lanes: true, ..*self }
    }

    /// What `forebay` is told to generate them.
    fn arguments(&self) -> Vec<String> {
        let ids = if self.all_lanes { "client" } else { "none" };
        let figures = [
            ("orders", self.orders),
            ("customers", self.customers.into()),
            ("days", self.days.into()),
            ("seed", self.seed),
        ];
        let mut arguments: Vec<String> =
            ["generate", "--skew", "0", "--from", "2025-01-01", "--ids", ids].map(str::to_owned).into();
        arguments.extend(figures.into_iter().map(|(name, figure)| format!("--{name}={figure}")));
        arguments
    }
}

impl Dataset {
    /// Makes them, and writes the file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn make(recipe: Recipe, file: PathBuf) -> Result<Self> {
        let mut child = Command::new(program("forebay")?).args(recipe.arguments()).stdout(Stdio::piped()).spawn()?;
        let mut orders = BufReader::with_capacity(BUFFER_BYTES, child.stdout.take().context("no standard output")?);
        let out = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let mut gather = Gather::new(recipe)?;
        let mut line = Vec::new();
        while orders.read_until(b'\n', &mut line)? > 0 {
            number_customer(&mut line);
            gather.add(&line)?;
            out.write_all(&line)?;
            line.clear();
        }
        out.flush()?;
        let status = child.wait()?;
        ensure!(status.success() && gather.orders == recipe.orders, "{} orders were made: {status}", gather.orders);
        let (rows, shards) = gather.finish();
        Ok(Self { recipe, file, rows, shards })
    }

    /// Writes a file of the events of these orders that are wanted, at most `most`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn events(&self, file: PathBuf, most: u64, mut is_wanted: impl FnMut(&[u8]) -> bool) -> Result<EventsFile> {
        let mut command = Command::new(program("forebay")?);
        let mut child = command.args(self.recipe.arguments()).arg("--events").stdout(Stdio::piped()).spawn()?;
        let mut events = BufReader::with_capacity(BUFFER_BYTES, child.stdout.take().context("no standard output")?);
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(&file)?);
        let (mut lines, mut line) = (0, Vec::new());
        while lines < most && events.read_until(b'\n', &mut line)? > 0 {
            number_customer(&mut line);
            if is_wanted(&line) {
                out.write_all(&line)?;
                lines += 1;
            }
            line.clear();
        }
        out.flush()?;
        // It may have had more to write than is wanted.
        drop(events);
        child.wait()?;
        ensure!(lines > 0, "no events were made");
        Ok(EventsFile { file, lines })
    }

    /// Every line of the file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn lines(&self) -> Result<Vec<Bytes>> {
        lines(&self.file)
    }
}

impl EventsFile {
    /// Every line of the file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&self) -> Result<Vec<Bytes>> {
        lines(&self.file)
    }
}

/// The text of a field of a line as `forebay generate` writes it.
pub fn field<'l>(line: &'l [u8], name: &str) -> Option<&'l str> {
    let (_, rest) = str::from_utf8(line).ok()?.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

/// A customer's id, which is a number: pgbench computes only with numbers.
pub fn customer_id(customer: u32) -> String {
    format!("9{customer:05}")
}

/// Makes of the customer `CUST00017` in a line the number 900017.
fn number_customer(line: &mut Vec<u8>) {
    const NAME: &[u8] = b"CUST";
    if let Some(place) = line.windows(NAME.len()).position(|bytes| bytes == NAME) {
        line.splice(place..place + NAME.len(), *b"9");
    }
}

fn lines(file: &Path) -> Result<Vec<Bytes>> {
    let text = Bytes::from(std::fs::read(file)?);
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place);
    let mut begin = 0;
    Ok(ends.map(|end| text.slice(std::mem::replace(&mut begin, end + 1)..end)).collect())
}

/// Makes tuples of orders and of what follows from them, as ingest and writer do, and transactions of tuples.
struct Gather {
    parser: OrderParser,
    deriver: Deriver,
    now: Timestamp,
    open: HashMap<(usize, Lane), (u64, Vec<u8>)>,
    shards: Vec<Vec<Batch>>,
    rows: u64,
    orders: u64,
}

impl Gather {
    fn new(recipe: Recipe) -> Result<Self> {
        let count = NonZeroU16::try_from(u16::try_from(SERVERS)?)?;
        let views = recipe.views().parse::<ViewSet>()?;
        Ok(Self {
            parser: OrderParser::new(views.clone(), Currency::DEFAULT, 0),
            deriver: Deriver::new(views, Arc::new(ShardMap::even(count, Hash::Md5))),
            now: Timestamp::now(),
            open: HashMap::new(),
            shards: vec![Vec::new(); SERVERS],
            rows: 0,
            orders: 0,
        })
    }

    fn add(&mut self, line: &[u8]) -> Result<()> {
        let draft = self.parser.parse(line, self.now).context("an order that was made here is not valid")?;
        self.orders += 1;
        // Where an id is assigned, its random part is another one than ingest's.
        let random = self.orders.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (mut logged, mut derived) = (Facts::default(), Facts::default());
        let map = self.deriver.map();
        logged.add(&draft.settle(Tenant::none(), map, self.now, random), map);
        for part in logged.into_parts() {
            for tuple in Tuples::new(part.lane, &part.tuples) {
                self.deriver.derive(&StoredOrder::of(&tuple?), &mut derived);
            }
            self.push(&part);
        }
        derived.into_parts().iter().for_each(|part| self.push(part));
        Ok(())
    }

    fn push(&mut self, part: &FramePart) {
        let (lane, shard) = (part.lane, usize::from(part.shard.0));
        let (rows, tuples) = self.open.entry((shard, lane)).or_default();
        if *rows + u64::from(part.rows) > TRANSACTION_ROWS {
            let batch = Batch { lane, rows: *rows, tuples: Bytes::from(std::mem::take(tuples)) };
            *rows = 0;
            self.shards[shard].push(batch);
        }
        tuples.extend_from_slice(&part.tuples);
        *rows += u64::from(part.rows);
        self.rows += u64::from(part.rows);
    }

    fn finish(mut self) -> (u64, Vec<Vec<Batch>>) {
        for ((shard, lane), (rows, tuples)) in self.open {
            if rows > 0 {
                self.shards[shard].push(Batch { lane, rows, tuples: Bytes::from(tuples) });
            }
        }
        (self.rows, self.shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::tuple::Tuples;

    fn make(all_lanes: bool) -> (tempfile::TempDir, Dataset) {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { orders: 35_000, customers: 500, days: 10, all_lanes, seed: 1 };
        let dataset = Dataset::make(recipe, dir.path().join("orders")).unwrap();
        (dir, dataset)
    }

    fn rows(dataset: &Dataset, lane: Lane) -> u64 {
        dataset.shards.iter().flatten().filter(|batch| batch.lane == lane).map(|batch| batch.rows).sum()
    }

    #[test]
    fn the_limit_gets_every_row_of_every_lane() {
        let (_dir, dataset) = make(true);
        assert_eq!(rows(&dataset, Lane::Orders), 35_000);
        assert_eq!(rows(&dataset, Lane::Index), 35_000);
        assert!(rows(&dataset, Lane::Views) >= 35_000);
        assert_eq!(dataset.shards.iter().flatten().map(|batch| batch.rows).sum::<u64>(), dataset.rows);
        for batch in dataset.shards.iter().flatten() {
            assert!(batch.rows <= TRANSACTION_ROWS);
            assert_eq!(Tuples::new(batch.lane, &batch.tuples).map(Result::unwrap).count() as u64, batch.rows);
        }
        let lines = dataset.lines().unwrap();
        assert_eq!(lines.len(), 35_000);
        assert!(lines.iter().all(|line| line.starts_with(b"{") && line.ends_with(b"}")));
        let customers: Vec<String> =
            (0..500).map(|customer| format!("\"customer_id\":\"{}\"", customer_id(customer))).collect();
        let first = String::from_utf8(lines[0].to_vec()).unwrap();
        assert!(customers.iter().any(|customer| first.contains(customer)), "{first}");
    }

    #[test]
    fn assigned_ids_need_no_index() {
        let (_dir, dataset) = make(false);
        assert_eq!((rows(&dataset, Lane::Orders), dataset.rows), (35_000, 35_000));
    }

    #[test]
    fn orders_of_as_many_days_need_the_same_partitions() {
        let recipe = Recipe { orders: 7, customers: 5, days: 10, all_lanes: false, seed: 1 };
        let other = Recipe { orders: 8, customers: 6, days: 10, all_lanes: true, seed: 2 };
        assert_eq!(recipe.days_only(), other.days_only());
        assert_ne!(recipe.days_only(), Recipe { days: 11, ..recipe }.days_only());
    }
}
