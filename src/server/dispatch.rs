//! One request's way through the rooms: gate, limit, admit, attach, seal, queue.
//!
//! Every step before the last leaves things as they were if the request has to wait, so that it can
//! simply be taken again.

use std::rc::Rc;

use bytes::BytesMut;

use super::attach::{Attached, Need};
use super::sink::Sink;
use super::worker::Worker;
use crate::client::{self, About, Answer, ClientInfo, Session, Tx, wrong_arity};
use crate::command::{Lane, Request, Spec, check_arity};
use crate::policy::{Limiter, Refusal, Scratch};
use crate::resp::{Proto, RawRequest, encode};
use crate::transform::{Control, ReplyPlan};
use crate::upstream::{Class, Downstream, Frames};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Done,
    /// Earlier replies have to come first; the request is taken again then.
    Stall,
}

/// Why a step did not go on.
#[derive(Debug)]
pub(super) enum Hold {
    Stall,
    /// The error line that the client gets in the request's place.
    Refuse(String),
}

impl From<Refusal> for Hold {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal.to_string())
    }
}

/// Everything that one connection's requests need.
pub(super) struct Desk {
    pub sink: Rc<Sink>,
    pub owner: Rc<dyn Downstream>,
    pub worker: Rc<Worker>,
    pub attached: Attached,
    pub info: std::sync::Arc<ClientInfo>,
    pub(super) scratch: Scratch,
    limiter: Option<Limiter>,
    /// The request at hand has taken its token already.
    charged: bool,
    /// The client has closed its sending side and may be gone.
    pub leaving: bool,
}

/// What may be said before a login.
const BEFORE_LOGIN: [&str; 4] = ["auth", "hello", "quit", "reset"];
/// The handshake that client libraries do is not counted against the rate limit; nor are the ends
/// of a transaction: its commands would run one by one, or the client would stay inside it.
const NOT_LIMITED: [&str; 12] =
    ["multi", "auth", "hello", "ping", "echo", "info", "select", "quit", "reset", "config|get", "exec", "discard"];

impl Desk {
    pub fn new(sink: Rc<Sink>, worker: Rc<Worker>, info: std::sync::Arc<ClientInfo>) -> Self {
        let limiter = worker.shared.per_connection.map(Limiter::new);
        let owner: Rc<dyn Downstream> = sink.clone();
        Self {
            sink,
            owner,
            worker,
            attached: Attached::Nowhere,
            info,
            scratch: Scratch::default(),
            limiter,
            charged: false,
            leaving: false,
        }
    }

    pub fn dispatch(&mut self, raw: &RawRequest<'_>) -> Flow {
        if raw.args.is_empty() {
            return Flow::Done;
        }
        let request = Request::parse(raw.bytes, raw.args);
        match self.step(&request) {
            Ok(()) => {}
            Err(Hold::Stall) => return Flow::Stall,
            Err(Hold::Refuse(text)) => self.refuse(&text),
        }
        self.charged = false;
        Flow::Done
    }

    /// What was queued may be written now.
    pub fn finish_batch(&mut self) {
        self.info.touch(&self.sink.inner().session);
        if let Some(lane) = self.attached.lane() {
            lane.wake();
        }
    }

    /// Has the lane, or the transaction that is being gathered, as much as it may have?
    pub fn is_held_up(&self) -> bool {
        self.block_is_full() || self.attached.lane().is_some_and(|lane| lane.holds_up(|| self.sink.waker()))
    }

    fn step(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        self.gate(request)?;
        self.charge(request)?;
        let Some(spec) = request.spec() else { return self.unknown(request) };
        match spec.lane {
            Lane::Local => self.local(spec, request),
            Lane::Transaction => self.transaction(spec, request),
            Lane::Subscribe => self.subscription(spec, request),
            Lane::Monitor => self.monitor(request),
            Lane::Wait => self.wait(spec, request),
            Lane::Exclusive => self.forward(request, Need::Exclusive),
            Lane::Shared | Lane::Never(_) => self.forward(request, Need::Shared),
            Lane::Blocking | Lane::BlockingIfOption => {
                let waits = spec.may_block(request.args()) && !self.sink.inner().session.tx.in_multi();
                if waits && self.leaving {
                    // It would take an element for nobody.
                    return Err(
                        Refusal::Mode { command: spec.name, why: "is not run for a client that has left" }.into()
                    );
                }
                self.forward(request, if waits { Need::Pinned(Class::Blocking) } else { Need::Shared })
            }
        }
    }

    /// What the client's state lets through at all.
    fn gate(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let inner = self.sink.inner();
        let session = &inner.session;
        let waiting = inner.queue.waiting() > 0;
        let name = request.spec().map_or("", |s| s.name);
        if !session.authenticated && !BEFORE_LOGIN.contains(&name) {
            return Err(Hold::Refuse("NOAUTH Authentication required.".into()));
        }
        // Which lane comes next depends on the answer.
        if session.selecting.is_some() && waiting {
            return Err(Hold::Stall);
        }
        if session.monitoring && !matches!(name, "quit" | "reset" | "ping") {
            return Err(Hold::Refuse(
                "WAXSEAL UNSUPPORTED only PING, QUIT and RESET are possible while MONITOR runs".into(),
            ));
        }
        let subscription = request.spec().is_some_and(|s| s.lane == Lane::Subscribe);
        if subscription || matches!(name, "quit" | "reset") {
            return Ok(());
        }
        // RESP2 treats subscribers differently. Whether this is one is known when all is confirmed.
        if session.proto == Proto::Resp2 && session.subscriptions.in_flight > 0 && waiting {
            return Err(Hold::Stall);
        }
        if session.is_subscriber() && name != "ping" {
            return Err(Hold::Refuse(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                if name.is_empty() { "command" } else { name }
            )));
        }
        Ok(())
    }

    fn charge(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let exempt = request.spec().is_some_and(|s| {
            NOT_LIMITED.contains(&s.name) || ["client", "cluster", "command"].iter().any(|c| s.name.starts_with(c))
        });
        if self.charged || exempt {
            return Ok(());
        }
        limiter.check().map_err(Refusal::RateLimited)?;
        self.charged = true;
        Ok(())
    }

    /// An error in the request's place. Inside MULTI it also stops EXEC, as in Redis.
    pub(super) fn refuse(&mut self, text: &str) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        if let Tx::Gathering(block) = &mut inner.session.tx {
            let mut bytes = BytesMut::new();
            encode::error(&mut bytes, text);
            block.entries.push(client::Entry::Refused(bytes.freeze()));
            block.refused = true;
            return;
        }
        inner.session.tx.refuse();
        if !inner.session.is_muted() {
            inner.queue.local(|out| encode::error(out, text));
        }
    }

    /// An answer of ours that is neither an error nor in need of state.
    pub(super) fn say(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        if !inner.session.is_muted() {
            inner.queue.local(write);
        }
    }

    /// Admits, attaches, seals, queues.
    pub(super) fn forward(&mut self, request: &Request<'_>, need: Need) -> Result<(), Hold> {
        let in_multi = self.in_multi()?;
        if need == Need::Exclusive && in_multi {
            self.leave_shared_lane()?;
        }
        let worker = self.worker.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = (|| {
            let admitted = worker.policy().admit(*request, &mut scratch)?;
            if in_multi {
                return self.enqueue(|wire| worker.transform.borrow_mut().seal(&admitted, wire));
            }
            let lane = self.attach(need)?;
            let seq = self.sink.inner().queue.next_seq();
            lane.send(&self.owner, seq, Frames::One, |wire| worker.transform.borrow_mut().seal(&admitted, wire))?;
            self.expect(1);
            Ok(())
        })();
        self.scratch = scratch;
        outcome
    }

    /// Is the client inside MULTI? A transaction that cannot succeed any more takes nothing in.
    fn in_multi(&self) -> Result<bool, Hold> {
        match &self.sink.inner().session.tx {
            Tx::Doomed(text) => Err(Hold::Refuse(text.clone())),
            tx => Ok(tx.in_multi()),
        }
    }

    /// Reserves the places of `n` replies that were just asked for.
    pub(super) fn expect(&mut self, n: usize) {
        let mut guard = self.sink.inner();
        let inner = &mut *guard;
        for _ in 0..n {
            let muted = inner.session.is_muted();
            inner.queue.expect(muted);
        }
    }

    fn unknown(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if let Some(container) = request.container().filter(|c| c.lane == Lane::Local) {
            return Err(Hold::Refuse(match container.name {
                "cluster" => "ERR This instance has cluster support disabled".into(),
                name => format!("ERR unknown subcommand of {}", name.to_ascii_uppercase()),
            }));
        }
        self.forward(request, Need::Exclusive)
    }

    /// WAIT counts the replicas that have the earlier writes of its own connection. On any other
    /// connection its answer would be true of nothing.
    fn wait(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        if !self.worker.shared.dedicated {
            return Err(Refusal::Mode {
                command: spec.name,
                why: "needs a connection of this client's own. Set [upstream] lanes = \"dedicated\"",
            }
            .into());
        }
        self.forward(request, Need::Shared)
    }

    fn monitor(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.in_multi()? || self.sink.inner().session.holds_lane() {
            return Err(Refusal::Mode {
                command: "monitor",
                why: "is not possible inside a transaction or while subscribed",
            }
            .into());
        }
        self.forward(request, Need::Pinned(Class::Subscription))?;
        if let Some(lane) = self.attached.lane() {
            lane.set_monitoring();
        }
        self.attached.taint();
        let mut inner = self.sink.inner();
        inner.session.monitoring = true;
        inner.starting_monitor = true;
        Ok(())
    }

    fn local(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
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
        let (session, worker, info) = (&mut inner.session, &self.worker, &self.info);
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
        respond(&self.worker, &self.info, spec, request, &mut self.sink.inner().session, &mut out);
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
        let lane = self.attach_to(crate::upstream::LaneKey { proto, db }, Need::Shared)?;
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
