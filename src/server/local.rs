//! Commands that are answered here, and SELECT.

use bytes::BytesMut;

use super::attach::Need;
use super::desk::{Desk, Hold};
use super::worker::Worker;
use crate::client::{self, About, Answer, ClientInfo, Session, wrong_arity};
use crate::command::{Request, Spec, check_arity};
use crate::policy::Refusal;
use crate::resp::encode;
use crate::transform::{Control, ReplyPlan};
use crate::upstream::{Frames, LaneKey};

/// What these do is done at once and cannot wait for EXEC.
const ACTS_ON_OTHERS: [&str; 4] = ["client|kill", "client|unblock", "client|pause", "client|unpause"];

impl Desk {
    pub(super) fn local(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let args = request.args();
        if !check_arity(spec, args.len()) {
            return Err(Hold::Refuse(wrong_arity(spec.name)));
        }
        let (in_multi, waiting, holds) = {
            let inner = self.sink.inner();
            (inner.session.tx.in_multi(), inner.queue.waiting() > 0, inner.session.holds_lane())
        };
        match spec.name {
            // What was gathered is given up; its replies come first.
            "quit" => _ = self.end_block(|_| {}),
            "reset" => {
                if waiting {
                    return Err(Hold::Stall);
                }
                self.end_block(|_| {});
                if holds {
                    self.abandon();
                }
            }
            "select" => return self.select(request, in_multi, holds),
            "hello" | "auth" | "client|reply" if in_multi => {
                return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
            }
            "hello" => {
                if waiting {
                    return Err(Hold::Stall);
                }
                if holds {
                    return Err(Refusal::Mode {
                        command: "hello",
                        why: "is not possible while keys are watched or channels subscribed",
                    }
                    .into());
                }
            }
            name if ACTS_ON_OTHERS.contains(&name) => {
                if in_multi {
                    return Err(Refusal::Mode { command: spec.name, why: "is not possible inside MULTI" }.into());
                }
                // Administrative: for its access check only. There is no key in it, and nothing is sent.
                self.worker.policy().admit(*request, &mut self.scratch)?;
                if name == "client|unblock" {
                    return self.unblock(request);
                }
            }
            _ if in_multi => return self.answer_in_multi(spec, request),
            _ => {}
        }
        self.answer(spec, request);
        Ok(())
    }

    fn answer(&mut self, spec: &'static Spec, request: &Request<'_>) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        // CLIENT REPLY decides about later commands and answers for itself; RESET ends its effect.
        let muted = !matches!(spec.name, "client|reply" | "reset") && inner.session.is_muted();
        let (session, worker, info) = (&mut inner.session, &self.worker, &self.sink.info);
        if muted {
            respond(worker, info, spec, request, session, &mut BytesMut::new());
        } else {
            inner.queue.local(|out| {
                respond(worker, info, spec, request, session, out);
            });
        }
    }

    /// The bytes of a local answer, for EXEC to give in the command's place.
    pub(super) fn answer_bytes(&mut self, spec: &'static Spec, request: &Request<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        respond(&self.worker, &self.sink.info, spec, request, &mut self.sink.inner().session, &mut out);
        out
    }

    /// SELECT asks the server whether that database is there, on a lane of that database.
    fn select(&mut self, request: &Request<'_>, in_multi: bool, holds: bool) -> Result<(), Hold> {
        if in_multi || holds {
            return Err(Refusal::Mode {
                command: "select",
                why: "is not possible inside a transaction or while channels are subscribed",
            }
            .into());
        }
        let wanted = request.args().get(1).and_then(|a| std::str::from_utf8(a).ok()?.parse::<i64>().ok());
        let Some(wanted) = wanted else {
            return Err(Hold::Refuse("ERR value is not an integer or out of range".into()));
        };
        let Ok(db) = u32::try_from(wanted) else { return Err(Hold::Refuse("ERR DB index is out of range".into())) };
        let (proto, current, waiting) = {
            let inner = self.sink.inner();
            (inner.session.proto, inner.session.db, inner.queue.waiting())
        };
        if db == current {
            self.say(|out| encode::simple(out, "OK"));
            return Ok(());
        }
        if waiting > 0 {
            return Err(Hold::Stall);
        }
        let lane = self.attach_to(LaneKey { proto, db }, Need::Shared)?;
        let seq = self.sink.inner().queue.next_seq();
        lane.send(&self.owner, seq, Frames::One, |wire| {
            wire.control(Control::Select(db));
            Ok::<_, Hold>(ReplyPlan::Raw)
        })?;
        self.expect(1);
        self.sink.inner().session.selecting = Some(db);
        Ok(())
    }
}

fn respond(
    worker: &Worker,
    info: &ClientInfo,
    spec: &'static Spec,
    request: &Request<'_>,
    session: &mut Session,
    out: &mut BytesMut,
) -> Answer {
    // The line about this client should tell of this command, and afterwards of its new name.
    let described = ["client", "hello", "reset"].iter().any(|c| spec.name.starts_with(c));
    if described {
        info.describe(session, spec.name);
    }
    let version = worker.pool.version();
    let about =
        About { version: version.as_deref(), secrets: &worker.shared.secrets, registry: &worker.shared.registry, info };
    let answer = client::answer(spec, request.args(), session, &about, out);
    if described {
        info.describe(session, spec.name);
    }
    answer
}
