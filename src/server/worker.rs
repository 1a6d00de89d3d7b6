//! A worker: a thread with its own runtime, lanes and keys in use. Workers share nothing but counters.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::login::Logins;
use super::peer::Crowd;
use super::sink::{End, Sink};
use super::turns::Turns;
use crate::client::{Registry, Secrets};
use crate::crypto::{Cipher, Keyring};
use crate::meter::{Meter, Meters};
use crate::policy::{Limits, Policy};
use crate::resp::Proto;
use crate::trail::{Teller, Trail};
use crate::transform::{Control, Costs, Transform};
use crate::upstream::{Budgets, Endpoint, LaneKey, Pool};

/// One read's worth of requests; larger ones are read on behind what came.
const SCRATCH: usize = 128 * 1024;
/// So many large buffers are put aside, of at most this size each: to get one anew means that the kernel clears its pages.
const SPARE: usize = 4;
const MAX_SPARE: usize = 2 * 1024 * 1024;

/// Bounds that hold for every client.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub max_clients: usize,
    /// Requests of one client under way.
    pub client_window: usize,
    /// Bytes waiting to be taken by one client.
    pub client_output: usize,
    /// A client that takes nothing for this long while something waits is cut.
    pub output_stall: Duration,
    /// Bytes waiting for all clients of the process.
    pub buffers: usize,
    pub max_bulk: usize,
    pub drain: Duration,
    /// For TLS and, where one is required, the login.
    pub handshake: Duration,
    /// From the first byte of a request to its last.
    pub request: Duration,
    /// Without a command and a message; none: for ever.
    pub idle: Option<Duration>,
    pub max_clients_per_address: Option<usize>,
}

/// What all workers read and none changes, counters excepted.
pub struct Shared {
    pub policy: Arc<Policy>,
    pub keyring: Option<Arc<Keyring>>,
    pub endpoint: Arc<Endpoint>,
    pub secrets: Secrets,
    pub logins: Logins,
    pub registry: Registry,
    pub crowd: Arc<Crowd>,
    pub bounds: Bounds,
    pub budgets: Budgets,
    pub limits: Arc<Limits>,
    pub dedicated: bool,
    pub buffered: AtomicUsize,
    /// What the commands that take several steps have cost, for INFO.
    pub costs: Arc<Costs>,
    /// One for each worker.
    pub meters: Meters,
    /// Where it is told what clients do, if anybody wants to know.
    pub teller: Option<Teller>,
}

/// One worker's own things.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub transform: RefCell<Transform>,
    pub meter: Arc<Meter>,
    pub trail: Option<Trail>,
    pub pool: Rc<Pool>,
    pub turns: Turns,
    scratch: RefCell<Box<[u8]>>,
    /// Empty output buffers of clients that have read a large reply, for the next one.
    spare: RefCell<Vec<BytesMut>>,
    sinks: RefCell<HashMap<u64, Weak<Sink>>>,
    draining: Cell<bool>,
}

impl Worker {
    /// Worker number `index` of `share`.
    pub fn new(shared: Arc<Shared>, index: usize, share: usize) -> Rc<Self> {
        let meter = shared.meters.of_worker(index).cloned().unwrap_or_default();
        let cipher = shared.keyring.clone().map(|keys| Cipher::new(keys).counting_in(meter.ciphers.clone()));
        let transform =
            Transform::new(shared.policy.clone(), cipher, shared.bounds.max_bulk).counting_in(shared.costs.clone());
        let all = shared.budgets;
        let budgets = Budgets {
            transactions: all.transactions.div_ceil(share),
            blocking: all.blocking.div_ceil(share),
            subscriptions: all.subscriptions.div_ceil(share),
            dedicated: all.dedicated.div_ceil(share),
        };
        Rc::new(Self {
            pool: Pool::new(shared.endpoint.clone(), budgets, meter.clone()),
            transform: RefCell::new(transform),
            meter,
            trail: shared.teller.clone().map(Trail::new),
            turns: Turns::default(),
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            spare: RefCell::default(),
            sinks: RefCell::default(),
            draining: Cell::new(false),
            shared,
        })
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.shared.policy
    }

    /// Values that did not open so far, if anybody wants to know.
    pub fn failures(&self) -> u64 {
        if self.trail.is_none() {
            return 0;
        }
        self.transform.borrow().failures()
    }

    pub fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    pub fn large_buffer(&self) -> Option<BytesMut> {
        self.spare.borrow_mut().pop()
    }

    pub fn put_aside(&self, mut buffer: BytesMut) {
        let mut spare = self.spare.borrow_mut();
        // `capacity` would tell only what is left behind the bytes that were written.
        if spare.len() < SPARE && !buffer.try_reclaim(MAX_SPARE + 1) {
            spare.push(buffer);
        }
    }

    /// Gives memory back that is not in use, little by little.
    pub fn give_back(&self) {
        self.spare.borrow_mut().pop();
    }

    pub fn enter(&self, id: u64, sink: &Rc<Sink>) {
        self.sinks.borrow_mut().insert(id, Rc::downgrade(sink));
    }

    pub fn leave(&self, id: u64) {
        self.sinks.borrow_mut().remove(&id);
    }

    /// Dials the lane that most clients will want.
    pub fn warm_up(&self) {
        if !self.shared.dedicated {
            // A failure is logged there, and tried again by the first command.
            let _ = self.pool.shared(LaneKey { proto: Proto::Resp2, db: 0, bulk: 0 });
        }
    }

    /// Nothing further is begun, and who waits for an element is not waited for: the server ends the
    /// command, so that an element that comes in the same instant is delivered or still there.
    pub fn start_draining(&self) {
        self.draining.set(true);
        let mut connections = Vec::new();
        self.for_each_sink(|sink| connections.extend(sink.blocked_connection()));
        if connections.is_empty() {
            return;
        }
        // Without a lane the clients are cut soon.
        let Ok(lane) = self.pool.shared(LaneKey { proto: Proto::Resp2, db: 0, bulk: 0 }) else { return };
        for connection in connections {
            lane.tell(Control::Unblock { connection, error: false });
        }
        lane.wake();
    }

    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    pub fn for_each_sink(&self, mut act: impl FnMut(&Sink)) {
        let sinks: Vec<Rc<Sink>> = self.sinks.borrow().values().filter_map(Weak::upgrade).collect();
        for sink in sinks {
            act(&sink);
        }
    }

    /// Cuts clients that do not read, or take too long.
    pub fn cut_slow_clients(&self) {
        let now = Instant::now();
        let bounds = &self.shared.bounds;
        self.for_each_sink(|sink| {
            let end = {
                let mut inner = sink.inner();
                let slow = inner.queue.buffered() > 0 && now.duration_since(inner.drained) > bounds.output_stall;
                if slow { Some(End::SlowReader) } else { inner.overdue(&sink.info, bounds, now).map(End::TimedOut) }
            };
            if let Some(end) = end {
                sink.end(end);
                sink.wake();
            }
        });
    }
}
