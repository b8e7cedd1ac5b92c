//! Reading, logging and settling a batch at the same time.
//!
//! Natural batching again: what was gathered is logged at once when nothing of this batch is in flight, and grows while
//! something is. What is in flight settles in the order of its lines, so that a batch which is cut short can say how many
//! leading lines are settled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use forebay_api::RejectedLine;
use forebay_api::accepted::ERRORS_MAX;
use forebay_model::order::ORDER_TEXT_BYTES_MAX;
use forebay_model::{Receipt, RequestId, Timestamp};
use forebay_service::{Client, Problem};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::task::JoinHandle;

use super::gather::{Gather, Reader};
use super::record_kind::RecordKind;
use super::report::Report;
use super::split::Splitter;
use crate::app::App;
use crate::append::group::Origin;
use crate::append::{AppendError, Turns};
use crate::assign::Assigner;
use crate::sender::Sender;

/// Bytes of orders that are logged together even though something is in flight. They are shared out among all shards, so it
/// takes many to fill each one's frames.
const GATHER_BYTES: usize = 1024 * 1024;

/// Gathers of one batch that may be in flight at one time.
const IN_FLIGHT_MAX: usize = 4;

/// How many bytes of a batch that is slowed down are taken at a time: what is taken is paid for before anything else happens.
const SLOWED_BYTES: usize = 8 * 1024;

/// When a client may come again whose batch was cut short because its rate slowed it down.
const PAUSE_SLOWED: Duration = Duration::from_secs(1);

/// The room that a chunk takes: its bytes, and the tuples that are made of them.
const ROOM_PER_BYTE: usize = 2;

/// One batch on its way.
pub(super) struct BatchStream {
    app: App,
    client: Client,
    sender: Sender,
    kind: RecordKind,
    splitter: Splitter,
    assigner: Assigner,
    bytes: u64,
    /// Orders that were read and not yet taken from the client's rate.
    owed: u32,
    /// How long the client's rate has slowed it down.
    slowed: Duration,
    /// For how long that may be; without an end where nothing is said.
    slowed_max: Option<Duration>,
    request: RequestId,
    /// How many pieces of the request were sent off.
    pieces: u32,
    gather: Option<Gather>,
    in_flight: VecDeque<InFlight>,
    turns: Turns,
    report: Report,
}

/// A gather that is being logged.
struct InFlight {
    appended: JoinHandle<Result<Receipt, AppendError>>,
    orders: u32,
    rejected: u64,
    errors: Vec<RejectedLine>,
    last_line: u64,
}

impl BatchStream {
    /// # Errors
    /// Where the client may not send anything.
    pub(super) fn new(
        app: App,
        client: Client,
        kind: RecordKind,
        splitter: Splitter,
        assigner: Assigner,
    ) -> Result<Self, Problem> {
        let sender = Sender::of(&client, || app.views())?;
        let request = sender.request(Timestamp::now());
        let (in_flight, report) = (VecDeque::new(), Report::of(request, kind));
        let (bytes, owed, pieces, gather) = (0, 0, 0, None);
        let (slowed, slowed_max) = (Duration::ZERO, None);
        Ok(Self {
            app,
            client,
            sender,
            kind,
            splitter,
            assigner,
            bytes,
            owed,
            slowed,
            slowed_max,
            request,
            pieces,
            gather,
            in_flight,
            turns: Turns::default(),
            report,
        })
    }

    /// The same, which is cut short where the client's rate slows it down for longer.
    pub(super) fn slowed_at_most(self, slowed_max: Option<Duration>) -> Self {
        Self { slowed_max, ..self }
    }

    /// Takes the whole batch, as far as that is possible.
    pub(super) async fn run(mut self, mut chunks: BoxStream<'static, Result<Bytes, Problem>>) -> Response {
        let cut = self.read(&mut chunks).await.err();
        // Complete lines before a cut are as good as any.
        let submitted = self.submit().await;
        let paid = if cut.is_none() { self.pay().await } else { Ok(()) };
        let settled = self.settle_all().await;
        match self.kind {
            RecordKind::Orders => self.app.count_accepted(self.report.accepted),
            RecordKind::Events => self.app.count_accepted_events(self.report.accepted),
        }
        match cut.or(submitted.err()).or(paid.err()).or(settled.err()) {
            None => self.report.complete(),
            Some(problem) => self.report.cut_short(problem),
        }
    }

    /// Reads the body to its end, logging on the way.
    async fn read(&mut self, chunks: &mut BoxStream<'static, Result<Bytes, Problem>>) -> Result<(), Problem> {
        let shutdown = self.app.shutdown().clone();
        loop {
            if self.in_flight.is_empty() || self.gathered_bytes() >= GATHER_BYTES {
                self.submit().await?;
            }
            tokio::select! {
                biased;
                () = shutdown.soft().cancelled() => return Err(Problem::shutting_down("the service is stopping")),
                settled = settle_first(&mut self.in_flight, &mut self.report), if !self.in_flight.is_empty() => {
                    if settled.is_err() {
                        // Lines behind a gap cannot count as settled any more.
                        self.gather = None;
                    }
                    settled?;
                }
                chunk = chunks.next(), if self.in_flight.len() < IN_FLIGHT_MAX => match chunk {
                    Some(chunk) => self.take_paying(&chunk?).await?,
                    None => return self.finish_lines(),
                },
            }
        }
    }

    fn gathered_bytes(&self) -> usize {
        self.gather.as_ref().map_or(0, |gather| gather.facts.bytes())
    }

    /// Takes a chunk and pays for its orders; in pieces, where the client is slowed down.
    async fn take_paying(&mut self, mut chunk: &[u8]) -> Result<(), Problem> {
        while !chunk.is_empty() {
            let bytes = if self.slowed.is_zero() { chunk.len() } else { chunk.len().min(SLOWED_BYTES) };
            let (piece, rest) = chunk.split_at(bytes);
            self.take(piece).await?;
            self.pay().await?;
            if self.slowed_max.is_some_and(|most| self.slowed > most) {
                return Err(self.app.rates().refusal(&self.client, PAUSE_SLOWED));
            }
            chunk = rest;
        }
        Ok(())
    }

    async fn take(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.bytes += chunk.len() as u64;
        let bytes_max = self.app.batch_bytes_max();
        if self.bytes > bytes_max {
            return Err(Problem::too_large(format!("the batch has more than {bytes_max} bytes; send it in parts")));
        }
        let room = chunk.len() * ROOM_PER_BYTE;
        let held = match self.app.memory().try_hold(room) {
            Some(held) => held,
            None => {
                // A request that waits for room must not hold any.
                self.submit().await?;
                self.app.memory().hold(room).await?
            }
        };
        self.gather()?.hold(held);
        self.split(|splitter, take| splitter.split(chunk, take))?;
        // Of bytes that made no record only a begun one is left, which is no larger than an order may be.
        if let Some(gather) = self.gather.as_mut().filter(|gather| gather.is_empty()) {
            gather.keep(ORDER_TEXT_BYTES_MAX * ROOM_PER_BYTE);
        }
        Ok(())
    }

    fn finish_lines(&mut self) -> Result<(), Problem> {
        self.gather()?;
        self.split(|splitter, take| splitter.finish(take))
    }

    fn gather(&mut self) -> Result<&mut Gather, Problem> {
        let map = self.app.map()?;
        Ok(self.gather.get_or_insert_with(|| Gather::new(map, self.request.piece(self.pieces))))
    }

    fn split<E: std::error::Error>(
        &mut self,
        split: impl FnOnce(&mut Splitter, &mut dyn FnMut(super::record::Record<'_>)) -> Result<(), E>,
    ) -> Result<(), Problem> {
        let Some(gather) = &mut self.gather else { return Ok(()) };
        let before = gather.orders;
        let reader = Reader::of(self.kind, &self.app, gather.map(), &self.sender);
        let (assigner, now) = (&self.assigner, Timestamp::now());
        let outcome = split(&mut self.splitter, &mut |record| gather.take(record, &reader, assigner, now));
        self.owed += gather.orders - before;
        outcome.map_err(|error| Problem::malformed(error.to_string()))
    }

    /// Takes the orders that were read from the client's rate. Where it has to wait for that, it sends off first what was
    /// gathered, so as not to sit on memory that others could use.
    async fn pay(&mut self) -> Result<(), Problem> {
        let owed = std::mem::take(&mut self.owed);
        if self.app.rates().try_take_all(&self.client, owed) {
            return Ok(());
        }
        self.submit().await?;
        let begin = Instant::now();
        let paid = self.app.rates().take_slowly(&self.client, owed, self.app.shutdown()).await;
        self.slowed += begin.elapsed();
        paid
    }

    /// Sends off what was gathered.
    async fn submit(&mut self) -> Result<(), Problem> {
        let Some(mut gather) = self.gather.take_if(|gather| !gather.is_empty()) else { return Ok(()) };
        let mut held = match gather.take_held() {
            Some(held) => held,
            None => self.app.memory().hold(0).await?,
        };
        // The room was taken before anybody knew how many bytes of facts there would be.
        held.keep(gather.facts.bytes());
        let (appender, epoch) = (self.app.appender()?, gather.map().epoch());
        let Gather { facts, orders, rejected, errors, last_line, .. } = gather;
        let appended = appender.append_in_background(facts.into_parts(), Origin::Batch, epoch, held, &mut self.turns);
        self.pieces += 1;
        self.in_flight.push_back(InFlight { appended, orders, rejected, errors, last_line });
        Ok(())
    }

    async fn settle_all(&mut self) -> Result<(), Problem> {
        while !self.in_flight.is_empty() {
            settle_first(&mut self.in_flight, &mut self.report).await?;
        }
        Ok(())
    }
}

/// Waits for the gather with the first lines. What fails settles nothing, and nothing behind it counts as settled. It
/// may be dropped and called again.
async fn settle_first(in_flight: &mut VecDeque<InFlight>, report: &mut Report) -> Result<(), Problem> {
    let Some(first) = in_flight.front_mut() else { return Ok(()) };
    let outcome = (&mut first.appended).await;
    let Some(first) = in_flight.pop_front() else { return Ok(()) };
    let receipt = match outcome {
        Ok(Ok(receipt)) => receipt,
        failed => {
            in_flight.clear();
            return Err(match failed {
                Ok(Err(error)) => error.into(),
                _ => Problem::internal("the log writer failed"),
            });
        }
    };
    report.accepted += u64::from(first.orders);
    report.rejected += first.rejected;
    let room = ERRORS_MAX.saturating_sub(report.errors.len());
    report.errors.extend(first.errors.into_iter().take(room));
    report.receipt.merge(&receipt);
    report.pieces += 1;
    report.settled_lines = first.last_line;
    Ok(())
}
