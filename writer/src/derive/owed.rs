//! What is owed to a target, found again: the log says where to look, the shard says what is stored. Where the log is trimmed, or is
//! another one, every stored order is read.

use std::time::Duration;

use forebay_log::{FrameReader, ReadFrom, StoredFrame};
use forebay_model::fact::FramePart;
use forebay_model::{Bucket, Deriver, Facts, Identity, Lane, Position, ShardId, Tenant, Tuples};
use forebay_shard::read::orders::{OrderKey, OrderReader, StoredOrder};

use super::Source;
use super::target::Trouble;

/// Rows of the log that are looked up together, and stored orders that are read together.
const ROWS: usize = 2000;
/// Frames that are committed are in the log; one that does not come is looked for anew.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// Facts for one target, from where it has come to up to a position.
pub(super) struct Owed {
    deriver: Deriver,
    target: ShardId,
    orders: OrderReader,
    upto: Position,
    place: Place,
    batch_bytes: usize,
}

/// Where it looks.
enum Place {
    /// In the log, behind this position.
    Log(Box<FrameReader>, Position),
    /// Among the stored orders, behind this one. What is published meanwhile moves the target on to nowhere.
    Stored { behind: OrderKey, through: Position },
    /// Nothing is left.
    End,
}

impl Owed {
    /// What lies between the two positions.
    pub(super) async fn find(
        source: &Source,
        deriver: &Deriver,
        through: Position,
        upto: Position,
        target: ShardId,
    ) -> Result<Self, Trouble> {
        let place = match Self::in_log(source, through, upto).await? {
            Some(reader) => Place::Log(Box::new(reader), through),
            None => Place::Stored { behind: OrderKey::before_all(), through },
        };
        let name = format!("forebay-derive {} for {target}", source.stream);
        let orders = OrderReader::new(source.stream.shard, &source.addresses, name);
        let batch_bytes = source.batch_bytes;
        let owed = Self { deriver: deriver.clone(), target, orders, upto, place, batch_bytes };
        // Orders that are stored later are behind the position, so only what was there before must be seen.
        owed.look_up(&[]).await?;
        Ok(owed)
    }

    async fn in_log(source: &Source, through: Position, upto: Position) -> Result<Option<FrameReader>, Trouble> {
        if through.seq == 0 || through.incarnation != upto.incarnation {
            return Ok(None);
        }
        match source.log.read(source.stream, Some(ReadFrom { position: through, frame_id: None })).await {
            Ok(reader) => Ok(Some(reader)),
            Err(error) if error.is_loss() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The next facts, and where the target has come to with them. `None` once all are given.
    pub(super) async fn next(&mut self) -> Result<Option<(Vec<FramePart>, Position)>, Trouble> {
        match &mut self.place {
            Place::Log(reader, at) => {
                if at.seq >= self.upto.seq {
                    self.place = Place::End;
                    return Ok(None);
                }
                let frames = match reader.next_batch_within(ROWS, self.batch_bytes, FRAME_MAX).await {
                    Ok(frames) => frames,
                    // What was committed of it is stored, so that it can be found there.
                    Err(error) if error.is_loss() => {
                        let through = *at;
                        self.place = Place::Stored { behind: OrderKey::before_all(), through };
                        return Ok(Some((Vec::new(), through)));
                    }
                    Err(error) => return Err(error.into()),
                };
                let frames: Vec<_> = frames.into_iter().filter(|frame| frame.position.seq <= self.upto.seq).collect();
                let Some(last) = frames.last().map(|frame| frame.position) else {
                    return Err(Trouble::Silent(*at));
                };
                *at = last;
                let stored = self.look_up(&identities(&frames)).await?;
                Ok(Some((self.derive(&stored), last)))
            }
            Place::Stored { behind, through } => {
                let through = *through;
                let behind = std::mem::replace(behind, OrderKey::before_all());
                let stored = self.orders.page(&behind, ROWS as i64).await?;
                let Some(last) = stored.last() else {
                    self.place = Place::End;
                    return Ok(Some((Vec::new(), self.upto)));
                };
                self.place = Place::Stored { behind: last.key.clone(), through };
                Ok(Some((self.derive(&stored), through)))
            }
            Place::End => Ok(None),
        }
    }

    /// Which of these are stored, and how: the first of an identity stays, and what is dead is not there. In the snapshot the
    /// position says that all up to there were decided.
    async fn look_up(&self, wanted: &[(Bucket, OrderKey)]) -> Result<Vec<StoredOrder>, Trouble> {
        self.orders.decided(self.upto, wanted).await?.ok_or(Trouble::SetBack)
    }

    fn derive(&self, stored: &[StoredOrder]) -> Vec<FramePart> {
        let mut facts = Facts::default();
        for order in stored {
            self.deriver.derive(&order.as_stored(), &mut facts);
        }
        facts.into_parts().into_iter().filter(|part| part.shard == self.target).collect()
    }
}

/// The identities of the orders in frames. What cannot be read was not stored.
fn identities(frames: &[StoredFrame]) -> Vec<(Bucket, OrderKey)> {
    let mut identities = Vec::new();
    for frame in frames.iter().filter(|frame| frame.lane == Lane::Orders) {
        for tuple in Tuples::new(Lane::Orders, frame.payload()) {
            let Ok(tuple) = tuple else { break };
            let Identity { bucket, tenant, customer_id, ordered_at, order_id } =
                Identity::of(tuple.bytes(), tuple.ordered_at());
            let text = |bytes: &[u8]| str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(str::to_owned);
            let texts = (text(tenant).map(Tenant::of_stored), text(customer_id), text(order_id));
            if let (Some(bucket), (Some(tenant), Some(customer_id), Some(order_id))) = (Bucket::new(bucket), texts) {
                identities.push((bucket, OrderKey { ordered_at, order_id, customer_id, tenant }));
            }
        }
    }
    identities
}
