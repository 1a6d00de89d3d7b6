//! What a client has told us about itself and what it is in the middle of.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::tracking::Tracking;
use super::transaction::Block;
use crate::policy::glob::Glob;
use crate::policy::{IdentityId, Who};
use crate::resp::Proto;
use crate::transform::{Confirmation, Message};

/// Channels, patterns and shard channels one client may be subscribed to. Redis has no bound; ours
/// keeps one client from filling the memory of all.
pub const MAX_SUBSCRIPTIONS: usize = 1_000_000;

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replies {
    #[default]
    On,
    Off,
    /// SKIP was the last command: the next one is not answered.
    SkipNext,
}

pub struct Session {
    pub id: u64,
    pub proto: Proto,
    pub db: u32,
    pub authenticated: bool,
    pub identity: IdentityId,
    /// Its name.
    pub user: Arc<str>,
    /// Whom the connection itself speaks for, before a login and after RESET.
    unnamed: Option<Who>,
    pub name: Bytes,
    pub lib_name: Bytes,
    pub lib_version: Bytes,
    pub replies: Replies,
    /// WATCH was sent: only the client's lane knows of it.
    pub watching: bool,
    /// What a transaction reads is watched on the client's lane.
    pub rehearsing: bool,
    /// Since MULTI.
    pub block: Option<Box<Block>>,
    pub subscriptions: Subscriptions,
    pub monitoring: bool,
    /// WAIT was used: it speaks of what was written on the client's lane, so the lane stays its own.
    pub waits: bool,
    pub tracking: Tracking,
    /// CLIENT NO-EVICT and NO-TOUCH, for the line in CLIENT LIST.
    pub no_evict: bool,
    pub no_touch: bool,
    /// SELECT, EXEC with one inside, or HELLO was sent and not answered yet: the answer says in which database the
    /// client is, or which protocol it speaks.
    pub switching: bool,
    /// QUIT was answered: nothing further is read.
    pub ended: bool,
}

impl Session {
    /// `unnamed` is whom the connection itself speaks for; `None`: the client has to log in.
    pub fn new(id: u64, unnamed: Option<Who>) -> Self {
        let nobody = || Who { id: IdentityId::default(), name: Arc::from("default") };
        let Who { id: identity, name: user } = unnamed.clone().unwrap_or_else(nobody);
        Self {
            id,
            proto: Proto::Resp2,
            db: 0,
            authenticated: unnamed.is_some(),
            identity,
            user,
            unnamed,
            name: Bytes::new(),
            lib_name: Bytes::new(),
            lib_version: Bytes::new(),
            replies: Replies::On,
            watching: false,
            rehearsing: false,
            block: None,
            subscriptions: Subscriptions::default(),
            monitoring: false,
            waits: false,
            tracking: Tracking::default(),
            no_evict: false,
            no_touch: false,
            switching: false,
            ended: false,
        }
    }

    /// RESET: everything but the identity of the connection. The library's name stays, as in Redis.
    pub fn reset(&mut self) {
        let (lib_name, lib_version) = (std::mem::take(&mut self.lib_name), std::mem::take(&mut self.lib_version));
        *self = Self { lib_name, lib_version, ..Self::new(self.id, self.unnamed.take()) };
    }

    /// AUTH has said who it is.
    pub fn log_in(&mut self, who: Who) {
        (self.authenticated, self.identity, self.user) = (true, who.id, who.name);
    }

    /// Must further commands go to the lane that the client is on?
    pub fn holds_lane(&self) -> bool {
        self.rehearsing || self.lives_on_lane()
    }

    /// Does the client end with its lane, because what that knows cannot be had again?
    pub fn lives_on_lane(&self) -> bool {
        self.watching || self.subscriptions.hold_lane() || self.monitoring || self.waits || self.tracking.holds_lane()
    }

    pub fn in_multi(&self) -> bool {
        self.block.is_some()
    }

    /// RESP2 knows no other commands than a few while subscribed.
    pub fn is_subscriber(&self) -> bool {
        self.proto == Proto::Resp2 && self.subscriptions.count() > 0
    }

    /// Is the reply of the command that starts now to be suppressed? Asked once per command.
    pub fn is_muted(&mut self) -> bool {
        match self.replies {
            Replies::On => false,
            Replies::Off => true,
            Replies::SkipNext => {
                self.replies = Replies::On;
                true
            }
        }
    }
}

/// What the server has confirmed, and what it has yet to.
#[derive(Default)]
pub struct Subscriptions {
    channels: HashSet<Bytes>,
    patterns: HashSet<Bytes>,
    shards: HashSet<Bytes>,
    /// Commands of the family that were sent and not answered in full.
    pub in_flight: usize,
}

impl Subscriptions {
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shards.len()
    }

    pub fn hold_lane(&self) -> bool {
        self.count() > 0 || self.in_flight > 0
    }

    /// How many confirmations an UNSUBSCRIBE of this kind without arguments gives.
    pub fn count_of(&self, kind: Confirmation) -> usize {
        match kind {
            Confirmation::Subscribe | Confirmation::Unsubscribe => self.channels.len(),
            Confirmation::PSubscribe | Confirmation::PUnsubscribe => self.patterns.len(),
            Confirmation::SSubscribe | Confirmation::SUnsubscribe => self.shards.len(),
        }
    }

    pub fn confirm(&mut self, kind: Confirmation, channel: &[u8]) {
        match kind {
            Confirmation::Subscribe => _ = self.channels.insert(Bytes::copy_from_slice(channel)),
            Confirmation::PSubscribe => _ = self.patterns.insert(Bytes::copy_from_slice(channel)),
            Confirmation::SSubscribe => _ = self.shards.insert(Bytes::copy_from_slice(channel)),
            Confirmation::Unsubscribe => _ = self.channels.remove(channel),
            Confirmation::PUnsubscribe => _ = self.patterns.remove(channel),
            Confirmation::SUnsubscribe => _ = self.shards.remove(channel),
        }
    }

    /// Has the client asked for this message? The database does not choose what it hears.
    pub fn want(&self, message: &Message<'_>) -> bool {
        match message.pattern {
            Some(pattern) => self.patterns.contains(pattern) && Glob::new(pattern).matches(message.channel),
            None if message.sharded => self.shards.contains(message.channel),
            None => self.channels.contains(message.channel),
        }
    }

    /// For CLIENT LIST: channels, patterns, shard channels.
    pub fn counts(&self) -> [usize; 3] {
        [self.channels.len(), self.patterns.len(), self.shards.len()]
    }
}
