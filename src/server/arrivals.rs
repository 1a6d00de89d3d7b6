//! What arrives for a client over its lane: replies, messages, failures.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};

use super::sink::{End, Question, Sink};
use super::worker::Shared;
use crate::policy::Plaintext;
use crate::resp::encode;
use crate::trail::What;
use crate::transform::{Message, ReplyPlan, aborted, stored_values};
use crate::upstream::{Apart, Downstream, Failure, LARGE, Opening};

impl Downstream for Sink {
    fn reply(&self, seq: u64, plan: &ReplyPlan, frame: &[u8], last: bool) {
        let before = self.worker.failures();
        self.accept(seq, plan, frame, last, None);
        self.note_failures(self.worker.failures() - before);
        if plan.opens()
            && let Some(trail) = &self.worker.trail
        {
            trail.read(self.inner().session.identity, frame.len());
        }
    }

    fn open_apart(&self, seq: u64, plan: ReplyPlan, frame: Bytes) -> Opening {
        let proto = {
            let mut inner = self.inner();
            if inner.blocked == Some(seq) {
                // What it waited for is here.
                inner.blocked = None;
                inner.disturbed |= self.info.unblocked();
            }
            inner.session.proto
        };
        let held = Held::of(2 * frame.len(), &self.worker.shared);
        let mut transform = self.worker.transform.borrow().twin();
        let opening = tokio::task::spawn_blocking(move || {
            let mut opened = BytesMut::with_capacity(frame.len());
            transform.open(&plan, &frame, proto, &mut opened);
            Apart { plan, frame, opened, failures: transform.failures() }
        });
        Box::pin(async move {
            let _held = held;
            opening.await.ok()
        })
    }

    fn opened(&self, seq: u64, apart: Apart) {
        let size = apart.frame.len();
        self.accept(seq, &apart.plan, &apart.frame, true, Some(apart.opened));
        if let Some(trail) = &self.worker.trail {
            trail.read(self.inner().session.identity, size);
        }
        self.note_failures(apart.failures);
    }

    fn piece(&self, seq: u64, bytes: &[u8], last: bool) {
        let mut inner = self.inner();
        if inner.end.is_some() || seq < inner.given_up {
            return;
        }
        inner.start_clock();
        // What comes in pieces is large, however small they are.
        inner.bulk.note(LARGE);
        if last {
            self.note_answered(&mut inner, seq);
        }
        self.make_room(&mut inner, bytes.len());
        let outcome = inner.queue.fill(seq, last, |out| out.extend_from_slice(bytes));
        self.taken(inner, outcome);
    }

    fn push(&self, frame: &[u8]) {
        let before = self.worker.failures();
        let mut guard = self.inner();
        let inner = &mut *guard;
        if inner.end.is_some() {
            return;
        }
        let proto = inner.session.proto;
        inner.start_clock();
        match Message::parse(frame) {
            Some(message) if inner.session.subscriptions.want(&message) => {
                let policy = self.worker.policy();
                match policy.identities.access(inner.session.identity).plaintext() {
                    Plaintext::Allow => {
                        inner.queue.push(|out| self.worker.transform.borrow_mut().open_message(&message, proto, out));
                    }
                    Plaintext::Refuse if policy.message_rule(message.channel).is_some() => {}
                    Plaintext::Ciphertext | Plaintext::Refuse => inner.queue.push(|out| out.extend_from_slice(frame)),
                }
            }
            None if inner.session.monitoring && frame.first() == Some(&b'+') => {
                inner.queue.push(|out| out.extend_from_slice(frame));
            }
            None if inner.take_invalidation(frame, self.info.is_target()) => self.info.confirm(&inner.session),
            _ => {
                tracing::warn!(target: "waxseal::server", "the upstream sent a message that the client had not asked for; it was dropped")
            }
        }
        self.taken(guard, Ok(()));
        self.note_failures(self.worker.failures() - before);
    }

    fn failed(&self, seq: u64, failure: &Failure) {
        let mut inner = self.inner();
        if inner.end.is_some() || seq < inner.given_up {
            return;
        }
        inner.start_clock();
        inner.end_subscribing(seq);
        if inner.unblocking.front().is_some_and(|u| u.seq == seq) {
            inner.unblocking.pop_front();
        }
        self.note_answered(&mut inner, seq);
        inner.session.switching = false;
        inner.session.tracking.settle(seq, false);
        inner.session.monitoring &= !std::mem::take(&mut inner.starting_monitor);
        let outcome = match failure {
            Failure::Unsent(why) if matches!(inner.question, Question::Asked(asked) if asked == seq) => {
                inner.question = Question::Answered(Err(why.to_string()));
                inner.queue.fill(seq, true, |_| {})
            }
            Failure::Unsent(why) => inner.queue.fill(seq, true, |out| encode::error(out, why.to_string())),
            Failure::Unknown => {
                // Redis's own death would look like this to the client, and clients know what to do then.
                inner.end_with(End::Upstream);
                Ok(())
            }
        };
        self.taken(inner, outcome);
    }

    fn lost(&self) {
        let mut inner = self.inner();
        if inner.session.lives_on_lane() {
            inner.end_with(End::Upstream);
        }
        drop(inner);
        self.wake();
    }
}

/// Bytes that count against the process's budget while a reply is opened.
struct Held {
    bytes: usize,
    shared: Arc<Shared>,
}

impl Held {
    fn of(bytes: usize, shared: &Arc<Shared>) -> Self {
        shared.buffered.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, shared: shared.clone() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Sink {
    /// So many values of what came did not open.
    pub(super) fn note_failures(&self, count: u64) {
        if count > 0 {
            self.tell(What::OpenFailed { count });
        }
    }

    /// A reply, or a part of it; `opened` is what the client gets, if that was worked out already.
    fn accept(&self, seq: u64, plan: &ReplyPlan, frame: &[u8], last: bool, opened: Option<BytesMut>) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        if inner.end.is_some() {
            return;
        }
        if seq < inner.given_up {
            return;
        }
        inner.start_clock();
        inner.bulk.note(frame.len());
        if self.worker.draining() && inner.blocked == Some(seq) && is_null(frame) && inner.queue.waiting() == 1 {
            // It was not the client's time that was over: it is to ask again, somewhere else.
            inner.end_with(End::Drain);
            return self.taken(guard, Ok(()));
        }
        if last {
            self.note_answered(inner, seq);
        }
        if inner.note_subscription(seq, frame, last) {
            self.info.confirm(&inner.session);
        }
        if std::mem::take(&mut inner.starting_monitor) && frame.first() == Some(&b'-') {
            inner.session.monitoring = false;
            self.info.confirm(&inner.session);
        }
        if inner.session.tracking.settle(seq, frame.first() == Some(&b'+')) {
            self.info.confirm(&inner.session);
        }
        if matches!(inner.question, Question::Asked(asked) if asked == seq) {
            inner.question = Question::Answered(stored_values(frame));
            let outcome = inner.queue.fill(seq, last, |_| {});
            return self.taken(guard, outcome);
        }
        if inner.unblocking.front().is_some_and(|u| u.seq == seq) {
            let refused = frame.first() == Some(&b'-');
            if let Some(unblocking) = inner.unblocking.pop_front().filter(|_| refused) {
                unblocking.target.order(|orders| orders.unblock = Some(unblocking.how));
                let outcome = inner.queue.fill(seq, true, |out| encode::int(out, 1));
                return self.taken(guard, outcome);
            }
        }
        if plan.is_broken_by(frame) {
            if frame.first() == Some(&b'-') {
                // The reason is worth telling before the end, also where the client has been told OK.
                inner.queue.unmute();
                let _ = inner.queue.fill(seq, last, |out| out.extend_from_slice(frame));
            }
            tracing::error!(target: "waxseal::server", "the upstream did not take a transaction; the client is cut");
            inner.end_with(End::Upstream);
            return self.taken(guard, Ok(()));
        }
        if let Some(proto) = plan.switched(frame) {
            inner.session.proto = proto;
            self.info.confirm(&inner.session);
        }
        if plan.may_switch() {
            inner.session.switching = false;
            if let Some(db) = plan.selected(frame) {
                inner.session.db = db;
                self.info.confirm(&inner.session);
            }
        }
        let is_error = frame.first() == Some(&b'-');
        if matches!(plan, ReplyPlan::Told) && is_error {
            inner.discarded.get_or_insert_with(|| Bytes::copy_from_slice(frame));
        }
        let reason = if matches!(plan, ReplyPlan::Exec(_)) { inner.discarded.take() } else { None };
        let proto = inner.session.proto;
        if opened.is_none() {
            self.make_room(inner, frame.len());
        }
        let outcome = inner.queue.fill(seq, last, |out| {
            if let Some(reason) = reason.filter(|_| is_error) {
                return aborted(&reason, out);
            }
            match opened {
                Some(opened) if out.is_empty() => *out = opened,
                Some(opened) => out.extend_from_slice(&opened),
                None => self.worker.transform.borrow_mut().open(plan, frame, proto, out),
            }
        });
        self.taken(guard, outcome);
    }
}

pub(super) fn is_null(frame: &[u8]) -> bool {
    matches!(frame, b"*-1\r\n" | b"$-1\r\n" | b"_\r\n")
}
