//! One request's way through the rooms: gate, limit, admit, attach, seal, queue.
//!
//! Every step before the last leaves things as they were if the request has to wait, so that it can
//! simply be taken again.

use super::attach::{Need, Wrote};
use super::desk::{Desk, Flow, Hold};
use super::orders::may_write;
use super::sink::Question;
use crate::command::{CommandClass, Keys, Lane, Request, Spec};
use crate::meter::{Kind, Way};
use crate::policy::Refusal;
use crate::resp::{Proto, RawRequest, encode};
use crate::transform::Transform;
use crate::upstream::{Class, Frames};

/// What may be said before a login.
const BEFORE_LOGIN: [&str; 4] = ["auth", "hello", "quit", "reset"];

const SCATTERED: &str = "cannot tell, because this client's writes went over several connections to the database. \
    Send WAIT 0 0 first on a new connection, or set [upstream] lanes = \"dedicated\"";

impl Desk {
    pub fn dispatch(&mut self, raw: &RawRequest<'_>) -> Flow {
        if raw.args.is_empty() {
            return Flow::Done;
        }
        let request = Request::parse(raw.bytes, raw.args);
        self.last_command = request.spec().map_or("", |spec| spec.name);
        self.kind = Some(Kind { class: CommandClass::of(request.spec()), way: Way::Local });
        let caching = self.caching;
        match self.step(&request) {
            Ok(()) => {}
            Err(Hold::Stall) => return Flow::Stall,
            Err(Hold::Refuse(text)) => {
                {
                    let mut inner = self.sink.inner();
                    // What was asked for it is not for the next one.
                    if matches!(inner.question, Question::Answered(_)) {
                        inner.question = Question::None;
                    }
                }
                self.refuse(&text);
            }
        }
        if caching && !self.last_command.starts_with("client|") && !self.in_multi() {
            self.end_caching();
        }
        self.charge_next();
        self.noted = false;
        Flow::Done
    }

    fn step(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        self.gate(request)?;
        self.wait_for_pause(request)?;
        self.charge(request)?;
        let Some(spec) = request.spec() else { return self.unknown(request) };
        if matches!(spec.lane, Lane::Local | Lane::Transaction | Lane::Subscribe | Lane::Wait)
            || spec.name == "script|exists"
        {
            // Some of these are answered here and not admitted to anything, or take a lane before.
            self.worker.policy().permit(self.who(), spec)?;
        }
        match spec.lane {
            Lane::Local => self.local(spec, request),
            Lane::Transaction => self.transaction(spec, request),
            Lane::Subscribe => self.subscription(spec, request),
            Lane::Monitor => self.monitor(request),
            Lane::Wait => self.wait(spec, request),
            Lane::Exclusive if spec.keys == Keys::None => self.forward(request, Need::ExclusiveAnywhere),
            Lane::Exclusive => self.forward(request, Need::Exclusive),
            Lane::Shared if spec.name == "script|exists" && self.script_is_unseen(request)? => {
                let count = request.args().len() - 2;
                self.say(|out| {
                    encode::array_header(out, count);
                    for _ in 0..count {
                        encode::int(out, 0);
                    }
                });
                Ok(())
            }
            Lane::Shared | Lane::Never(_) => self.forward(request, Need::Shared),
            Lane::Blocking | Lane::BlockingIfOption => {
                let waits = spec.may_block(request.args()) && !self.in_multi();
                if waits && self.leaving {
                    // It would take an element for nobody.
                    return Err(
                        Refusal::Mode { command: spec.name, why: "is not run for a client that has left" }.into()
                    );
                }
                if !waits {
                    return self.forward(request, Need::Shared);
                }
                self.forward(request, Need::Pinned(Class::Blocking))?;
                self.note_blocked();
                Ok(())
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
        // Which lane comes next, or how what it says is to be read, depends on the answer.
        if session.switching && waiting {
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

    /// Admits, attaches, seals, queues.
    pub(super) fn forward(&mut self, request: &Request<'_>, need: Need) -> Result<(), Hold> {
        let worker = self.worker.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = (|| {
            if self.in_multi() {
                return self.forward_to_block(request, need, &mut scratch);
            }
            let admitted = worker.policy().admit(self.who(), *request, &mut scratch)?;
            let compares = admitted.listed_script().filter(|(script, _)| script.compares());
            if let Some(answer) = Transform::told(&admitted) {
                self.say(|out| out.extend_from_slice(&answer));
                return Ok(());
            }
            self.note_admitted(&admitted);
            self.sink.inner().bulk.note(request.bytes().len());
            if self.begin_emulation(&admitted, need)? {
                return Ok(());
            }
            let lane = self.attach(need)?;
            let stored = if compares.is_some() { Some(self.stored(&admitted, &lane)?) } else { None };
            let seq = self.sink.inner().queue.next_seq();
            lane.send(&self.owner, seq, Frames::One, |wire| {
                let mut transform = worker.transform.borrow_mut();
                match &stored {
                    Some(stored) => transform.seal_comparing(&admitted, stored, wire),
                    None => transform.seal(&admitted, wire),
                }
            })?;
            self.expect(1);
            if may_write(request) {
                self.wrote.note(&lane);
            }
            Ok(())
        })();
        self.scratch = scratch;
        outcome
    }

    /// SCRIPT EXISTS for a script whose body was not seen here: the server may have it, yet EVALSHA
    /// is answered NOSCRIPT. "None of them" has the client load all of them, which harms nothing.
    fn script_is_unseen(&self, request: &Request<'_>) -> Result<bool, Hold> {
        // Inside MULTI the answer has its place in that of EXEC.
        Ok(!self.in_multi() && self.worker.policy().has_unseen_script(request.args().from(2)))
    }

    fn unknown(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if let Some(container) = request.container().filter(|c| c.lane == Lane::Local) {
            return Err(Hold::Refuse(match container.name {
                "cluster" => "ERR This instance has cluster support disabled".into(),
                "sentinel" => "ERR unknown command 'sentinel'".into(),
                name => format!("ERR unknown subcommand. Try {} HELP.", name.to_ascii_uppercase()),
            }));
        }
        self.forward(request, Need::Exclusive)
    }

    /// WAIT counts the replicas that have the earlier writes of its own connection. It also blocks that
    /// connection, so the lane on which the client wrote becomes its own.
    fn wait(&mut self, spec: &'static Spec, request: &Request<'_>) -> Result<(), Hold> {
        let in_multi = self.in_multi();
        let (waits, holds) = {
            let session = &self.sink.inner().session;
            (session.waits, session.holds_lane())
        };
        if !waits {
            if in_multi {
                let why = "is not possible inside MULTI, unless this client has used it before";
                return Err(Refusal::Mode { command: spec.name, why }.into());
            }
            if !holds {
                self.back_to_its_writes()?;
            }
            if !self.wrote.all_on(self.attached.lane()) {
                return Err(Refusal::Mode { command: spec.name, why: SCATTERED }.into());
            }
            if matches!(self.wrote, Wrote::Nothing) && !holds {
                self.attach(Need::Pinned(Class::Dedicated))?;
            }
            self.keep_lane()?;
            self.sink.inner().session.waits = true;
        }
        self.forward(request, Need::Shared)?;
        if !in_multi {
            self.note_blocked();
        }
        Ok(())
    }

    fn monitor(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        if self.in_multi() || self.sink.inner().session.holds_lane() {
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
}
