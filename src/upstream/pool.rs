//! One worker's lanes: who may share, who gets one alone, and when to dial.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dial::Endpoint;
use super::drive;
use super::handshake::Product;
use super::lane::{Downstream, Lane, LaneKey, LaneUse};
use super::unavailable::{Fault, Unavailable};
use crate::meter::{LaneKind, Meter};

/// Wait after the first failed dial, doubled up to the second.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// An upstream that is back is noticed within this.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A lane that lived this long is dialled again as soon as it ends, before a command needs it.
const REDIAL_AFTER: Duration = Duration::from_secs(1);
/// Databases times protocols that one worker keeps a shared lane for; Redis has 16 databases by default.
const MAX_SHARED: usize = 64;
/// Unused pinned lanes kept per key. More than a burst leaves is not worth a connection.
const MAX_IDLE: usize = 64;

/// What a pinned lane is for. Each has its own budget: consumers that wait must not starve the
/// producers that would wake them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Transaction,
    Blocking,
    Subscription,
    /// For all that a client does, because the server keeps something about it (WAIT).
    Dedicated,
}

/// Pinned lanes of one worker, by class.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    pub transactions: usize,
    pub blocking: usize,
    pub subscriptions: usize,
    pub dedicated: usize,
}

/// Why no pinned lane could be had.
#[derive(Debug)]
pub enum Exhausted {
    Budget,
    Upstream(Unavailable),
}

pub struct Pool {
    endpoint: Arc<Endpoint>,
    budgets: Budgets,
    meter: Arc<Meter>,
    shared: RefCell<HashMap<LaneKey, Rc<Lane>>>,
    idle: RefCell<HashMap<LaneKey, Vec<Rc<Lane>>>>,
    used: [Cell<usize>; 4],
    backoff: RefCell<Option<Backoff>>,
    product: RefCell<Option<Rc<Product>>>,
}

struct Backoff {
    why: Unavailable,
    delay: Duration,
    until: Instant,
    /// [`Endpoint::reached`] at the time of the failure.
    reached: u64,
}

/// A lane that one client has for itself. Dropping it gives the budget back, and the lane too if it
/// was [`Pinned::set_clean`].
pub struct Pinned {
    lane: Rc<Lane>,
    pool: Rc<Pool>,
    class: Option<Class>,
    clean: Cell<bool>,
}

impl Pinned {
    pub fn lane(&self) -> &Rc<Lane> {
        &self.lane
    }

    /// Counts it in another class from here on.
    pub fn count_as(&mut self, class: Class) -> Result<(), Exhausted> {
        if let Some(before) = self.class.filter(|before| *before != class) {
            self.pool.count(class)?;
            self.pool.uncount(before);
            self.class = Some(class);
        }
        Ok(())
    }

    /// The server keeps no state for this lane any more: the next client may have it.
    pub fn set_clean(&self) {
        self.clean.set(true);
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(class) = self.class {
            self.pool.uncount(class);
        }
        let mut idle = self.pool.idle.borrow_mut();
        let shelf = idle.entry(self.lane.key).or_default();
        if self.clean.get() && self.lane.is_usable() && self.lane.is_idle() && shelf.len() < MAX_IDLE {
            self.lane.set_owner(None);
            shelf.push(self.lane.clone());
        } else {
            self.lane.give_up();
        }
    }
}

impl Pool {
    pub fn new(endpoint: Arc<Endpoint>, budgets: Budgets, meter: Arc<Meter>) -> Rc<Self> {
        Rc::new(Self {
            endpoint,
            budgets,
            meter,
            shared: RefCell::default(),
            idle: RefCell::default(),
            used: Default::default(),
            backoff: RefCell::default(),
            product: RefCell::default(),
        })
    }

    /// What the server is, once a connection has told it.
    pub fn product(&self) -> Option<Rc<Product>> {
        self.product.borrow().clone()
    }

    /// The lane that all stateless commands of this kind share; dialled if there is none.
    pub fn shared(self: &Rc<Self>, key: LaneKey) -> Result<Rc<Lane>, Unavailable> {
        if let Some(lane) = self.shared.borrow().get(&key).filter(|l| l.is_usable()) {
            return Ok(lane.clone());
        }
        self.may_dial()?;
        self.make_room();
        let lane = self.dial(key, LaneUse::Shared);
        self.shared.borrow_mut().insert(key, lane.clone());
        Ok(lane)
    }

    /// Is such a lane connected? If there is none, one is dialled.
    pub fn has_ready(self: &Rc<Self>, key: LaneKey) -> bool {
        // Where it cannot be dialled, the caller goes on without it.
        self.shared(key).is_ok_and(|lane| lane.age().is_some())
    }

    /// A lane for one client alone, within the budget of its class.
    pub fn pin(self: &Rc<Self>, key: LaneKey, class: Class, owner: Weak<dyn Downstream>) -> Result<Pinned, Exhausted> {
        self.count(class)?;
        let lane = match self.take(key) {
            Ok(lane) => lane,
            Err(why) => {
                self.uncount(class);
                return Err(Exhausted::Upstream(why));
            }
        };
        lane.set_owner(Some(owner));
        Ok(Pinned { lane, pool: self.clone(), class: Some(class), clean: Cell::new(false) })
    }

    /// Gives a lane that was shared to one of its clients alone. The others get their replies, and a new
    /// lane with their next request.
    pub fn set_apart(
        self: &Rc<Self>,
        lane: Rc<Lane>,
        class: Class,
        owner: Weak<dyn Downstream>,
    ) -> Result<Pinned, Exhausted> {
        self.count(class)?;
        self.forget(&lane);
        lane.usage.set(LaneUse::SetApart);
        lane.set_owner(Some(owner));
        Ok(Pinned { lane, pool: self.clone(), class: Some(class), clean: Cell::new(false) })
    }

    fn count(&self, class: Class) -> Result<(), Exhausted> {
        let budget = match class {
            Class::Transaction => self.budgets.transactions,
            Class::Blocking => self.budgets.blocking,
            Class::Subscription => self.budgets.subscriptions,
            Class::Dedicated => self.budgets.dedicated,
        };
        let used = &self.used[class as usize];
        if used.get() >= budget {
            return Err(Exhausted::Budget);
        }
        used.set(used.get() + 1);
        Ok(())
    }

    fn uncount(&self, class: Class) {
        let used = &self.used[class as usize];
        used.set(used.get() - 1);
    }

    /// A lane for all that one client sends; its bound is the number of clients.
    pub fn own(self: &Rc<Self>, key: LaneKey, owner: Weak<dyn Downstream>) -> Result<Pinned, Unavailable> {
        self.may_dial()?;
        let lane = self.dial(key, LaneUse::Pinned);
        lane.set_owner(Some(owner));
        Ok(Pinned { lane, pool: self.clone(), class: None, clean: Cell::new(false) })
    }

    fn take(self: &Rc<Self>, key: LaneKey) -> Result<Rc<Lane>, Unavailable> {
        if let Some(shelf) = self.idle.borrow_mut().get_mut(&key) {
            while let Some(lane) = shelf.pop() {
                if lane.is_usable() && lane.is_idle() {
                    return Ok(lane);
                }
                lane.close(true);
            }
        }
        self.may_dial()?;
        Ok(self.dial(key, LaneUse::Pinned))
    }

    fn may_dial(&self) -> Result<(), Unavailable> {
        match &*self.backoff.borrow() {
            Some(b) if Instant::now() < b.until && self.reached() == b.reached => Err(b.why.clone()),
            _ => Ok(()),
        }
    }

    /// Starts a connection. Requests may be queued on it at once.
    fn dial(self: &Rc<Self>, key: LaneKey, usage: LaneUse) -> Rc<Lane> {
        let lane = Lane::new(key, usage, self.meter.clone());
        tokio::task::spawn_local(self.clone().attend(lane.clone()));
        lane
    }

    async fn attend(self: Rc<Self>, lane: Rc<Lane>) {
        // Should this task panic, everybody who waits learns of it all the same.
        let guard = Bereaved { pool: self.clone(), lane: lane.clone() };
        self.keep(&lane).await;
        drop(guard);
    }

    async fn keep(self: &Rc<Self>, lane: &Rc<Lane>) {
        let (stream, greeting) = match drive::connect(lane, &self.endpoint).await {
            Ok(connected) => connected,
            Err(why) => {
                self.dial_failed(&why);
                lane.die(&why);
                self.forget(lane);
                return;
            }
        };
        self.dial_succeeded();
        if let Some(product) = greeting.product {
            *self.product.borrow_mut() = Some(Rc::new(product));
        }
        lane.server_id.store(greeting.id.unwrap_or(Lane::NO_NUMBER), Ordering::Release);
        lane.set_ready();
        let open = Open::new(&self.meter, lane);
        let (stream, why) = drive::run(lane.clone(), stream, self.endpoint.address()).await;
        drop(open);
        let lived = lane.age();
        if why.fault != Fault::Network {
            tracing::error!(target: "waxseal::upstream", "{why}");
        } else {
            tracing::debug!(target: "waxseal::upstream", "lane ended: {}", why.what);
        }
        let was_shared = self.forget(lane);
        lane.die(&why);
        if was_shared && lane.key.bulk == 0 && lived.is_some_and(|age| age >= REDIAL_AFTER) {
            // A failure here starts the backoff; the next command after it dials again.
            let _ = self.shared(lane.key);
        }
        drive::hang_up(stream).await;
    }

    fn dial_failed(&self, why: &Unavailable) {
        if why.fault == Fault::Lane {
            return;
        }
        self.meter.dial_failed.add(1);
        let mut backoff = self.backoff.borrow_mut();
        let delay = backoff.as_ref().map_or(BACKOFF_MIN, |b| (b.delay * 2).min(BACKOFF_MAX));
        if backoff.as_ref().is_none_or(|b| b.why.what != why.what) {
            tracing::warn!(target: "waxseal::upstream", "{why}");
        }
        *backoff =
            Some(Backoff { why: why.clone(), delay, until: Instant::now() + jittered(delay), reached: self.reached() });
    }

    fn reached(&self) -> u64 {
        self.endpoint.reached.load(Ordering::Relaxed)
    }

    fn dial_succeeded(&self) {
        self.meter.dialled.add(1);
        self.endpoint.reached.fetch_add(1, Ordering::Relaxed);
        if self.backoff.borrow_mut().take().is_some() {
            tracing::info!(target: "waxseal::upstream", "connected to {} again", self.endpoint.address());
        }
    }

    /// Takes a lane that ended out of the shared ones; `true` if it was one of them.
    fn forget(&self, lane: &Rc<Lane>) -> bool {
        let mut shared = self.shared.borrow_mut();
        let was = shared.get(&lane.key).is_some_and(|l| Rc::ptr_eq(l, lane));
        if was {
            shared.remove(&lane.key);
        }
        if let Some(shelf) = self.idle.borrow_mut().get_mut(&lane.key) {
            shelf.retain(|l| !Rc::ptr_eq(l, lane));
        }
        was
    }

    /// Closes a shared lane that nobody waits on, when there are too many.
    fn make_room(&self) {
        let mut shared = self.shared.borrow_mut();
        if shared.len() < MAX_SHARED {
            return;
        }
        let unused = shared.iter().filter(|(_, lane)| lane.is_idle()).map(|(key, _)| *key).max_by_key(|key| key.bulk);
        if let Some(lane) = unused.and_then(|key| shared.remove(&key)) {
            lane.close(false);
        }
    }
}

/// Counts a connection while it is open, however it ends.
struct Open {
    meter: Arc<Meter>,
    kind: LaneKind,
}

impl Open {
    fn new(meter: &Arc<Meter>, lane: &Lane) -> Self {
        let kind = match lane.key.bulk {
            _ if !lane.is_shared() => LaneKind::Pinned,
            0 => LaneKind::Shared,
            _ => LaneKind::Bulk,
        };
        meter.lane(kind).up();
        Self { meter: meter.clone(), kind }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.meter.lane(self.kind).down();
    }
}

/// Tells those who wait when the task of a lane ends in whatever way.
struct Bereaved {
    pool: Rc<Pool>,
    lane: Rc<Lane>,
}

impl Drop for Bereaved {
    fn drop(&mut self) {
        self.pool.forget(&self.lane);
        if !self.lane.is_dead() {
            self.lane.die(&Unavailable::new(Fault::Protocol, "its connection failed in an unexpected way"));
        }
    }
}

/// Between half of `delay` and all of it, so that many sidecars do not come back in step.
fn jittered(delay: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    delay / 2 + delay.mul_f64(f64::from(random) / f64::from(u32::MAX)) / 2
}
