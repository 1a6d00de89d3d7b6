//! All clients of the process, for CLIENT LIST, KILL, UNBLOCK and PAUSE.
//!
//! Its locks are taken at connect, at disconnect and by these commands; a command that goes upstream
//! costs one relaxed load (is there a pause?).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::filter::Filter;
use super::info::ClientInfo;

#[derive(Debug, Default)]
pub struct Registry {
    next_id: AtomicU64,
    clients: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
    count: AtomicUsize,
    paused: AtomicBool,
    pause: Mutex<Option<Pause>>,
}

/// CLIENT PAUSE: nothing is sent upstream until then.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    /// Reads too.
    all: bool,
}

impl Registry {
    /// Takes a new client in; ids are never used twice.
    pub fn join(&self, address: String, local_address: String, unix_socket: bool) -> Arc<ClientInfo> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let info = Arc::new(ClientInfo::new(id, address, local_address, unix_socket));
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

    pub fn find(&self, id: u64) -> Option<Arc<ClientInfo>> {
        lock(&self.clients).get(&id).cloned()
    }

    /// The lines of those that match, oldest first.
    pub fn list(&self, filter: &Filter<'_>) -> String {
        let clients = lock(&self.clients);
        clients.values().filter(|c| filter.matches(c)).map(|c| c.line() + "\n").collect()
    }

    /// The lines of these clients, in this order.
    pub fn list_of(&self, ids: &[u64]) -> String {
        let clients = lock(&self.clients);
        ids.iter().filter_map(|id| clients.get(id)).map(|c| c.line() + "\n").collect()
    }

    /// Ends those that match, but for `asker`, who is to end itself after its answer. Says how many
    /// they are and whether the asker is one. Who is ended is not listed any more.
    pub fn kill(&self, filter: &Filter<'_>, asker: u64) -> (usize, bool) {
        let mut clients = lock(&self.clients);
        let condemned: Vec<u64> = clients.values().filter(|c| filter.matches(c)).map(|c| c.id).collect();
        for id in condemned.iter().filter(|id| **id != asker) {
            if let Some(info) = clients.remove(id) {
                info.order(|orders| orders.kill = true);
            }
        }
        (condemned.len(), condemned.contains(&asker))
    }

    /// CLIENT PAUSE. Of two pauses the longer and the stricter counts, as in Redis.
    pub fn pause(&self, until: Instant, all: bool) {
        let mut pause = lock(&self.pause);
        let before = pause.filter(|p| Instant::now() < p.until);
        *pause = Some(Pause {
            until: before.map_or(until, |p| p.until.max(until)),
            all: before.is_some_and(|p| p.all) || all,
        });
        self.paused.store(true, Ordering::Relaxed);
    }

    pub fn unpause(&self) {
        *lock(&self.pause) = None;
        self.paused.store(false, Ordering::Relaxed);
        for info in lock(&self.clients).values() {
            info.wake();
        }
    }

    /// Until when a command has to wait, if it has to.
    pub fn paused(&self, writes: impl FnOnce() -> bool) -> Option<Instant> {
        if !self.paused.load(Ordering::Relaxed) {
            return None;
        }
        let mut guard = lock(&self.pause);
        let pause = (*guard)?;
        if Instant::now() >= pause.until {
            *guard = None;
            self.paused.store(false, Ordering::Relaxed);
            return None;
        }
        drop(guard);
        (pause.all || writes()).then_some(pause.until)
    }
}

/// A panic while the lock was held left whole values behind: they are only ever replaced.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
