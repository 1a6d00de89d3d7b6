//! What one client has done to others: CLIENT UNBLOCK, KILL and PAUSE, as asked and as obeyed.
//!
//! UNBLOCK is the server's own wherever it can be: it alone knows whether an element was popped in the
//! same instant, so nothing is lost and its 1 or 0 is the truth. The lane that is to be unblocked serves
//! nobody else afterwards, because the UNBLOCK could arrive after its command has ended. Where the server has
//! told no number of the connection or refuses (Upstash), the lane is closed instead and the command answered
//! here; an element that was popped in that instant is lost, as with a connection that dies.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attach::Need;
use super::desk::{Desk, Hold};
use super::sink::{End, Sink, Unblocking};
use crate::client::{self, BlockedOn, Orders};
use crate::command::{Flags, Request, check_arity};
use crate::resp::encode;
use crate::transform::{Control, ReplyPlan};
use crate::upstream::Frames;

/// Whether a connection that is being made has a number by now; that takes a round trip or two.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Not flagged as writes, yet Redis holds them back with the writes, for replicas would get them.
const REPLICATED: [&str; 3] = ["publish", "spublish", "pfcount"];

impl Desk {
    /// A blocking command was just sent.
    pub(super) fn note_blocked(&mut self) {
        let last = self.sink.inner().queue.next_seq() - 1;
        self.note_blocked_at(last);
    }

    /// The command in this place waits.
    pub(super) fn note_blocked_at(&mut self, seq: u64) {
        let Some(lane) = self.attached.lane() else { return };
        self.sink.inner().blocked = Some(seq);
        self.sink.info.block(lane.server_id.clone());
    }

    /// The client's lane is not to be used again if somebody may be about to unblock it.
    pub(super) fn spoil_if_disturbed(&mut self) {
        if std::mem::take(&mut self.sink.inner().disturbed) {
            self.attached.taint();
        }
    }

    pub(super) fn unblock(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let (id, how) = client::unblock(request.args()).map_err(Hold::Refuse)?;
        let Some(target) = self.worker.shared.registry.find(id).filter(|target| target.is_blocked()) else {
            self.say(|out| encode::int(out, 0));
            return Ok(());
        };
        let lane = self.attach(Need::Shared)?;
        match target.disturb() {
            BlockedOn::Nothing => self.say(|out| encode::int(out, 0)),
            BlockedOn::Unknown => {
                self.sink.wake_at(Instant::now() + LOOK_AGAIN);
                return Err(Hold::Stall);
            }
            BlockedOn::Nameless => {
                target.order(|orders| orders.unblock = Some(how));
                self.say(|out| encode::int(out, 1));
            }
            BlockedOn::Connection(connection) => {
                let seq = self.sink.inner().queue.next_seq();
                lane.send(&self.owner, seq, Frames::One, |wire| {
                    wire.control(Control::Unblock { connection, error: how == client::Unblock::Error });
                    Ok::<_, Hold>(ReplyPlan::Raw)
                })?;
                self.expect(1);
                self.sink.inner().unblocking.push_back(Unblocking { seq, target, how });
            }
        }
        Ok(())
    }

    /// Does what others have ordered; says how the connection ends, if it does.
    pub(super) fn obey(&mut self, orders: &Orders) -> Option<End> {
        if orders.kill {
            return Some(End::Killed);
        }
        let how = orders.unblock.filter(|_| self.sink.inner().blocked.is_some())?;
        if !self.sink.unblock_here(how) {
            return Some(End::Upstream);
        }
        self.course = None;
        self.abandon();
        None
    }

    /// CLIENT PAUSE holds requests back before anything is done for them; QUIT always goes through, and so does what
    /// is only answered with an error.
    pub(super) fn wait_for_pause(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let writes = || match request.spec() {
            Some(spec) if spec.name == "exec" => {
                self.sink.inner().session.block.as_ref().is_some_and(|block| block.writes)
            }
            _ => may_write(request),
        };
        let Some(until) = self.worker.shared.registry.paused(writes) else { return Ok(()) };
        if request.spec().is_some_and(|spec| spec.name == "quit" || !check_arity(spec, request.args().len())) {
            return Ok(());
        }
        self.sink.wake_at(until);
        Err(Hold::Stall)
    }
}

impl Sink {
    /// The server's number of the connection on which the client's command waits, if it does. Nobody
    /// else has that connection afterwards.
    pub fn blocked_connection(&self) -> Option<u64> {
        match self.info.disturb() {
            BlockedOn::Connection(number) => Some(number),
            BlockedOn::Nothing | BlockedOn::Unknown | BlockedOn::Nameless => None,
        }
    }

    /// For the end of the sidecar, where the server has not ended the client's blocking command.
    pub fn end_if_blocked(&self) {
        if self.inner().blocked.is_some() {
            self.end(End::Drain);
            self.wake();
        }
    }

    /// Has the client's task look again then, or earlier.
    pub(super) fn wake_at(self: &Rc<Self>, at: Instant) {
        if self.inner().alarm.is_some_and(|alarm| alarm <= at) {
            return;
        }
        self.inner().alarm = Some(at);
        let sink = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep_until(at.into()).await;
            let Some(sink) = sink.upgrade() else { return };
            if sink.inner().alarm == Some(at) {
                sink.inner().alarm = None;
            }
            sink.wake();
        });
    }
}

/// Would CLIENT PAUSE ... WRITE hold it back? What is not known counts as a write.
pub(super) fn may_write(request: &Request<'_>) -> bool {
    request.spec().is_none_or(|spec| {
        let script = spec.flags.has(Flags::SCRIPT) && !spec.name.ends_with("_ro");
        spec.flags.has(Flags::WRITE) || script || REPLICATED.contains(&spec.name)
    })
}
