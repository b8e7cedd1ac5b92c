//! Where a session begins: behind the stored position, with what was derived of what is before it.

use std::sync::Arc;

use forebay_log::{FrameReader, Log, ReadError, ReadFrom};
use forebay_model::{Bucket, Deriver, Position, ShardId, ShardMap, StreamKind};
use forebay_shard::{Derived, DerivedNote, StreamPosition, StreamStore, ViewsInForce};
use tracing::{info, warn};

use crate::derive::{Deriving, Source, first_notes, notes_behind};
use crate::drain::context::StreamContext;
use crate::failure::Failure;

/// The stored position. Where there is none, nothing was ever read: begin before the first frame of the stream as it is.
pub(crate) async fn begin(context: &StreamContext, store: &mut StreamStore) -> Result<StreamPosition, Failure> {
    if let Some(stored) = store.position().await? {
        return Ok(stored);
    }
    let stream = context.of;
    let incarnation = context.log.stream_state(stream).await?.incarnation;
    let views = match stream.kind {
        StreamKind::Logged => Some(views_of(&*map_of(&context.log).await)),
        StreamKind::Derived => None,
    };
    info!(%incarnation, "nothing was ever read, beginning with the first frame");
    Ok(store.begin_at(Position { incarnation, seq: 0 }, views.as_ref()).await?)
}

/// Reads on behind the stored position. A derived stream that is not the one that was read so far is read from its first frame
/// on, as another incarnation: by that the writers of the logged streams see that everything is to be derived again.
pub(crate) async fn read(
    context: &StreamContext,
    store: &mut StreamStore,
    stored: StreamPosition,
) -> Result<(StreamPosition, FrameReader), Failure> {
    let stream = context.of;
    let after = ReadFrom { position: stored.position, frame_id: stored.frame_id.parse().ok() };
    let loss = match context.log.read(stream, Some(after)).await {
        Ok(reader) => return Ok((stored, reader)),
        Err(error) if error.is_loss() && !error.is_unreadable() && stream.kind == StreamKind::Derived => error,
        Err(error) => return Err(error.into()),
    };
    let mut state = context.log.stream_state(stream).await?;
    if !matches!(loss, ReadError::OtherIncarnation { .. }) {
        state.incarnation = context.log.renew_stream(stream, state.incarnation).await?;
    }
    let after = Position { incarnation: state.incarnation, seq: state.first_seq.saturating_sub(1) };
    warn!(%loss, %after, "what this stream had is derived again");
    if !store.accept_loss(stored.position, after, &format!("derived again: {loss}")).await? {
        return Err(Failure::Fenced);
    }
    let stored = begin(context, store).await?;
    let reader = context.log.read(stream, Some(ReadFrom { position: stored.position, frame_id: None })).await?;
    Ok((stored, reader))
}

/// Starts to derive what follows from a logged stream.
pub(crate) async fn derive(
    context: &StreamContext,
    store: &mut StreamStore,
    position: Position,
) -> Result<Option<Deriving>, Failure> {
    if context.of.kind != StreamKind::Logged {
        return Ok(None);
    }
    let map = map_of(&context.log).await;
    let known = store.begin_derived(&[]).await?;
    let is_all_derived = !known.is_empty() && known.iter().all(|note| note.through == position);
    let first =
        if is_all_derived { notes_behind(&context.log, &map, &known, position).await? } else { first_notes(&map) };
    set_back(store, &map, &known, position).await?;
    let staying: Vec<ShardId> = map.staying().collect();
    store.keep_derived(&staying).await?;
    let notes = store.begin_derived(&first).await?;
    // Read behind the position: of what is committed up to there, nothing is derived with fewer views.
    let in_force = store.views_in_force().await?.unwrap_or_else(|| views_of(&map));
    let deriver = Deriver::new(in_force.views, Arc::clone(&map));
    let source = Source {
        stream: context.of,
        addresses: context.addresses.borrow().clone(),
        log: context.log.clone(),
        map,
        batch_bytes: context.batch_bytes,
        doors: context.doors.clone(),
    };
    Ok(Some(Deriving::start(&source, deriver, position, notes, Arc::clone(context.status.derived()))))
}

/// What is owed to a target may go to another one by the map of now, where buckets have moved: then all begin where the last one has come to.
async fn set_back(
    store: &mut StreamStore,
    map: &ShardMap,
    known: &[Derived],
    position: Position,
) -> Result<(), Failure> {
    let has_moved = Bucket::all().any(|bucket| map.shard(StreamKind::Derived, bucket) != map.founder(bucket));
    let place = |note: &Derived| (note.through.incarnation, note.through.seq);
    let Some(last) = known.iter().min_by_key(|note| place(note)).filter(|_| has_moved) else { return Ok(()) };
    let ahead = known.iter().filter(|note| note.through != last.through);
    let back =
        |note: &Derived| DerivedNote { before: note.clone(), after: Derived { through: last.through, ..note.clone() } };
    let notes: Vec<DerivedNote> = ahead.map(back).collect();
    if notes.is_empty() {
        return Ok(());
    }
    info!(through = %last.through, "buckets have moved, so everything is derived again that one shard is owed");
    store.note_derived(position, &notes).await.map_err(|error| Failure::of_commit(error, position))
}

/// The shard map: the writer has made it, or seen it, before it began to drain.
pub(crate) async fn map_of(log: &Log) -> Arc<ShardMap> {
    let mut watched = log.map();
    // Its end is the end of the connection for good, and so of everything that could be asked.
    let known = watched.wait_for(Option::is_some).await.ok().and_then(|map| map.clone());
    match known {
        Some(map) => map,
        None => std::future::pending().await,
    }
}

fn views_of(map: &ShardMap) -> ViewsInForce {
    ViewsInForce { epoch: map.epoch(), views: map.settings().views.in_force().clone() }
}
