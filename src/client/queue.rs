//! A client's replies in the order of its requests.
//!
//! Invariants: slots are filled from the front only; an answer given here waits behind what is still
//! due from upstream; bytes in `out` are final.

use std::collections::VecDeque;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::meter::{Kind, Meter};

/// An empty output buffer larger than this is not kept by its client.
const KEEP_CAPACITY: usize = 16 * 1024;

/// A reply came for a request that is not the next one due. Fatal for the client: nothing can be
/// trusted to be in order any more.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfOrder;

enum Slot {
    /// Due from upstream.
    Waiting {
        muted: bool,
        /// As what it is counted, if it is.
        kind: Option<Kind>,
        /// A part of it has come.
        begun: bool,
    },
    /// Given here, behind something that is due.
    Ready(Bytes),
}

#[derive(Default)]
pub struct ReplyQueue {
    out: BytesMut,
    slots: VecDeque<Slot>,
    /// Sequence number of the front slot.
    front: u64,
    waiting: usize,
    /// Bytes in slots that are ready.
    held: usize,
    meter: Option<Arc<Meter>>,
}

impl ReplyQueue {
    /// One whose answers are counted there.
    #[must_use]
    pub fn counting_in(meter: Arc<Meter>) -> Self {
        Self { meter: Some(meter), ..Self::default() }
    }

    /// Reserves the place of a reply from upstream, which is to be counted as this, and gives its sequence number.
    pub fn expect(&mut self, muted: bool, kind: Option<Kind>) -> u64 {
        let seq = self.next_seq();
        self.slots.push_back(Slot::Waiting { muted, kind, begun: false });
        self.waiting += 1;
        seq
    }

    /// The number that the next [`Self::expect`] will give.
    pub fn next_seq(&self) -> u64 {
        self.front + self.slots.len() as u64
    }

    /// An answer of our own, in its place.
    pub fn local(&mut self, kind: Option<Kind>, write: impl FnOnce(&mut BytesMut)) {
        if self.slots.is_empty() {
            let before = self.out.len();
            write(&mut self.out);
            self.count(kind, self.out.get(before).copied());
        } else {
            let mut bytes = BytesMut::new();
            write(&mut bytes);
            self.count(kind, bytes.first().copied());
            self.held += bytes.len();
            self.slots.push_back(Slot::Ready(bytes.freeze()));
        }
    }

    /// (A part of) the reply `seq`; `last` completes it.
    pub fn fill(&mut self, seq: u64, last: bool, write: impl FnOnce(&mut BytesMut)) -> Result<(), OutOfOrder> {
        let Some(Slot::Waiting { muted, kind, begun }) = self.slots.front_mut() else { return Err(OutOfOrder) };
        if seq != self.front {
            return Err(OutOfOrder);
        }
        let (muted, kind) = (*muted, *kind);
        // What comes in parts is no error.
        let in_parts = std::mem::replace(begun, true);
        let before = self.out.len();
        if !muted {
            write(&mut self.out);
        }
        if last {
            self.count(kind, self.out.get(before).copied().filter(|_| !in_parts));
            self.pop();
            self.waiting -= 1;
            while let Some(Slot::Ready(bytes)) = self.slots.front() {
                self.out.extend_from_slice(bytes);
                self.held -= bytes.len();
                self.pop();
            }
        }
        Ok(())
    }

    fn count(&self, kind: Option<Kind>, first: Option<u8>) {
        if let (Some(meter), Some(kind)) = (&self.meter, kind) {
            meter.answered(kind, first.unwrap_or_default());
        }
    }

    /// The reply that is due is for the client after all.
    pub fn unmute(&mut self) {
        if let Some(Slot::Waiting { muted, .. }) = self.slots.front_mut() {
            *muted = false;
        }
    }

    /// Something that answers nothing: it goes between replies.
    pub fn push(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.out);
    }

    /// How many replies are due from upstream.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many replies are due or held back behind one that is.
    pub fn unsettled(&self) -> usize {
        self.slots.len()
    }

    pub fn out(&self) -> &[u8] {
        &self.out
    }

    pub fn buffered(&self) -> usize {
        self.out.len()
    }

    /// Bytes of answers that wait behind a reply that is due.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The first `n` bytes were written to the client. Gives a large buffer that is empty now.
    pub fn advance(&mut self, n: usize) -> Option<BytesMut> {
        self.out.advance(n);
        if !self.out.is_empty() {
            return None;
        }
        // `capacity` would tell only what is left behind the bytes that were written.
        if self.out.try_reclaim(KEEP_CAPACITY + 1) {
            return Some(std::mem::take(&mut self.out));
        }
        self.out.clear();
        None
    }

    /// Would a buffer from somewhere else serve for `n` bytes that are about to be written?
    pub fn wants_buffer(&self, n: usize) -> bool {
        n > KEEP_CAPACITY && self.out.is_empty() && self.out.capacity() < n
    }

    /// An empty buffer, as [`Self::advance`] gave it.
    pub fn lend(&mut self, buffer: BytesMut) {
        if self.out.is_empty() && buffer.is_empty() {
            self.out = buffer;
        }
    }

    fn pop(&mut self) {
        self.slots.pop_front();
        self.front += 1;
        if self.slots.is_empty() && self.slots.capacity() > 1024 {
            self.slots = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CommandClass;
    use crate::meter::{Meters, Way};

    fn put(text: &'static str) -> impl FnOnce(&mut BytesMut) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    #[test]
    fn a_local_answer_waits_its_turn() {
        let mut queue = ReplyQueue::default();
        queue.local(None, put("a"));
        let first = queue.expect(false, None);
        queue.local(None, put("c"));
        let second = queue.expect(false, None);
        queue.local(None, put("e"));
        assert_eq!(queue.out(), b"a");
        queue.fill(first, true, put("b")).unwrap();
        assert_eq!(queue.out(), b"abc");
        queue.fill(second, true, put("d")).unwrap();
        assert_eq!(queue.out(), b"abcde");
        assert_eq!((queue.waiting(), queue.unsettled()), (0, 0));
    }

    #[test]
    fn a_reply_that_is_not_due_is_refused() {
        let mut queue = ReplyQueue::default();
        assert_eq!(queue.fill(0, true, put("x")), Err(OutOfOrder));
        let first = queue.expect(false, None);
        let second = queue.expect(false, None);
        assert_eq!(queue.fill(second, true, put("x")), Err(OutOfOrder));
        queue.fill(first, true, put("a")).unwrap();
        assert_eq!(queue.fill(first, true, put("x")), Err(OutOfOrder));
        assert_eq!(queue.out(), b"a");
    }

    #[test]
    fn a_reply_in_pieces_keeps_its_place_and_a_muted_one_says_nothing() {
        let mut queue = ReplyQueue::default();
        let first = queue.expect(false, None);
        let muted = queue.expect(true, None);
        queue.local(None, put("z"));
        queue.fill(first, false, put("a")).unwrap();
        queue.fill(first, true, put("b")).unwrap();
        queue.fill(muted, true, put("never")).unwrap();
        assert_eq!(queue.out(), b"abz");
    }

    #[test]
    fn an_answer_is_counted_by_how_it_begins() {
        let meter = Meter::new(Arc::default());
        let all = Meters::new(vec![meter.clone()]);
        let kind = Kind { class: CommandClass::Read, way: Way::Raw };
        let mut queue = ReplyQueue::counting_in(meter);
        let first = queue.expect(false, Some(kind));
        let second = queue.expect(false, Some(kind));
        let muted = queue.expect(true, Some(kind));
        queue.local(Some(kind), put("-ERR no\r\n"));
        queue.fill(first, true, put("-ERR no\r\n")).unwrap();
        assert_eq!(all.answers(kind), (0, 2));
        // A value in parts, of which one begins like an error.
        queue.fill(second, false, put("$4\r\n")).unwrap();
        queue.fill(second, true, put("-abc\r\n")).unwrap();
        queue.fill(muted, true, put("never")).unwrap();
        queue.local(None, put("+QUEUED\r\n"));
        assert_eq!(all.answers(kind), (2, 2));
    }
}
