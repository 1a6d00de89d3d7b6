//! The scripts whose bodies passed through this process, by the name that the server has for them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::pack::{self, Script};
use super::{Sha, Verdict, analyse, parse_sha, sha};

/// Scripts that are remembered, about 100 bytes each. Applications have dozens; one that makes up a
/// new one for each call pushes out its own, and EVALSHA is then answered NOSCRIPT.
pub const MAX_SCRIPTS: usize = 4096;

/// What is known of a script.
#[derive(Debug, Clone)]
pub struct Known {
    pub verdict: Verdict,
    /// Its row, if it is a script of a library that is listed.
    pub row: Option<&'static Script>,
}

/// Shared by all workers; asked only when a script is to run while there is any rule, and readers do
/// not wait for each other.
#[derive(Default)]
pub struct Library(RwLock<Shelf>);

#[derive(Default)]
struct Shelf {
    scripts: HashMap<Sha, Arc<Known>>,
    /// Oldest first.
    order: VecDeque<Sha>,
}

impl Library {
    /// What is known of a body, which is remembered.
    pub fn learn(&self, body: &[u8]) -> Arc<Known> {
        let sha = sha(body);
        if let Some(known) = self.by_sha(&sha) {
            return known;
        }
        let known = Arc::new(Known { verdict: analyse(body), row: pack::find(body) });
        let mut shelf = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if shelf.scripts.insert(sha, known.clone()).is_none() {
            shelf.order.push_back(sha);
        }
        if shelf.order.len() > MAX_SCRIPTS
            && let Some(oldest) = shelf.order.pop_front()
        {
            shelf.scripts.remove(&oldest);
        }
        known
    }

    /// The script that EVALSHA names, if its body was seen.
    pub fn find(&self, name: &[u8]) -> Option<Arc<Known>> {
        self.by_sha(&parse_sha(name)?)
    }

    /// SCRIPT FLUSH.
    pub fn forget(&self) {
        let mut shelf = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelf.scripts.clear();
        shelf.order.clear();
    }

    fn by_sha(&self, sha: &Sha) -> Option<Arc<Known>> {
        // A panic elsewhere cannot leave a wrong verdict: each is whole before it is put in.
        self.0.read().unwrap_or_else(PoisonError::into_inner).scripts.get(sha).cloned()
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}
