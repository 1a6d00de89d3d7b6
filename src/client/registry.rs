//! All clients of the process, for CLIENT LIST and CLIENT INFO.
//!
//! Written at connect, disconnect and by rare commands; a batch of commands costs two relaxed stores.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::session::Session;
use crate::resp::Proto;

#[derive(Debug, Default)]
pub struct Registry {
    next_id: AtomicU64,
    clients: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    count: AtomicUsize,
}

/// What others may see of a client.
#[derive(Debug)]
pub struct ClientInfo {
    pub id: u64,
    address: String,
    local_address: String,
    connected: u64,
    last_active: AtomicU64,
    db: AtomicU32,
    resp3: AtomicU32,
    named: Mutex<Named>,
}

#[derive(Debug, Default, Clone)]
struct Named {
    name: String,
    lib_name: String,
    lib_version: String,
    command: &'static str,
    subscriptions: [usize; 3],
    queued: Option<usize>,
}

impl Registry {
    /// Takes a new client in; ids are never used twice.
    pub fn join(&self, address: String, local_address: String) -> Arc<ClientInfo> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let now = unix_seconds();
        let info = Arc::new(ClientInfo {
            id,
            address,
            local_address,
            connected: now,
            last_active: AtomicU64::new(now),
            db: AtomicU32::new(0),
            resp3: AtomicU32::new(0),
            named: Mutex::default(),
        });
        lock(&self.clients).insert(id, info.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        info
    }

    pub fn leave(&self, info: &ClientInfo) {
        lock(&self.clients).remove(&info.id);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// CLIENT LIST, of all clients or of those with the given ids.
    pub fn list(&self, ids: Option<&[u64]>) -> String {
        let clients = lock(&self.clients);
        let mut lines = String::new();
        for info in clients.values().filter(|c| ids.is_none_or(|ids| ids.contains(&c.id))) {
            lines.push_str(&info.line());
            lines.push('\n');
        }
        lines
    }
}

impl ClientInfo {
    /// The client did something: what the next look shall show.
    pub fn touch(&self, session: &Session) {
        self.last_active.store(unix_seconds(), Ordering::Relaxed);
        self.db.store(session.db, Ordering::Relaxed);
        self.resp3.store(u32::from(session.proto == Proto::Resp3), Ordering::Relaxed);
    }

    /// The rarer facts, kept behind a lock.
    pub fn describe(&self, session: &Session, command: &'static str) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut named = lock(&self.named);
        named.name = text(&session.name);
        named.lib_name = text(&session.lib_name);
        named.lib_version = text(&session.lib_version);
        named.command = command;
        named.subscriptions = session.subscriptions.counts();
        named.queued = session.tx.in_multi().then_some(0);
        drop(named);
        self.touch(session);
    }

    /// One line as Redis prints it. What only the database could know is zero.
    pub fn line(&self) -> String {
        let now = unix_seconds();
        let named = lock(&self.named).clone();
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd=0 name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} \
             qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd={} \
             user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            named.name,
            now.saturating_sub(self.connected),
            now.saturating_sub(self.last_active.load(Ordering::Relaxed)),
            if named.subscriptions.iter().any(|n| *n > 0) { "P" } else { "N" },
            self.db.load(Ordering::Relaxed),
            named.subscriptions[0],
            named.subscriptions[1],
            named.subscriptions[2],
            named.queued.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)),
            if named.command.is_empty() { "NULL" } else { named.command },
            if self.resp3.load(Ordering::Relaxed) == 1 { 3 } else { 2 },
            named.lib_name,
            named.lib_version,
        );
        line
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A panic while the lock was held left whole values behind: they are only ever replaced.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
