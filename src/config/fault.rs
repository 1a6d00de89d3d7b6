//! What is wrong with a configuration, told to a person.
//!
//! Must never: quote what a setting holds. It may be a password in the wrong place.

use std::fmt;

/// One fault: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `[upstream] url`, `[[encrypt]] #2 (id 'sessions') keys[0]`, `WAXSEAL_LANES`, `--listen`.
    pub place: String,
    pub cause: String,
    pub mend: String,
}

/// Everything that is wrong, in the order in which it was found; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    pub(super) fn new(place: impl Into<String>, cause: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place: place.into(), cause: cause.into(), mend: mend.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    -> {}", self.place, self.cause, self.mend)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.len();
        let word = if number == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {number} {word}")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
