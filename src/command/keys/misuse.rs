//! Counts of keys that are none, in Redis's words.
//!
//! Job: name what is wrong with a request that any server refuses before it looks at a key, so that the client gets the
//! error that it would get without us.
//! In: the row and the arguments. Out: the error, or nothing if this is not what is wrong.
//! Must never: repeat an argument.

use crate::command::grammar::integer;
use crate::command::{Args, Keys, Spec};

const NOT_A_NUMBER: &str = "ERR value is not an integer or out of range";
const NO_KEYS: &str = "ERR numkeys should be greater than 0";
const TOO_MANY: &str = "ERR Number of keys can't be greater than number of args";
const NEGATIVE: &str = "ERR Number of keys can't be negative";
const SYNTAX: &str = "ERR syntax error";

impl Spec {
    /// What Redis says of the count of keys among `args`, if it is not one.
    #[must_use]
    pub fn bad_count(&self, args: Args<'_>) -> Option<String> {
        let at = match self.keys {
            Keys::Counted { count_at, .. } => usize::from(count_at),
            Keys::DestinationAndCounted => 2,
            _ => return None,
        };
        let count = integer(args.get(at)?);
        let (not_a_number, too_few, too_many) = self.words_about_counts();
        let most = i64::try_from(args.len() - at - 1).unwrap_or(i64::MAX);
        match count {
            None => Some(not_a_number.into()),
            Some(count) if count < 0 => Some(too_few),
            Some(count) if count > most => Some(too_many.into()),
            Some(_) => None,
        }
    }

    /// For what is no number, for one below zero, for one that the arguments do not reach.
    fn words_about_counts(&self) -> (&'static str, String, &'static str) {
        let name = self.name;
        if name.starts_with("eval") {
            (NOT_A_NUMBER, NEGATIVE.into(), TOO_MANY)
        } else if name.starts_with("fcall") {
            ("ERR Bad number of keys provided", NEGATIVE.into(), TOO_MANY)
        } else if name.ends_with("mpop") {
            (NO_KEYS, NO_KEYS.into(), SYNTAX)
        } else if name.starts_with('s') {
            (NO_KEYS, NO_KEYS.into(), TOO_MANY)
        } else {
            (NOT_A_NUMBER, format!("ERR at least 1 input key is needed for '{name}' command"), SYNTAX)
        }
    }
}
