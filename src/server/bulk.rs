//! Clients with large requests or replies, and the lanes on which no small ones wait behind these.

use std::rc::Rc;

use super::attach::{Attached, Need, Wrote};
use super::desk::{Desk, Hold};
use crate::upstream::{LARGE, LaneKey};

/// Whether a client's requests and replies are large.
#[derive(Default)]
pub(super) struct Bulk {
    /// So many small replies more, and its traffic counts as small again.
    left: u8,
}

impl Bulk {
    /// Once large, it stays so for a while: changing lanes may have to wait for replies.
    const FOR_REPLIES: u8 = 100;

    /// A request or reply of `n` bytes, or a part of it.
    pub fn note(&mut self, n: usize) {
        if n >= LARGE {
            self.left = Self::FOR_REPLIES;
        }
    }

    pub fn answered(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub fn is_large(&self) -> bool {
        self.left > 0
    }
}

impl Desk {
    /// Which lane a request of this client takes.
    pub(super) fn lane_key(&self, need: Need) -> LaneKey {
        let inner = self.sink.inner();
        let common = LaneKey { proto: inner.session.proto, db: inner.session.db, bulk: 0 };
        if need != Need::Shared || self.worker.shared.dedicated {
            return common;
        }
        let bulk = LaneKey { bulk: bulk_lane(self.sink.info.id), ..common };
        match &self.attached {
            // Not before it is connected: it may be that no further connection can be had.
            _ if inner.bulk.is_large() && self.worker.pool.has_ready(bulk) => bulk,
            // Back when that costs no waiting.
            Attached::Shared(lane) if inner.queue.waiting() > self.own_places => {
                LaneKey { bulk: lane.key.bulk, ..common }
            }
            _ => common,
        }
    }

    /// WAIT goes over the lane of the client's writes, also if it has read over another one since.
    pub(super) fn back_to_its_writes(&mut self) -> Result<(), Hold> {
        let Wrote::On(wrote) = &self.wrote else { return Ok(()) };
        let (Some(lane), Attached::Shared(now)) = (wrote.upgrade(), &self.attached) else { return Ok(()) };
        let (fits, waiting) = {
            let inner = self.sink.inner();
            let fits = (lane.key.proto, lane.key.db) == (inner.session.proto, inner.session.db);
            (fits, inner.queue.waiting() > 0)
        };
        if Rc::ptr_eq(&lane, now) || !fits || !lane.is_shared() || !lane.is_usable() {
            return Ok(());
        }
        if waiting {
            return Err(Hold::Stall);
        }
        self.attached = Attached::Shared(lane);
        Ok(())
    }
}

/// One of four. Numbers of clients that one worker has follow each other in steps, so their low bits will not do.
fn bulk_lane(client: u64) -> u8 {
    match client.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62 {
        0 => 1,
        1 => 2,
        2 => 3,
        _ => 4,
    }
}
