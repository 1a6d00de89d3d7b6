//! One client as the others see it, and the way to reach it: its worker may be another thread.
//!
//! A batch of commands costs its own client one uncontended lock here and one relaxed load; the
//! others come by with CLIENT LIST, KILL and UNBLOCK only.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::registry::lock;
use super::session::Session;
use super::tracking::Tracked;
use crate::resp::Proto;

/// The connection is not made yet: nothing was sent on it.
const NOT_YET: u64 = 0;
/// The server has told no number.
const NO_NUMBER: u64 = u64::MAX;

/// What a client's blocking command waits on, for the one who is to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedOn {
    /// It is not blocked.
    Nothing,
    /// Its connection is being made; ask again.
    Unknown,
    /// A connection that the server has given no number.
    Nameless,
    /// By the server's number.
    Connection(u64),
}

/// How CLIENT UNBLOCK ends a blocked command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were over.
    Timeout,
    Error,
}

/// What other clients want of this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orders {
    pub kill: bool,
    /// The upstream could not unblock it: end the blocked command here.
    pub unblock: Option<Unblock>,
}

#[derive(Debug)]
pub struct ClientInfo {
    pub id: u64,
    pub(super) address: String,
    pub(super) local_address: String,
    unix_socket: bool,
    connected: Instant,
    /// Seconds after `connected`.
    last_active: AtomicU64,
    shown: Mutex<Shown>,
    blocked: Mutex<Blocked>,
    /// Another client has redirected what CLIENT TRACKING tells to this one.
    target: AtomicBool,
    ordered: AtomicBool,
    orders: Mutex<(Orders, Option<Waker>)>,
}

#[derive(Debug, Default, Clone)]
struct Shown {
    name: Bytes,
    lib_name: Bytes,
    lib_version: Bytes,
    command: &'static str,
    user: Option<Arc<str>>,
    db: u32,
    resp3: bool,
    subscriptions: [usize; 3],
    queued: Option<usize>,
    monitoring: bool,
    /// The number of the connection with the subscriptions.
    subscribed_on: Option<Arc<AtomicU64>>,
    tracking: Option<Tracked>,
    no_evict: bool,
    no_touch: bool,
}

/// The blocking command that is under way.
#[derive(Debug, Default)]
struct Blocked {
    /// The server's number of the connection it waits on: see [`NOT_YET`] and [`NO_NUMBER`].
    connection: Option<Arc<AtomicU64>>,
    /// Somebody is about to unblock that connection, perhaps later than the command ends.
    disturbed: bool,
}

impl ClientInfo {
    /// As in CLIENT LIST.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn new(id: u64, address: String, local_address: String, unix_socket: bool) -> Self {
        Self {
            id,
            address,
            local_address,
            unix_socket,
            connected: Instant::now(),
            last_active: AtomicU64::new(0),
            shown: Mutex::default(),
            blocked: Mutex::default(),
            target: AtomicBool::new(false),
            ordered: AtomicBool::new(false),
            orders: Mutex::default(),
        }
    }

    /// The client did something, or something was done for it.
    pub fn touch(&self, now: Instant) {
        self.last_active.store(now.saturating_duration_since(self.connected).as_secs(), Ordering::Relaxed);
    }

    /// What the next look shall show. `command` is the last one; empty if it has no row.
    pub fn describe(&self, session: &Session, command: &'static str) {
        let set = |shown: &mut Bytes, now: &Bytes| {
            if shown != now {
                shown.clone_from(now);
            }
        };
        let mut shown = lock(&self.shown);
        set(&mut shown.name, &session.name);
        set(&mut shown.lib_name, &session.lib_name);
        set(&mut shown.lib_version, &session.lib_version);
        shown.command = command;
        if !shown.user.as_ref().is_some_and(|user| Arc::ptr_eq(user, &session.user)) {
            shown.user = Some(session.user.clone());
        }
        shown.db = session.db;
        shown.resp3 = session.proto == Proto::Resp3;
        shown.subscriptions = session.subscriptions.counts();
        shown.queued = session.block.as_ref().map(|block| block.count);
        shown.monitoring = session.monitoring;
        shown.tracking.clone_from(&session.tracking.on);
        shown.no_evict = session.no_evict;
        shown.no_touch = session.no_touch;
    }

    /// What a reply has changed: the database, subscriptions.
    pub fn confirm(&self, session: &Session) {
        let mut shown = lock(&self.shown);
        shown.db = session.db;
        shown.subscriptions = session.subscriptions.counts();
        shown.monitoring = session.monitoring;
        shown.tracking.clone_from(&session.tracking.on);
    }

    /// The client subscribes on the connection that the server knows by this number.
    pub fn subscribe_on(&self, connection: Arc<AtomicU64>) {
        lock(&self.shown).subscribed_on = Some(connection);
    }

    /// The number of the connection on which the client is subscribed, 0 if it is not made yet.
    pub fn subscribed_on(&self) -> Option<u64> {
        let shown = lock(&self.shown);
        let connection = shown.subscribed_on.as_ref().filter(|_| shown.subscriptions.iter().any(|n| *n > 0))?;
        Some(connection.load(Ordering::Acquire))
    }

    pub fn set_target(&self) {
        self.target.store(true, Ordering::Relaxed);
    }

    pub fn is_target(&self) -> bool {
        self.target.load(Ordering::Relaxed)
    }

    /// A blocking command was sent on the connection that the server knows by this number.
    pub fn block(&self, connection: Arc<AtomicU64>) {
        // Another blocking command may be under way on the same connection and be disturbed already.
        lock(&self.blocked).connection = Some(connection);
    }

    /// The blocking command has ended. `true` if somebody may still be about to unblock its
    /// connection, which therefore must not serve anything else.
    pub fn unblocked(&self) -> bool {
        std::mem::take(&mut *lock(&self.blocked)).disturbed
    }

    /// For CLIENT UNBLOCK: what the client is blocked on. From here on that connection is spoilt for others.
    pub fn disturb(&self) -> BlockedOn {
        let mut blocked = lock(&self.blocked);
        let Some(connection) = &blocked.connection else { return BlockedOn::Nothing };
        match connection.load(Ordering::Acquire) {
            NOT_YET => BlockedOn::Unknown,
            NO_NUMBER => BlockedOn::Nameless,
            number => {
                blocked.disturbed = true;
                BlockedOn::Connection(number)
            }
        }
    }

    pub fn is_blocked(&self) -> bool {
        lock(&self.blocked).connection.is_some()
    }

    /// How to wake the client's task, from any thread.
    pub fn reach_by(&self, waker: &Waker) {
        lock(&self.orders).1 = Some(waker.clone());
    }

    /// Gives an order to whatever thread the client is on.
    pub fn order(&self, write: impl FnOnce(&mut Orders)) {
        let waker = {
            let mut orders = lock(&self.orders);
            write(&mut orders.0);
            self.ordered.store(true, Ordering::Release);
            orders.1.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What was ordered since it was last asked. The usual answer costs one relaxed load.
    pub fn take_orders(&self) -> Option<Orders> {
        if !self.ordered.load(Ordering::Relaxed) || !self.ordered.swap(false, Ordering::Acquire) {
            return None;
        }
        Some(std::mem::take(&mut lock(&self.orders).0))
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = lock(&self.orders).1.clone() {
            waker.wake();
        }
    }

    /// How long nothing was done by it or for it, in whole seconds.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.age().saturating_sub(self.last_active.load(Ordering::Relaxed)))
    }

    pub(super) fn is_user(&self, name: &[u8]) -> bool {
        lock(&self.shown).user.as_deref().is_some_and(|user| user.as_bytes() == name)
    }

    pub(super) fn age(&self) -> u64 {
        self.connected.elapsed().as_secs()
    }

    pub(super) fn is_subscribed(&self) -> bool {
        lock(&self.shown).subscriptions.iter().any(|n| *n > 0)
    }

    /// One line as Redis prints it. What only the database could know is zero.
    pub fn line(&self) -> String {
        let shown = lock(&self.shown).clone();
        let age = self.age();
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd=0 name={} age={age} idle={} flags={} db={} sub={} psub={} ssub={} multi={} \
             qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd={} \
             user={} redir={} resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            String::from_utf8_lossy(&shown.name),
            self.idle().as_secs(),
            self.flags(&shown),
            shown.db,
            shown.subscriptions[0],
            shown.subscriptions[1],
            shown.subscriptions[2],
            shown.queued.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)),
            if shown.command.is_empty() { "NULL" } else { shown.command },
            shown.user.as_deref().unwrap_or("default"),
            shown.tracking.as_ref().map_or(-1, |on| on.redirect.map_or(0, |to| i64::try_from(to.client).unwrap_or(0))),
            if shown.resp3 { 3 } else { 2 },
            String::from_utf8_lossy(&shown.lib_name),
            String::from_utf8_lossy(&shown.lib_version),
        );
        line
    }

    /// Redis's letters, in Redis's order.
    fn flags(&self, shown: &Shown) -> String {
        let flags = [
            (shown.monitoring, 'O'),
            (shown.subscriptions.iter().any(|n| *n > 0), 'P'),
            (shown.queued.is_some(), 'x'),
            (self.is_blocked(), 'b'),
            (shown.tracking.is_some(), 't'),
            (shown.tracking.as_ref().is_some_and(|on| on.broken), 'R'),
            (shown.tracking.as_ref().is_some_and(|on| on.broadcast), 'B'),
            (self.unix_socket, 'U'),
            (shown.no_evict, 'e'),
            (shown.no_touch, 'T'),
        ];
        let set: String = flags.iter().filter(|(is, _)| *is).map(|(_, letter)| *letter).collect();
        if set.is_empty() { "N".into() } else { set }
    }
}
