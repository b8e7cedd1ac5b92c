//! Facts, gathered as tuples per lane and shard.

pub mod derive;
mod news;
pub mod slices;
mod view_events;

pub use view_events::view_keys;

use crate::event::Event;
use crate::lane::{Lane, StreamKind};
use crate::order::Order;
use crate::request::claim::{Claimant, Claims};
use crate::routing::shard_map::ShardMap;
use crate::shard_id::ShardId;
use crate::tuple;

/// The most bytes of a frame's payload. Only a fact that is larger by itself makes a larger frame.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Tuples of one lane for one shard, at most one frame's worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramePart {
    /// Which kind of facts.
    pub lane: Lane,
    /// Where they go.
    pub shard: ShardId,
    /// How many there are.
    pub rows: u32,
    /// COPY tuples, one after the other.
    pub tuples: Vec<u8>,
    /// Whose they are, where they are a request's.
    pub claims: Claims,
}

/// Gathers facts by lane and shard.
#[derive(Clone, Debug)]
pub struct Facts {
    part_bytes_max: usize,
    /// Whose the facts are that are added now.
    claimant: Option<Claimant>,
    /// The part of each lane and shard that still grows. Few, so a list is enough.
    open: Vec<FramePart>,
    full: Vec<FramePart>,
    bytes: usize,
}

impl Default for Facts {
    /// In parts that are frames.
    fn default() -> Self {
        Self::in_parts_of(FRAME_BYTES_MAX)
    }
}

impl Facts {
    /// In parts of at most that many bytes. Only a fact that is larger by itself makes a larger part.
    pub fn in_parts_of(part_bytes_max: usize) -> Self {
        Self { part_bytes_max, claimant: None, open: Vec::new(), full: Vec::new(), bytes: 0 }
    }

    /// Says whose the facts are that are added from now on; nobody's at first.
    pub fn set_claimant(&mut self, claimant: Option<Claimant>) {
        self.claimant = claimant;
    }

    /// Adds an order. Returns the shard that it goes to.
    pub fn add(&mut self, order: &Order<'_>, map: &ShardMap) -> ShardId {
        let shard = map.shard(StreamKind::Logged, order.bucket);
        self.push(Lane::Orders, shard, |out| tuple::push_order(out, order));
        shard
    }

    /// Adds an event. Returns the shard that it goes to.
    pub fn add_event(&mut self, event: &Event, map: &ShardMap) -> ShardId {
        let shard = map.shard(StreamKind::Logged, event.bucket);
        self.push(Lane::Events, shard, |out| tuple::push_event(out, event));
        shard
    }

    /// How many bytes of tuples there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Every part, in no particular order.
    pub fn into_parts(mut self) -> Vec<FramePart> {
        self.full.append(&mut self.open);
        self.full
    }

    /// Adds the one tuple that `write` appends.
    pub fn push(&mut self, lane: Lane, shard: ShardId, write: impl FnOnce(&mut Vec<u8>)) {
        let place = self.open.iter().position(|part| part.lane == lane && part.shard == shard);
        let place = place.unwrap_or_else(|| {
            self.open.push(FramePart { lane, shard, rows: 0, tuples: Vec::new(), claims: Claims::default() });
            self.open.len() - 1
        });
        let part = &mut self.open[place];
        let before = part.tuples.len();
        write(&mut part.tuples);
        self.bytes += part.tuples.len() - before;
        part.rows += 1;
        if part.tuples.len() > self.part_bytes_max && part.rows > 1 {
            // The last tuple is one too many: it opens the next part, which most often grows as large, unless the tuple is.
            let tail = &part.tuples[before..];
            let room = if tail.len() < self.part_bytes_max { self.part_bytes_max + tail.len() } else { 0 };
            let mut tuples = Vec::with_capacity(room + tail.len());
            tuples.extend_from_slice(tail);
            part.tuples.truncate(before);
            part.rows -= 1;
            let next = FramePart { lane, shard, rows: 1, tuples, claims: Claims::default() };
            self.full.push(std::mem::replace(part, next));
        }
        if let Some(claimant) = self.claimant {
            part.claims.push(part.rows - 1, claimant);
        }
    }
}
