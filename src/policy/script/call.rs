//! One `redis.call`.
//!
//! Job: say whether every key that it touches is an element of KEYS, by THE TABLE.
//! In: its arguments, as far as they are known. Out: the literal channels that it names, and what it
//! would need if its keys were encrypted.
//! Must never: trust an argument that is not known to be no key.

use super::{Channel, Needs, Why};
use crate::command::{
    Access, ChannelPositions, FieldNames, Flags, Grammar, KeyPositions, Keys, Lane, Reply, Request, Spec, Values,
    Verdict, When, Words,
};

/// What is known of an expression before the script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Exactly this string (or number, as it is sent).
    Plain(&'a [u8]),
    /// Exactly an element of KEYS.
    Key,
    /// `redis.call` itself, not called.
    Command,
    /// A call's results: any number of values if it stands last.
    Results,
    /// One value, or none known.
    Other,
}

/// Of HSCAN.
const MATCH: Words = Words { from: 3, words: &["MATCH"] };
/// Stands for an argument that is not known: no command, subcommand or number reads so.
const UNKNOWN: &[u8] = b"?";
/// Rows that a script may not run, or that this analysis does not follow: Redis refuses some, others
/// load code, change the server, or carry keys in data.
const NOT_IN_SCRIPTS: [u32; 5] = [Flags::NOSCRIPT, Flags::SCRIPT, Flags::ADMIN, Flags::DANGEROUS, Flags::CONTAINER];

/// A call that is admitted.
pub(super) struct Judged {
    pub spec: &'static Spec,
    /// It may name a key that is not an element of KEYS.
    pub foreign: bool,
    /// It names an element of KEYS as a channel.
    pub publishes_to_key: bool,
}

pub(super) fn judge(values: &[Value<'_>], channels: &mut Vec<Channel>, needs: &mut Needs) -> Result<Judged, Why> {
    if !matches!(values.first(), Some(Value::Plain(_))) {
        return Err(Why::CommandName);
    }
    let mut bytes = Vec::new();
    let mut ranges = Vec::with_capacity(values.len());
    for value in values {
        let start = bytes.len();
        bytes.extend_from_slice(if let Value::Plain(text) = value { text } else { UNKNOWN });
        ranges.push(start..bytes.len());
    }
    let request = Request::parse(&bytes, &ranges);
    let spec = request.spec().ok_or(Why::UnknownCommand)?;
    if !may_be_called(spec) {
        return Err(Why::NotInScripts);
    }
    if spec.flags.has(Flags::WHOLE_KEY) {
        // On whatever key: neither stores nor shows anything of what it holds.
        let foreign = values.iter().skip(1).any(|value| *value != Value::Key);
        return Ok(Judged { spec, foreign, publishes_to_key: false });
    }
    let open_ended = values.last() == Some(&Value::Results);
    if !places_are_certain(spec, open_ended) {
        return Err(Why::Places);
    }
    let mut keys = KeyPositions::new();
    spec.keys(request.args(), &mut keys).map_err(|_| Why::Places)?;
    for key in keys.iter() {
        if key.access == Access::Pattern {
            return Err(Why::NotInScripts);
        }
        if values.get(key.at) != Some(&Value::Key) {
            return Err(Why::Key);
        }
    }
    let mut named = ChannelPositions::new();
    spec.channel_positions(request.args(), &mut named).map_err(|_| Why::Places)?;
    let mut publishes_to_key = false;
    for channel in named.iter() {
        match values.get(channel.at) {
            // Declared, so that its rule is looked up with that of the other keys.
            Some(Value::Key) => publishes_to_key = true,
            Some(Value::Plain(name)) => channels.push(Channel((*name).into())),
            _ => return Err(Why::Channel),
        }
    }
    match spec.verdict {
        Verdict::Pass => {}
        // Where names of fields are ciphertext, a pattern would be compared with that.
        Verdict::Seal(Grammar::HashScan) => needs.values |= may_have(MATCH, values),
        Verdict::Seal(_) => needs.values |= needs_values(spec),
        Verdict::Unless { words, .. } => needs.values |= needs_values(spec) || may_have(words, values),
        Verdict::If { when: When::OneScope, .. } => {
            needs.values |= spec.values != Values::None;
            needs.one_scope = true;
        }
        Verdict::If { when: When::Without(words), .. } => {
            needs.values |= spec.values != Values::None || may_have(words, values);
            needs.one_scope = true;
        }
        Verdict::Emulate(_) | Verdict::If { .. } | Verdict::Document(_) | Verdict::Tell | Verdict::Refuse(_) => {
            needs.values = true;
        }
    }
    // Under some rules the names of fields are as secret as their values.
    needs.values |= spec.fields != FieldNames::None;
    Ok(Judged { spec, foreign: false, publishes_to_key })
}

/// Whether this analysis admits the command inside a script at all.
pub(super) fn may_be_called(spec: &Spec) -> bool {
    spec.lane == Lane::Shared && !NOT_IN_SCRIPTS.iter().any(|flag| spec.flags.has(*flag))
}

fn needs_values(spec: &Spec) -> bool {
    spec.values != Values::None || matches!(spec.reply, Reply::Computed(_) | Reply::Payload)
}

/// Could one of these options be there, by which the server would compare ciphertext?
fn may_have(options: Words, values: &[Value<'_>]) -> bool {
    let is_one = |text: &[u8]| options.words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    values.last() == Some(&Value::Results)
        || values.iter().skip(options.from).any(|value| !matches!(value, Value::Plain(text) if !is_one(text)))
}

/// Do the places of the keys follow from what is known, whatever the other arguments turn out to be?
fn places_are_certain(spec: &Spec, open_ended: bool) -> bool {
    match spec.keys {
        Keys::None => true,
        // Counted from the end, or in steps: more arguments would be more keys.
        Keys::Range { last, step, .. } => !open_ended || (last >= 0 && step == 1),
        Keys::Channels { last, .. } => !open_ended || last >= 0,
        // The count is read from a literal or not at all.
        Keys::Two { .. } | Keys::Counted { .. } | Keys::CountedPairs { .. } | Keys::DestinationAndCounted => true,
        Keys::DestinationAndSources { .. } => !open_ended,
        // An argument that is not known could be STORE, or move where the keys begin.
        Keys::Streams
        | Keys::Sort { .. }
        | Keys::GeoRadius { .. }
        | Keys::Migrate
        | Keys::Debug
        | Keys::Embedded { .. }
        | Keys::ChannelPatterns { .. } => false,
    }
}
