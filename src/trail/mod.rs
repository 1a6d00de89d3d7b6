//! What each identity does, for the audit log and for whoever looks for anomalies.
//!
//! Job: count in each worker who ran commands of which class on keys of which rule, and tell once a second; tell what is rare
//! (refusals, failures, logins) at once.
//! Inputs: admitted requests, and the events themselves. Outputs: [`Told`], over a bounded channel.
//! Must never: block a command, or grow with what clients do. What finds no room is counted: reports stay in the worker and
//! are merged with the next one, events are dropped and their number is told.

mod conduct;
mod event;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use foldhash::fast::FixedState;

pub use conduct::{Conduct, Sketch};
pub use event::{Event, What, Who};

use crate::command::CommandClass;
use crate::policy::{Admitted, IdentityId};

/// Reports and events on their way: some seconds of a storm of refusals.
const ROOM: usize = 8192;
/// Of one worker between two reports; what comes beyond is counted without its key.
const MAX_ENTRIES: usize = 10_000;
/// A longer key is counted without its name: names are kept until the next report.
const MAX_KEY: usize = 512;
/// They walk through the names of keys.
const SWEEPS: [&str; 3] = ["scan", "keys", "randomkey"];

/// What somebody did on the keys of a rule since the last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub identity: IdentityId,
    pub class: CommandClass,
    /// Index into the policy's rules.
    pub rule: usize,
    /// If keys are to be told apart.
    pub key: Option<Box<[u8]>>,
    pub count: u64,
}

/// What one worker saw since its last report.
#[derive(Debug, Default)]
pub struct Report {
    pub entries: Vec<Entry>,
    pub conducts: Vec<(IdentityId, Conduct)>,
    /// While it is there, its worker sends no other one: names of keys take room.
    pub under_way: UnderWay,
}

/// A report that is not dealt with yet.
#[derive(Debug, Default)]
pub struct UnderWay(Option<Arc<AtomicBool>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(flag) = &self.0 {
            flag.store(false, Ordering::Release);
        }
    }
}

#[derive(Debug)]
pub enum Told {
    Report(Report),
    Event(Event),
}

/// What is to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// Entries of the audit log.
    pub entries: bool,
    /// With the names of keys.
    pub keys: bool,
    /// How identities behave.
    pub conduct: bool,
}

/// Where workers tell; a clone for each.
#[derive(Debug, Clone)]
pub struct Teller {
    interest: Interest,
    to: SyncSender<Told>,
    dropped: Arc<AtomicU64>,
}

/// A teller, where it is heard, and how many events were dropped.
pub fn channel(interest: Interest) -> (Teller, Receiver<Told>, Arc<AtomicU64>) {
    let (to, heard) = sync_channel(ROOM);
    let dropped = Arc::<AtomicU64>::default();
    (Teller { interest, to, dropped: dropped.clone() }, heard, dropped)
}

impl Teller {
    pub fn event(&self, who: Who, what: What) {
        if self.to.try_send(Told::Event(Event::now(who, what))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One worker's part.
#[derive(Debug)]
pub struct Trail {
    teller: Teller,
    under_way: Arc<AtomicBool>,
    counted: RefCell<Counted>,
}

type Key = (IdentityId, CommandClass, usize);

#[derive(Debug, Default)]
struct Counted {
    entries: HashMap<Key, u64, FixedState>,
    keys: HashMap<(Key, Box<[u8]>), u64, FixedState>,
    conducts: Vec<Conduct>,
}

impl Trail {
    pub fn new(teller: Teller) -> Self {
        Self { teller, under_way: Arc::default(), counted: RefCell::default() }
    }

    pub fn event(&self, who: Who, what: What) {
        if self.teller.interest.conduct {
            let mut counted = self.counted.borrow_mut();
            counted.conduct(who.identity).note(&what);
        }
        self.teller.event(who, what);
    }

    /// A request that goes on.
    pub fn admitted(&self, identity: IdentityId, class: CommandClass, admitted: &Admitted<'_>) {
        let interest = self.teller.interest;
        let counted = &mut *self.counted.borrow_mut();
        if interest.conduct {
            let conduct = counted.conduct(identity);
            conduct.commands[class as usize] += 1;
            let name = admitted.request().spec().map_or("", |spec| spec.name);
            conduct.sweeps += u64::from(SWEEPS.contains(&name));
        }
        if !admitted.is_protected() {
            return;
        }
        for hit in admitted.hits() {
            let Some(rule) = hit.rule else { continue };
            let Some(key) = admitted.request().args().get(hit.position) else { continue };
            if interest.conduct {
                counted.conduct(identity).touch(key);
            }
            if interest.entries {
                counted.count((identity, class, rule), key, interest.keys);
            }
        }
    }

    /// So many bytes came back for a request under a rule.
    pub fn read(&self, identity: IdentityId, bytes: usize) {
        if self.teller.interest.conduct {
            self.counted.borrow_mut().conduct(identity).bytes += bytes as u64;
        }
    }

    /// Tells what was counted. Without room it stays, and is told with the next report.
    pub fn report(&self) {
        let counted = &mut *self.counted.borrow_mut();
        if self.under_way.load(Ordering::Acquire) {
            return;
        }
        let mut report = counted.take();
        if report.entries.is_empty() && report.conducts.is_empty() {
            return;
        }
        self.under_way.store(true, Ordering::Release);
        report.under_way = UnderWay(Some(self.under_way.clone()));
        if let Err(TrySendError::Full(Told::Report(report))) = self.teller.to.try_send(Told::Report(report)) {
            counted.put_back(report);
        }
    }
}

impl Counted {
    fn conduct(&mut self, identity: IdentityId) -> &mut Conduct {
        let at = usize::from(identity.0);
        if self.conducts.len() <= at {
            self.conducts.resize_with(at + 1, Conduct::default);
        }
        &mut self.conducts[at]
    }

    fn count(&mut self, what: Key, key: &[u8], by_name: bool) {
        if by_name && key.len() <= MAX_KEY {
            let full = self.keys.len() >= MAX_ENTRIES;
            match self.keys.entry((what, key.into())) {
                Place::Occupied(mut at) => return *at.get_mut() += 1,
                Place::Vacant(at) if !full => {
                    at.insert(1);
                    return;
                }
                Place::Vacant(_) => {}
            }
        }
        *self.entries.entry(what).or_default() += 1;
    }

    fn take(&mut self) -> Report {
        let entry = |((identity, class, rule), key, count)| Entry { identity, class, rule, key, count };
        let entries = self.entries.drain().map(|(what, count)| (what, None, count));
        let keys = self.keys.drain().map(|((what, key), count)| (what, Some(key), count));
        let conducts = std::mem::take(&mut self.conducts).into_iter().enumerate();
        let id = |at: usize| IdentityId(u16::try_from(at).unwrap_or(u16::MAX));
        Report {
            entries: entries.chain(keys).map(entry).collect(),
            conducts: conducts.filter(|(_, c)| !c.is_idle()).map(|(at, conduct)| (id(at), conduct)).collect(),
            under_way: UnderWay::default(),
        }
    }

    fn put_back(&mut self, mut report: Report) {
        for Entry { identity, class, rule, key, count } in std::mem::take(&mut report.entries) {
            let what = (identity, class, rule);
            match key {
                Some(key) => *self.keys.entry((what, key)).or_default() += count,
                None => *self.entries.entry(what).or_default() += count,
            }
        }
        for (identity, conduct) in std::mem::take(&mut report.conducts) {
            self.conduct(identity).merge(&conduct);
        }
    }
}
