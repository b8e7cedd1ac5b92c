//! Requests share frames, and each is told of its own rows only: whatever duplicates, conflicts and refused rows there are, however
//! batches are cut, rolled back and sent again, and whatever is requeued, the counts of each request are those of a model.

use std::collections::BTreeMap;

use forebay_model::{Claimant, Lane, RequestId, Tenant, Timestamp};
use forebay_shard::read::{RequestFate, Scope, Sight};
use forebay_shard::{LogFrame, PoolSettings, Reason, ShardPool, StoreSettings};
use forebay_testkit::order::patched;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::facts::{Fact, fact, frame, overflowing};
use crate::scene::{Scene, Writer, tally};

const AT: [&str; 2] = ["2025-06-30T12:30:00Z", "2025-07-02T00:00:00Z"];
/// Microseconds since 2000 of the first of them.
const FIRST_AT: i64 = 804_601_800_000_000;
const REQUESTS: u8 = 4;
const CASES: u32 = 12;

/// What a row says.
#[derive(Clone, Copy, Debug)]
enum Row {
    /// Of which order, time and price it is.
    Good(u8, u8, u32),
    /// Postgres refuses it.
    Refused,
    /// No order can have its time.
    OutOfRange,
}

/// What is wrong with a frame as a whole: then it is one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Right,
    /// Its headers say another number of rows.
    Miscounted,
    /// It is of a later version: one row, whatever it has.
    Foreign,
}

/// Rows, each of one of the requests or of nobody.
#[derive(Clone, Debug)]
struct Logged {
    rows: Vec<(Row, Option<u8>)>,
    whole: Whole,
}

fn any_row() -> impl Strategy<Value = Row> {
    let good = |order| (order, 0u8..2, 1u32..3).prop_map(|(order, at, price)| Row::Good(order, at, price));
    prop_oneof![
        20 => good((0u8..4).boxed()),
        50 => good(any::<u8>().boxed()),
        2 => Just(Row::Refused),
        1 => Just(Row::OutOfRange),
    ]
}

fn any_log() -> impl Strategy<Value = Vec<Logged>> {
    let rows = prop::collection::vec((any_row(), prop::option::weighted(0.9, 0..REQUESTS)), 1..12);
    let whole = prop_oneof![20 => Just(Whole::Right), 1 => Just(Whole::Miscounted), 1 => Just(Whole::Foreign)];
    let logged = (rows, whole).prop_map(|(rows, whole)| Logged { rows, whole });
    prop::collection::vec(logged, 1..16)
}

/// How batches are cut, and whether each is rolled back at first.
fn any_cuts() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((1usize..5, prop::bool::weighted(0.2)), 8)
}

impl Row {
    fn tuple(self, case: u32) -> Vec<u8> {
        match self {
            Self::Good(order, at, price) => {
                Fact { customer: format!("C{case}"), ..fact(order).at(AT[at as usize]).price(price) }.order()
            }
            Self::Refused => overflowing(&fact("REFUSED")),
            Self::OutOfRange => patched(fact("OUTOFRANGE").order(), &FIRST_AT.to_be_bytes(), &(-1i64).to_be_bytes()),
        }
    }
}

/// The request of that number; its pieces are others.
fn request(case: u32, number: u8) -> RequestId {
    let at = Timestamp::from_unix_us(1_750_000_000_000_000 + i64::from(case) * 1_000_000);
    RequestId::new(at, u64::from(number) << 40)
}

/// A frame of rows, each of somebody or nobody.
fn frame_of(seq: u64, case: u32, rows: &[(Row, Option<Claimant>)]) -> LogFrame {
    let mut logged = frame(seq, &rows.iter().map(|(row, _)| row.tuple(case)).collect::<Vec<_>>());
    for (row, (_, of)) in (0..).zip(rows) {
        if let Some(of) = *of {
            logged.claims.push(row, of);
        }
    }
    logged
}

impl Logged {
    fn frame(&self, seq: u64, case: u32) -> LogFrame {
        let of = |number| Claimant { request: request(case, number), letter: None };
        let rows: Vec<_> = self.rows.iter().map(|&(row, number)| (row, number.map(of))).collect();
        let frame = frame_of(seq, case, &rows);
        match self.whole {
            Whole::Right => frame,
            Whole::Miscounted => LogFrame { rows: frame.rows + 1, ..frame },
            Whole::Foreign => {
                let fault = Some("a header is missing".to_owned());
                LogFrame { rows: 1, fault, ..frame }
            }
        }
    }
}

/// What should be known of the requests of a case.
#[derive(Default)]
struct Model {
    /// Time and price by order.
    orders: BTreeMap<u8, (u8, u32)>,
    /// Duplicate and dead rows by request.
    fates: BTreeMap<u8, (u64, u64)>,
    accepted: BTreeMap<u8, u64>,
}

impl Model {
    fn take(&mut self, logged: &Logged) {
        for &(row, number) in &logged.rows {
            let fate = if logged.whole == Whole::Right { self.fate(row) } else { Some(false) };
            if let Some(number) = number {
                *self.accepted.entry(number).or_default() += 1;
                self.count(number, fate);
            }
        }
    }

    /// A row that is in the log once more.
    fn take_again(&mut self, row: Row, number: u8, is_counted: bool) {
        let fate = self.fate(row);
        if is_counted {
            self.fates.entry(number).or_default().1 -= 1;
            self.count(number, fate);
        }
    }

    fn count(&mut self, number: u8, fate: Option<bool>) {
        let known = self.fates.entry(number).or_default();
        match fate {
            None => {}
            Some(true) => known.0 += 1,
            Some(false) => known.1 += 1,
        }
    }

    /// `None` where it is stored, else whether it is a duplicate.
    fn fate(&mut self, row: Row) -> Option<bool> {
        let Row::Good(order, at, price) = row else { return Some(false) };
        match self.orders.get(&order) {
            Some(&first) => Some(first == (at, price)),
            None => {
                self.orders.insert(order, (at, price));
                None
            }
        }
    }
}

fn everything() -> Scope {
    Scope::new(Tenant::default(), Sight::All)
}

async fn fate(pool: &ShardPool, first: RequestId, pieces: u32) -> RequestFate {
    RequestFate::read(&mut pool.acquire().await.unwrap(), &everything(), first, pieces).await.unwrap()
}

fn pool(scene: &Scene) -> ShardPool {
    ShardPool::new(forebay_model::ShardId(0), &scene.addresses(), &PoolSettings::default())
}

fn draw<S: Strategy>(runner: &mut TestRunner, strategy: S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Sends a batch, and dies before its COMMIT.
async fn roll_back(scene: &Scene, writer: &Writer, batch: Vec<LogFrame>) {
    let settings = StoreSettings { before_commit: Some(|| panic!("as the test wants it")), ..StoreSettings::default() };
    let mut dying = scene.writer_with(Lane::Orders, settings).await;
    dying.position = writer.position;
    assert!(tokio::spawn(async move { dying.commit(&batch).await.map(drop) }).await.is_err());
}

#[tokio::test]
async fn each_request_counts_its_own_rows_exactly() {
    let scene = Scene::new("requests").await;
    let pool = pool(&scene);
    let mut runner = TestRunner::default();
    let (mut staged, mut requeued) = (0, 0);
    for case in 0..CASES {
        let (log, cuts) = (draw(&mut runner, any_log()), draw(&mut runner, any_cuts()));
        let what = format!("case {case}: {log:?} cut by {cuts:?}");
        let mut writer = scene.writer(Lane::Orders).await;
        let mut model = Model::default();
        let first = writer.position.seq + 1;
        let frames: Vec<_> = (first..).zip(&log).map(|(seq, logged)| logged.frame(seq, case)).collect();
        for logged in &log {
            model.take(logged);
        }
        let mut rest = &frames[..];
        for &(count, is_rolled_back) in cuts.iter().cycle() {
            let (batch, behind) = rest.split_at(rest.len().min(count));
            if is_rolled_back {
                roll_back(&scene, &writer, batch.to_vec()).await;
            }
            staged += u32::from(writer.commit(batch).await.unwrap().was_staged);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        check(&scene, &pool, case, &model, &what).await;
        // Letters, put into the log once more, some of them twice.
        for (letter, number) in letters(&scene, case).await {
            let row = draw(&mut runner, any_row());
            let claimant = Claimant { request: request(case, number), letter: Some(letter) };
            let is_twice = draw(&mut runner, prop::bool::weighted(0.3));
            for time in 0..=u8::from(is_twice) {
                let again = frame_of(writer.position.seq + 1, case, &[(row, Some(claimant))]);
                if draw(&mut runner, prop::bool::weighted(0.2)) {
                    roll_back(&scene, &writer, vec![again.clone()]).await;
                }
                writer.commit(&[again]).await.unwrap();
                model.take_again(row, number, time == 0);
                requeued += 1;
            }
        }
        check(&scene, &pool, case, &model, &what).await;
    }
    assert!(staged > 0 && requeued > 0, "{staged} {requeued}");
}

/// The letters of a case's requests, each with the number of its request.
async fn letters(scene: &Scene, case: u32) -> Vec<(u64, u8)> {
    let mut letters = Vec::new();
    for number in 0..REQUESTS {
        let sql = format!("select id from dead_letter where request = '\\x{}' order by id", request(case, number));
        let found = scene.sql(&sql).await;
        letters.extend(found.lines().map(|id| (id.parse().unwrap(), number)));
    }
    letters
}

async fn check(scene: &Scene, pool: &ShardPool, case: u32, model: &Model, what: &str) {
    for number in 0..REQUESTS {
        let fate = fate(pool, request(case, number), 1).await;
        let (duplicate, dead) = model.fates.get(&number).copied().unwrap_or_default();
        assert_eq!((fate.duplicate, fate.dead), (duplicate, dead), "request {number} of {what}");
        // A frame that is one letter is nobody's letter.
        let told = fate.reasons.iter().map(|(_, letters)| letters).sum::<u64>();
        assert!(told <= dead && fate.letters.len() as u64 == told, "{fate:?} of {what}");
        assert!(duplicate + dead <= model.accepted.get(&number).copied().unwrap_or_default(), "{what}");
    }
    let stored = model.orders.len().to_string();
    assert_eq!(
        scene.sql(&format!("select count(*) from orders where customer_id = 'C{case}'")).await,
        stored,
        "{what}"
    );
}

#[tokio::test]
async fn the_pieces_of_a_request_are_one_and_what_lies_behind_them_is_not() {
    let scene = Scene::new("pieces").await;
    let pool = pool(&scene);
    let mut writer = scene.writer(Lane::Orders).await;
    let of = |piece| Some(Claimant { request: request(0, 1).piece(piece), letter: None });
    let good = |order| Row::Good(order, 0, 1);
    // Two duplicates and a conflict, each in another piece, and another client's in the same frame.
    let other = Some(Claimant { request: request(0, 2), letter: None });
    let rows = [(good(1), of(0)), (good(1), of(0)), (good(1), of(1)), (Row::Good(1, 1, 1), of(2)), (good(1), other)];
    writer.commit(&[frame_of(1, 0, &rows)]).await.unwrap();
    let counts = async |first: RequestId, pieces| {
        let fate = fate(&pool, first, pieces).await;
        let letters: Vec<_> =
            fate.letters.iter().map(|letter| (letter.order_id.clone(), letter.reason.clone())).collect();
        (fate.duplicate, fate.dead, letters)
    };
    let conflict = vec![(Some("1".to_owned()), Reason::Conflict.to_string())];
    assert_eq!(counts(request(0, 1), 1).await, (1, 0, vec![]));
    assert_eq!(counts(request(0, 1), 2).await, (2, 0, vec![]));
    assert_eq!(counts(request(0, 1), 3).await, (2, 1, conflict));
    assert_eq!(counts(request(0, 2), 1).await, (1, 0, vec![]));
    assert_eq!(counts(request(0, 3), 100).await, (0, 0, vec![]));
    let position = fate(&pool, request(0, 1), 1).await.position;
    assert_eq!(position, Some(writer.position));
}

#[tokio::test]
async fn an_order_that_is_simply_stored_leaves_nothing_behind() {
    let scene = Scene::new("ordinary").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let of = Some(Claimant { request: request(0, 0), letter: None });
    let rows: Vec<_> = (0..100).map(|order| (Row::Good(order, 0, 1), of)).collect();
    assert_eq!(writer.commit(&[frame_of(1, 0, &rows)]).await.unwrap().rows, tally(100, 0, 0));
    assert_eq!(scene.count("request_fate").await, 0);
}

#[tokio::test]
async fn a_purge_leaves_letters_whose_rows_are_on_their_way_and_the_counts() {
    let scene = Scene::new("purge").await;
    let pool = pool(&scene);
    let mut writer = scene.writer(Lane::Orders).await;
    let of = |letter| Some(Claimant { request: request(0, 0), letter });
    writer.commit(&[frame_of(1, 0, &[(Row::Refused, of(None)), (Row::Refused, of(None))])]).await.unwrap();
    let letters: Vec<_> = letters(&scene, 0).await.into_iter().map(|(letter, _)| letter).collect();
    scene.sql(&format!("update dead_letter set requeued_at = now() where id = {}", letters[0])).await;
    let requeued = forebay_shard::LetterFilter { is_requeued: Some(true), ..Default::default() };
    let purge = async |filter: &forebay_shard::LetterFilter| {
        forebay_shard::DeadLetter::purge(&mut pool.acquire().await.unwrap(), filter).await.unwrap()
    };
    assert_eq!(purge(&requeued).await, 0, "its row has not had another fate");
    writer.commit(&[frame_of(2, 0, &[(Row::Good(1, 0, 1), of(Some(letters[0])))])]).await.unwrap();
    assert_eq!((purge(&requeued).await, fate(&pool, request(0, 0), 1).await.dead), (1, 1));
    assert_eq!(purge(&forebay_shard::LetterFilter::default()).await, 1);
    let left = fate(&pool, request(0, 0), 1).await;
    assert_eq!((left.dead, left.letters.len()), (1, 0), "still dead, though there is no letter to show");
}

#[tokio::test]
async fn fewer_dead_rows_than_none_are_said_and_not_taken_for_none() {
    let scene = Scene::new("fewer").await;
    let pool = pool(&scene);
    let request = request(0, 0);
    scene.sql(&format!("insert into request_fate values ('\\x{request}', 0, -1)")).await;
    let read = RequestFate::read(&mut pool.acquire().await.unwrap(), &everything(), request, 1).await;
    assert!(read.unwrap_err().to_string().contains("-1 rows of a request are dead"));
}

#[tokio::test]
async fn what_became_of_old_requests_is_forgotten() {
    let scene = Scene::new("forgotten").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let now = Timestamp::now();
    let ages = [0, 29, 32].map(|days| now.plus_us(-days * 86_400_000_000));
    let rows = ages.map(|at| (Row::Refused, Some(Claimant { request: RequestId::new(at, 1), letter: None })));
    writer.commit(&[frame_of(1, 0, &rows)]).await.unwrap();
    assert_eq!(scene.count("request_fate").await, 3);
    writer.store.forget_requests(now).await.unwrap();
    assert_eq!(scene.count("request_fate").await, 2);
}
