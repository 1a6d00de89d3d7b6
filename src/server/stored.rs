//! What is stored, asked before a request that depends on it.
//!
//! The request stays in the input and is taken again when the answer is there, so that nothing of the
//! same client overtakes it. What others write in the meantime is for the script to find out: it
//! compares in the database, with the very bytes that were read here.

use std::rc::Rc;

use bytes::Bytes;

use super::desk::{Desk, Hold};
use super::sink::Question;
use crate::policy::{Admitted, Refusal};
use crate::transform::{ReplyPlan, Transform};
use crate::upstream::{Frames, Lane};

impl Desk {
    /// The stored values of the script's keys, or [`Hold::Stall`] until they are there.
    pub(super) fn stored(&mut self, admitted: &Admitted<'_>, lane: &Rc<Lane>) -> Result<Bytes, Hold> {
        let question = std::mem::take(&mut self.sink.inner().question);
        match question {
            Question::Answered(answer) => return answer.map_err(Hold::Refuse),
            Question::Asked(seq) => {
                self.sink.inner().question = Question::Asked(seq);
                return Err(Hold::Stall);
            }
            Question::None => {}
        }
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            Transform::ask_for_stored(admitted, wire);
            Ok::<_, Refusal>(ReplyPlan::Step)
        })?;
        {
            let mut inner = self.sink.inner();
            inner.queue.expect(true, None);
            inner.question = Question::Asked(seq);
        }
        lane.wake();
        Err(Hold::Stall)
    }
}
