//! MULTI as this client has it: the commands are kept here until EXEC and go upstream in one piece.
//!
//! Invariant: the answers to MULTI and to what follows are given in order, each once: here, if the client waits for
//! them before EXEC, else by the server.

use bytes::Bytes;

use crate::transform::{Emulation, Outlook, Queued, ReplyPlan, Transform, Wire};

/// What one command takes beside its bytes and its plan: its places in the queues of replies.
const PER_COMMAND: usize = 128;

/// MULTI and what followed it, sealed, not yet sent.
#[derive(Default)]
pub struct Block {
    /// Of MULTI and every command.
    pub wire: Wire,
    /// How the reply to each command is opened.
    pub plans: Vec<ReplyPlan>,
    /// The commands that we answer ourselves: which of them it is, and the request.
    pub own: Vec<(usize, Bytes)>,
    /// The commands that are emulated. Each has a plan that EXEC finds.
    pub emulated: Vec<Queued>,
    /// What the commands so far make of the keys; only looked at for those.
    pub outlook: Outlook,
    plans_weight: usize,
    /// The commands that were queued, also after a refusal.
    pub count: usize,
    /// How many answers the client has got, that to MULTI first.
    pub told: usize,
    /// A command was refused here: EXEC must not run the others, of which nothing is kept any more.
    pub refused: bool,
    /// Something that may write is among them.
    pub writes: bool,
    /// Something that leaves a lane in a state we do not follow is among them.
    pub exclusive: bool,
    /// SELECT is among them.
    pub selects: bool,
}

impl Block {
    /// A command was sealed into the wire.
    pub fn push(&mut self, plan: ReplyPlan) {
        self.plans_weight += plan.weight() + PER_COMMAND;
        self.plans.push(plan);
        self.count += 1;
    }

    /// Takes one that we answer ourselves.
    pub fn push_own(&mut self, request: Bytes) {
        self.plans_weight += request.len();
        self.own.push((self.count, request));
        let plan = Transform::placeholder(&mut self.wire, Bytes::new());
        self.push(plan);
    }

    /// Takes an emulated command; `false` if it would read what only the database knows by then.
    #[must_use]
    pub fn push_emulated(&mut self, mut emulation: Emulation) -> bool {
        emulation.wait_for_nothing();
        let Some(known) = self.outlook.queue(self.wire.bytes(), &emulation) else { return false };
        self.plans_weight += emulation.weight();
        self.emulated.push(Queued { emulation, nth: self.count, at: self.wire.len(), known });
        self.push(ReplyPlan::Step);
        true
    }

    /// How many answers the client has not got.
    pub fn untold(&self) -> usize {
        1 + self.count - self.told
    }

    /// EXEC will abort: what was kept is not needed. Every answer has been given.
    pub fn refuse(&mut self) {
        self.refused = true;
        (self.wire, self.plans, self.plans_weight) = (Wire::default(), Vec::new(), 0);
        (self.own, self.emulated, self.outlook) = (Vec::new(), Vec::new(), Outlook::default());
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        self.wire.len() + self.plans_weight
    }
}
