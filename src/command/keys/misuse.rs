//! Counts of keys that are none and options that are none, in Redis's words.
//!
//! Job: name what is wrong with a request that any server refuses before it looks at a key, so that the client gets the
//! error that it would get without us.
//! In: the row and the arguments. Out: the error, or nothing if this is not what is wrong.
//! Must never: repeat an argument.

use crate::command::grammar::integer;
use crate::command::{Args, KeyPositions, Keys, SortOption, Spec, sort_options};

const NOT_A_NUMBER: &str = "ERR value is not an integer or out of range";
const NO_KEYS: &str = "ERR numkeys should be greater than 0";
const TOO_MANY: &str = "ERR Number of keys can't be greater than number of args";
const NEGATIVE: &str = "ERR Number of keys can't be negative";
const SYNTAX: &str = "ERR syntax error";

impl Spec {
    /// What Redis says of what is wrong among `args` before it looks at a key.
    #[must_use]
    pub fn misuse(&self, args: Args<'_>) -> Option<String> {
        match self.keys {
            Keys::Sort { store } => bad_option(args, store).map(Into::into),
            // Words and operands are all that there is to understand.
            Keys::GeoRadius { .. } => self.keys(args, &mut KeyPositions::new()).is_err().then(|| SYNTAX.into()),
            _ => self.bad_count(args),
        }
    }

    /// Of the count of keys, if it is not one.
    fn bad_count(&self, args: Args<'_>) -> Option<String> {
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

/// The first thing that is wrong with the options of SORT.
fn bad_option(args: Args<'_>, store: bool) -> Option<&'static str> {
    let is_number = |at: usize| args.get(at).and_then(integer).is_some();
    sort_options(args, store).find_map(|option| match option {
        Err(_) => Some(SYNTAX),
        Ok(SortOption::Limit(at)) if !is_number(at) || !is_number(at + 1) => Some(NOT_A_NUMBER),
        Ok(_) => None,
    })
}
