//! What one identity may run and touch.
//!
//! Job: answer for a command, its keys and its channels, in Redis's words. In: what the configuration grants.
//! Out: nothing, or a [`Refusal`].
//! Must never: let through what a list does not name, or ask more than one load of a command when there are no
//! lists of keys and channels.

use std::sync::Arc;

use super::Refusal;
use super::names::{ChannelNames, KeyNames};
use crate::command::{
    Access as KeyAccess, Args, ChannelPositions, Flags, KeyPositions, Lane, RowSet, SortOption, Spec, sort_options,
};

/// What the configuration grants to somebody.
#[derive(Debug, Clone)]
pub struct Grants {
    pub commands: RowSet,
    /// Every list has to have a key; none: all keys.
    pub keys: Vec<Arc<KeyNames>>,
    /// The same for channels.
    pub channels: Vec<Arc<ChannelNames>>,
    /// Only commands that cannot write.
    pub read_only: bool,
    /// MONITOR shows the commands of everybody who uses the database, hence the explicit grant.
    pub monitor: bool,
    pub plaintext: Plaintext,
}

/// Whether somebody sees what is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plaintext {
    #[default]
    Allow,
    /// What lies in the database is passed on as it is.
    Ciphertext,
    /// What would show it is refused.
    Refuse,
}

/// What to do with a script or function whose keys cannot be known from its declared ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scripts {
    /// Refused as soon as any rule exists: it could write plaintext under a protected key.
    #[default]
    Refuse,
    /// The operator's word that scripts touch declared keys only.
    Trust,
}

impl Default for Grants {
    /// Everything but MONITOR.
    fn default() -> Self {
        let (keys, channels) = (Vec::new(), Vec::new());
        Self {
            commands: RowSet::of(|_| true),
            keys,
            channels,
            read_only: false,
            monitor: false,
            plaintext: Plaintext::Allow,
        }
    }
}

impl Grants {
    /// These, within the bounds of `outer`, which hold for everybody.
    #[must_use]
    pub fn within(mut self, outer: &Self) -> Self {
        self.commands = self.commands.and(&outer.commands);
        self.keys.extend(outer.keys.iter().cloned());
        self.channels.extend(outer.channels.iter().cloned());
        self.read_only |= outer.read_only;
        self.monitor |= outer.monitor;
        self
    }
}

/// What somebody may do, worked out for every row.
#[derive(Debug, Clone)]
pub struct Access {
    user: Arc<str>,
    grants: Grants,
    /// Rows about which nothing further is to be asked, but for their names.
    free: RowSet,
    /// Rows that the lists name, and those that Redis lets everybody run.
    listed: RowSet,
    /// What a server lets a script call is not all within `listed`.
    bounds_scripts: bool,
    /// What a script of a library or of the operator calls is not all within `listed`.
    bounds_libraries: bool,
    /// That, or there are lists of keys or channels.
    confined: bool,
}

impl Access {
    /// `user` stands in the texts of refusals.
    #[must_use]
    pub fn new(user: &str, grants: Grants) -> Self {
        let listed = |spec: &Spec| grants.commands.contains(spec) || spec.flags.has(Flags::NOAUTH);
        let free = |spec: &Spec| {
            let lane = match spec.lane {
                Lane::Never(_) => false,
                Lane::Monitor => grants.monitor,
                _ => true,
            };
            lane && listed(spec) && !(grants.read_only && may_write(spec))
        };
        let (listed, free) = (RowSet::of(listed), RowSet::of(free));
        let bounds_scripts = !listed.covers(&RowSet::of(may_be_in_a_script));
        let bounds_libraries = !listed.covers(&super::script::callable());
        let confined = bounds_scripts || !grants.keys.is_empty() || !grants.channels.is_empty();
        Self { user: user.into(), grants, free, listed, bounds_scripts, bounds_libraries, confined }
    }

    /// The name in texts of refusals.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Whether it sees what is encrypted.
    #[must_use]
    pub fn plaintext(&self) -> Plaintext {
        self.grants.plaintext
    }

    pub(super) fn check(&self, spec: &'static Spec) -> Result<(), Refusal> {
        if self.free.contains(spec) { Ok(()) } else { Err(self.refusal(spec)) }
    }

    /// For what is answered here: `read_only` is about the database.
    pub(super) fn check_listed(&self, spec: &'static Spec) -> Result<(), Refusal> {
        if self.listed.contains(spec) { Ok(()) } else { Err(self.no_command(spec)) }
    }

    fn refusal(&self, spec: &'static Spec) -> Refusal {
        match &spec.lane {
            Lane::Never(reason) => Refusal::Never { command: spec.name, reason },
            _ if !self.listed.contains(spec) => self.no_command(spec),
            Lane::Monitor if !self.grants.monitor => Refusal::MonitorNotGranted,
            _ => Refusal::ReadOnly { command: spec.name },
        }
    }

    fn no_command(&self, spec: &'static Spec) -> Refusal {
        Refusal::NoCommand { user: self.user.clone(), command: spec.name }
    }

    /// Is a command without a row refused? Nobody knows what it does.
    pub(super) fn check_unknown(&self) -> Result<(), Refusal> {
        if self.grants.read_only || self.is_confined() { Err(Refusal::UnknownCommand) } else { Ok(()) }
    }

    /// Are there lists of keys or of channels?
    pub(super) fn names_matter(&self) -> bool {
        !self.grants.keys.is_empty() || !self.grants.channels.is_empty()
    }

    /// Is a script that could do anything more than this identity may?
    #[inline]
    pub(super) fn is_confined(&self) -> bool {
        self.confined
    }

    /// Every key and channel of a request.
    pub(super) fn check_names(
        &self,
        spec: &'static Spec,
        args: Args<'_>,
        keys: &KeyPositions,
        channels: &ChannelPositions,
    ) -> Result<(), Refusal> {
        for key in keys.iter() {
            let name = args.get(key.at).unwrap_or_default();
            let may = |names: &Arc<KeyNames>| match key.access {
                KeyAccess::Read => names.may_read(name),
                KeyAccess::Update | KeyAccess::Overwrite | KeyAccess::Remove => names.may_write(name),
                KeyAccess::Pattern => names.are_all(),
            };
            if !self.grants.keys.iter().all(may) {
                let pattern = key.access == KeyAccess::Pattern;
                return Err(pattern.then(|| sort_pattern(spec, args, key.at)).flatten().unwrap_or(Refusal::NoKey));
            }
        }
        if self.grants.channels.is_empty() || !uses_channels(spec) {
            return Ok(());
        }
        for channel in channels.iter() {
            let name = args.get(channel.at).unwrap_or_default();
            if !self.grants.channels.iter().all(|names| names.may_use(name, channel.pattern)) {
                return Err(Refusal::NoChannel);
            }
        }
        Ok(())
    }

    /// Are keys confined, so that a script may touch none that it does not declare?
    pub(super) fn confines_keys(&self) -> bool {
        !self.grants.keys.is_empty()
    }

    pub(super) fn confines_channels(&self) -> bool {
        !self.grants.channels.is_empty()
    }

    pub(super) fn may_use_channel(&self, name: &[u8]) -> bool {
        self.grants.channels.iter().all(|names| names.may_use(name, false))
    }

    /// Of these commands of a script, one that this identity may not run.
    pub(super) fn first_not_listed(&self, commands: &RowSet) -> Option<&'static Spec> {
        commands.first_outside(&self.listed)
    }

    /// May it run whatever a script could call?
    pub(super) fn may_call_all(&self) -> bool {
        !self.bounds_scripts
    }

    /// May it run what scripts call that were read by people? None of that is administrative or dangerous.
    pub(super) fn may_call_data(&self) -> bool {
        !self.bounds_libraries
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::new("default", Grants::default())
    }
}

/// A script is not flagged as a write by Redis, yet it can write unless it is the `_RO` form.
fn may_write(spec: &Spec) -> bool {
    let script = spec.flags.has(Flags::SCRIPT);
    spec.flags.has(Flags::WRITE) || spec.flags.has(Flags::ADMIN) || (script && !spec.name.ends_with("_ro"))
}

/// Would some server run it when a script calls it? Of two that differ the one that does counts.
fn may_be_in_a_script(spec: &Spec) -> bool {
    let is_sent = !spec.is_container() && !matches!(spec.lane, Lane::Never(_));
    is_sent && (!spec.flags.has(Flags::NOSCRIPT) || spec.flags.has(Flags::BLOCKING))
}

/// Redis asks only those that bring messages or send them; who leaves a channel, or counts, needs no permission.
fn uses_channels(spec: &Spec) -> bool {
    matches!(spec.name, "subscribe" | "psubscribe" | "ssubscribe" | "publish" | "spublish")
}

/// Redis's words for a pattern of SORT, which could lead to any key.
fn sort_pattern(spec: &'static Spec, args: Args<'_>, at: usize) -> Option<Refusal> {
    let option = sort_options(args, spec.name == "sort").find_map(|option| match option {
        Ok(SortOption::By(place)) if place == at => Some("BY"),
        Ok(SortOption::Get(place)) if place == at => Some("GET"),
        _ => None,
    })?;
    Some(Refusal::Redis(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
}
