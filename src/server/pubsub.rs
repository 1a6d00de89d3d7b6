//! SUBSCRIBE and its like.

use bytes::Bytes;

use super::attach::{Attached, Need};
use super::desk::{Desk, Hold};
use super::sink::Subscribing;
use crate::client::wrong_arity;
use crate::command::{Request, Spec, check_arity};
use crate::policy::Refusal;
use crate::resp::{Proto, encode};
use crate::transform::{Confirmation, ReplyPlan};
use crate::upstream::{Class, Frames};

const TOO_MANY: &str = "WAXSEAL UNSUPPORTED too many subscriptions on one connection. Use a second one";

impl Desk {
    pub(super) fn subscription(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        if !check_arity(spec, request.args().len()) {
            return Err(Hold::Refuse(wrong_arity(spec.name)));
        }
        let Some(kind) = kind_of(spec.name) else {
            return Err(Refusal::Mode { command: spec.name, why: "is not known to this version of Waxseal" }.into());
        };
        if self.in_multi() {
            return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
        }
        let named = request.args().len() - 1;
        let (waiting, count, of_kind, proto) = {
            let inner = self.sink.inner();
            let subscriptions = &inner.session.subscriptions;
            (inner.queue.waiting() > 0, subscriptions.count(), subscriptions.count_of(kind), inner.session.proto)
        };
        if starts(kind) {
            if count + named > crate::client::MAX_SUBSCRIPTIONS {
                return Err(Hold::Refuse(TOO_MANY.into()));
            }
            // RESP2 tells messages from replies by their first word only, so nothing else may be due.
            if waiting && proto == Proto::Resp2 && self.sink.inner().session.subscriptions.in_flight == 0 {
                return Err(Hold::Stall);
            }
            return self.send_subscription(request, named);
        }
        let on_lane = matches!(self.attached, Attached::Alone { .. }) && self.sink.inner().session.holds_lane();
        if !on_lane {
            self.nothing_to_leave(spec.name, request);
            return Ok(());
        }
        if named > 0 {
            return self.send_subscription(request, named);
        }
        // How many confirmations will come is known when all earlier ones are in.
        if waiting {
            return Err(Hold::Stall);
        }
        self.send_subscription(request, of_kind.max(1))
    }

    fn send_subscription(&mut self, request: &Request<'_>, confirmations: usize) -> Result<(), Hold> {
        let worker = self.worker.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = (|| {
            let admitted = worker.policy().admit(self.who(), *request, &mut scratch)?;
            self.note_admitted(&admitted);
            let lane = self.attach(Need::Pinned(Class::Subscription))?;
            lane.set_subscribed(true);
            self.sink.info.subscribe_on(lane.server_id.clone());
            let seq = self.sink.inner().queue.next_seq();
            lane.send(&self.owner, seq, Frames::Confirmations(confirmations), |wire| {
                worker.transform.borrow_mut().seal(&admitted, wire)?;
                Ok::<_, Refusal>(ReplyPlan::Raw)
            })?;
            self.expect(1);
            let mut inner = self.sink.inner();
            let names = request.args().from(1).map(Bytes::copy_from_slice).collect();
            inner.subscribing.push_back(Subscribing { seq, names });
            inner.session.subscriptions.in_flight += 1;
            Ok(())
        })();
        self.scratch = scratch;
        outcome
    }

    /// UNSUBSCRIBE by a client without subscriptions: Redis confirms each name all the same.
    fn nothing_to_leave(&mut self, command: &'static str, request: &Request<'_>) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        let proto = inner.session.proto;
        // Told even under CLIENT REPLY OFF; SKIP is over all the same.
        let _ = inner.session.is_muted();
        let names: Vec<Option<&[u8]>> = match request.args().len() {
            1 => vec![None],
            _ => request.args().from(1).map(Some).collect(),
        };
        inner.queue.local(self.kind, |out| {
            for name in names {
                encode::push_header(out, 3, proto);
                encode::bulk(out, command.as_bytes());
                match name {
                    Some(name) => encode::bulk(out, name),
                    None => encode::null(out, proto),
                }
                encode::int(out, 0);
            }
        });
    }
}

fn kind_of(command: &str) -> Option<Confirmation> {
    Some(match command {
        "subscribe" => Confirmation::Subscribe,
        "unsubscribe" => Confirmation::Unsubscribe,
        "psubscribe" => Confirmation::PSubscribe,
        "punsubscribe" => Confirmation::PUnsubscribe,
        "ssubscribe" => Confirmation::SSubscribe,
        "sunsubscribe" => Confirmation::SUnsubscribe,
        _ => return None,
    })
}

fn starts(kind: Confirmation) -> bool {
    matches!(kind, Confirmation::Subscribe | Confirmation::PSubscribe | Confirmation::SSubscribe)
}
