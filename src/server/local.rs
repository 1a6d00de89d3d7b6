//! Commands that are answered here, and SELECT.

use bytes::{Bytes, BytesMut};

use super::attach::Need;
use super::desk::{Desk, Hold};
use super::worker::Worker;
use crate::client::{self, About, Answer, ClientInfo, Session, Verdict, wrong_arity};
use crate::command::{Request, Spec, check_arity};
use crate::policy::Refusal;
use crate::resp::encode;
use crate::trail::What;
use crate::transform::{Control, ReplyPlan, Transform};
use crate::upstream::{Frames, LaneKey};

/// What these do is done at once and cannot wait for EXEC.
const ACTS_ON_OTHERS: [&str; 4] = ["client|kill", "client|unblock", "client|pause", "client|unpause"];

impl Desk {
    pub(super) fn local(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let args = request.args();
        if spec.name == "sentinel" {
            // A server that is no Sentinel does not know it, with or without a subcommand.
            return Err(Hold::Refuse("ERR unknown command 'sentinel'".into()));
        }
        if !check_arity(spec, args.len()) {
            return Err(Hold::Refuse(wrong_arity(spec.name)));
        }
        let (in_multi, waiting, holds) = {
            let inner = self.sink.inner();
            (inner.session.in_multi(), inner.queue.waiting() > 0, inner.session.holds_lane())
        };
        match spec.name {
            // What was queued is given up; its answers come first.
            "quit" => _ = self.tell(),
            "reset" => {
                if waiting {
                    return Err(Hold::Stall);
                }
                self.tell();
                if holds {
                    self.abandon();
                }
            }
            "select" => return self.select(request, holds),
            // Who is logged in there is the sidecar itself; without identities that is whom all clients are.
            "acl|whoami" if !self.worker.policy().identities.are_named() => return self.forward(request, Need::Shared),
            "auth" if !in_multi || self.worker.policy().identities.are_named() => self.check_login(spec, request)?,
            "hello" | "client|reply" if in_multi => {
                return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
            }
            "hello" => {
                if waiting {
                    return Err(Hold::Stall);
                }
                self.check_login(spec, request)?;
                if holds {
                    return self.hello_on_lane(spec, request);
                }
            }
            "client|tracking" | "client|caching" => return self.tracking(spec, request),
            "client|getredir" | "client|trackinginfo" if self.sink.inner().session.tracking.holds_lane() => {
                return self.tracking(spec, request);
            }
            // A barrier: what the server has told by then comes before it.
            "ping" | "echo" if self.has_barrier() => return self.forward(request, Need::Shared),
            name if ACTS_ON_OTHERS.contains(&name) => {
                if in_multi {
                    return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
                }
                // Administrative: for its access check only. There is no key in it, and nothing is sent.
                self.worker.policy().admit(self.who(), *request, &mut self.scratch)?;
                self.sink.tell(What::Administrative { command: spec.name });
                if name == "client|unblock" {
                    return self.unblock(request);
                }
            }
            _ if in_multi => return self.answer_in_multi(request),
            _ => {}
        }
        self.answer(spec, request);
        if spec.name == "client|setinfo" {
            self.sink.tell_library();
        }
        Ok(())
    }

    fn answer(&mut self, spec: &'static Spec, request: &Request<'_>) {
        let verdict = self.verdict.take();
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        // CLIENT REPLY decides about later commands and answers for itself; RESET ends its effect.
        let muted = !matches!(spec.name, "client|reply" | "reset") && inner.session.is_muted();
        let (session, worker, info) = (&mut inner.session, &self.worker, &self.sink.info);
        if muted {
            respond(worker, info, spec, request, verdict, session, &mut BytesMut::new());
        } else {
            inner.queue.local(self.kind, |out| {
                respond(worker, info, spec, request, verdict, session, out);
            });
        }
    }

    /// Is what the server tells about keys to come before the answer to PING?
    fn has_barrier(&self) -> bool {
        let session = &self.sink.inner().session;
        session.tracking.holds_lane() && !session.is_subscriber()
    }

    /// The bytes of a local answer, for EXEC to give in the command's place.
    pub(super) fn answer_bytes(&mut self, spec: &'static Spec, request: &Request<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        let verdict = self.verdict.take().or_else(|| self.verdict_at_once(spec, request));
        respond(&self.worker, &self.sink.info, spec, request, verdict, &mut self.sink.inner().session, &mut out);
        out
    }

    /// SELECT asks the server whether that database is there, on a lane of that database; or on the client's
    /// own if its state is there, which nobody else gets afterwards.
    fn select(&mut self, request: &Request<'_>, holds: bool) -> Result<(), Hold> {
        let in_multi = self.in_multi();
        let wanted = match database(request.args().get(1).unwrap_or_default()) {
            Ok(db) => db,
            Err(text) if in_multi => {
                let answer = Bytes::from(format!("-{text}\r\n"));
                return self.enqueue(|wire| Ok(Transform::placeholder(wire, answer)));
            }
            Err(text) => return Err(Hold::Refuse(text.into())),
        };
        if in_multi {
            self.enqueue(|wire| {
                wire.control(Control::Select(wanted));
                Ok(ReplyPlan::Selected(wanted))
            })?;
            if let Some(block) = self.sink.inner().session.block.as_mut() {
                (block.exclusive, block.selects) = (true, true);
            }
            return Ok(());
        }
        let (proto, current, waiting) = {
            let inner = self.sink.inner();
            (inner.session.proto, inner.session.db, inner.queue.waiting())
        };
        if wanted == current {
            self.say(|out| encode::simple(out, "OK"));
            return Ok(());
        }
        if waiting > 0 {
            return Err(Hold::Stall);
        }
        let lane = self.attach_to(LaneKey { proto, db: wanted, bulk: 0 }, Need::Shared)?;
        if holds {
            self.retire_lane();
        }
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Select(wanted));
            Ok::<_, Hold>(ReplyPlan::Selected(wanted))
        })?;
        self.expect(1);
        self.sink.inner().session.switching = true;
        Ok(())
    }

    /// HELLO of a client whose state is on its lane, so that it cannot take one of the other protocol: this one changes
    /// over, and the client's protocol with it when the server has answered. Nobody else gets the lane afterwards.
    fn hello_on_lane(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let before = self.sink.inner().session.proto;
        let greeting = self.answer_bytes(spec, request).freeze();
        let wanted = std::mem::replace(&mut self.sink.inner().session.proto, before);
        if wanted == before {
            self.say(|out| out.extend_from_slice(&greeting));
            return Ok(());
        }
        let lane = self.attach(Need::Shared)?;
        lane.retire();
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Hello { proto: wanted, auth: None });
            Ok::<_, Hold>(ReplyPlan::Greeted(wanted, greeting))
        })?;
        self.expect(1);
        self.sink.inner().session.switching = true;
        Ok(())
    }

    /// The lane is about to be in another database than its key says.
    fn retire_lane(&self) {
        if let Some(lane) = self.attached.lane() {
            lane.retire();
        }
    }
}

/// The argument of SELECT, or Redis's words for what it is not.
fn database(text: &[u8]) -> Result<u32, &'static str> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    let number = number.ok_or("ERR value is not an integer or out of range")?;
    u32::try_from(number).map_err(|_| "ERR DB index is out of range")
}

fn respond(
    worker: &Worker,
    info: &ClientInfo,
    spec: &'static Spec,
    request: &Request<'_>,
    verdict: Option<Verdict>,
    session: &mut Session,
    out: &mut BytesMut,
) -> Answer {
    // The line about this client should tell of this command, and afterwards of its new name.
    let described = ["client", "hello", "reset"].iter().any(|c| spec.name.starts_with(c));
    if described {
        info.describe(session, spec.name);
    }
    let product = worker.pool.product();
    let server = product.as_ref().map(|product| (product.name.as_str(), product.version.as_str()));
    let identities = &worker.shared.policy.identities;
    let about = About { server, identities, verdict, registry: &worker.shared.registry, info };
    let answer = client::answer(spec, request.args(), session, &about, out);
    if described {
        info.describe(session, spec.name);
    }
    answer
}
