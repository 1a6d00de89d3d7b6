//! What is looked at.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::process::Process;
use crate::crypto::Keyring;
use crate::meter::Meters;
use crate::policy::Limits;
use crate::server::Shared;
use crate::transform::Costs;

/// The counters, and the state that is told with them, as of now.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    pub meters: &'a Meters,
    pub keyring: Option<&'a Keyring>,
    pub costs: &'a Costs,
    pub limits: &'a Limits,
    pub buffered: usize,
    pub process: Process,
}

impl<'a> Watched<'a> {
    pub fn now(shared: &'a Shared, started: SystemTime) -> Self {
        Self {
            meters: &shared.meters,
            keyring: shared.keyring.as_deref(),
            costs: &shared.costs,
            limits: &shared.limits,
            buffered: shared.buffered.load(Ordering::Relaxed),
            process: Process::now(started),
        }
    }

    /// Values sealed.
    pub(super) fn sealed(&self) -> u64 {
        self.meters.ciphers().map(crate::crypto::CipherCounts::sealed).sum()
    }

    /// Of each key of the keyring: what is known of it, and how many values it has opened.
    pub(super) fn keys(&self) -> Vec<(crate::crypto::EntryInfo, u64)> {
        let Some(keyring) = self.keyring else { return Vec::new() };
        let opened =
            |id| self.meters.ciphers().flat_map(|c| c.opened()).filter(move |(by, _)| *by == id).map(|(_, n)| n);
        keyring.entries().map(|entry| (entry, opened(entry.id).sum())).collect()
    }

    /// How many commands each limit has refused and delayed, by its words; two of the same words count as one.
    pub(super) fn limited(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::new();
        for (limit, tally) in self.limits.tallies() {
            let (refused, delayed) = counts.entry(limit.to_string()).or_default();
            *refused += tally.refused();
            *delayed += tally.delayed();
        }
        counts
    }

    /// What did not open, by reason.
    pub(super) fn open_failures(&self) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<_> = crate::crypto::OpenError::REASONS.into_iter().map(|reason| (reason, 0)).collect();
        for ciphers in self.meters.ciphers() {
            sums.iter_mut().zip(ciphers.failed()).for_each(|(sum, (_, count))| sum.1 += count);
        }
        sums
    }
}
