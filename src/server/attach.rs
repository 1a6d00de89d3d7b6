//! Which lane a client is on, and when it may change.
//!
//! Invariant: a client has unanswered requests on one lane only. It changes lanes when all of them
//! are answered, so replies cannot overtake each other.

use std::rc::{Rc, Weak};

use super::desk::{Desk, Hold};
use crate::upstream::{Class, Downstream, Exhausted, Lane, LaneKey, Pinned};

const TOO_MANY: &str = "ERR max number of clients reached";

/// The lane of the client's last request.
#[derive(Default)]
pub(super) enum Attached {
    #[default]
    Nowhere,
    Shared(Rc<Lane>),
    Alone {
        pinned: Pinned,
        class: Option<Class>,
        /// Something was sent that leaves the server in a state we do not follow.
        tainted: bool,
    },
}

/// What kind of lane a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Shared,
    Pinned(Class),
    /// Thrown away afterwards.
    Exclusive,
    /// The same, whichever database: while a script runs, the server takes no SELECT on a new connection.
    ExclusiveAnywhere,
}

impl Need {
    pub fn is_exclusive(self) -> bool {
        matches!(self, Self::Exclusive | Self::ExclusiveAnywhere)
    }
}

/// Where a client's writes went, for WAIT.
#[derive(Default)]
pub(super) enum Wrote {
    #[default]
    Nothing,
    /// All of them over this lane.
    On(Weak<Lane>),
    Scattered,
}

impl Wrote {
    /// Something that may write was sent.
    pub fn note(&mut self, lane: &Rc<Lane>) {
        match self {
            Self::Nothing => *self = Self::On(Rc::downgrade(lane)),
            Self::On(before) if std::ptr::eq(before.as_ptr(), Rc::as_ptr(lane)) => {}
            _ => *self = Self::Scattered,
        }
    }

    /// Did every write go over this lane, and is it still there?
    pub fn all_on(&self, lane: Option<&Rc<Lane>>) -> bool {
        match self {
            Self::Nothing => true,
            Self::On(wrote) => {
                lane.is_some_and(|lane| std::ptr::eq(wrote.as_ptr(), Rc::as_ptr(lane)) && !lane.is_dead())
            }
            Self::Scattered => false,
        }
    }
}

impl From<Exhausted> for Hold {
    fn from(why: Exhausted) -> Self {
        match why {
            Exhausted::Budget => Self::Refuse(TOO_MANY.into()),
            Exhausted::Upstream(why) => Self::Refuse(why.to_string()),
        }
    }
}

impl Attached {
    pub fn lane(&self) -> Option<&Rc<Lane>> {
        match self {
            Self::Nowhere => None,
            Self::Shared(lane) => Some(lane),
            Self::Alone { pinned, .. } => Some(pinned.lane()),
        }
    }

    pub fn taint(&mut self) {
        if let Self::Alone { tainted, .. } = self {
            *tainted = true;
        }
    }
}

impl Desk {
    /// The lane for the next request, or why it has to wait or cannot be had.
    pub(super) fn attach(&mut self, need: Need) -> Result<Rc<Lane>, Hold> {
        self.attach_to(self.lane_key(need), need)
    }

    pub(super) fn attach_to(&mut self, key: LaneKey, need: Need) -> Result<Rc<Lane>, Hold> {
        self.spoil_if_disturbed();
        let (waiting, holds, subscribed) = {
            let inner = self.sink.inner();
            let session = &inner.session;
            (
                inner.queue.waiting().saturating_sub(self.own_places),
                session.holds_lane(),
                session.subscriptions.hold_lane(),
            )
        };
        if let (Attached::Alone { pinned, .. }, false) = (&self.attached, subscribed) {
            // Without a subscription, arrays are replies again.
            pinned.lane().set_subscribed(false);
        }
        if holds {
            if need.is_exclusive() {
                self.attached.taint();
            }
            // The lane's death ends such a client, so a lane is there.
            return self.attached.lane().cloned().ok_or(Hold::Stall);
        }
        if self.worker.shared.dedicated {
            return self.attach_own(key, need, waiting);
        }
        if let (Attached::Shared(lane), Need::Shared) = (&self.attached, need)
            && lane.key == key
            && lane.is_usable()
            // Not if another client has it for itself by now.
            && lane.is_shared()
        {
            return Ok(lane.clone());
        }
        if waiting > 0 {
            return Err(Hold::Stall);
        }
        match need {
            Need::Shared => {
                self.detach();
                let lane = self.worker.pool.shared(key).map_err(|why| Hold::Refuse(why.to_string()))?;
                self.attached = Attached::Shared(lane.clone());
                Ok(lane)
            }
            Need::Pinned(class) => self.attach_alone(key, class, false),
            Need::Exclusive => self.attach_alone(key, Class::Transaction, true),
            Need::ExclusiveAnywhere => self.attach_alone(LaneKey { db: 0, ..key }, Class::Transaction, true),
        }
    }

    fn attach_alone(&mut self, key: LaneKey, wanted: Class, taint: bool) -> Result<Rc<Lane>, Hold> {
        if let Attached::Alone { pinned, class: Some(class), tainted } = &mut self.attached {
            let lane = pinned.lane();
            if *class == wanted && !*tainted && lane.key == key && lane.is_usable() {
                *tainted = taint;
                return Ok(lane.clone());
            }
        }
        self.detach();
        let owner: Weak<dyn Downstream> = Rc::downgrade(&self.owner);
        let pinned = self.worker.pool.pin(key, wanted, owner)?;
        let lane = pinned.lane().clone();
        self.attached = Attached::Alone { pinned, class: Some(wanted), tainted: taint };
        Ok(lane)
    }

    /// Has the client keep its lane for all it does: what the server knows of that connection counts.
    pub(super) fn keep_lane(&mut self) -> Result<(), Hold> {
        match &mut self.attached {
            Attached::Nowhere | Attached::Alone { class: None, .. } => {}
            Attached::Alone { pinned, class, .. } => {
                pinned.count_as(Class::Dedicated)?;
                *class = Some(Class::Dedicated);
            }
            Attached::Shared(lane) => {
                let owner: Weak<dyn Downstream> = Rc::downgrade(&self.owner);
                let pinned = self.worker.pool.set_apart(lane.clone(), Class::Dedicated, owner)?;
                self.attached = Attached::Alone { pinned, class: Some(Class::Dedicated), tainted: false };
            }
        }
        self.attached.taint();
        Ok(())
    }

    /// `lanes = "dedicated"`: one connection for all that this client sends.
    fn attach_own(&mut self, key: LaneKey, need: Need, waiting: usize) -> Result<Rc<Lane>, Hold> {
        if let Some(lane) = self.attached.lane()
            && lane.key == key
            && lane.is_usable()
        {
            let lane = lane.clone();
            if need.is_exclusive() {
                self.attached.taint();
            }
            return Ok(lane);
        }
        if waiting > 0 {
            return Err(Hold::Stall);
        }
        self.attached = Attached::Nowhere;
        let owner: Weak<dyn Downstream> = Rc::downgrade(&self.owner);
        let pinned = self.worker.pool.own(key, owner).map_err(|why| Hold::Refuse(why.to_string()))?;
        let lane = pinned.lane().clone();
        self.attached = Attached::Alone { pinned, class: None, tainted: need.is_exclusive() };
        Ok(lane)
    }

    /// Leaves the lane. Called when nothing is unanswered and no state is held: the lane is clean
    /// by construction, because SELECT, AUTH and their like are never sent on a client's behalf.
    pub(super) fn detach(&mut self) {
        self.spoil_if_disturbed();
        if self.sink.info.is_target() {
            // Invalidations that another client has redirected here may come for as long as it is open.
            self.attached.taint();
        }
        if let Attached::Alone { pinned, tainted: false, class: Some(_) } = &self.attached {
            pinned.lane().set_subscribed(false);
            pinned.set_clean();
        }
        self.attached = Attached::Nowhere;
    }

    /// Leaves the lane, which is not to be used by anybody else.
    pub(super) fn abandon(&mut self) {
        self.attached.taint();
        self.attached = Attached::Nowhere;
    }

    /// Gives a pinned lane back as soon as it is not needed: its budget is for others too.
    pub(super) fn release_if_idle(&mut self) {
        self.release(0);
    }

    /// The same where so many replies are due that no lane owes.
    pub(super) fn release(&mut self, own: usize) {
        if !matches!(self.attached, Attached::Alone { class: Some(_), .. }) {
            return;
        }
        let idle = {
            let inner = self.sink.inner();
            inner.queue.waiting() == own && !inner.session.holds_lane()
        };
        if idle {
            self.detach();
        }
    }
}
