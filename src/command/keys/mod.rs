//! Which arguments are keys, and which are channels.
//!
//! Job: find every key of a request, as the server will, or say that it cannot be told.
//! In: the column [`Keys`] and the arguments. Out: positions, in the order of the arguments.
//! Must never: miss a key that the server would touch. Options are therefore read in full and to the
//! letter: a word that is not known makes the whole request [`Unclear`], because a server reads more
//! loosely than it documents (it compares options up to a NUL byte, for one).

mod misuse;
mod options;

use std::fmt;

use super::grammar::integer;
use super::request::look_up;
use super::{Access, Args, Keys};
use options::{debug, geo_radius, migrate, sort, streams};

pub(super) use options::stream_options;

/// A key among the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAt {
    pub at: usize,
    pub access: Access,
}

/// The keys of one request. Kept by the caller and used again, so that finding them allocates
/// nothing; never longer than the request.
#[derive(Clone, Debug, Default)]
pub struct KeyPositions(Vec<KeyAt>);

impl KeyPositions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, at: usize, access: Access) {
        self.0.push(KeyAt { at, access });
    }
}

impl std::ops::Deref for KeyPositions {
    type Target = [KeyAt];

    fn deref(&self) -> &[KeyAt] {
        &self.0
    }
}

/// A channel, or a pattern of channels, among the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAt {
    pub at: usize,
    pub pattern: bool,
}

/// The channels of one request; kept and used again like [`KeyPositions`].
#[derive(Clone, Debug, Default)]
pub struct ChannelPositions(Vec<ChannelAt>);

impl ChannelPositions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl std::ops::Deref for ChannelPositions {
    type Target = [ChannelAt];

    fn deref(&self) -> &[ChannelAt] {
        &self.0
    }
}

/// The keys of a request cannot be told from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::Reason::UnclearKeys.sentence())
    }
}

impl std::error::Error for Unclear {}

type Found = Result<(), Unclear>;

pub(super) fn keys(keys: Keys, args: Args<'_>, out: &mut KeyPositions) -> Found {
    out.0.clear();
    if let Keys::Embedded { at } = keys {
        let at = usize::from(at);
        let Some((inner, args)) = embedded(at, args)? else {
            return Ok(());
        };
        find(inner, args, out)?;
        for key in &mut out.0 {
            key.at += at;
        }
        return Ok(());
    }
    find(keys, args, out)
}

pub(super) fn channels(keys: Keys, args: Args<'_>, out: &mut ChannelPositions) -> Found {
    out.0.clear();
    let (keys, args, offset) = match keys {
        Keys::Embedded { at } => match embedded(usize::from(at), args)? {
            Some((inner, inner_args)) => (inner, inner_args, usize::from(at)),
            None => return Ok(()),
        },
        other => (other, args, 0),
    };
    let (first, last, pattern) = match keys {
        Keys::Channels { first, last } => (first, last, false),
        Keys::ChannelPatterns { first } => (first, -1, true),
        _ => return Ok(()),
    };
    for at in positions(args.len(), first, last, 1) {
        let at = at + offset;
        out.0.push(ChannelAt { at, pattern });
    }
    Ok(())
}

fn find(keys: Keys, args: Args<'_>, out: &mut KeyPositions) -> Found {
    match keys {
        // A command inside a command inside a command is nobody's honest question; the depth of
        // one also bounds the recursion.
        Keys::Embedded { .. } => return Err(Unclear),
        Keys::None | Keys::Channels { .. } | Keys::ChannelPatterns { .. } => {}
        Keys::Range { first, last, step, access } => {
            for at in positions(args.len(), first, last, step) {
                out.add(at, access);
            }
        }
        Keys::Two { first, accesses } => {
            for (at, access) in (usize::from(first)..args.len()).zip(accesses) {
                out.add(at, access);
            }
        }
        Keys::DestinationAndSources { destination, access } => {
            for at in usize::from(destination)..args.len() {
                let destined = at == usize::from(destination);
                out.add(at, if destined { access } else { Access::Read });
            }
        }
        Keys::Counted { count_at, access } => counted(args, usize::from(count_at), 1, access, out)?,
        Keys::CountedPairs { count_at, access } => counted(args, usize::from(count_at), 2, access, out)?,
        Keys::DestinationAndCounted => {
            if args.len() > 1 {
                out.add(1, Access::Overwrite);
            }
            counted(args, 2, 1, Access::Read, out)?;
        }
        Keys::Streams => streams(args, out)?,
        Keys::Sort { store } => sort(args, store, out)?,
        Keys::GeoRadius { options_at } => geo_radius(args, usize::from(options_at), out)?,
        Keys::Migrate => migrate(args, out)?,
        Keys::Debug => debug(args, out)?,
    }
    Ok(())
}

/// Positions from `first` to `last`, counted from the end if negative.
fn positions(len: usize, first: u8, last: i8, step: u8) -> impl Iterator<Item = usize> {
    let back = usize::from(last.unsigned_abs());
    let end = if last < 0 { (len + 1).saturating_sub(back) } else { len.min(back + 1) };
    (usize::from(first)..end).step_by(usize::from(step.max(1)))
}

/// The command carried from `at` on, with its own arguments.
fn embedded(at: usize, args: Args<'_>) -> Result<Option<(Keys, Args<'_>)>, Unclear> {
    let inner = args.tail(at);
    if inner.is_empty() {
        return Ok(None);
    }
    match look_up(inner).0 {
        Some(spec) if !matches!(spec.keys, Keys::Embedded { .. }) => Ok(Some((spec.keys, inner))),
        _ => Err(Unclear),
    }
}

/// As many keys as the number at `count_at` says, every `step`th argument after it.
fn counted(args: Args<'_>, count_at: usize, step: usize, access: Access, out: &mut KeyPositions) -> Found {
    let Some(count) = args.get(count_at) else {
        return Ok(());
    };
    let count = integer(count).and_then(|count| usize::try_from(count).ok()).ok_or(Unclear)?;
    let first = count_at + 1;
    if count > (args.len() - first) / step {
        return Err(Unclear);
    }
    for at in (first..first + count * step).step_by(step) {
        out.add(at, access);
    }
    Ok(())
}
