//! Whose turn it is to change a key, among the clients of one worker.
//!
//! Commands that read a value, change it here and write it back lose a race whenever another comes in between, and of
//! fifty that try at once one wins. So those of one worker that begin with the same key go one after the other, in the
//! order in which they came. It is a courtesy, not a lock: what is written is still compared by the database, where
//! other workers and other sidecars write too.
//!
//! Job: let one command begin, and the next one when it is over.
//! In: a database and a key. Out: a [`Ticket`]; when it is dropped, with its client or without, the next one is called.
//! Must never: keep a command waiting behind one that waits itself; so a command has one ticket, and one that
//! waits for an element has none.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::rc::{Rc, Weak};

use bytes::Bytes;

use super::sink::Sink;

/// Who comes when so many wait tries without a ticket.
const MAX_WAITING: usize = 1000;

type Place = (u32, Bytes);

/// For each key whose turn somebody has, who comes next.
#[derive(Default)]
pub(super) struct Turns(RefCell<HashMap<Place, VecDeque<Weak<Ticket>>>>);

/// One command's.
pub(super) struct Ticket {
    place: Place,
    sink: Rc<Sink>,
    is_called: Cell<bool>,
}

impl Ticket {
    /// `None`: too many wait for this key.
    pub fn take(sink: &Rc<Sink>, db: u32, key: &Bytes) -> Option<Rc<Self>> {
        let mut turns = sink.worker.turns.0.borrow_mut();
        let place = (db, key.clone());
        let ticket = Rc::new(Self { place: place.clone(), sink: sink.clone(), is_called: Cell::new(false) });
        match turns.entry(place) {
            Entry::Vacant(entry) => {
                entry.insert(VecDeque::new());
                ticket.is_called.set(true);
            }
            Entry::Occupied(waiting) if waiting.get().len() == MAX_WAITING => return None,
            Entry::Occupied(mut waiting) => waiting.get_mut().push_back(Rc::downgrade(&ticket)),
        }
        drop(turns);
        Some(ticket)
    }

    pub fn is_called(&self) -> bool {
        self.is_called.get()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_called() {
            return;
        }
        let mut turns = self.sink.worker.turns.0.borrow_mut();
        let Some(waiting) = turns.get_mut(&self.place) else { return };
        // Whoever has left in the meantime is passed over.
        let next = std::iter::from_fn(|| waiting.pop_front()).find_map(|ticket| ticket.upgrade());
        if next.is_none() {
            turns.remove(&self.place);
        }
        drop(turns);
        if let Some(next) = next {
            next.is_called.set(true);
            next.sink.wake();
        }
    }
}
