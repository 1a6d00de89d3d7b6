//! The allowances of a limit by address or identity, bounded however many come.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use super::Nanos;
use super::allowance::{Allowance, Method};

/// Allowances kept for one limit: about 10 MB, and far more than have clients connected at once.
pub(super) const MAX_ENTRIES: usize = 65_536;
/// How many are looked at for one that can go.
const LOOK: usize = 32;

/// Allowances in use are held by clients as well. The locks are taken when a client connects or logs in.
#[derive(Debug)]
pub(super) struct Table<K> {
    entries: Mutex<Entries<K>>,
    /// Of all who came when no place was left. Tighter than it should be, but memory has an end.
    overflow: Arc<Allowance>,
    capacity: usize,
}

#[derive(Debug)]
struct Entries<K> {
    places: HashMap<K, usize>,
    allowances: Vec<(K, Arc<Allowance>)>,
    /// Goes round looking for who can go.
    hand: usize,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self::with_capacity(MAX_ENTRIES)
    }
}

impl<K> Table<K> {
    pub fn with_capacity(capacity: usize) -> Self {
        let entries = Entries { places: HashMap::new(), allowances: Vec::new(), hand: 0 };
        Self { entries: Mutex::new(entries), overflow: Arc::default(), capacity }
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    /// The allowance of this key; a new one takes the place of one that nobody uses and that is as good as new.
    pub fn allowance(&self, method: &Method, key: K, now: Nanos) -> Arc<Allowance> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&place) = entries.places.get(&key) {
            return entries.allowances[place].1.clone();
        }
        let allowance = Arc::<Allowance>::default();
        if entries.allowances.len() < self.capacity {
            let place = entries.allowances.len();
            entries.allowances.push((key, allowance.clone()));
            entries.places.insert(key, place);
            return allowance;
        }
        for _ in 0..LOOK {
            let place = entries.hand;
            entries.hand = (place + 1) % self.capacity;
            let (old, other) = &entries.allowances[place];
            if Arc::strong_count(other) == 1 && method.is_idle(other, now) {
                let old = *old;
                entries.places.remove(&old);
                entries.allowances[place] = (key, allowance.clone());
                entries.places.insert(key, place);
                return allowance;
            }
        }
        self.overflow.clone()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        let entries = self.entries.lock().unwrap();
        assert_eq!(entries.places.len(), entries.allowances.len());
        entries.allowances.len()
    }
}
