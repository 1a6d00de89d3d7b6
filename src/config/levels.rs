//! `[log] level`: one for everything, and others for some targets.

use std::fmt;

use super::types::LogLevel;

/// More targets than there are rooms and libraries are a mistake.
const MAX_TARGETS: usize = 32;
const MAX_TARGET: usize = 64;

/// `info,waxseal::upstream=debug`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    pub default: LogLevel,
    /// Targets begin as Rust's paths do; the longest that fits counts.
    pub targets: Vec<(String, LogLevel)>,
}

impl LogLevels {
    /// `None` if it is not understood.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(str::trim);
        let default = level(parts.next()?)?;
        let targets: Option<Vec<_>> = parts
            .map(|part| {
                let (target, word) = part.split_once('=')?;
                let target = target.trim();
                is_path(target).then_some((target.to_owned(), level(word.trim())?))
            })
            .collect();
        let targets = targets?;
        (targets.len() <= MAX_TARGETS).then_some(Self { default, targets })
    }
}

impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

fn level(word: &str) -> Option<LogLevel> {
    Some(match word {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => return None,
    })
}

fn is_path(target: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    (1..=MAX_TARGET).contains(&target.len()) && target.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood_reads_as_it_was_written() {
        for text in ["info", "warn,waxseal::upstream=debug", "error,waxseal=info,rustls=trace"] {
            assert_eq!(LogLevels::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(LogLevels::parse(" info , a::b = debug ").unwrap().to_string(), "info,a::b=debug");
        let many = format!("info{}", ",a=warn".repeat(MAX_TARGETS + 1));
        for bad in
            ["", "loud", "INFO", "a=debug", "info,", "info,debug", "info,a=", "info,=warn", "info,a b=warn", &many]
        {
            assert_eq!(LogLevels::parse(bad), None, "{bad}");
        }
    }
}
