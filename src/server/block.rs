//! Commands behind MULTI: admitted, sealed and kept in a [`Block`]. What fails in Redis when EXEC runs it fails there
//! here, too; what is refused here, or by Redis at once, has EXEC abort.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::attach::Need;
use super::desk::{Desk, Hold};
use super::multi::{OK, error};
use super::orders::may_write;
use crate::client::{Block, wrong_arity};
use crate::command::{Request, check_arity};
use crate::meter::Way;
use crate::policy::{Refusal, Scratch};
use crate::resp::{RequestLimits, RequestScanner, encode};
use crate::transform::{Emulation, ReplyPlan, Transform, Wire};

/// Of what is kept until EXEC. One command may go over it, for a value can be large.
const MAX_BLOCK_BYTES: usize = 64 * 1024 * 1024;
const TOO_MUCH: &str = "WAXSEAL TOO_LARGE this transaction holds more than 64 MB until EXEC. Split it";
const NO_ROOM: &str = "WAXSEAL TOO_LARGE too much is waiting in this sidecar to hold more until EXEC. Try again later, or \
                       raise [limits] buffers";

const TOO_MUCH_ANSWERED: &str =
    "WAXSEAL TOO_LARGE the answers of this transaction that Waxseal gives itself are more than 64 MB. Split it";

/// Redis's flag no_multi, of what passes at all.
const NOT_IN_MULTI: [&str; 2] = ["save", "shutdown"];

impl Desk {
    /// A command behind MULTI.
    pub(super) fn forward_to_block(
        &mut self,
        request: &Request<'_>,
        need: Need,
        scratch: &mut Scratch,
    ) -> Result<(), Hold> {
        if let Some(spec) = request.spec() {
            // The block is sent later, or never, so it is not left to the server to say.
            if !check_arity(spec, request.args().len()) {
                return Err(Hold::Refuse(wrong_arity(spec.name)));
            }
            if NOT_IN_MULTI.contains(&spec.name) {
                return Err(Hold::Refuse("ERR Command not allowed inside a transaction".into()));
            }
        }
        let worker = self.worker.clone();
        let admitted = match worker.policy().admit(self.who(), *request, scratch) {
            Err(Refusal::Redis(text)) => return self.enqueue_error(&text),
            other => other?,
        };
        if let Some((script, _)) = admitted.listed_script().filter(|(script, _)| script.compares()) {
            return Err(Refusal::ScriptInTransaction { library: script.library }.into());
        }
        if let Some(answer) = Transform::told(&admitted) {
            return self.enqueue(|wire| Ok(Transform::placeholder(wire, answer)));
        }
        self.note_admitted(&admitted);
        let emulation = worker.transform.borrow_mut().emulation(&admitted);
        if matches!(emulation, Ok(Some(_))) {
            self.count_as(Way::Emulated);
        }
        match emulation {
            Err(Refusal::Redis(text)) => return self.enqueue_error(&text),
            Err(refusal) => return Err(refusal.into()),
            Ok(Some(emulation)) => self.enqueue_emulated(emulation)?,
            Ok(None) => self.enqueue(|wire| match worker.transform.borrow_mut().seal(&admitted, wire) {
                Err(Refusal::Redis(text)) => Ok(Transform::placeholder(wire, error(&text))),
                other => other,
            })?,
        }
        self.count_queued();
        if let Some(block) = self.sink.inner().session.block.as_mut() {
            block.writes |= may_write(request);
            block.exclusive |= need.is_exclusive();
        }
        Ok(())
    }

    /// A command behind MULTI is answered QUEUED, then or later; it counts now.
    pub(super) fn count_queued(&self) {
        if let Some(kind) = self.kind {
            self.worker.meter.answered(kind, b'+');
        }
    }

    /// A command that will fail when it is its turn, as in Redis, and stop none of the others.
    fn enqueue_error(&mut self, text: &str) -> Result<(), Hold> {
        self.enqueue(|wire| Ok(Transform::placeholder(wire, error(text))))
    }

    /// Takes one command into the transaction. `seal` gives the plan of its reply in EXEC.
    pub(super) fn enqueue(&mut self, seal: impl FnOnce(&mut Wire) -> Result<ReplyPlan, Refusal>) -> Result<(), Hold> {
        self.enqueue_with(|block| {
            if block.refused {
                seal(&mut Wire::default())?;
                block.count += 1;
            } else {
                let plan = seal(&mut block.wire)?;
                block.push(plan);
            }
            Ok(())
        })
    }

    /// Takes one that is emulated.
    fn enqueue_emulated(&mut self, emulation: Emulation) -> Result<(), Hold> {
        self.enqueue_with(|block| {
            let command = emulation.command();
            if block.refused {
                block.count += 1;
            } else if !block.push_emulated(emulation) {
                return Err(Refusal::InTransaction { command });
            }
            Ok(())
        })
    }

    fn enqueue_with(&mut self, take: impl FnOnce(&mut Block) -> Result<(), Refusal>) -> Result<(), Hold> {
        let shared = &self.worker.shared;
        let is_over = shared.buffered.load(Ordering::Relaxed) > shared.bounds.buffers;
        let refused = {
            let mut guard = self.sink.inner();
            let Some(block) = guard.session.block.as_mut() else { return Ok(()) };
            if block.weight() > MAX_BLOCK_BYTES {
                return Err(Hold::Refuse(TOO_MUCH.into()));
            }
            if is_over && !block.refused {
                return Err(Hold::Refuse(NO_ROOM.into()));
            }
            take(block)?;
            block.refused
        };
        if refused {
            self.tell();
        }
        self.sink.account();
        Ok(())
    }

    /// A command that we answer ourselves, when EXEC comes; the server runs PING in its place.
    pub(super) fn answer_in_multi(&mut self, request: &Request<'_>) -> Result<(), Hold> {
        self.enqueue_with(|block| {
            if block.refused {
                block.count += 1;
            } else {
                block.push_own(Bytes::copy_from_slice(request.bytes()));
            }
            Ok(())
        })
    }

    /// Carries out what the block leaves to us. EXEC is about to be sent: what a client watches may still have it run nothing.
    pub(super) fn answer_own(&mut self, block: &mut Block) {
        // A list of all clients, asked for a thousand times, is larger than what asks for it by far.
        let mut answered = 0;
        for (nth, bytes) in std::mem::take(&mut block.own) {
            if answered > MAX_BLOCK_BYTES {
                block.plans[nth] = ReplyPlan::Replace(error(TOO_MUCH_ANSWERED));
                continue;
            }
            let mut scanner = RequestScanner::new();
            let Ok(Some(_)) = scanner.scan(&bytes, &RequestLimits::authenticated(bytes.len())) else { continue };
            let raw = scanner.request(&bytes);
            let request = Request::parse(raw.bytes, raw.args);
            if let Some(spec) = request.spec() {
                let answer = self.answer_bytes(spec, &request).freeze();
                answered += answer.len();
                block.plans[nth] = ReplyPlan::Replace(answer);
            }
        }
    }

    /// Gives the client the answers to MULTI and to what followed that it has not got yet. `true` if there were any.
    pub(super) fn tell(&mut self) -> bool {
        let untold = {
            let mut inner = self.sink.inner();
            let Some(block) = inner.session.block.as_mut() else { return false };
            let from = block.told;
            block.told = 1 + block.count;
            from..block.told
        };
        let any = !untold.is_empty();
        // They were counted when they were queued.
        let kind = self.kind.take();
        for answer in untold {
            self.say(|out| if answer == 0 { out.extend_from_slice(OK) } else { encode::simple(out, "QUEUED") });
        }
        self.kind = kind;
        any
    }

    /// A command was refused: EXEC will abort.
    pub(super) fn spoil_block(&mut self) {
        self.tell();
        if let Some(block) = self.sink.inner().session.block.as_mut() {
            block.refuse();
        }
        self.sink.account();
    }
}
